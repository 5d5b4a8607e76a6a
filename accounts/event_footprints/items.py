"""What can be entered for an event, with its dated factors: data, read once. Pure."""

import datetime
from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from accounts.offsetting.factors import Factor, Name, Source, given, of_table
from methodologies.factor_tables import built_in

BUILT_IN = Path(__file__).parent / "items.yaml"


class EventSource(Source):
    """A dated factor; without `regions` (prefixes of codes) it counts in all of China."""

    regions: tuple[str, ...] = ()
    country: Name | None = None


class EventItem(BaseModel):
    """What can be entered, in which units (each so many of the base unit)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    category: str
    title: Name
    units: dict[str, int]
    factors: tuple[EventSource, ...] = ()
    missing: Name | None = None
    abroad: tuple[EventSource, ...] = Field(default=(), description="Another country's factors")


class Titled(Name):
    """An id with its name."""

    id: str


class Catalogue(BaseModel):
    """All that can be entered."""

    model_config = ConfigDict(frozen=True)

    kinds: tuple[Titled, ...]
    categories: tuple[Titled, ...]
    items: dict[str, EventItem]


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Kinds of events, categories, and items by id."""
    read = yaml.load(BUILT_IN.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return Catalogue(
        kinds=read["kinds"],
        categories=read["categories"],
        items={row["id"]: EventItem.model_validate(row) for row in read["items"]},
    )


def published(
    sources: tuple[EventSource, ...], region: str, day: datetime.date
) -> tuple[EventSource, Factor] | None:
    """The factor of a region that is in force on a day; None where none is known."""
    dated = [
        source
        for source in sources
        if source.first_day <= day and (not source.regions or region.startswith(source.regions))
    ]
    if not dated:
        return None
    source = max(dated, key=lambda each: each.first_day)
    if source.table is None:
        return source, given(source)
    factor = of_table(source, built_in()[source.table], region, day)
    return None if factor is None else (source, factor)
