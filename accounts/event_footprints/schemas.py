"""What is entered for the footprint of an event, and what is answered."""

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from accounts.event_footprints.computing import Basis, Entered, EventFootprint, EventLine, OwnFactor
from accounts.event_footprints.items import Titled, catalogue
from accounts.offsetting.factors import Factor, Name
from accounts.quantities import grams

MAX_QUANTITY = 1_000_000_000
MAX_TIMES = 1_000_000
MAX_LINES = 100
EventKind = Literal["meeting", "tourism", "activity", "personal_life"]
Region = Annotated[str, Field(pattern=r"^[1-9][0-9]{5}$", examples=["360100"])]
TEXT = r"^[^\x00-\x1f\x7f]+$"


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OwnFactorInput(_Input):
    """A factor of the organiser's, for what has none published here."""

    value: Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,5})(\.[0-9]{1,8})?$")] = Field(
        description="kgCO2e for one of the entered unit", examples=["1.2"]
    )
    source: Annotated[str, Field(min_length=5, max_length=200, pattern=TEXT)] = Field(
        description="Where it is from; shown in the result and on what is made of it"
    )


class EventEntryInput(_Input):
    """So much of an item, so many times: 500 km, for 20 people."""

    item: Annotated[str, Field(pattern=r"^[a-z_]{1,20}\.[a-z_]{1,30}$")] = Field(examples=["transport.train"])
    quantity: Annotated[int, Field(strict=True, gt=0, le=MAX_QUANTITY)]
    unit: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,8}$")] = Field(examples=["km"])
    times: Annotated[int, Field(strict=True, gt=0, le=MAX_TIMES)] = Field(
        default=1, description="People, trips or days that the quantity is multiplied by"
    )
    factor: OwnFactorInput | None = None


class EventFootprintInput(_Input):
    """An event, or a part of one. `GET /v1/public/event-footprints/items` tells items, units and factors."""

    kind: EventKind
    region: Region
    day: datetime.date = Field(description="The factors of this day count")
    accept_abroad: bool = Field(
        default=False, description="Another country's factor counts where none is published for China"
    )
    lines: list[EventEntryInput] = Field(min_length=1, max_length=MAX_LINES)

    def entered(self) -> list[Entered]:
        """The entries as they are computed."""
        return [
            Entered(
                each.item,
                each.quantity,
                each.unit,
                each.times,
                None if each.factor is None else OwnFactor(each.factor.value, each.factor.source),
            )
            for each in self.lines
        ]


class EventLineView(BaseModel):
    """One entry with what it was computed by."""

    item: str
    title: Name
    category: str
    quantity: int
    unit: str
    times: int
    co2e_g: str
    basis: Basis = Field(
        description="`published` for this region; `abroad`, another country's factor that was accepted; "
        "`organiser`, a factor given with its source, which nobody checked"
    )
    country: Name | None
    factor: Factor


class CategoryView(BaseModel):
    """A category's part of the whole."""

    category: str
    title: Name
    co2e_g: str


class EventFootprintView(BaseModel):
    """What an event emits, line by line."""

    co2e_g: str
    kg: int = Field(description="Whole kg that cover it: rounded up")
    not_published_g: str = Field(description="Of it, what stands on factors not published for this region")
    categories: list[CategoryView]
    lines: list[EventLineView]


class PublishedFactor(BaseModel):
    """The factor that would count."""

    value: str
    unit: str
    source: str
    confidence: str


class EventItemView(BaseModel):
    """What can be entered, and by which factor; where none is published, why, and what another country's is."""

    item: str
    category: str
    title: Name
    units: list[str]
    factor: PublishedFactor | None
    missing: Name | None
    abroad: PublishedFactor | None
    country: Name | None


class EventItemList(BaseModel):
    """All kinds, categories and items."""

    kinds: list[Titled]
    categories: list[Titled]
    items: list[EventItemView]


def line_view(line: EventLine) -> EventLineView:
    """A line as it is shown."""
    item = catalogue().items.get(line.item)
    return EventLineView(
        title=item.title if item is not None else Name(zh=line.item, en=line.item),
        co2e_g=grams(line.co2e_mg),
        **line.model_dump(exclude={"co2e_mg"}),
    )


def footprint_view(found: EventFootprint) -> EventFootprintView:
    """A footprint with its breakdown."""
    titles = {each.id: Name(zh=each.zh, en=each.en) for each in catalogue().categories}
    return EventFootprintView(
        co2e_g=grams(found.co2e_mg),
        kg=found.kg,
        not_published_g=grams(sum(line.co2e_mg for line in found.lines if line.basis != "published")),
        categories=[
            CategoryView(category=category, title=titles[category], co2e_g=grams(mg))
            for category, mg in found.by_category().items()
        ],
        lines=[line_view(line) for line in found.lines],
    )
