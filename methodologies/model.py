"""What the YAML of a pack says, as frozen models: the text of a methodology before it is compiled.

Numbers that enter a formula are decimal strings; a YAML float is refused. Days are days in
Asia/Shanghai, `in_force.to` is the last day in force.
"""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from methodologies.errors import TextError
from methodologies.fields import (
    Code,
    Confidence,
    ContextKey,
    Decimal,
    ExampleName,
    Grams,
    Identifier,
    InputName,
    Model,
    RegionCode,
    RuleName,
    SceneName,
    Title,
    Version,
    Whole,
    WholeOrWord,
    Words,
)
from methodologies.table_model import Covers, Ladder, Range, Row, Table

__all__ = [
    "INPUT_UNITS",
    "Aggregation",
    "Cap",
    "Claim",
    "Code",
    "Collection",
    "Confidence",
    "ContextKey",
    "Covers",
    "Decimal",
    "Document",
    "Example",
    "ExampleName",
    "Grams",
    "Identifier",
    "InForce",
    "Input",
    "InputName",
    "Ladder",
    "Methodology",
    "Model",
    "Pack",
    "Parameter",
    "Place",
    "Placeholder",
    "Placeholders",
    "Plausibility",
    "Range",
    "RegionCode",
    "Rounding",
    "Row",
    "RuleName",
    "Scene",
    "SceneName",
    "SelfReport",
    "Table",
    "Title",
    "Version",
    "Whole",
    "WholeOrWord",
    "Words",
]

_KEY = "(person|issuer|order_no|bill_no|asset_id)"

# The unit is part of the API name; only a count says of what.
INPUT_UNITS: dict[str, str] = {
    "distance_m": "m",
    "duration_s": "s",
    "mass_g": "g",
    "energy_wh": "Wh",
    "volume_ml": "ml",
    "price_fen": "fen",
}


class Document(Model):
    """The text that a methodology follows; `grade` is the reliability grade of what was read of it."""

    title: Words
    url: Words | None = None
    grade: Literal["A", "B", "C"] | None = None


class InForce(Model):
    """First and last day in force, both inclusive, in Asia/Shanghai; `to` null while open."""

    first_day: dt.date = Field(alias="from", strict=False)
    last_day: dt.date | None = Field(alias="to", strict=False)

    @model_validator(mode="after")
    def _ordered(self) -> "InForce":
        if self.last_day is not None and self.last_day < self.first_day:
            raise TextError("终止日早于起始日", "in_force.to is before in_force.from", "/to")
        return self


class Input(Model):
    """One integer of the act, in the unit of its API name, within `min` and `max` (inclusive).

    What is not `required` may only serve plausibility, not the formula.
    """

    name: InputName
    unit: Words
    min: Whole
    max: Whole
    required: bool = True

    @model_validator(mode="after")
    def _consistent(self) -> "Input":
        if self.min > self.max:
            raise TextError("min 大于 max", "min is above max", "/max")
        wanted = INPUT_UNITS.get(self.name, self.unit)
        if self.unit != wanted:
            raise TextError(
                f"{self.name} 的单位是 {wanted}，写的是 {self.unit}",
                f"unit of {self.name} is {wanted}, found {self.unit}",
                "/unit",
            )
        return self


class Parameter(Model):
    """A constant of the formula: an exact decimal, its unit, and where it was read."""

    name: Identifier
    title: Title | None = None
    value: Decimal
    unit: Words
    source: Words
    url: Words | None = None
    confidence: Confidence


class Rounding(Model):
    """The one rounding of the result, to whole mg CO2e."""

    unit: Literal["mg"] = "mg"
    mode: Literal["floor", "half_up"] = "floor"


class Cap(Model):
    """At most `amount_mg` mg CO2e or `count` acts per holder and period (in Asia/Shanghai).

    `basis` is `source` where a text states the cap, `programme` where the programme sets it.
    """

    id: Identifier
    per: Literal["day", "month", "year"]
    amount_mg: Annotated[int, Field(gt=0, le=10**15)] | None = None
    count: Annotated[int, Field(gt=0, le=10**6)] | None = None
    basis: Literal["source", "programme"]
    source: Words

    @model_validator(mode="after")
    def _one_limit(self) -> "Cap":
        if (self.amount_mg is None) == (self.count is None):
            raise TextError("限额须在 amount_mg 与 count 中取其一", "a cap limits either amount_mg or count")
        return self


class Claim(Model):
    """Exclusive use of a token: `rule`, what the token is made `of`, and for which `period`.

    `of` joins natural keys with `+` (`person`, `issuer`, `order_no`, `bill_no`, `asset_id`). A claim
    that is not `required` is made when its key is present.
    """

    rule: Identifier
    of: Annotated[str, StringConstraints(pattern=rf"^{_KEY}(\+{_KEY})*$")]
    period: Literal["act", "day", "month", "year", "forever"]
    required: bool


class Plausibility(Model):
    """Bounds beyond which an act is no such act; programme data unless `basis` is `source`.

    Speed is checked when both distance and duration are known. `field` errors: `implausible_speed`,
    `implausible_duration`, `implausible_distance`.
    """

    max_speed_kmh: Annotated[int, Field(gt=0, le=1000)] | None = None
    min_duration_s: Whole | None = None
    max_duration_s: Whole | None = None
    min_distance_m: Whole | None = None
    max_distance_m: Whole | None = None
    basis: Literal["source", "programme"] = "programme"
    source: Words


class SelfReport(Model):
    """What an act that the person reports is worth: a share of what a platform's report is worth."""

    share_percent: Annotated[int, Field(ge=1, le=100)]
    source: Words


class Collection(Model):
    """A credit appears after some days and lapses unless it is collected within the days that follow."""

    after_days: Annotated[int, Field(ge=0, le=30)]
    within_days: Annotated[int, Field(ge=1, le=365)]
    source: Words


class Aggregation(Model):
    """With the person's consent the reporting platform takes the reduction, in exchange for benefits.

    It takes up to `threshold_mg` mg CO2e of one person in a period (in Asia/Shanghai); the excess is the person's.
    """

    threshold_mg: Annotated[int, Field(gt=0, le=10**15)]
    per: Literal["day", "month", "year"]
    source: Words


class Example(Model):
    """A worked example: what the source or its arithmetic says an act is worth, in g CO2e.

    Keys of place, time and kind stand among the inputs as they are stored: `province: 440000`, `year: 2024`,
    `month: 7`, `kind: bus`.
    """

    inputs: dict[ExampleName, WholeOrWord]
    co2e_g: Grams
    basis: Words


class Methodology(Model):
    """The text of one methodology version in one region."""

    region: RegionCode
    scene: SceneName
    code: Code
    version: Version
    title: Title
    authority: Words | None
    document: Document
    filing_no: Words | None
    in_force: InForce
    status: Literal[
        "in_force", "trial", "launch_rule", "corporate_rule", "unverified", "repealed", "demonstration"
    ]
    confidence: Confidence
    provisional: bool = False
    issuable: bool = False
    points_only: bool = False
    demonstration_only: bool = False
    inputs: Annotated[tuple[Input, ...], Field(strict=False, max_length=7)]
    parameters: Annotated[tuple[Parameter, ...], Field(strict=False, max_length=40)] = ()
    tables: Annotated[tuple[Table, ...], Field(strict=False, max_length=10)] = ()
    steps: Annotated[tuple[Ladder, ...], Field(strict=False, max_length=10)] = ()
    kinds: Annotated[tuple[Identifier, ...], Field(strict=False, max_length=200)] = ()
    formula: Words | None = None
    rule: RuleName | None = None
    rule_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    rounding: Rounding = Rounding()
    caps: Annotated[tuple[Cap, ...], Field(strict=False, max_length=10)] = ()
    plausibility: Plausibility | None = None
    report_within_days: Annotated[int, Field(ge=1, le=3660)] | None = None
    self_report: SelfReport | None = None
    collection: Collection | None = None
    aggregation: Aggregation | None = None
    claims: Annotated[tuple[Claim, ...], Field(strict=False, min_length=1, max_length=10)]
    examples: Annotated[tuple[Example, ...], Field(strict=False, min_length=1)]
    notes: Title | None = None

    @model_validator(mode="after")
    def _honest(self) -> "Methodology":
        """Hold the three statements apart: how values are known, may it be active, may it be issued."""
        parts: list[Table | Ladder] = [*self.tables, *self.steps]
        found = {
            self.confidence,
            *(each.confidence for each in self.parameters),
            *(part.confidence for part in parts),
            *(row.confidence for table in self.tables for row in table.rows),
            *(row.confidence for ladder in self.steps for row in ladder.rows),
        }
        if "example" in found and not self.demonstration_only:
            raise TextError(
                "示例值只能用于 demonstration_only 的方法学",
                "a value marked example is for demonstration_only methodologies",
                "/demonstration_only",
            )
        if "provisional" in found and not self.provisional:
            raise TextError(
                "含暂定值的方法学须标 provisional",
                "a provisional value makes the methodology provisional",
                "/provisional",
            )
        if self.issuable:
            self._may_be_issued()
        if self.aggregation is not None:
            self._may_be_aggregated()
        if not any(claim.required for claim in self.claims):
            raise TextError(
                "至少一项认领须为必需，否则同一行为可能重复计入",
                "one claim at least must be required, or an act could be credited twice",
                "/claims",
            )
        if (self.formula is None) == (self.rule is None):
            raise TextError("须在 formula 与 rule 中取其一", "give either a formula or a rule", "/formula")
        self._names_stand_once()
        return self

    def _may_be_aggregated(self) -> None:
        if self.collection is not None:
            raise TextError(
                "aggregation 不能与 collection 并存：平台归集的部分无人领取",
                "aggregation excludes collection: nobody would collect what the platform takes",
                "/aggregation",
            )
        if self.points_only:
            raise TextError(
                "points_only 没有减排量可归集",
                "a points_only rule has no reduction to aggregate",
                "/aggregation",
            )

    def _names_stand_once(self) -> None:
        """A name means one thing in the formula; a cap and a claim are known by theirs."""
        for named in (
            {
                "inputs": [each.name for each in self.inputs],
                "parameters": [each.name for each in self.parameters],
                "tables": [each.name for each in self.tables],
                "steps": [each.name for each in self.steps],
            },
            {"caps": [each.id for each in self.caps]},
            {"claims": [each.rule for each in self.claims]},
        ):
            seen: set[str] = set()
            for where, names in named.items():
                for number, name in enumerate(names):
                    if name in seen:
                        raise TextError(
                            f"名称重复：{name}", f"the name {name} is used twice", f"/{where}/{number}"
                        )
                    seen.add(name)

    def _may_be_issued(self) -> None:
        needed = {
            "/authority": self.authority,
            "/filing_no": self.filing_no,
            "/document/url": self.document.url,
        }
        for place, given in needed.items():
            if not given:
                raise TextError(
                    "issuable 需要 authority、filing_no 与现行文本的 url",
                    "issuable needs authority, filing_no and the url of the text in force",
                    place,
                )
        excluded = {
            "/provisional": self.provisional,
            "/points_only": self.points_only,
            "/demonstration_only": self.demonstration_only,
            "/status": self.status != "in_force",
        }
        for place, found in excluded.items():
            if found:
                raise TextError(
                    "issuable 不能与 provisional、points_only、demonstration_only 或非现行文本并存",
                    "issuable excludes provisional, points_only, demonstration_only and texts not in force",
                    place,
                )


class Placeholder(Model):
    """A methodology that is known to exist and whose values were not found: it can never be active.

    `missing` says what was not found, `consult` which document has it.
    """

    region: RegionCode
    scene: SceneName
    code: Code
    title: Title
    document: Document
    missing: Title
    consult: Words


class Placeholders(Model):
    """`placeholders.yaml`."""

    placeholders: Annotated[tuple[Placeholder, ...], Field(strict=False)]


class Place(Model):
    """A region that a pack speaks for."""

    region: RegionCode
    name: Title


class Pack(Model):
    """`pack.yaml`: the regions of a pack and the national scenes that they adopt."""

    regions: Annotated[tuple[Place, ...], Field(strict=False, min_length=1)]
    adopts_national: Annotated[tuple[SceneName, ...], Field(strict=False)] = ()


class Scene(Model):
    """A kind of act: its names, its group, and whether the person moves (its traces are sensitive)."""

    title: Title
    group: Identifier
    movement: bool
