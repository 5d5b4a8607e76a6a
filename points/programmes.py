"""Points programmes: dated data that says what a credit earns and when it expires. Pure."""

import datetime
import enum
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from accounts.fields import Region, Text

BUILT_IN = Path(__file__).parent / "programmes.yaml"
NATION = "100000"


class Data(BaseModel):
    """Data as operators write it: refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SceneRule(Data):
    """`points` for each `per` units of an input (`of`), or for each act."""

    points: Annotated[int, Field(gt=0, le=1_000_000)]
    per: Annotated[int, Field(gt=0, le=1_000_000_000)]
    of: Literal["act", "distance_m", "duration_s", "mass_g", "energy_wh", "volume_ml", "price_fen", "count"]


class Title(Data):
    """A name in both languages."""

    zh: Text
    en: Text


class SpentReversal(Data):
    """What becomes of a reversed credit whose points are gone: from other lots or not, then owed or lost."""

    other_lots: bool = True
    shortfall: Literal["receivable", "loss"] = "receivable"


class Precedence(enum.StrEnum):
    """Which of two reports of one act has the credit in the end."""

    ARRIVAL = "arrival"
    EVIDENCE = "evidence"
    HOLDER_CHOICE = "holder_choice"


class Collection(Data):
    """Credits wait: from so many days after the act, for so many days; then they lapse."""

    after_days: Annotated[int, Field(ge=0, le=366)]
    within_days: Annotated[int, Field(ge=1, le=366)]


class Programme(Data):
    """One region's rules from one day on."""

    region: Region
    name: Title
    first_day: datetime.date = Field(alias="from")
    points_per_g: Annotated[int, Field(ge=0, le=1000)]
    rounding: Literal["floor", "half_up", "ceiling"] = "floor"
    expiry_months: Annotated[int, Field(ge=1, le=119)] | None = None
    """Whole months beside what is left of the month: with 119 at most 10 years, as 深圳市碳普惠管理办法 has it."""
    expiry_years: Annotated[int, Field(ge=0, le=9)] | None = None
    """Instead of months: points go with the end of the year in which they were booked, or so many years later."""
    self_report: bool = True
    collection: Collection | None = None
    refund_restored_days: Annotated[int, Field(ge=0, le=366)] = 30  # of points that expired; 0: to breakage
    spent_reversal: SpentReversal = SpentReversal()
    precedence: Precedence = Precedence.ARRIVAL
    move_within_days: Annotated[int, Field(ge=0, le=366)] | None = None
    """How long after the act's day a report may still take its credit over; the methodology's report window bounds it.
    """
    source: Text | None = None
    scenes: dict[str, SceneRule] = {}

    @model_validator(mode="after")
    def _one_expiry(self) -> "Programme":
        if (self.expiry_months is None) == (self.expiry_years is None):
            raise PydanticCustomError("one_expiry", "give either expiry_months or expiry_years")
        return self

    @model_validator(mode="after")
    def _moves_by_precedence(self) -> "Programme":
        if self.move_within_days is not None and self.precedence is Precedence.ARRIVAL:
            raise PydanticCustomError("moves_nothing", "by order of arrival no credit moves")
        return self

    def counts(self, evidence: str) -> bool:
        """Whether an act that is known so earns points at all."""
        return self.self_report or evidence != "self_report"

    def points(self, scene: str, inputs: Mapping[str, int | str], credited_mg: int, full_mg: int) -> int:
        """Whole points, rounded once, for a credit; of a capped one the share that was credited.

        `inputs` in the units of their names; `credited_mg` of `full_mg` is what the caps left.
        """
        rule = self.scenes.get(scene)
        if rule is None:
            return self._rounded(credited_mg * self.points_per_g, 1000)
        given = 1 if rule.of == "act" else inputs.get(rule.of, 0)
        amount = given if isinstance(given, int) else 0
        numerator, denominator = rule.points * amount, rule.per
        if full_mg:
            numerator, denominator = numerator * credited_mg, denominator * full_mg
        return self._rounded(numerator, denominator)

    def _rounded(self, numerator: int, denominator: int) -> int:
        if self.rounding == "half_up":
            return (2 * numerator + denominator) // (2 * denominator)
        if self.rounding == "ceiling":
            return -(-numerator // denominator)
        return numerator // denominator

    def expires_on(self, booked: datetime.date) -> datetime.date:
        """First day on which points booked on a local day are gone: those of a month, or of a year, go together."""
        if self.expiry_months is None:
            return datetime.date(booked.year + (self.expiry_years or 0) + 1, 1, 1)
        months = booked.year * 12 + booked.month - 1 + self.expiry_months + 1
        return datetime.date(months // 12, months % 12 + 1, 1)

    @cached_property
    def key(self) -> str:
        """Name of the programme's asset: points of one region are one currency, whatever the rules of the day."""
        return self.region


class Programmes:
    """All programmes; the nearest region's latest rules count."""

    def __init__(self, programmes: tuple[Programme, ...]) -> None:
        self._all = programmes
        self._by_region: dict[str, list[Programme]] = {}
        for programme in sorted(programmes, key=lambda p: p.first_day):
            self._by_region.setdefault(programme.region, []).append(programme)
        if NATION not in self._by_region:
            raise ValueError("a programme for the nation (100000) is needed as the default")

    def with_versions(self, versions: Iterable[Programme]) -> "Programmes":
        """These and others; of two that begin on one day in one region the other counts."""
        return Programmes((*self._all, *versions))

    def of(self, region: str, day: datetime.date) -> Programme:
        """The programme in force in a region on a day: the city's, else the province's, else the nation's."""
        for code in (region, region[:4] + "00", region[:2] + "0000", NATION):
            for programme in reversed(self._by_region.get(code, ())):
                if programme.first_day <= day:
                    return programme
        return self._by_region[NATION][0]


def load_programmes(path: Path = BUILT_IN) -> Programmes:
    """Read programmes from YAML; raises `pydantic.ValidationError` where one is wrong."""
    rows = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return Programmes(tuple(Programme.model_validate(row) for row in rows))
