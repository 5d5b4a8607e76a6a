"""What a resident's month emitted, by dated factors. Exact fractions; one rounding of each line, up, to a mg. Pure."""

import datetime
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from accounts.errors import Fault
from accounts.offsetting.errors import NoFactor
from methodologies.factor_tables import SharedTable, built_in

BUILT_IN = Path(__file__).parent / "items.yaml"
_MG_PER_KG = 1_000_000


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Name(_Data):
    """A text in both languages."""

    zh: str
    en: str


class Source(_Data):
    """Where an item's factor comes from: a row of a shared table, or a value with its source."""

    first_day: datetime.date = Field(alias="from")
    per: Annotated[int, Field(gt=0)]
    table: str | None = None
    kind: str | None = None
    value: str | None = None
    unit: str | None = None
    source: str | None = None
    url: str | None = None
    confidence: str | None = None


class Item(_Data):
    """What can be entered, in which units; `missing` where the facts have no factor."""

    id: str
    title: Name
    units: dict[str, int]
    factors: tuple[Source, ...] = ()
    missing: Name | None = None


class Factor(BaseModel):
    """A factor as it was used."""

    value: str = Field(description="Exact, decimal or a fraction", examples=["0.4419"])
    unit: str = Field(examples=["kgCO2/kWh"])
    source: str
    url: str | None
    confidence: str = Field(description="`quoted`, `derived` or `provisional`")
    year: int | None = Field(
        description="The accounting year that the factor was published for, if it has one"
    )
    stands_in: bool = Field(
        description="The factor of the month's own year is not published: the latest before it"
    )


class Line(BaseModel):
    """One item of a footprint."""

    item: str
    quantity: int
    unit: str
    co2e_mg: int
    factor: Factor


@lru_cache(maxsize=1)
def items() -> dict[str, Item]:
    """All items by id, read once."""
    rows = yaml.load(BUILT_IN.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["items"]
    return {row["id"]: Item.model_validate(row) for row in rows}


def compute(entered: "list[tuple[str, int, str]]", region: str, month: datetime.date) -> list[Line]:
    """The lines of a month's (item, quantity, unit) in a region.

    Raises `NoFactor` with every place that has none, or whose unit is none of the item's.
    """
    faults: list[Fault] = []
    lines: list[Line] = []
    for place, (name, quantity, unit) in enumerate(entered):
        item = items().get(name)
        if item is None or unit not in item.units:
            what = ("unit", item.units) if item is not None else ("item", items())
            known = ", ".join(what[1])
            faults.append(Fault(f"/items/{place}/{what[0]}", f"must be one of {known}", f"须为 {known} 之一"))
            continue
        if item.missing is not None:
            faults.append(Fault(f"/items/{place}/item", item.missing.en, item.missing.zh))
            continue
        found = _factor(item, region, month)
        if found is None:
            faults.append(
                Fault(
                    f"/items/{place}/item",
                    "the facts have no factor for this region and month",
                    "资料中没有该地区该月份的因子",
                )
            )
            continue
        factor, mg_per_base = found
        exact = quantity * item.units[unit] * mg_per_base
        lines.append(
            Line(
                item=name,
                quantity=quantity,
                unit=unit,
                co2e_mg=-(-exact.numerator // exact.denominator),
                factor=factor,
            )
        )
    if faults:
        raise NoFactor(*faults)
    return lines


def _factor(item: Item, region: str, month: datetime.date) -> tuple[Factor, Fraction] | None:
    """The factor in force, and mg for one base unit."""
    dated = [source for source in item.factors if source.first_day <= month]
    if not dated:
        return None
    source = max(dated, key=lambda each: each.first_day)
    factor = (
        given(source) if source.table is None else of_table(source, built_in()[source.table], region, month)
    )
    if factor is None:
        return None
    return factor, Fraction(factor.value) * _MG_PER_KG / source.per


def given(source: Source) -> Factor:
    """The factor that a source states itself."""
    return Factor(
        value=source.value or "",
        unit=source.unit or "",
        source=source.source or "",
        url=source.url,
        confidence=source.confidence or "",
        year=None,
        stands_in=False,
    )


def of_table(source: Source, table: SharedTable, region: str, month: datetime.date) -> Factor | None:
    """The latest row of a shared table that a region has for a day, None where there is none."""
    best: tuple[int, Any] | None = None
    province = region[:2] + "0000"
    for row in table.rows:
        key = dict(zip(table.keys, row.key, strict=True))
        year = key.get("year", 0)
        if key.get("kind", source.kind) != source.kind or key.get("province", province) != province:
            continue
        # Nobody publishes a year's factor within that year: the latest one known stands in, and says so.
        if isinstance(year, int) and year <= month.year and (best is None or year > best[0]):
            best = (year, row)
    if best is None:
        return None
    year, row = best
    return Factor(
        value=row.value,
        unit=table.unit,
        source=row.source or table.source or "",
        url=row.url or table.url,
        confidence=row.confidence or table.confidence or "",
        year=year or None,
        stands_in=bool(year) and year != month.year,
    )
