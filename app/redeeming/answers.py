"""SQL of answers that are kept under an Idempotency-Key, for groups."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dedup.writes import Writes, columns

if TYPE_CHECKING:
    import asyncpg


async def read(driver: "asyncpg.Connection", tokens: Sequence[bytes]) -> dict[bytes, tuple[bytes, bytes]]:
    """Token → (MAC of the body, answer) of keys that were used."""
    rows = await driver.fetch(
        "SELECT token, body_mac, answer FROM idempotent_answers WHERE token = ANY($1::bytea[])", tokens
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def keep(writes: Writes, rows: Sequence[tuple[bytes, bytes, bytes]], now: datetime.datetime) -> None:
    """Keep (token, MAC, answer)."""
    writes.add(
        """
        INSERT INTO idempotent_answers (token, body_mac, answer, created_at)
        SELECT a.*, $4::timestamptz FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS a
        """,
        *columns(rows),
        now,
    )
