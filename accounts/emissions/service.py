"""Emissions of one enterprise: what the database knows, handed to what computes."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.emissions import repository
from accounts.emissions.activity import (
    Amount,
    Fuels,
    Known,
    Metered,
    cells,
    line_uses,
    month_of,
    months,
    next_month,
)
from accounts.emissions.computing import OUTSIDE, Computed, Part, Process, compute, grouped, share_between
from accounts.emissions.factors import NATION, Book
from accounts.emissions.green import NOTHING, Certificate, Cover, cover
from accounts.emissions.rounding import to_mg
from accounts.enterprises.errors import EnterpriseNotFound
from accounts.metering.queries import Step, Use, uses
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg

MIDNIGHT = datetime.time()
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Inputs:
    """All that an enterprise's emissions of a time are computed from. `amounts` are of whole months.

    `partial` are those of months of which the time has a part only.
    """

    holder_id: UUID
    structure: repository.Structure
    fuels: Fuels
    certificates: tuple[Certificate, ...]
    cover: Cover
    processes: tuple[Process, ...]
    book: Book
    amounts: tuple[Amount, ...]
    partial: dict[datetime.date, tuple[Amount, ...]]


@dataclass(frozen=True)
class EmissionReport:
    """What an enterprise emitted from `since` (inclusive) to `until` (exclusive), in mg of CO2e."""

    holder_id: UUID
    since: datetime.date
    until: datetime.date
    structure: repository.Structure
    computed: Computed
    certificates: tuple[Certificate, ...]
    cover: Cover
    processes: tuple[Process, ...]

    @property
    def total_mg(self) -> int:
        """Rounded once."""
        return self.computed.total_mg

    @property
    def complete(self) -> bool:
        """Whether all that was used within the boundary has a factor, and no quarter-hour is missing."""
        gaps = [gap for gap in self.computed.gaps if gap.reason != OUTSIDE]
        return not gaps and not self.known.missing

    @property
    def anything(self) -> bool:
        """Whether anything was read or entered at all."""
        parts = self.computed.parts
        read = any(part.amount or part.known.measured or part.known.estimated for part in parts)
        return read or bool(self.processes or self.computed.gaps)

    @property
    def known(self) -> Known:
        """Quarter-hours by how they are known."""
        return self.computed.known

    def by(self, key: Callable[[Part], str]) -> dict[str, int]:
        """Mg by whatever parts are told apart by."""
        return grouped(self.computed.parts, key)

    @cached_property
    def by_month(self) -> dict[datetime.date, int]:
        """Mg by the first day of the month."""
        return grouped(self.computed.parts, lambda part: part.month)

    @cached_property
    def by_carrier(self) -> dict[str, int]:
        """Mg by carrier, and of processes."""
        return grouped(self.computed.parts, lambda part: part.carrier)

    @cached_property
    def by_site(self) -> dict[UUID, int]:
        """Mg by site."""
        return grouped(self.computed.parts, lambda part: part.site_id)

    @cached_property
    def by_line(self) -> dict[UUID | None, int]:
        """Mg by line; under None what no line's meter saw."""
        sums: dict[UUID | None, Fraction] = {}
        for (line_id, _), exact in self.computed.lines.items():
            sums[line_id] = sums.get(line_id, Fraction(0)) + exact
        whole = sum((part.mg for part in self.computed.parts), Fraction(0))
        rest = whole - sum(sums.values(), Fraction(0))
        return {line_id: to_mg(exact) for line_id, exact in (*sums.items(), (None, rest))}


async def emissions_of(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    since: datetime.date,
    until: datetime.date,
    now: datetime.datetime,
) -> EmissionReport:
    """The emissions of a half-open range of days by the factors in force at `now`; raises `EnterpriseNotFound`."""
    return report_of(await load(driver, holder_id, since, until, now), since, until)


async def load(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    since: datetime.date,
    until: datetime.date,
    now: datetime.datetime,
) -> Inputs:
    """Read what a time is computed from: of years with certificates all, since those are spread over the year."""
    structure = await repository.structure(driver, holder_id)
    if structure is None:
        raise EnterpriseNotFound
    first_year, after_year = _years(since, until)
    after = _after_month(until)
    certificates = await repository.certificates(driver, holder_id, first_year, after_year)
    ids = [meter.id for meter in structure.meters]
    begin, end = (first_year, after_year) if certificates else (month_of(since), after)
    standing = {meter.id: meter for meter in structure.meters}
    found = await uses(driver, ids, Step.MONTH, _midnight(begin), _midnight(end))
    # What is yet to come is not missing.
    today = now.astimezone(LOCAL).date()
    amounts = [each for each in _amounts(found, standing) if each.month <= today]
    partial = {}
    until = max(since, min(until, today + DAY))
    for month in {month_of(since), month_of(until)}:
        first, last = max(month, since), min(next_month(month), until)
        if first < last and (first, last) != (month, next_month(month)):
            found = await uses(driver, ids, Step.DAY, _midnight(first), _midnight(last))
            partial[month] = tuple(_amounts(found, standing))
    fuels = Fuels(await repository.fuels(driver, holder_id))
    everything = cells(structure.meters, amounts, fuels) if certificates else []
    return Inputs(
        holder_id,
        structure,
        fuels,
        tuple(certificates),
        cover(everything, certificates) if certificates else NOTHING,
        tuple(await repository.processes(driver, holder_id, month_of(since), after)),
        Book(await repository.corrections(driver, _regions(structure), now)),
        tuple(amounts),
        partial,
    )


def report_of(inputs: Inputs, since: datetime.date, until: datetime.date) -> EmissionReport:
    """The report of a time that `inputs` were read for, or of whole months within it."""
    asked = set(months(since, until))
    amounts: list[Amount] = []
    by_month: dict[datetime.date, list[Amount]] = {}
    for each in inputs.amounts:
        by_month.setdefault(each.month, []).append(each)
    for month in sorted(asked):
        amounts += inputs.partial.get(month, by_month.get(month, ()))
    structure = inputs.structure
    processes = tuple(each for each in inputs.processes if each.month in asked)
    computed = compute(
        cells(structure.meters, amounts, inputs.fuels),
        line_uses(structure.meters, amounts, inputs.fuels),
        processes,
        inputs.cover,
        {site.id: site.region for site in structure.sites},
        inputs.book,
        share_between(since, until),
    )
    return EmissionReport(
        inputs.holder_id,
        since,
        until,
        structure,
        computed,
        inputs.certificates,
        inputs.cover,
        processes,
    )


def _years(since: datetime.date, until: datetime.date) -> tuple[datetime.date, datetime.date]:
    last = until - datetime.timedelta(days=1)
    return datetime.date(since.year, 1, 1), datetime.date(last.year + 1, 1, 1)


def _after_month(until: datetime.date) -> datetime.date:
    """The first day of the month that begins no sooner than the range ends."""
    return next_month(month_of(until - datetime.timedelta(days=1)))


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, MIDNIGHT, LOCAL)


def _amounts(found: Sequence[Use], standing: Mapping[UUID, Metered]) -> list[Amount]:
    """By month; nothing is missing of a meter in a month in which it was not there."""
    sums: dict[tuple[UUID, datetime.date], Amount] = {}
    for use in found:
        month = month_of(use.starts_at.astimezone(LOCAL).date())
        if not use.amount and not standing[use.meter_id].stood_in(month):
            continue
        before = sums.get((use.meter_id, month), Amount(use.meter_id, month, 0))
        known = before.known + Known(use.measured, use.estimated, use.missing)
        sums[use.meter_id, month] = Amount(use.meter_id, month, before.amount + use.amount, known)
    return list(sums.values())


def _regions(structure: repository.Structure) -> list[str]:
    found = {NATION}
    for site in structure.sites:
        found |= {site.region, site.region[:4] + "00", site.region[:2] + "0000"}
    return sorted(found)
