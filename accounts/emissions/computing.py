"""Emissions of an enterprise from activity, certificates, process emissions and factors. Pure and exact.

Every part is an exact fraction of milligrams; a total, and each figure of a breakdown, is rounded once, from its own
exact sum. So the figures of a breakdown may differ from the total in the last milligram, and never by more than half
a milligram each.
"""

import datetime
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar
from uuid import UUID

from accounts.emissions.activity import Cell, Known, LineUse, next_month
from accounts.emissions.factors import Book, Factor, FactorKind, Found
from accounts.emissions.green import Cover
from accounts.emissions.rounding import to_mg
from accounts.enterprises.carriers import Carrier

PROCESS = "process"
_KINDS = {
    Carrier.GAS: FactorKind.GAS,
    Carrier.COAL: FactorKind.SOLID_OR_LIQUID,
    Carrier.OIL: FactorKind.SOLID_OR_LIQUID,
    Carrier.STEAM: FactorKind.HEAT,
}
NO_FACTOR, NO_FUEL, OUTSIDE = "factor_missing", "fuel_unknown", "outside_boundary"
"""Why an amount has no emissions: no factor for its day and region, a fuel that nobody named, or water."""


@dataclass(frozen=True)
class Process:
    """Emissions of a process, entered with evidence, of one month."""

    id: UUID
    site_id: UUID
    line_id: UUID | None
    month: datetime.date
    mg: int


@dataclass(frozen=True)
class Part:
    """Emissions of one cell, or of one process: the smallest thing that is told."""

    site_id: UUID
    line_id: UUID | None
    carrier: str
    fuel: str
    month: datetime.date
    amount: int
    own: int
    exported: int
    green_wh: int
    factor_id: str
    mg: Fraction
    known: Known
    process_id: UUID | None = None


@dataclass(frozen=True)
class Gap:
    """An amount whose emissions are not in the total, and why."""

    site_id: UUID
    carrier: Carrier
    fuel: str
    month: datetime.date
    amount: int
    reason: str


@dataclass(frozen=True)
class Computed:
    """All parts of a time, the factors that they used and what is left out."""

    parts: tuple[Part, ...]
    lines: Mapping[tuple[UUID, datetime.date], Fraction]
    factors: Mapping[str, Found]
    gaps: tuple[Gap, ...]
    excess: tuple[tuple[UUID, datetime.date], ...]

    @property
    def total_mg(self) -> int:
        """Rounded once."""
        return to_mg(sum((part.mg for part in self.parts), Fraction(0)))

    @property
    def known(self) -> Known:
        """Quarter-hours of the meters that count."""
        return sum((part.known for part in self.parts), Known())


def compute(
    cells: Sequence[Cell],
    lines: Sequence[LineUse],
    processes: Sequence[Process],
    cover: Cover,
    regions: Mapping[UUID, str],
    book: Book,
    share_of_month: Callable[[datetime.date], Fraction] = lambda _month: Fraction(1),
) -> Computed:
    """Compute what `cells` emitted. `cover` is that of whole years; `share_of_month` says how much of one is asked."""
    found = _Finder(cover, regions, book)
    parts: list[Part] = []
    for cell in cells:
        part = found.part(cell)
        if part is not None:
            parts.append(part)
    by_line = _of_lines(cells, parts, lines)
    for each in processes:
        mg = each.mg * share_of_month(each.month)
        parts.append(
            Part(each.site_id, each.line_id, PROCESS, "", each.month, 0, 0, 0, 0, "", mg, Known(), each.id)
        )
        if each.line_id is not None:
            key = (each.line_id, each.month)
            by_line[key] = by_line.get(key, Fraction(0)) + mg
    excess = tuple((cell.site_id, cell.month) for cell in cells if cell.excess)
    return Computed(tuple(parts), by_line, found.factors, tuple(found.gaps), excess)


class _Finder:
    """Gives each cell its factor, and keeps what it used and what it did not find."""

    def __init__(self, cover: Cover, regions: Mapping[UUID, str], book: Book) -> None:
        self._cover = cover
        self._regions = regions
        self._book = book
        self.factors: dict[str, Found] = {}
        self.gaps: list[Gap] = []

    def part(self, cell: Cell) -> Part | None:
        """The emissions of a cell; None where there are none to tell of, which is a gap unless nothing was used."""
        reason = NO_FACTOR
        found: Found | None = None
        if cell.carrier is Carrier.WATER:
            reason = OUTSIDE
        elif cell.carrier in (Carrier.COAL, Carrier.OIL, Carrier.GAS) and not cell.fuel:
            reason = NO_FUEL
        else:
            found = self._factor(cell)
        if found is None:
            if cell.bought:
                self.gaps.append(Gap(cell.site_id, cell.carrier, cell.fuel, cell.month, cell.bought, reason))
            return None
        if cell.bought:
            self.factors[found.factor.id] = found
        electric = cell.carrier is Carrier.ELECTRICITY
        green = self._cover.share(cell.site_id, cell.month) if electric else Fraction(0)
        return Part(
            site_id=cell.site_id,
            line_id=None,
            carrier=cell.carrier.value,
            fuel=cell.fuel,
            month=cell.month,
            amount=cell.bought,
            own=cell.own,
            exported=cell.exported,
            # Of a part of a month, its share: whole Wh for readers; emissions are of the exact share.
            green_wh=int(green * cell.bought),
            factor_id=found.factor.id if cell.bought else "",
            mg=cell.bought * (1 - green) * found.factor.mg_per_base,
            known=cell.known,
        )

    def _factor(self, cell: Cell) -> Found | None:
        region = self._regions[cell.site_id]
        if cell.carrier is Carrier.ELECTRICITY:
            # Where certificates are used in a year, the rest of its power is of the grid without what was traded.
            kind = FactorKind.RESIDUAL if cell.month.year in self._cover.years else FactorKind.GRID
        else:
            kind = _KINDS[cell.carrier]
        return self._book.find(kind, cell.month, region, cell.fuel)


def _of_lines(
    cells: Sequence[Cell], parts: Sequence[Part], lines: Sequence[LineUse]
) -> dict[tuple[UUID, datetime.date], Fraction]:
    """Emissions by line and month: of its site's, the share that the line used of all that was used there.

    So a line has its share of own solar and of green power too. Where lines together saw more than the site's meters,
    they share all of it.
    """
    consumed = {(cell.site_id, cell.carrier, cell.fuel, cell.month): cell.consumed for cell in cells}
    emitted = {(part.site_id, part.carrier, part.fuel, part.month): part.mg for part in parts}
    together: dict[tuple[UUID, str, str, datetime.date], int] = {}
    for use in lines:
        key = (use.site_id, use.carrier, use.fuel, use.month)
        together[key] = together.get(key, 0) + use.amount
    found: dict[tuple[UUID, datetime.date], Fraction] = {}
    for use in lines:
        key = (use.site_id, use.carrier, use.fuel, use.month)
        whole = max(consumed.get((use.site_id, use.carrier, use.fuel, use.month), 0), together[key])
        if key in emitted and whole:
            place = (use.line_id, use.month)
            found[place] = found.get(place, Fraction(0)) + emitted[key] * use.amount / whole
    return found


Key = TypeVar("Key", bound=Hashable)


def grouped(parts: Iterable[Part], key: Callable[[Part], Key]) -> dict[Key, int]:
    """Milligrams by whatever parts are told apart by, each sum rounded once."""
    sums: dict[Key, Fraction] = {}
    for part in parts:
        sums[key(part)] = sums.get(key(part), Fraction(0)) + part.mg
    return {each: to_mg(exact) for each, exact in sums.items()}


def used_factors(computed: Computed) -> list[tuple[Factor, bool]]:
    """The factors of a computation by id, each with whether it is one of an earlier year."""
    return [(found.factor, found.carried) for _, found in sorted(computed.factors.items())]


def share_between(since: datetime.date, until: datetime.date) -> Callable[[datetime.date], Fraction]:
    """How much of a month lies in a half-open range of days."""

    def share(month: datetime.date) -> Fraction:
        end = next_month(month)
        days = (min(end, until) - max(month, since)).days
        return Fraction(max(0, days), (end - month).days)

    return share
