"""A section of an export: a query, and how its columns are shown."""

import datetime
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from accounts.ids import public_id
from accounts.quantities import grams

if TYPE_CHECKING:
    from accounts.repository import Driver

Cell = str | int | bool | None | list[Any] | dict[str, Any]
Show = Callable[[Any], Cell]
PREFETCH = 500


def plain(value: Any) -> Cell:
    """Text, whole numbers and truth as they are, times and days as ISO 8601 writes them."""
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"no column of an export is a {type(value).__name__}")


def identified(prefix: str) -> Show:
    """An id as the API shows it."""
    return lambda value: None if value is None else public_id(prefix, value)


def in_grams(value: Any) -> Cell:
    """Milligrams as decimal grams."""
    return None if value is None else grams(value)


def parsed(value: Any) -> Cell:
    """JSON that the database keeps as text."""
    found: Cell = orjson.loads(value)
    return found


@dataclass(frozen=True)
class Section:
    """One file of the export, as JSON and as CSV: a query with the holder as `$1`, and how its columns are shown."""

    name: str
    query: str
    columns: Mapping[str, Show]

    async def count(self, driver: "Driver", holder_id: UUID) -> int:
        """How many rows there are."""
        return int(await driver.fetchval(f"SELECT count(*) FROM ({self.query}) q", holder_id))

    async def rows(self, driver: "Driver", holder_id: UUID) -> AsyncIterator[dict[str, Cell]]:
        """The rows, a few at a time."""
        async for row in driver.cursor(self.query, holder_id, prefetch=PREFETCH):
            yield {name: show(row[name]) for name, show in self.columns.items()}
