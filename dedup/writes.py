"""Rows for several tables in one statement: for a small group, a round trip costs more than its rows."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncpg

_ARGUMENT: Final = re.compile(r"\$(\d+)")


class Writes:
    """INSERTs and UPDATEs, none of which reads what another one writes, run together as parts of one statement."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._arguments: list[object] = []

    def add(self, statement: str, *arguments: object) -> None:
        """Take on a statement that calls its arguments `$1`, `$2` and so on."""
        first = len(self._arguments)
        moved = _ARGUMENT.sub(lambda found: f"${int(found[1]) + first}", statement)
        self._parts.append(f"w{len(self._parts)} AS ({moved})")
        self._arguments += arguments

    async def execute(self, driver: "asyncpg.Connection") -> None:
        """Write everything that was taken on."""
        if self._parts:
            await driver.execute(f"WITH {', '.join(self._parts)} SELECT 1", *self._arguments)


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as the arrays that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)]
