"""The text of a score card, and the guard of what a card may read.

A card reads deeds by month, scene and evidence, conduct on record, or an enterprise's label: what `reads` names, all of
it used, and nothing else. Age, sex and home are no data of this package.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from methodologies.errors import TextError
from methodologies.fields import Code, Identifier, Model, SceneName, Title, Version
from methodologies.model import Document, InForce

Reading = Literal["acts", "co2e_mg", "month", "scene", "evidence", "conduct", "label"]
READINGS: frozenset[str] = frozenset(Reading.__args__)  # type: ignore[attr-defined]
# fmt: off
UNFAIR = frozenset({
    "age", "birth_date", "sex", "gender", "home", "home_region", "region", "address", "district",
    "hukou", "ethnicity", "nationality", "religion", "health", "marital_status", "children",
    "education", "occupation", "income", "device", "phone", "name",
})
# fmt: on
"""What is refused by name, so that who tries is told why; whatever else is not in `READINGS` is refused as well."""
MAX_LOOK_BACK = 36
BOUND = 1 << 62
"""What a dimension's full amount may come to, in hundredths: it has to fit the database's integers."""

Percent = Annotated[int, Field(ge=0, le=1000)]
Points = Annotated[int, Field(ge=1, le=1_000_000)]
Amount = Annotated[int, Field(ge=1, le=10**12)]
Months = Annotated[int, Field(ge=0, le=MAX_LOOK_BACK)]


class Weights(Model):
    """What an act counts by its evidence, in percent. Better evidence never counts less."""

    self_report: Percent
    platform: Percent
    corroborated: Percent

    @model_validator(mode="after")
    def _never_less(self) -> "Weights":
        if not self.self_report <= self.platform <= self.corroborated:
            raise TextError("证据越强，权重不得越低", "better evidence must not weigh less")
        return self

    def by_grade(self) -> tuple[int, int, int]:
        """The weakest grade first, as grades are numbered."""
        return self.self_report, self.platform, self.corroborated


class Rate(Model):
    """So many points for each so many units; parts of a unit give their part, rounded down once at the end."""

    points: Annotated[int, Field(ge=1, le=10_000)]
    per: Amount


class Step(Model):
    """What a holder may do next, as units of the dimension; its gain is computed and told."""

    units: Amount
    does: Title


class DeedDimension(Model):
    """Points for deeds: acts or mg, each weighted by its evidence, added up, never a share of anything.

    With `each`, what one month or one scene adds is at most `each_at_most` units, so that many of them count more than
    much of one.
    """

    name: Identifier
    title: Title
    of: Literal["acts", "co2e_mg"]
    weights: Weights
    each: Literal["month", "scene"] | None = None
    each_at_most: Amount | None = None
    scenes: Annotated[tuple[SceneName, ...], Field(strict=False, max_length=200)] = ()
    points: Rate
    at_most: Points
    step: Step

    @model_validator(mode="after")
    def _consistent(self) -> "DeedDimension":
        if (self.each is None) != (self.each_at_most is None):
            raise TextError(
                "each 与 each_at_most 须同时给出", "give each and each_at_most together", "/each_at_most"
            )
        if self.full * self.points.points >= BOUND:
            raise TextError("上限或单位过大", "at_most or per is too large", "/at_most")
        return self

    @property
    def full(self) -> int:
        """The total, in hundredths of a unit, from which on all points are reached."""
        return -(-self.at_most * self.points.per * 100 // self.points.points)

    @property
    def reads(self) -> frozenset[str]:
        """What it needs to know."""
        found = {self.of, "month"}
        if self.each == "scene" or self.scenes:
            found.add("scene")
        if len(set(self.weights.by_grade())) > 1:
            found.add("evidence")
        return frozenset(found)


class Colours(Model):
    """Points of each label; a better one never has fewer."""

    red: Annotated[int, Field(ge=0, le=1_000_000)]
    yellow: Points
    light_green: Points
    dark_green: Points

    @model_validator(mode="after")
    def _never_fewer(self) -> "Colours":
        if not self.red <= self.yellow <= self.light_green <= self.dark_green:
            raise TextError("标签越好，分值不得越低", "a better label must not have fewer points")
        return self


class LabelDimension(Model):
    """Points for an enterprise's label. One that is `unlabelled` has no score."""

    name: Identifier
    title: Title
    of: Literal["label"]
    colours: Colours
    reads: frozenset[str] = Field(default=frozenset({"label"}), init=False, exclude=True)

    @property
    def at_most(self) -> int:
        """The points of the best label."""
        return self.colours.dark_green


class Minimum(Model):
    """Data below which there is no score."""

    acts: Annotated[int, Field(ge=1, le=100_000)] = 1
    months: Months = 1


class ConductRule(Model):
    """What a conduct on record costs, and for how many months from its day."""

    kind: Identifier
    title: Title
    points: Points
    months: Annotated[int, Field(ge=1, le=60)]


class Tier(Model):
    """A tier begins at `from`, or just above `over`."""

    tier: Identifier
    title: Title
    at_least: Annotated[int, Field(ge=0, le=10**12)] | None = Field(default=None, alias="from")
    over: Annotated[int, Field(ge=0, le=10**12)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "Tier":
        if (self.at_least is None) == (self.over is None):
            raise TextError("from 与 over 须恰有一个", "give either from or over")
        return self

    @property
    def least(self) -> int:
        """The least whole number that is in it."""
        return self.at_least if self.at_least is not None else (self.over or 0) + 1


class Tiers(Model):
    """Tiers from the lowest on, of the points or of one dimension's own units."""

    of: Identifier = "points"
    rows: Annotated[tuple[Tier, ...], Field(strict=False, min_length=1, max_length=20)]

    @model_validator(mode="after")
    def _ascending(self) -> "Tiers":
        least = [row.least for row in self.rows]
        if least != sorted(set(least)) or least[0] != 0:
            raise TextError("等级须从 0 起递增", "tiers begin at 0 and ascend", "/rows")
        if len({row.tier for row in self.rows}) != len(self.rows):
            raise TextError("等级重名", "a tier stands twice", "/rows")
        return self


class CardText(Model):
    """A score card as its file has it."""

    card: Code
    version: Version
    subject: Literal["person", "organisation"]
    title: Title
    document: Document
    confidence: Literal["quoted", "derived", "example"]
    in_force: InForce
    reads: Annotated[tuple[Reading, ...], Field(strict=False, min_length=1)]
    look_back_months: Annotated[int, Field(ge=1, le=MAX_LOOK_BACK)]
    minimum: Minimum = Minimum()
    dimensions: Annotated[
        tuple[Annotated[DeedDimension | LabelDimension, Field(discriminator="of")], ...],
        Field(strict=False, min_length=1, max_length=12),
    ]
    conduct: Annotated[tuple[ConductRule, ...], Field(strict=False, max_length=20)] = ()
    tiers: Tiers
    notes: Title | None = None

    @property
    def scenes(self) -> frozenset[str]:
        """The scenes that the card is about; empty where it is about all."""
        named = [frozenset(each.scenes) for each in self.dimensions if isinstance(each, DeedDimension)]
        return frozenset().union(*named) if all(named) else frozenset()

    @field_validator("reads", mode="before")
    @classmethod
    def _fair(cls, given: Any) -> Any:
        """Fair use: neither who a person is nor where they live, nor anything that is no data of a card."""
        for each in given if isinstance(given, list | tuple) else ():
            if each in UNFAIR:
                raise TextError(f"评分卡不得读取 {each}", f"a card may not read {each}")
            if each not in READINGS:
                raise TextError(
                    "评分卡不得读取未列出的数据", f"a card reads only {', '.join(sorted(READINGS))}"
                )
        return given

    @model_validator(mode="after")
    def _declared(self) -> "CardText":
        used = set().union(*(each.reads for each in self.dimensions)) | (
            {"conduct"} if self.conduct else set()
        )
        for each in sorted(used - set(self.reads)):
            raise TextError(
                f"未声明却读取 {each}", f"it reads {each}, which reads does not declare", "/reads"
            )
        for each in sorted(set(self.reads) - used):
            raise TextError(f"声明却未使用 {each}", f"it declares {each} and does not use it", "/reads")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> "CardText":
        names = [each.name for each in self.dimensions]
        if len({*names, "points", "conduct", "floor"}) != len(names) + 3:
            raise TextError("维度重名", "a dimension's name stands twice or is taken", "/dimensions")
        if len({each.kind for each in self.conduct}) != len(self.conduct):
            raise TextError("行为扣分重名", "a kind of conduct stands twice", "/conduct")
        labels = [each for each in self.dimensions if isinstance(each, LabelDimension)]
        if (self.subject == "organisation") != (len(labels) == len(self.dimensions) == 1):
            raise TextError(
                "个人卡只读行为，企业卡只读标签",
                "a card for persons reads deeds, one for organisations the label alone",
                "/dimensions",
            )
        if self.tiers.of != "points" and self.tiers.of not in names:
            raise TextError("tiers.of 不是维度", "tiers.of names no dimension", "/tiers/of")
        if self.tiers.of != "points" and labels:
            raise TextError("企业卡的等级以分计", "tiers of a label are by points", "/tiers/of")
        return self
