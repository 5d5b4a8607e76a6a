"""What the YAML of a pack says, as frozen models: the text of a methodology before it is compiled.

Numbers that enter a formula are decimal strings; a YAML float is refused. Days are days in
Asia/Shanghai, `in_force.to` is the last day in force.
"""

import datetime as dt
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Decimal: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}(\.[0-9]{1,12})?$")]
Grams: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}(\.[0-9]{1,3})?$")]
RegionCode: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{5}$")]
SceneName: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$", max_length=60)
]
Identifier: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Code: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,63}$")]
Version: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.-]{0,19}$")]
Words: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
InputName: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"^(distance_m|duration_s|mass_g|energy_wh|count|volume_ml|price_fen)$"),
]
Whole: TypeAlias = Annotated[int, Field(ge=0, le=10**12)]

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


class Model(BaseModel):
    """Frozen, strict, and refusing keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Title(Model):
    """A name in Chinese and English."""

    zh: Words
    en: Words


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
            raise ValueError("in_force.to is before in_force.from")
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
            raise ValueError("min is above max")
        wanted = INPUT_UNITS.get(self.name, self.unit)
        if self.unit != wanted:
            raise ValueError(f"unit of {self.name} is {wanted}, found {self.unit}")
        return self


class Parameter(Model):
    """A constant of the formula: an exact decimal, its unit, and where it was read."""

    name: Identifier
    title: Title | None = None
    value: Decimal
    unit: Words
    source: Words
    url: Words | None = None
    confidence: Literal["quoted", "derived", "provisional", "example"]


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
            raise ValueError("a cap limits either amount_mg or count")
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


class Example(Model):
    """A worked example: what the source or its arithmetic says an act is worth, in g CO2e."""

    inputs: dict[InputName, Whole]
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
    confidence: Literal["quoted", "derived", "provisional", "example"]
    provisional: bool = False
    issuable: bool = False
    points_only: bool = False
    demonstration_only: bool = False
    inputs: Annotated[tuple[Input, ...], Field(strict=False, max_length=7)]
    parameters: Annotated[tuple[Parameter, ...], Field(strict=False, max_length=40)] = ()
    formula: Words
    rounding: Rounding = Rounding()
    caps: Annotated[tuple[Cap, ...], Field(strict=False, max_length=10)] = ()
    plausibility: Plausibility | None = None
    claims: Annotated[tuple[Claim, ...], Field(strict=False, min_length=1, max_length=10)]
    examples: Annotated[tuple[Example, ...], Field(strict=False, min_length=1)]
    notes: Title | None = None

    @model_validator(mode="after")
    def _honest(self) -> "Methodology":
        """Hold the three statements apart: how values are known, may it be active, may it be issued."""
        confidences = {self.confidence, *(each.confidence for each in self.parameters)}
        if "example" in confidences and not self.demonstration_only:
            raise ValueError("a value marked example is for demonstration_only methodologies")
        if "provisional" in confidences and not self.provisional:
            raise ValueError("a provisional value makes the methodology provisional")
        if self.issuable:
            if not (self.authority and self.filing_no and self.document.url):
                raise ValueError("issuable needs authority, filing_no and the url of the text in force")
            if self.provisional or self.points_only or self.demonstration_only or self.status != "in_force":
                raise ValueError(
                    "issuable excludes provisional, points_only, demonstration_only and texts not in force"
                )
        if not any(claim.required for claim in self.claims):
            raise ValueError("one claim at least must be required, or an act could be credited twice")
        for names in (
            [each.name for each in self.inputs] + [each.name for each in self.parameters],
            [each.id for each in self.caps],
            [each.rule for each in self.claims],
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"a name is used twice: {sorted(names)}")
        return self


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
