"""From meters' use to what a site bought, burnt and made itself, month by month. Pure and exact.

Whatever the grid's meter never saw is not in what was bought, so own solar power is never deducted from it again:
where a site has a boundary meter, bought is what that meter says; where it has meters of use alone, which see solar
power as well, the solar power that stayed is taken out once. What was exported is never deducted from anything.
"""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from accounts.emissions.factors import FUELS, fuel_key
from accounts.enterprises.carriers import Carrier, Flow

NO_FUEL = ""
DEFAULT_FUELS = {Carrier.GAS: "natural_gas"}
"""Gas from a pipe is natural gas unless its meter says otherwise; what coal and oil are has to be said."""


@dataclass(frozen=True)
class Known:
    """How many quarter-hours of an amount were measured, estimated, or are missing."""

    measured: int = 0
    estimated: int = 0
    missing: int = 0

    def __add__(self, other: "Known") -> "Known":
        return Known(
            self.measured + other.measured, self.estimated + other.estimated, self.missing + other.missing
        )


@dataclass(frozen=True)
class Metered:
    """A meter as far as emissions are concerned. It stands from `since` to `until`, days at its site's clock."""

    id: UUID
    site_id: UUID
    line_id: UUID | None
    carrier: Carrier
    flow: Flow
    counts: bool
    since: datetime.date
    until: datetime.date | None = None

    def stood_in(self, month: datetime.date) -> bool:
        """Whether it was there on any day of a month."""
        return self.since < next_month(month) and (self.until is None or self.until >= month)


@dataclass(frozen=True)
class Amount:
    """What one meter measured within one month (or within the part of it that was asked for)."""

    meter_id: UUID
    month: datetime.date
    amount: int
    known: Known = Known()


@dataclass(frozen=True)
class Fuel:
    """What a meter's coal, oil or gas is, from a month on."""

    meter_id: UUID
    from_month: datetime.date
    fuel: str
    furnace: str | None = None

    @property
    def key(self) -> str:
        """As factors name it."""
        return fuel_key(self.fuel, self.furnace)


@dataclass(frozen=True)
class Cell:
    """One carrier (of coal, oil and gas: one fuel) of one site in one month, in the carrier's base unit.

    `bought` is what emissions are counted of: power and heat that came from outside, fuel that was used.
    `consumed` is all that was used, own solar power included. `excess` tells that the meters contradict each other.
    """

    site_id: UUID
    carrier: Carrier
    fuel: str
    month: datetime.date
    bought: int = 0
    own: int = 0
    exported: int = 0
    known: Known = Known()
    excess: bool = False

    @property
    def consumed(self) -> int:
        """Bought and own."""
        return self.bought + self.own


@dataclass(frozen=True)
class LineUse:
    """What the meters of a line saw of a carrier in one month."""

    site_id: UUID
    line_id: UUID
    carrier: Carrier
    fuel: str
    month: datetime.date
    amount: int


def month_of(day: datetime.date) -> datetime.date:
    """The first day of a day's month."""
    return day.replace(day=1)


def next_month(month: datetime.date) -> datetime.date:
    """The first day of the month after."""
    return (month.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)


def months(since: datetime.date, until: datetime.date) -> list[datetime.date]:
    """First days of the months that a half-open range of days touches."""
    found, month = [], month_of(since)
    while month < until:
        found.append(month)
        month = next_month(month)
    return found


class Fuels:
    """What each meter's fuel is in a month: the latest word about it that begins no later."""

    def __init__(self, fuels: Iterable[Fuel]) -> None:
        self._of: dict[UUID, list[Fuel]] = {}
        for each in fuels:
            self._of.setdefault(each.meter_id, []).append(each)

    def of(self, meter: Metered, month: datetime.date) -> str:
        """The fuel's key; empty where the carrier is none or nobody has said. Of words for one month, the last."""
        if meter.carrier not in FUELS:
            return NO_FUEL
        # In the order in which they were said: of several for one month, `max` takes the first that it meets.
        said = [each for each in self._of.get(meter.id, []) if each.from_month <= month]
        if said:
            return max(reversed(said), key=lambda each: each.from_month).key
        return DEFAULT_FUELS.get(meter.carrier, NO_FUEL)


def cells(meters: Sequence[Metered], amounts: Iterable[Amount], fuels: Fuels) -> list[Cell]:
    """What each site bought, by carrier, fuel and month; sub-meters stay out, since their meter above counts."""
    known = {meter.id: meter for meter in meters if meter.counts}
    grouped: dict[tuple[UUID, Carrier, datetime.date], list[tuple[Metered, Amount]]] = {}
    for each in amounts:
        meter = known.get(each.meter_id)
        if meter is not None:
            grouped.setdefault((meter.site_id, meter.carrier, each.month), []).append((meter, each))
    boundaries = [meter for meter in known.values() if meter.flow is Flow.IMPORT]
    found: list[Cell] = []
    for (site_id, carrier, month), rows in grouped.items():
        boundary = any(
            (meter.site_id, meter.carrier) == (site_id, carrier) and meter.stood_in(month)
            for meter in boundaries
        ) or any(meter.flow is Flow.IMPORT and each.amount for meter, each in rows)
        found += _site(Cell(site_id, carrier, NO_FUEL, month), rows, fuels, boundary=boundary)
    return sorted(found, key=lambda cell: (cell.month, cell.site_id, cell.carrier, cell.fuel))


def _site(empty: Cell, rows: Sequence[tuple[Metered, Amount]], fuels: Fuels, *, boundary: bool) -> list[Cell]:
    """The cells of one carrier, site and month, whose boundary meters count where there are any."""
    counted = Flow.IMPORT if boundary else Flow.USE
    generated = sum(each.amount for meter, each in rows if meter.flow is Flow.GENERATION)
    exported = sum(each.amount for meter, each in rows if meter.flow is Flow.EXPORT)
    kept = generated - exported if empty.carrier is Carrier.ELECTRICITY else 0
    own = max(0, kept)
    by_fuel: dict[str, Cell] = {}
    for meter, each in rows:
        taken = each.amount if meter.flow is counted else 0
        if meter.flow in (Flow.IMPORT, Flow.USE) and meter.flow is not counted:
            continue
        fuel = fuels.of(meter, empty.month)
        before = by_fuel.get(fuel, replace(empty, fuel=fuel))
        # Behind a boundary meter, what solar panels did changes nothing of what was bought.
        known = before.known if boundary and meter.flow is not counted else before.known + each.known
        by_fuel[fuel] = replace(before, bought=before.bought + taken, known=known)
    if empty.carrier is not Carrier.ELECTRICITY:
        return list(by_fuel.values())
    cell = by_fuel.get(NO_FUEL)
    if cell is None:
        return []
    excess = kept < 0
    if not boundary:
        # Meters of use saw the solar power that stayed: it is taken out here, and nowhere else.
        excess = excess or own > cell.bought
        own = min(own, cell.bought)
        cell = replace(cell, bought=cell.bought - own)
    return [replace(cell, own=own, exported=exported, excess=excess)]


def line_uses(meters: Sequence[Metered], amounts: Iterable[Amount], fuels: Fuels) -> list[LineUse]:
    """What lines used. A line's counting meters say it where it has any of the carrier, else its sub-meters do."""
    known = {meter.id: meter for meter in meters if meter.line_id and meter.flow is Flow.USE}
    counting = {(meter.line_id, meter.carrier) for meter in known.values() if meter.counts}
    found: dict[tuple[UUID, UUID, Carrier, str, datetime.date], int] = {}
    for each in amounts:
        meter = known.get(each.meter_id)
        if meter is None or meter.line_id is None:
            continue
        if not meter.counts and (meter.line_id, meter.carrier) in counting:
            continue
        fuel = fuels.of(meter, each.month)
        key = (meter.site_id, meter.line_id, meter.carrier, fuel, each.month)
        found[key] = found.get(key, 0) + each.amount
    return [
        LineUse(site, line, carrier, fuel, month, amount)
        for (site, line, carrier, fuel, month), amount in sorted(found.items(), key=lambda item: item[0])
    ]
