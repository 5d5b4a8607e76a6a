"""The parameters of the decision whether two reports are of one act: dated data, checked when read.

They stand in `same_act.yaml`; what they mean is told in docs/dedup.md.
"""

import datetime
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dedup.sightings import ClockRule

BUILT_IN: Final = Path(__file__).parent / "same_act.yaml"

Shape = Literal["aligned", "inside_at_end", "inside", "crossing", "apart"]
SHAPES: Final[tuple[Shape, ...]] = ("aligned", "inside_at_end", "inside", "crossing", "apart")
"""How two periods lie to each other once the clocks are brought together, each bound to within their tolerance."""
OrderLevel = Literal["different", "missing"]
RegionLevel = Literal["same", "end_differs", "both_differ", "missing"]
SourceLevel = Literal["same", "other"]
Points = Annotated[int, Field(ge=-1_000, le=1_000)]
Percent = Annotated[int, Field(ge=1, le=100)]
Seconds = Annotated[int, Field(ge=0, le=86_400)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Bands(_Model):
    """Points by how large a difference is: `up_to` are the bands' upper bounds; one more band lies above them."""

    up_to: tuple[int, ...] = Field(min_length=1)
    points: tuple[Points, ...]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if list(self.up_to) != sorted(set(self.up_to)):
            raise ValueError("up_to must rise")
        if len(self.points) != len(self.up_to) + 1:
            raise ValueError("there is one more band than bounds")
        return self

    def band(self, value: int) -> int:
        """Place of the band of a value, the lowest 0."""
        return bisect_left(self.up_to, value)

    def level(self, place: int) -> str:
        """Name of a band."""
        return f"<={self.up_to[place]}" if place < len(self.up_to) else f">{self.up_to[-1]}"


class PeriodPoints(_Model):
    """Points of how two periods lie, by how much of the shorter one they share, in percent."""

    share_up_to: tuple[int, ...]
    aligned: tuple[Points, ...]
    inside_at_end: tuple[Points, ...]
    inside: tuple[Points, ...]
    crossing: tuple[Points, ...]
    apart: Points

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name in SHAPES[:-1]:
            Bands(up_to=self.share_up_to, points=getattr(self, name))
        return self

    def place(self, share_percent: int) -> int:
        """Place of a share among the bands, the lowest 0."""
        return bisect_left(self.share_up_to, share_percent)


class Excluding(_Model):
    """From which shared part on one person cannot have done both acts.

    `at_least_s`: less than that is rounding. `sure_within_s`: of clocks known so well the share is believed, else what
    they may be off by more is taken from it. `at_an_end`: only where one period begins or ends as the other does, for
    acts of which a household may do two at a time.
    """

    share_percent: Percent
    at_least_s: Seconds
    sure_within_s: Seconds
    at_an_end: bool = False


class GroupRules(_Model):
    """Of the scenes of one group. Points are tenths of a bit of evidence for one act, below 0 against it."""

    alike: tuple[tuple[str, ...], ...] = ()
    """Scenes that two platforms call by different names for one and the same act."""
    beside: tuple[str, ...] = ()
    """Scenes that stand for a whole day or run beside anything else: they exclude nothing."""
    amount: Literal["distance_m", "energy_wh"]
    tolerance_s: Seconds
    reach_s: Seconds
    same_from: Points
    period: PeriodPoints
    ends_percent: Bands
    duration_s: Bands
    amount_percent: Bands
    rate_percent: Bands
    order: dict[OrderLevel, Points]
    region: dict[RegionLevel, Points]
    source: dict[SourceLevel, Points]
    excluding: Excluding | None = None
    pieces_gap_s: Seconds

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Scene → the name of what it is alike to; a scene that is not here is of its own kind."""
        return {scene: scenes[0] for scenes in self.alike for scene in scenes}

    def kind(self, scene: str) -> str:
        """What a scene counts as."""
        return self.kinds.get(scene, scene)


class Clock(_Model):
    """How clock offsets are measured from acts that two sources reported under one order number."""

    least_values: Annotated[int, Field(ge=5)]
    latest_values: Annotated[int, Field(ge=5)]
    near_s: Seconds
    spreads: Annotated[int, Field(ge=1, le=20)]
    at_least_s: Seconds

    @cached_property
    def rule(self) -> ClockRule:
        """The same as the pure functions take it."""
        return ClockRule(self.least_values, self.latest_values, self.near_s, self.spreads, self.at_least_s)


class SameActRules(_Model):
    """One dated set of parameters."""

    version: str
    first_day: datetime.date = Field(alias="from")
    source: str
    clock: Clock
    groups: dict[str, GroupRules]

    @property
    def reach_s(self) -> int:
        """How far apart two acts of any group may lie to be compared."""
        return max(group.reach_s for group in self.groups.values())


def read_rules(documents: Sequence[Mapping[str, Any]]) -> tuple[SameActRules, ...]:
    """Check sets of parameters, as YAML gives them, in order of their first days; `pydantic.ValidationError`."""
    found = tuple(SameActRules.model_validate(each, strict=False) for each in documents)
    if not found or [each.first_day for each in found] != sorted({each.first_day for each in found}):
        raise ValueError("sets of parameters stand in the order of their first days, each with its own")
    return found


def load_rules(path: Path = BUILT_IN) -> tuple[SameActRules, ...]:
    """Read the sets of parameters of a YAML file; raises as `read_rules` does."""
    return read_rules(yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader))


def rules_on(sets: Sequence[SameActRules], day: datetime.date) -> SameActRules:
    """The set in force on a local day; before the first one began, the first."""
    return next((each for each in reversed(sets) if each.first_day <= day), sets[0])
