"""Dated rules of labels as operators write them: benchmarks, weights and thresholds by industry. Pure data."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from accounts.enterprises.industries import Domain
from accounts.fields import Group, Region, Text
from accounts.labels.measures import INDICATORS_OF, UNITS, Indicator, Measure, Unit

LEAST_ENTERPRISES = 11
"""Fewer would put one enterprise's figure into two of the percentiles that are told."""
WHOLE = 100
NATION = "100000"

Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$")]
# With a digit that is not zero, before the point or after it.
Positive = Annotated[
    str,
    StringConstraints(
        pattern=r"^([0-9]{0,11}[1-9][0-9]{0,11}(\.[0-9]{1,6})?|[0-9]{1,12}\.[0-9]{0,5}[1-9][0-9]{0,5})$",
        max_length=19,
    ),
]
Weight = Annotated[int, Field(strict=True, ge=1, le=WHOLE)]
Points = Annotated[int, Field(strict=True, ge=0, le=WHOLE)]
Industry = Annotated[str, StringConstraints(pattern=r"^[A-T]([0-9]{2}([0-9]([0-9])?)?)?$")]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class LabelTitle(_Data):
    """A name in both languages."""

    zh: Text
    en: Text


class Basis(_Data):
    """The document that the numbers come from."""

    title: Text
    number: Text
    issued_on: datetime.date


class Product(_Data):
    """A product whose output counts, as so much of the industry's standard product (折标)."""

    code: Group
    unit: Unit
    equivalent: Positive = "1"

    @model_validator(mode="after")
    def _unit_of_output(self) -> "Product":
        if self.unit not in UNITS[Measure.OUTPUT]:
            raise PydanticCustomError("unit", "no unit of output")
        return self


class Point(_Data):
    """At this ratio of own intensity to what it is compared with, so many points of 100."""

    ratio: Quantity
    points: Points


class Weighed(_Data):
    """An indicator, and its weight within the view."""

    indicator: Indicator
    weight: Weight


class Against(Weighed):
    """An indicator against a number of this text, in g CO2e per unit."""

    benchmark: Positive


class AgainstPeers(Weighed):
    """An indicator against a number of this text, or a percentile of the year's own distribution."""

    benchmark: Positive | None = None
    percentile: Literal[25, 50, 75] | None = None

    @model_validator(mode="after")
    def _one(self) -> "AgainstPeers":
        if (self.benchmark is None) == (self.percentile is None):
            raise PydanticCustomError("one_benchmark", "give either benchmark or percentile")
        return self


class _View(_Data):
    weight: Weight
    points: Annotated[tuple[Point, ...], Field(min_length=1, max_length=20)]
    indicators: Annotated[tuple[Weighed, ...], Field(min_length=1, max_length=3)]

    @model_validator(mode="after")
    def _adds_up(self) -> "_View":
        if sum(each.weight for each in self.indicators) != WHOLE:
            raise PydanticCustomError("weights", "weights of a view's indicators must add up to 100")
        if len({each.indicator for each in self.indicators}) != len(self.indicators):
            raise PydanticCustomError("twice", "an indicator is there twice")
        ratios = [Fraction(each.ratio) for each in self.points]
        points = [each.points for each in self.points]
        if ratios != sorted(set(ratios)) or points != sorted(points, reverse=True):
            raise PydanticCustomError("points", "ratios must rise, and points never rise with them")
        return self


class IndustryView(_View):
    """行业先进性: against the industry."""

    indicators: Annotated[tuple[AgainstPeers, ...], Field(min_length=1, max_length=3)]


class RegionView(_View):
    """区域贡献度: against the region."""

    indicators: Annotated[tuple[Against, ...], Field(min_length=1, max_length=3)]


class HistoryView(_View):
    """历史下降法: against the enterprise's own year, so many years before."""

    years_back: Annotated[int, Field(strict=True, ge=1, le=10)] = 1
    without: Literal["leave_out", "unlabelled"] = "leave_out"
    """What becomes of who has no such year: the other views count in proportion, or there is no label."""


class Thresholds(_Data):
    """Least points, of 100, of each colour; below yellow it is red."""

    yellow: Points
    light_green: Points
    dark_green: Points

    @model_validator(mode="after")
    def _rising(self) -> "Thresholds":
        if not self.yellow < self.light_green < self.dark_green:
            raise PydanticCustomError("thresholds", "each colour needs more points than the one before")
        return self


class Scale(_Data):
    """What counts for the enterprises of a domain; in industry, of a section, division, group or class of GB/T 4754."""

    domain: Domain
    industry: Industry | None = None
    products: Annotated[tuple[Product, ...], Field(max_length=50)] = ()
    against_industry: IndustryView
    against_region: RegionView | None = None
    against_history: HistoryView | None = None
    thresholds: Thresholds
    least_enterprises: Annotated[int, Field(strict=True, ge=LEAST_ENTERPRISES, le=10_000)] = LEAST_ENTERPRISES
    """k: percentiles of fewer enterprises are withheld."""
    most_missing_permille: Annotated[int, Field(strict=True, ge=0, le=1000)] = 0
    """Of a year's quarter-hours; what is missing counts as nothing emitted, so beyond it there is no label."""

    @property
    def views(self) -> "tuple[IndustryView | RegionView | HistoryView, ...]":
        """Those that it has."""
        found = (self.against_industry, self.against_region, self.against_history)
        return tuple(each for each in found if each is not None)

    @property
    def indicators(self) -> tuple[Indicator, ...]:
        """All that it compares by, the weightiest against the industry first."""
        first = sorted(self.against_industry.indicators, key=lambda each: -each.weight)
        every = (*first, *(each for view in self.views for each in view.indicators))
        return tuple(dict.fromkeys(each.indicator for each in every))

    @model_validator(mode="after")
    def _fits(self) -> "Scale":
        if sum(view.weight for view in self.views) != WHOLE:
            raise PydanticCustomError("view_weights", "weights of the views must add up to 100")
        if not set(self.indicators) <= set(INDICATORS_OF[self.domain]):
            raise PydanticCustomError("indicators", "an indicator is of another domain")
        if (Indicator.PER_PRODUCT in self.indicators) != bool(self.products):
            raise PydanticCustomError("products", "per_product needs products, and they need it")
        if len({each.code for each in self.products}) != len(self.products):
            raise PydanticCustomError("products", "a product is there twice")
        if len({each.unit for each in self.products}) > 1:
            raise PydanticCustomError("products", "products of one scale share their unit")
        return self


class LabelRules(_Data):
    """What an operator writes. A label belongs to it by the day on which it is decided."""

    region: Region
    name: LabelTitle
    first_day: datetime.date = Field(alias="from")
    official: bool = Field(
        description="Whether labels by it may be published as official; then it needs `basis`"
    )
    example: bool = Field(default=False, description="Made up; never official")
    basis: Basis | None = None
    due_month: Annotated[int, Field(strict=True, ge=1, le=12)] = 5
    """From this month of the next year on the yearly run is made; figures should be in by then."""
    scales: Annotated[tuple[Scale, ...], Field(min_length=1, max_length=300)]

    @model_validator(mode="after")
    def _once(self) -> "LabelRules":
        if self.official and self.basis is None:
            raise PydanticCustomError("basis", "official rules name their basis")
        if self.official and self.example:
            raise PydanticCustomError("example", "an example is never official")
        if len({(each.domain, each.industry) for each in self.scales}) != len(self.scales):
            raise PydanticCustomError("scales", "two scales are of the same domain and industry")
        return self

    def scale_of(self, domain: str, industry: str | None) -> Scale | None:
        """The nearest scale: of the class before the group's, the division's, the section's and the whole domain's."""
        found = [
            each
            for each in self.scales
            if each.domain == domain
            and (each.industry is None or (industry is not None and industry.startswith(each.industry)))
        ]
        return max(found, key=lambda each: len(each.industry or ""), default=None)


@dataclass(frozen=True, slots=True)
class LiveRules:
    """Approved rules."""

    id: UUID
    text: LabelRules


class LabelTexts:
    """All that are approved."""

    def __init__(self, rules: Iterable[LiveRules] = ()) -> None:
        self._of: dict[str, list[LiveRules]] = {}
        for each in sorted(rules, key=lambda rule: rule.text.first_day):
            self._of.setdefault(each.text.region, []).append(each)
        self._by_id = {each.id: each.text for place in self._of.values() for each in place}

    def by_id(self, rules_id: UUID) -> LabelRules:
        """Rules by their id; what was approved stays."""
        return self._by_id[rules_id]

    def of(self, region: str, day: datetime.date) -> LiveRules | None:
        """The rules of a region on a day: the city's before the province's before the nation's."""
        for place in (region, region[:4] + "00", region[:2] + "0000", NATION):
            begun = [each for each in self._of.get(place, ()) if each.text.first_day <= day]
            if begun:
                return begun[-1]
        return None

    def live(self, day: datetime.date) -> list[LiveRules]:
        """The one of each region that has begun."""
        found = (self.of(region, day) for region in sorted(self._of))
        return [each for each in dict.fromkeys(found) if each is not None]
