"""What pages of reports are made of: facts, tables, bars and notes, all texts ready to be read. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

Item = dict[str, Any]
MOST_ROWS: Final = 24


def fact(zh: str, en: str, value: object) -> Item:
    """A value with its name."""
    return {"zh": zh, "en": en, "value": str(value)}


def facts(*rows: Item) -> Item:
    """Facts side by side."""
    return {"type": "facts", "rows": list(rows)}


def column(zh: str, en: str, *, right: bool = False, wide: bool = False) -> Item:
    """The head of a column."""
    return {"zh": zh, "en": en, "right": right, "wide": wide}


def table(columns: Sequence[Item], rows: Sequence[Sequence[str]]) -> Item:
    """A table, of so many rows at the most."""
    return {"type": "table", "columns": list(columns), "rows": [list(row) for row in rows[:MOST_ROWS]]}


def note(zh: str, en: str) -> Item:
    """Small print."""
    return {"type": "note", "zh": zh, "en": en}


def kilograms(co2e_g: str) -> str:
    """Grams as kilograms, or as tonnes from ten of them on, with three places."""
    value = Decimal(co2e_g)
    unit, size = ("t", 1_000_000) if abs(value) >= 10_000_000 else ("kg", 1000)  # noqa: PLR2004 - ten tonnes
    return f"{value / size:,.3f} {unit}"


def bars(rows: Sequence[tuple[str, int, str]]) -> Item:
    """Bars of a series."""
    return {
        "type": "bars",
        "rows": [{"name": name, "length": size, "value": text} for name, size, text in rows],
    }
