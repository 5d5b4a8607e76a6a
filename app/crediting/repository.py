"""SQL of activities, caps and methodology versions."""

import datetime
from collections.abc import Sequence
from struct import Struct
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from dedup.binary_copy import NULL, copy_rows, jsonb, micros, value, word

if TYPE_CHECKING:
    import asyncpg

    from app.crediting.decision import Candidate

ACTIVITY_COLUMNS = [
    "holder_id",
    "id",
    "source_id",
    "scene",
    "region",
    "started_at",
    "ended_at",
    "evidence",
    "inputs",
    "outcome",
    "reason",
    "methodology_id",
    "co2e_mg",
    "full_mg",
    "points",
    "winner_id",
    "claim_tokens",
]


_KEYS = Struct(">h i16s i16s i16s")
_TIMES = Struct(">iq iq")
_AMOUNTS = Struct(">ii iq iq iq")
_UUID = Struct(">i16s")


def packed_activity(candidate: "Candidate", methodology_id: int, claim_tokens: bytes) -> bytes:
    """The row of a decided report, in the order of `ACTIVITY_COLUMNS`."""
    p = candidate.prepared
    winner = candidate.winner_id
    return b"".join(
        (
            _KEYS.pack(
                len(ACTIVITY_COLUMNS),
                *(16, candidate.holder_id.bytes, 16, candidate.activity_id.bytes, 16, p.source_id.bytes),
            ),
            word(p.scene),
            word(p.region),
            _TIMES.pack(8, micros(p.started_s), 8, micros(p.ended_s)),
            word(p.evidence),
            jsonb(orjson.dumps(p.inputs)),
            word(candidate.outcome.value),
            word(candidate.reason),
            _AMOUNTS.pack(4, methodology_id, 8, candidate.co2e_mg, 8, p.full_mg, 8, candidate.points),
            NULL if winner is None else _UUID.pack(16, winner.bytes),
            value(claim_tokens),
        )
    )


async def write_activities(driver: "asyncpg.Connection", rows: Sequence[bytes]) -> None:
    """Append packed activities."""
    await copy_rows(driver, "activities", ACTIVITY_COLUMNS, rows)


async def read_outcomes(
    driver: "asyncpg.Connection", activity_ids: Sequence[UUID]
) -> dict[UUID, "asyncpg.Record"]:
    """Activity id → what it is answered with now."""
    rows = await driver.fetch(
        """
        SELECT a.id, a.outcome, a.reason, a.co2e_mg, a.points, a.winner_id, a.reversed_at
        FROM activities a WHERE a.id = ANY($1::uuid[])
        """,
        activity_ids,
    )
    return {row[0]: row for row in rows}


async def read_caps(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], windows: Sequence[datetime.date]
) -> dict[tuple[UUID, str, datetime.date], int]:
    """(holder, rule, window) → used, of locked holders' windows between the earliest and the latest of these.

    By `= ANY` and bounds, and by no join: a plan made while a month is empty would join the other way round.
    """
    rows = await driver.fetch(
        """
        SELECT holder_id, rule, window_start, used FROM cap_usage
        WHERE holder_id = ANY($1::uuid[]) AND window_start BETWEEN $2 AND $3
        """,
        holder_ids,
        min(windows),
        max(windows),
    )
    return {(row[0], row[1], row[2]): row[3] for row in rows}


async def write_caps(
    driver: "asyncpg.Connection",
    holder_ids: Sequence[UUID],
    rules: Sequence[str],
    windows: Sequence[datetime.date],
    used: Sequence[int],
    caps: Sequence[int],
) -> None:
    """Store the new use of windows; the table's CHECK is the backstop."""
    await driver.execute(
        """
        INSERT INTO cap_usage (holder_id, rule, window_start, used, cap)
        SELECT * FROM unnest($1::uuid[], $2::varchar[], $3::date[], $4::bigint[], $5::bigint[])
        ON CONFLICT (holder_id, rule, window_start) DO UPDATE SET used = excluded.used, cap = excluded.cap
        """,
        holder_ids,
        rules,
        windows,
        used,
        caps,
    )


async def return_headroom(
    driver: "asyncpg.Connection", holder_id: UUID, rule: str, window: datetime.date, amount: int
) -> None:
    """Give a reversed act's share of a cap back to the act's own window."""
    await driver.execute(
        "UPDATE cap_usage SET used = used - $4 WHERE holder_id = $1 AND rule = $2 AND window_start = $3",
        holder_id,
        rule,
        window,
        amount,
    )


async def know_methodologies(
    driver: "asyncpg.Connection",
    rows: Sequence[tuple[str, str, str, str, str, str, bool]],
    now: datetime.datetime,
) -> dict[str, int]:
    """Record versions (region, scene, code, version, hash, content, issuable); answers content hash → id."""
    await driver.execute(
        """
        INSERT INTO methodology_versions (region, scene, code, version, content_hash, content, issuable, recorded_at)
        SELECT *, $8::timestamptz FROM unnest(
            $1::varchar[], $2::varchar[], $3::varchar[], $4::varchar[], $5::varchar[], $6::varchar[], $7::bool[])
        ON CONFLICT DO NOTHING
        """,
        *(list(column) for column in zip(*rows, strict=True)),
        now,
    )
    found = await driver.fetch("SELECT content_hash, id FROM methodology_versions")
    return {row[0]: row[1] for row in found}


async def mark_reversed(
    driver: "asyncpg.Connection", holder_id: UUID, activity_id: UUID, now: datetime.datetime
) -> bool:
    """Mark an activity reversed; False where it is already. The write itself lets only one caller through."""
    row = await driver.fetchrow(
        """
        UPDATE activities SET reversed_at = $3
        WHERE holder_id = $1 AND id = $2 AND reversed_at IS NULL RETURNING id
        """,
        holder_id,
        activity_id,
        now,
    )
    return row is not None
