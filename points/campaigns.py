"""Campaigns: extra points for acts that meet a condition, within a budget and caps. Dated data. Pure."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from accounts.fields import Moment, Region
from points.programmes import Data, Title

Scene = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$", max_length=60)]
Points = Annotated[int, Field(strict=True, gt=0, le=1_000_000_000_000)]
DAY = datetime.timedelta(days=1)
MAX_REMEMBERED = 100_000


class Condition(Data):
    """Which acts of a person in the campaign earn: each, the first, every n-th, or each n-th day in a row."""

    kind: Literal["each", "first", "count", "streak"] = "each"
    number: Annotated[int, Field(strict=True, ge=2, le=1000)] | None = None

    @model_validator(mode="after")
    def _number_where_needed(self) -> "Condition":
        if (self.number is not None) != (self.kind in ("count", "streak")):
            raise PydanticCustomError("number", "number goes with count and streak, and with these only")
        return self


class Campaign(Data):
    """What an operator writes. An act belongs to it by its own time: `from` is in, `until` is out."""

    region: Region
    name: Title
    first_moment: Moment = Field(alias="from")
    last_moment: Moment = Field(alias="until")
    scenes: Annotated[tuple[Scene, ...], Field(max_length=100)] = ()
    """Every scene where none is named."""
    condition: Condition = Condition()
    points: Points | None = None
    """Extra points for an act, whatever it earns."""
    percent: Annotated[int, Field(strict=True, gt=0, le=10_000)] | None = None
    """Instead: so many percent of the act's points beside them, floored; 100 doubles them."""
    budget: Points
    per_person: Points | None = None
    """Most that one person gets of it in all."""
    per_day: Points | None = None
    """Most that one person gets of it on one day of booking."""

    @model_validator(mode="after")
    def _whole(self) -> "Campaign":
        if (self.points is None) == (self.percent is None):
            raise PydanticCustomError("one_bonus", "give either points or percent")
        if self.last_moment <= self.first_moment:
            raise PydanticCustomError("period", "until must be later than from")
        return self

    def bonus(self, points: int) -> int:
        """Extra points for an act that earned so many, before budget and caps."""
        return self.points if self.points is not None else points * (self.percent or 0) // 100


@dataclass(frozen=True, slots=True)
class LiveCampaign:
    """An approved campaign; `until` is earlier than its text says where it was ended."""

    id: UUID
    text: Campaign
    until: datetime.datetime


@dataclass(slots=True)
class Standing:
    """How far one person has come in a campaign. Days of acts are their own, `day` is the last one of booking."""

    acts: int = 0
    streak: int = 0
    last_day: datetime.date | None = None
    awarded: int = 0
    day: datetime.date | None = None
    awarded_on_day: int = 0

    def meets(self, condition: Condition, act_day: datetime.date) -> bool:
        """Take the next act in; answers whether it is one that earns."""
        self.acts += 1
        new_day = self.last_day is None or act_day > self.last_day
        if new_day:
            follows = self.last_day is not None and act_day - self.last_day == DAY
            self.streak = self.streak + 1 if follows else 1
            self.last_day = act_day
        if condition.kind == "each":
            return True
        if condition.kind == "first":
            return self.acts == 1
        number = condition.number or 1
        if condition.kind == "count":
            return self.acts % number == 0
        return new_day and self.streak % number == 0

    def headroom(self, text: Campaign, today: datetime.date, wanted: int) -> int:
        """What the person's caps leave of a bonus on a day of booking."""
        if self.day != today:
            self.day, self.awarded_on_day = today, 0
        if text.per_person is not None:
            wanted = min(wanted, text.per_person - self.awarded)
        if text.per_day is not None:
            wanted = min(wanted, text.per_day - self.awarded_on_day)
        return max(wanted, 0)

    def award(self, points: int) -> None:
        """Count what was given."""
        self.awarded += points
        self.awarded_on_day += points


class Campaigns:
    """All that are approved. False where there is none, so that nobody need look."""

    def __init__(self, campaigns: Iterable[LiveCampaign] = ()) -> None:
        self._all = {each.id: each for each in campaigns}
        self._places: dict[tuple[str, str], tuple[LiveCampaign, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._all)

    def of(self, region: str, scene: str, at: datetime.datetime) -> list[LiveCampaign]:
        """Campaigns that an act of this place, scene and time belongs to, in id order."""
        key = (region, scene)
        places = self._places.get(key)
        if places is None:
            if len(self._places) > MAX_REMEMBERED:
                self._places.clear()
            places = self._places[key] = tuple(
                each
                for _, each in sorted(self._all.items())
                if region.startswith(_prefix(each.text.region))
                and (not each.text.scenes or scene in each.text.scenes)
            )
        return [each for each in places if each.text.first_moment <= at < each.until]


def _prefix(region: str) -> str:
    """What the codes of a region and of its parts begin with: the nation's, a province's, a city's."""
    return "" if region == "100000" else region[:2] if region.endswith("0000") else region.removesuffix("00")
