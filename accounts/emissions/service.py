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
    """Read what a time of an enterprise is computed from; raises `EnterpriseNotFound`."""
    found = (await load_many(driver, [holder_id], since, until, now)).get(holder_id)
    if found is None:
        raise EnterpriseNotFound
    return found


async def load_many(
    driver: "asyncpg.Connection",
    holder_ids: Sequence[UUID],
    since: datetime.date,
    until: datetime.date,
    now: datetime.datetime,
) -> dict[UUID, Inputs]:
    """Read what a time is computed from, of enterprises at once; who is none is left out.

    Of years with certificates all is read, since those are spread over the year.
    """
    structures = await repository.structures(driver, holder_ids)
    found = sorted(structures)
    first_year, after_year = _years(since, until)
    after = _after_month(until)
    certificates = await repository.certificates(driver, found, first_year, after_year)
    green = [each for each in found if each in certificates]
    others = [each for each in found if each not in certificates]
    whole = await _read(driver, structures, green, Step.MONTH, first_year, after_year)
    whole |= await _read(driver, structures, others, Step.MONTH, month_of(since), after)
    # What is yet to come is not missing.
    today = now.astimezone(LOCAL).date()
    partial: dict[UUID, dict[datetime.date, tuple[Amount, ...]]] = {each: {} for each in found}
    until = max(since, min(until, today + DAY))
    for month in {month_of(since), month_of(until)}:
        first, last = max(month, since), min(next_month(month), until)
        if first < last and (first, last) != (month, next_month(month)):
            for each, amounts in (await _read(driver, structures, found, Step.DAY, first, last)).items():
                partial[each][month] = tuple(amounts)
    fuels = await repository.fuels(driver, found)
    processes = await repository.processes(driver, found, month_of(since), after)
    regions = {each: _regions(structures[each]) for each in found}
    factors = await repository.corrections(driver, sorted(frozenset().union(*regions.values())), now)
    inputs = {}
    for each in found:
        own = Fuels(fuels.get(each, []))
        past = [amount for amount in whole[each] if amount.month <= today]
        held = certificates.get(each, [])
        covered = cover(cells(structures[each].meters, past, own), held) if held else NOTHING
        inputs[each] = Inputs(
            each,
            structures[each],
            own,
            tuple(held),
            covered,
            tuple(processes.get(each, ())),
            Book([factor for factor in factors if factor.region in regions[each]]),
            tuple(past),
            partial[each],
        )
    return inputs


async def _read(
    driver: "asyncpg.Connection",
    structures: Mapping[UUID, repository.Structure],
    holder_ids: Sequence[UUID],
    step: Step,
    since: datetime.date,
    until: datetime.date,
) -> dict[UUID, list[Amount]]:
    """What the meters of enterprises used, by enterprise."""
    standing = {meter.id: meter for each in holder_ids for meter in structures[each].meters}
    owner = {meter.id: each for each in holder_ids for meter in structures[each].meters}
    read: dict[UUID, list[Amount]] = {each: [] for each in holder_ids}
    if standing:
        found = await uses(driver, list(standing), step, _midnight(since), _midnight(until))
        for amount in _amounts(found, standing):
            read[owner[amount.meter_id]].append(amount)
    return read


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
