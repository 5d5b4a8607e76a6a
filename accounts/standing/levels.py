"""Levels and badges: data, computed on reading, never stored. Pure."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from accounts.quantities import grams
from accounts.standing.equivalents import Words

BUILT_IN = Path(__file__).parent / "levels.yaml"


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Level(_Data):
    id: str
    from_g: Annotated[int, Field(ge=0)]
    title: Words


class Rule(_Data):
    """What earns a badge: one of grams, streak and acts (of a scene or a group of scenes, where one is named)."""

    grams: Annotated[int, Field(gt=0)] | None = None
    streak: Annotated[int, Field(gt=0)] | None = None
    acts: Annotated[int, Field(gt=0)] | None = None
    scene: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [self.grams, self.streak, self.acts].count(None) != 2:  # noqa: PLR2004 - all but one
            raise ValueError("exactly one of grams, streak and acts")
        if self.scene is not None and self.acts is None:
            raise ValueError("a scene goes with acts")
        return self


class _Badge(_Data):
    id: str
    title: Words
    rule: Rule


class _Standing(_Data):
    levels: tuple[_Level, ...]
    badges: tuple[_Badge, ...]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        steps = [level.from_g for level in self.levels]
        if not steps or steps[0] != 0 or steps != sorted(set(steps)):
            raise ValueError("levels begin at 0 and rise")
        return self


class Level(BaseModel):
    """Where a holder stands by grams of all time."""

    id: str = Field(examples=["sprout"])
    title: Words
    number: int = Field(description="From 1")
    next_from_g: str | None = Field(description="Where the next one begins; null at the highest")


class Badge(BaseModel):
    """A badge, whether earned, and how far."""

    id: str
    title: Words
    rule: Rule
    reached: int = Field(description="Of what the rule counts: whole grams, days or acts")
    earned: bool


@lru_cache(maxsize=1)
def standing() -> _Standing:
    """Levels and badges, read once."""
    return _Standing.model_validate(yaml.load(BUILT_IN.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))


def level(mg: int) -> Level:
    """The level of so many mg of all time."""
    levels = standing().levels
    number = sum(mg >= each.from_g * 1000 for each in levels) or 1
    here = levels[number - 1]
    following = grams(levels[number].from_g * 1000) if number < len(levels) else None
    return Level(id=here.id, title=here.title, number=number, next_from_g=following)


def badges(mg: int, streak: int, acts: Mapping[str, int]) -> list[Badge]:
    """All badges for mg of all time, a present streak in days, and acts by scene."""

    def reached(rule: Rule) -> tuple[int, int]:
        if rule.grams is not None:
            return mg // 1000, rule.grams
        if rule.streak is not None:
            return streak, rule.streak
        counted = sum(
            number
            for scene, number in acts.items()
            if rule.scene is None or scene == rule.scene or scene.startswith(rule.scene + ".")
        )
        return counted, rule.acts or 0

    found = []
    for each in standing().badges:
        have, wanted = reached(each.rule)
        found.append(Badge(id=each.id, title=each.title, rule=each.rule, reached=have, earned=have >= wanted))
    return found
