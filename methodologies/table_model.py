"""What a text says of its tables by key and its steps by range. The year in a key is that of the act."""

import datetime as dt
from typing import Annotated

from pydantic import Field

from methodologies.fields import (
    Confidence,
    ContextKey,
    Decimal,
    Identifier,
    Model,
    RegionCode,
    Title,
    WholeOrWord,
    Words,
)


class Row(Model):
    """One value of a table. Source, url and confidence come from the table where they are not given.

    `key` in the order of the table's keys: a province as its quoted 6 digits, year and month as integers,
    a kind as its word. The year is the accounting year, that of the act; the year of the data, the day of
    publication and the number of the notice are kept apart from it.
    """

    key: Annotated[tuple[WholeOrWord, ...], Field(strict=False, min_length=1, max_length=2)]
    value: Decimal
    data_year: Annotated[int, Field(ge=1990, le=2200)] | None = None
    published: Annotated[dt.date | None, Field(strict=False)] = None
    notice_no: Words | None = None
    source: Words | None = None
    url: Words | None = None
    confidence: Confidence | None = None


class Covers(Model):
    """Keys for which a table must have values: every combination of them."""

    province: Annotated[tuple[RegionCode, ...] | None, Field(strict=False, max_length=40)] = None
    year: Annotated[tuple[int, ...] | None, Field(strict=False, max_length=40)] = None
    month: Annotated[tuple[int, ...] | None, Field(strict=False, max_length=12)] = None
    kind: Annotated[tuple[Identifier, ...] | None, Field(strict=False, max_length=200)] = None


class Table(Model):
    """Values by key: `name[key, key]` in a formula. A key that is not in it refuses the act.

    `shared` names the shared table that the rows were taken from; `default` is the value of any other key.
    """

    name: Identifier
    title: Title | None = None
    unit: Words
    keys: Annotated[tuple[ContextKey, ...], Field(strict=False, min_length=1, max_length=2)]
    rows: Annotated[tuple[Row, ...], Field(strict=False, min_length=1, max_length=2000)]
    default: Decimal | None = None
    covers: Covers | None = None
    shared: Identifier | None = None
    source: Words | None = None
    url: Words | None = None
    confidence: Confidence | None = None


class Range(Model):
    """One step: from `from` (inclusive) to `to` (exclusive, open where absent), in the ladder's `unit_in`."""

    first: Decimal = Field(alias="from")
    last: Decimal | None = Field(alias="to", default=None)
    value: Decimal
    source: Words | None = None
    url: Words | None = None
    confidence: Confidence | None = None


class Ladder(Model):
    """Steps by range: `steps(x, name)` in a formula is the value of the range that x falls in."""

    name: Identifier
    title: Title | None = None
    unit_in: Words
    unit_out: Words
    rows: Annotated[tuple[Range, ...], Field(strict=False, min_length=1, max_length=100)]
    source: Words | None = None
    url: Words | None = None
    confidence: Confidence | None = None
