"""SQL of activities, caps and methodology versions."""

import datetime
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.repository import LIVE_CONSENTS
from dedup.writes import Writes, columns

if TYPE_CHECKING:
    import asyncpg

ActivityRow = tuple[Any, ...]
"""The columns of an activity in the order of `write_activities`; times in epoch seconds, inputs as JSON text."""


def write_activities(writes: Writes, rows: Sequence[ActivityRow]) -> None:
    """Append decided reports."""
    writes.add(
        """
        INSERT INTO activities (holder_id, id, source_id, scene, region, started_at, ended_at, evidence, inputs,
                                outcome, reason, methodology_id, co2e_mg, full_mg, points, winner_id, claim_tokens,
                                aggregated_mg)
        SELECT holder, id, source, scene, region, to_timestamp(starts), to_timestamp(ends), evidence, inputs::jsonb,
               outcome, reason, methodology, credited, quantified, points, winner, tokens, aggregated
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::varchar[], $5::varchar[], $6::bigint[], $7::bigint[],
                    $8::varchar[], $9::text[], $10::varchar[], $11::varchar[], $12::int[], $13::bigint[],
                    $14::bigint[], $15::bigint[], $16::uuid[], $17::bytea[], $18::bigint[])
            AS a (holder, id, source, scene, region, starts, ends, evidence, inputs, outcome, reason, methodology,
                  credited, quantified, points, winner, tokens, aggregated)
        """,
        *columns(rows),
    )


async def read_outcomes(
    driver: "asyncpg.Connection", activity_ids: Sequence[UUID]
) -> dict[UUID, "asyncpg.Record"]:
    """Activity id → what it is answered with now."""
    rows = await driver.fetch(
        """
        SELECT a.id, a.outcome, a.reason, a.co2e_mg, a.points, a.winner_id, a.reversed_at, a.aggregated_mg
        FROM activities a WHERE a.id = ANY($1::uuid[])
        """,
        activity_ids,
    )
    return {row[0]: row for row in rows}


CapUse = dict[tuple[UUID, str, datetime.date], int]
"""(holder, rule, window) → used."""


async def read_caps(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], windows: Iterable[datetime.date]
) -> CapUse:
    """What is used of locked holders' windows in the months of these."""
    parts, bounds = _caps_of_months(windows, 1)
    rows = await driver.fetch(" UNION ALL ".join(parts), holder_ids, *bounds)
    return {(row[0], row[1], row[2]): row[3] for row in rows}


async def read_consents_and_caps(
    driver: "asyncpg.Connection",
    asked: Sequence[tuple[UUID, UUID, str, datetime.datetime]],
    windows: Iterable[datetime.date],
) -> tuple[set[tuple[int, str]], CapUse]:
    """What holders' locks guard, in one round trip: `LIVE_CONSENTS` for the asked, `read_caps` of their holders."""
    parts, bounds = _caps_of_months(windows, len(asked[0]))
    columns_of_caps = "holder_id, rule, window_start, used, NULL::bigint"
    caps = (f"SELECT {columns_of_caps} FROM ({part}) c" for part in parts)
    consents = f"SELECT NULL::uuid, scene_group, NULL::date, NULL::bigint, n FROM ({LIVE_CONSENTS}) l"
    statement = " UNION ALL ".join((consents, *caps))
    found = await driver.fetch(statement, *columns(asked), *bounds)
    granted: set[tuple[int, str]] = set()
    used: CapUse = {}
    for holder, text, window, amount, place in found:
        if place is None:
            used[holder, text, window] = amount
        else:
            granted.add((place, text))
    return granted, used


def _caps_of_months(windows: Iterable[datetime.date], before: int) -> tuple[list[str], list[datetime.date]]:
    """A SELECT of `$1`'s holders for each month, and the bounds that are its arguments after so many others.

    Each month apart, so that a year's window does not lead through all months since January. By `= ANY` and bounds,
    and by no join: a plan made while a month is empty would join the other way round.
    """
    months: dict[tuple[int, int], list[datetime.date]] = {}
    for window in windows:
        months.setdefault((window.year, window.month), []).append(window)
    bounds = [bound for month in months.values() for bound in (min(month), max(month))]
    parts = [
        f"""
        SELECT holder_id, rule, window_start, used FROM cap_usage
        WHERE holder_id = ANY($1::uuid[]) AND window_start BETWEEN ${place} AND ${place + 1}
        """
        for place in range(before + 1, before + 1 + len(bounds), 2)
    ]
    return parts, bounds


def write_caps(
    writes: Writes,
    holder_ids: Sequence[UUID],
    rules: Sequence[str],
    windows: Sequence[datetime.date],
    used: Sequence[int],
    caps: Sequence[int],
) -> None:
    """Store the new use of windows; the table's CHECK is the backstop."""
    writes.add(
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


def correct_caps(
    writes: Writes,
    holder_ids: Sequence[UUID],
    rules: Sequence[str],
    windows: Sequence[datetime.date],
    used: Sequence[int],
) -> None:
    """Store what is left used of windows that acts gave back to, whatever limit they were under."""
    writes.add(
        """
        UPDATE cap_usage c SET used = n.used
        FROM unnest($1::uuid[], $2::varchar[], $3::date[], $4::bigint[]) AS n (holder, rule, start, used)
        WHERE c.holder_id = n.holder AND c.rule = n.rule AND c.window_start = n.start
        """,
        holder_ids,
        rules,
        windows,
        used,
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


async def mark_collected(
    driver: "asyncpg.Connection", holder_id: UUID, activity_id: UUID, outcome: str
) -> bool:
    """Give a pending activity its outcome; False where it is pending no more: the write lets one caller through."""
    row = await driver.fetchrow(
        """
        UPDATE activities SET outcome = $3
        WHERE holder_id = $1 AND id = $2 AND outcome = 'pending' AND reversed_at IS NULL RETURNING id
        """,
        holder_id,
        activity_id,
        outcome,
    )
    return row is not None


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
