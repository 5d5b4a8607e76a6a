"""How a quota stands: what is used, what will be, whether it will be overrun, and what could be offered."""

import datetime
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.emissions import repository as structures
from accounts.emissions.activity import Amount, Cell, Fuels, Known, cells
from accounts.energy_budgets import repository
from accounts.energy_budgets.energy import kj_of
from accounts.energy_budgets.forecast import Forecast, forecast
from accounts.enterprises.carriers import Carrier
from accounts.enterprises.errors import EnterpriseNotFound
from accounts.ids import uuid7
from accounts.metering.queries import Step, uses
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg

ENERGY = "energy"
PAST = datetime.timedelta(weeks=52)
DAY = datetime.timedelta(days=1)
KNOWN_ENOUGH = Fraction(9, 10)
"""A day with fewer of its quarter-hours counts as unknown to the forecast."""


class Overrun(enum.StrEnum):
    """What is to be said of a quota."""

    NONE = "none"
    POSSIBLE = "possible"
    """The upper bound of the interval is above it."""
    EXPECTED = "overrun_expected"
    """The expected sum is above it."""
    EXCEEDED = "exceeded"


WARNED = {Overrun.EXPECTED: "overrun_expected", Overrun.EXCEEDED: "exceeded"}


@dataclass(frozen=True)
class Standing:
    """A quota with its use up to yesterday and what is expected by its last day, all in its unit.

    `surplus` is what is left above the upper bound: what could be offered. None where the past is too short to say.
    """

    quota: repository.Row
    used: int
    known: Known
    left_days: int
    ahead: Forecast | None
    without: tuple[str, ...]

    @property
    def expected(self) -> int | None:
        """Used and expected together."""
        return None if self.ahead is None else self.used + self.ahead.expected

    @property
    def lower(self) -> int | None:
        """The lower bound of what will have been used."""
        return None if self.ahead is None else self.used + self.ahead.lower

    @property
    def upper(self) -> int | None:
        """The upper bound of what will have been used."""
        return None if self.ahead is None else self.used + self.ahead.upper

    @property
    def surplus(self) -> int | None:
        """What could be offered with nineteen chances in twenty of keeping enough."""
        return None if self.upper is None else max(0, int(self.quota["amount"]) - self.upper)

    @property
    def overrun(self) -> Overrun:
        """Whether it is exceeded, will be, or may be."""
        amount = int(self.quota["amount"])
        if self.used > amount:
            return Overrun.EXCEEDED
        if self.expected is not None and self.expected > amount:
            return Overrun.EXPECTED
        if self.upper is not None and self.upper > amount:
            return Overrun.POSSIBLE
        return Overrun.NONE


def unit_of(measure: str) -> str:
    """As fields of a measure are named."""
    return "energy_kj" if measure == ENERGY else Carrier(measure).field


@dataclass(frozen=True)
class _Day:
    """What a measure came to on one day."""

    amount: Fraction
    known: Known
    without: frozenset[str]


async def standings(
    driver: "asyncpg.Connection", holder_id: UUID, quotas: Sequence[repository.Row], now: datetime.datetime
) -> list[Standing]:
    """How quotas stand at the end of yesterday; raises `EnterpriseNotFound`."""
    structure = await structures.structure(driver, holder_id)
    if structure is None:
        raise EnterpriseNotFound
    if not quotas:
        return []
    today = now.astimezone(LOCAL).date()
    begin = min(*(row["first_day"] for row in quotas), today - PAST)
    meters = [meter for meter in structure.meters if meter.counts]
    found: list[Cell] = []
    if begin < today:
        since, until = (datetime.datetime.combine(day, datetime.time(), LOCAL) for day in (begin, today))
        rows = await uses(driver, [meter.id for meter in meters], Step.DAY, since, until)
        amounts = [
            Amount(
                row.meter_id,
                row.starts_at.astimezone(LOCAL).date(),
                row.amount,
                Known(row.measured, row.estimated, row.missing),
            )
            for row in rows
        ]
        # A day is told apart as a month is elsewhere.
        found = cells(
            meters, amounts, Fuels((await structures.fuels(driver, [holder_id])).get(holder_id, []))
        )
    series = {measure: _series(found, measure) for measure in {row["measure"] for row in quotas}}
    return [_standing(row, series[row["measure"]], today) for row in quotas]


def _series(found: Sequence[Cell], measure: str) -> dict[datetime.date, _Day]:
    days: dict[datetime.date, _Day] = {}
    for cell in found:
        if cell.carrier is Carrier.WATER if measure == ENERGY else cell.carrier != measure:
            continue
        amount = kj_of(cell) if measure == ENERGY else Fraction(cell.bought)
        # What has no calorific value is left out of the sum, and told.
        left_out = frozenset({cell.carrier.value} if amount is None and cell.bought else ())
        before = days.get(cell.month, _Day(Fraction(0), Known(), frozenset()))
        days[cell.month] = _Day(
            before.amount + (amount or 0), before.known + cell.known, before.without | left_out
        )
    return days


def _standing(quota: repository.Row, series: dict[datetime.date, _Day], today: datetime.date) -> Standing:
    first, last = quota["first_day"], quota["last_day"]
    mine = [day for at, day in series.items() if first <= at <= min(last, today - DAY)]
    left = max(0, (last - max(today, first)).days + 1)
    before = min(today, last + DAY)
    past = [_known_amount(series.get(before - DAY * back)) for back in range(PAST.days, 0, -1)]
    began = next((place for place, amount in enumerate(past) if amount is not None), len(past))
    return Standing(
        quota=quota,
        used=int(sum((day.amount for day in mine), Fraction(0))),
        known=sum((day.known for day in mine), Known()),
        left_days=left,
        ahead=_ahead(past[began:], left, (first - today).days),
        without=tuple(sorted(frozenset().union(*(day.without for day in mine)))),
    )


def _ahead(past: Sequence[int | None], left: int, until_first: int) -> Forecast | None:
    """The forecast of what is left; a period that has not begun is no case for a forecast from today."""
    return None if until_first > 0 else forecast(past, left)


def _known_amount(day: _Day | None) -> int | None:
    if day is None:
        return None
    there = day.known.measured + day.known.estimated
    whole = there + day.known.missing
    return int(day.amount) if whole and there >= KNOWN_ENOUGH * whole else None


async def warn(
    driver: "asyncpg.Connection", holder_id: UUID, now: datetime.datetime
) -> list[tuple[Standing, str]]:
    """Keep the warnings that the quotas of today call for, each once; answers the new ones."""
    today = now.astimezone(LOCAL).date()
    since, until = datetime.date(today.year, 1, 1), today + DAY
    rows = [
        row for row in await repository.quotas(driver, holder_id, since, until) if row["last_day"] >= today
    ]
    made = []
    for standing in await standings(driver, holder_id, rows, now):
        kind = WARNED.get(standing.overrun)
        if kind is not None and await repository.add_warning(
            driver,
            (
                holder_id,
                uuid7(now),
                standing.quota["id"],
                kind,
                standing.used,
                standing.expected,
                standing.upper,
                now,
            ),
        ):
            made.append((standing, kind))
    return made
