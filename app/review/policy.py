"""What an operator has watched in a region from a day on: which signals, from which score on what is done. Pure data.

Nothing is watched where no policy says so, and no score decides anything without a step that names it.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from accounts.fields import Region
from points.programmes import Data

MAX_DAYS = 90
"""Longest window that a signal may look back over."""
MAX_REMEMBERED = 100_000

Score = Annotated[int, Field(strict=True, ge=1, le=100)]
Number = Annotated[int, Field(strict=True, ge=1, le=1000)]
Days = Annotated[int, Field(strict=True, ge=1, le=MAX_DAYS)]
Minutes = Annotated[int, Field(strict=True, ge=1, le=1440)]


MUNICIPALITIES = frozenset({"11", "12", "31", "50"})
"""Beijing, Tianjin, Shanghai and Chongqing: provinces that are cities (GB/T 2260)."""


def city_of(region: str) -> str:
    """What the codes of a city and its districts begin with; empty where a code names no city."""
    if region[:2] in MUNICIPALITIES:
        return region[:2]
    return "" if region.endswith("0000") else region[:4]


class SignalStep(Data):
    """From this score on, of 100, this is done with the act."""

    from_score: Score
    action: Literal["hold", "reject"]


class Watch(Data):
    """A signal that is evaluated. Without steps it is recorded, and the act passes."""

    steps: Annotated[tuple[SignalStep, ...], Field(max_length=2)] = ()

    @model_validator(mode="after")
    def _in_order(self) -> "Watch":
        scores = [step.from_score for step in self.steps]
        if scores != sorted(set(scores)):
            raise PydanticCustomError("steps", "each step needs a higher score than the one before")
        if [step.action for step in self.steps] not in ([], ["hold"], ["reject"], ["hold", "reject"]):
            raise PydanticCustomError("steps", "hold comes before reject, each once")
        return self

    def action(self, score: int) -> Literal["pass", "hold", "reject"]:
        """What is done at a score."""
        found: Literal["pass", "hold", "reject"] = "pass"
        for step in self.steps:
            if score >= step.from_score:
                found = step.action
        return found


class Between(Data):
    """The least minutes from one city to another, either way."""

    cities: tuple[Region, Region]
    minutes: Minutes


class ImpossibleTravel(Watch):
    """Two trips of a person in two cities, with less time between them than the way takes."""

    minutes: Minutes
    """From any city to any other that `between` does not name."""
    between: Annotated[tuple[Between, ...], Field(max_length=500)] = ()

    def least_minutes(self, one: str, other: str) -> int:
        """What the way between two cities, as `city_of` names them, takes at least."""
        for each in self.between:
            if {one, other} == {city_of(city) for city in each.cities}:
                return each.minutes
        return self.minutes


class Counted(Watch):
    """A number within days; so many are certain, that is 100 points."""

    days: Days
    certain_at: Number


class CapBurst(Watch):
    """Acts of a scene shortly after one another, up to the edge of one of its caps."""

    minutes: Minutes
    certain_at: Number


class ReviewPolicy(Data):
    """What an operator writes. An act belongs to it by its own day."""

    region: Region
    first_day: datetime.date = Field(alias="from")
    impossible_travel: ImpossibleTravel | None = None
    many_devices: Counted | None = None
    """Other devices of the account."""
    many_accounts: Counted | None = None
    """Other accounts of the device."""
    repeated_trip: Counted | None = None
    """Other days with the very same trip: time of day, duration and distance to the second and metre."""
    cap_burst: CapBurst | None = None
    decide_within_days: Annotated[int, Field(strict=True, ge=1, le=60)] = 7
    undecided: Literal["release", "reject"] = "release"
    """What becomes of a held act that nobody decides in time."""

    def window_s(self) -> int:
        """How far back its signals look, in seconds."""
        counted = (self.many_devices, self.many_accounts, self.repeated_trip)
        days = max([1, *(each.days for each in counted if each is not None)])
        return days * 86_400


@dataclass(frozen=True, slots=True)
class LivePolicy:
    """An approved policy."""

    id: UUID
    text: ReviewPolicy


class ReviewPolicies:
    """All that are approved. False where nothing is watched anywhere, so that nobody need look."""

    def __init__(self, policies: Iterable[LivePolicy] = ()) -> None:
        self._of: dict[str, list[LivePolicy]] = {}
        for each in sorted(policies, key=lambda policy: policy.text.first_day):
            self._of.setdefault(each.text.region, []).append(each)
        self._found: dict[tuple[str, datetime.date], LivePolicy | None] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def of(self, region: str, day: datetime.date) -> LivePolicy | None:
        """The policy of a region on a day: the city's before the province's before the nation's."""
        key = (region, day)
        if key not in self._found:
            if len(self._found) > MAX_REMEMBERED:
                self._found.clear()
            self._found[key] = self._look(region, day)
        return self._found[key]

    def _look(self, region: str, day: datetime.date) -> LivePolicy | None:
        for place in (region, region[:4] + "00", region[:2] + "0000", "100000"):
            begun = [each for each in self._of.get(place, ()) if each.text.first_day <= day]
            if begun:
                return begun[-1]
        return None
