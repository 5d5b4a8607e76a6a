"""The kinds of values that a text is made of, and what all of its parts have in common."""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints

from methodologies.errors import TextError

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
Confidence: TypeAlias = Literal["quoted", "derived", "provisional", "example"]
# What a table may be read by: place and time of the act, and what the source says its kind is.
ContextKey: TypeAlias = Literal["province", "year", "month", "kind"]
ExampleName: TypeAlias = Annotated[
    str,
    StringConstraints(
        pattern=r"^(distance_m|duration_s|mass_g|energy_wh|count|volume_ml|price_fen|province|year|month|kind)$"
    ),
]
RuleName: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*:[a-z_][a-z0-9_]*$", max_length=200),
]


def _whole_or_word(given: object) -> int | str:
    """Take a bounded integer or a short word; one check of its own, so that an error has one place."""
    if type(given) is int and 0 <= given <= 10**12:
        return given
    if isinstance(given, str) and _WORD.fullmatch(given):
        return given
    raise TextError("须为非负整数或小写单词", "must be a whole number of 0 or more, or a lower-case word")


WholeOrWord: TypeAlias = Annotated[int | str, PlainValidator(_whole_or_word)]

_WORD = re.compile(r"[a-z0-9_]{1,40}", re.ASCII)


class Model(BaseModel):
    """Frozen, strict, and refusing keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Title(Model):
    """A name in Chinese and English."""

    zh: Words
    en: Words
