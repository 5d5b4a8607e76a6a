"""What an amount of CO2e is like, each with its source. Data, without what has no sourced factor. Pure."""

from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator

BUILT_IN = Path(__file__).parent / "equivalents.yaml"


class Words(BaseModel):
    """A text in both languages."""

    zh: str
    en: str


class Equivalent(BaseModel):
    """So many whole units are like an amount."""

    id: str = Field(examples=["car_km"])
    title: Words
    amount: int = Field(description="Whole units, rounded down")
    source: str
    url: str
    confidence: str


class _Kind(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: Words
    mg_per_unit: Annotated[Fraction, Field(gt=0)]
    source: str
    url: str
    confidence: str

    @field_validator("mg_per_unit", mode="before")
    @classmethod
    def _exact(cls, value: int | str) -> Fraction:
        return Fraction(value)


@lru_cache(maxsize=1)
def kinds() -> tuple[_Kind, ...]:
    """All kinds, read once."""
    rows = yaml.load(BUILT_IN.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return tuple(_Kind.model_validate(row) for row in rows)


def equivalents(mg: int) -> list[Equivalent]:
    """What so many mg are like."""
    return [
        Equivalent(
            id=kind.id,
            title=kind.title,
            amount=int(mg / kind.mg_per_unit),
            source=kind.source,
            url=kind.url,
            confidence=kind.confidence,
        )
        for kind in kinds()
    ]
