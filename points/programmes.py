"""Points programmes: dated data that says what a credit earns and when it expires. Pure."""

import datetime
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

BUILT_IN = Path(__file__).parent / "programmes.yaml"
NATION = "100000"


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SceneRule(_Data):
    """`points` for each `per` units of an input (`of`), or for each act."""

    points: Annotated[int, Field(gt=0, le=1_000_000)]
    per: Annotated[int, Field(gt=0, le=1_000_000_000)]
    of: str


class Title(_Data):
    """A name in both languages."""

    zh: str
    en: str


class Programme(_Data):
    """One region's rules from one day on."""

    region: Annotated[str, Field(pattern=r"^[1-9][0-9]{5}$")]
    name: Title
    first_day: datetime.date = Field(alias="from")
    points_per_g: Annotated[int, Field(ge=0, le=1000)]
    expiry_months: Annotated[int, Field(ge=1, le=120)]  # at most 10 years: 深圳市碳普惠管理办法
    refund_restored_days: Annotated[int, Field(ge=0, le=366)] = 30  # of points that expired; 0: to breakage
    source: str | None = None
    scenes: dict[str, SceneRule] = {}

    def points(self, scene: str, inputs: Mapping[str, int | str], credited_mg: int, full_mg: int) -> int:
        """Whole points, floored, for a credit; of a capped one the share that was credited.

        `inputs` in the units of their names; `credited_mg` of `full_mg` is what the caps left.
        """
        rule = self.scenes.get(scene)
        if rule is None:
            return credited_mg * self.points_per_g // 1000
        given = 1 if rule.of == "act" else inputs.get(rule.of, 0)
        amount = given if isinstance(given, int) else 0
        numerator, denominator = rule.points * amount, rule.per
        if full_mg:
            numerator, denominator = numerator * credited_mg, denominator * full_mg
        return numerator // denominator

    def expires_on(self, booked: datetime.date) -> datetime.date:
        """First day on which points booked on a local day are gone: a month's points expire together."""
        months = booked.year * 12 + booked.month - 1 + self.expiry_months + 1
        return datetime.date(months // 12, months % 12 + 1, 1)

    @cached_property
    def key(self) -> str:
        """Name of the programme's asset: points of one region are one currency, whatever the rules of the day."""
        return self.region


class Programmes:
    """All programmes; the nearest region's latest rules count."""

    def __init__(self, programmes: tuple[Programme, ...]) -> None:
        self._by_region: dict[str, list[Programme]] = {}
        for programme in sorted(programmes, key=lambda p: p.first_day):
            self._by_region.setdefault(programme.region, []).append(programme)
        if NATION not in self._by_region:
            raise ValueError("a programme for the nation (100000) is needed as the default")

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
