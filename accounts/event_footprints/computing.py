"""What an event emits. Exact fractions; each line is rounded once, up, to a mg, and the kg to retire once, up. Pure."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, Field

from accounts.errors import Fault
from accounts.event_footprints.errors import NothingEmitted, UnknownFactor
from accounts.event_footprints.items import EventItem, catalogue, published
from accounts.offsetting.factors import Factor, Name

MG_PER_KG = 1_000_000
KG_PER_T = 1_000
MOST_KG = 1_000_000_000
Basis = Literal["published", "abroad", "organiser"]


@dataclass(frozen=True, slots=True)
class OwnFactor:
    """A factor that the organiser gives: kgCO2e for one of the entered unit, and where it is from."""

    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Entered:
    """So much of an item, so many times (people, trips, days)."""

    item: str
    quantity: int
    unit: str
    times: int = 1
    factor: OwnFactor | None = None


class EventLine(BaseModel):
    """One entry with what it was computed by."""

    item: str
    category: str
    quantity: int
    unit: str
    times: int
    co2e_mg: int
    basis: Basis = Field(
        description="`published` for this region; `abroad`, another country's, accepted by the organiser; "
        "`organiser`, given with its source, which nobody checked"
    )
    country: Name | None
    factor: Factor


@dataclass(frozen=True, slots=True)
class EventFootprint:
    """The lines of an event, and how much it is. mg."""

    lines: list[EventLine]
    co2e_mg: int

    @property
    def kg(self) -> int:
        """Whole kg that cover it."""
        return whole_kg(self.co2e_mg)

    def by_category(self) -> dict[str, int]:
        """Category → mg, in the catalogue's order, of those that have lines."""
        found: dict[str, int] = {}
        for category in catalogue().categories:
            lines = [line.co2e_mg for line in self.lines if line.category == category.id]
            if lines:
                found[category.id] = sum(lines)
        return found


def whole_kg(co2e_mg: int) -> int:
    """Kg that cover so many mg: rounded up, since units are whole kg."""
    return -(-co2e_mg // MG_PER_KG)


def price_fen(kg: int, price_fen_per_t: int) -> int:
    """What so many kg cost, in fen: rounded once, up."""
    return -(-kg * price_fen_per_t // KG_PER_T)


def compute(
    entered: Sequence[Entered], region: str, day: datetime.date, *, accept_abroad: bool
) -> EventFootprint:
    """The footprint of an event in a region on a day.

    `accept_abroad`: another country's factor counts where none is published for China. Raises `UnknownFactor` with
    every place that has none, and `NothingEmitted` where the sum is 0 or past all bounds.
    """
    faults: list[Fault] = []
    lines: list[EventLine] = []
    for place, each in enumerate(entered):
        item = catalogue().items.get(each.item)
        if item is None or each.unit not in item.units:
            what, known = (
                ("unit", list(item.units)) if item is not None else ("item", list(catalogue().items))
            )
            names = ", ".join(known)
            faults.append(Fault(f"/lines/{place}/{what}", f"must be one of {names}", f"须为 {names} 之一"))
            continue
        found = _line(item, each, region, day, accept_abroad=accept_abroad)
        if isinstance(found, Name):
            # An own factor is refused where a published one counts: nobody picks a lower one.
            part = "factor" if each.factor is not None else "item"
            faults.append(Fault(f"/lines/{place}/{part}", found.en, found.zh))
        else:
            lines.append(found)
    if faults:
        raise UnknownFactor(*faults)
    total = sum(line.co2e_mg for line in lines)
    if not 0 < total <= MOST_KG * MG_PER_KG:
        raise NothingEmitted
    return EventFootprint(lines, total)


def _line(
    item: EventItem, entered: Entered, region: str, day: datetime.date, *, accept_abroad: bool
) -> EventLine | Name:
    """The line of an entry, or why there is none."""
    domestic = published(item.factors, region, day)
    if entered.factor is not None:
        if domestic is not None:
            return Name(
                zh=f"已有公布的因子 {domestic[1].value} {domestic[1].unit}，以其为准",
                en=f"a published factor counts: {domestic[1].value} {domestic[1].unit}",
            )
        own = Factor(
            value=entered.factor.value,
            unit=f"kgCO2e/{entered.unit}",
            source=entered.factor.source,
            url=None,
            confidence="organiser",
            year=None,
            stands_in=False,
        )
        return _made(item, entered, "organiser", None, own, Fraction(own.value))
    found, basis = domestic, "published"
    if found is None and accept_abroad:
        found, basis = published(item.abroad, region, day), "abroad"
    if found is None:
        return _why_not(item, region, day)
    source, factor = found
    each_unit = Fraction(factor.value) * item.units[entered.unit] / source.per
    return _made(
        item, entered, "published" if basis == "published" else "abroad", source.country, factor, each_unit
    )


def _made(
    item: EventItem, entered: Entered, basis: Basis, country: Name | None, factor: Factor, kg_each: Fraction
) -> EventLine:
    exact = entered.quantity * entered.times * kg_each * MG_PER_KG
    return EventLine(
        item=item.id,
        category=item.category,
        quantity=entered.quantity,
        unit=entered.unit,
        times=entered.times,
        co2e_mg=-(-exact.numerator // exact.denominator),
        basis=basis,
        country=country,
        factor=factor,
    )


def _why_not(item: EventItem, region: str, day: datetime.date) -> Name:
    why = item.missing or Name(
        zh="没有该地区该日期的已发布因子；可由主办者提供并注明来源",
        en="no factor is published for this region and day; the organiser may give one with its source",
    )
    other = published(item.abroad, region, day)
    if other is None:
        return why
    source, factor = other
    country = source.country or Name(zh="国外", en="another country")
    return Name(
        zh=f"{why.zh}：{country.zh} {factor.value} {factor.unit}，接受则设 accept_abroad",
        en=f"{why.en}: {country.en} {factor.value} {factor.unit}, which counts with accept_abroad",
    )
