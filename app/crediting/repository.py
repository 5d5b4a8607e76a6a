"""SQL of activities, caps and methodology versions."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.repository import PEOPLE
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
    rows = await driver.fetch(
        "SELECT holder_id, rule, window_start, used FROM tanpuhui_caps_now($1::uuid[], $2::date[], $3::date[])",
        holder_ids,
        *_months(windows),
    )
    return {(row[0], row[1], row[2]): row[3] for row in rows}


@dataclass(slots=True)
class People:
    """The people of a batch, and what their locks guard."""

    known: dict[UUID, tuple[UUID, bytes]] = field(default_factory=dict)
    """Identity token → (holder, person keys one behind the other)."""
    statuses: dict[UUID, int] = field(default_factory=dict)
    """Of the holders that are locked."""
    owing: set[UUID] = field(default_factory=set)
    """Locked holders that owe points."""
    granted: set[tuple[int, str]] = field(default_factory=set)
    """(place among the asked, scene group) of live consents; true of holders that are locked."""
    caps: CapUse = field(default_factory=dict)
    """Of locked holders."""


async def lock_people(
    driver: "asyncpg.Connection",
    asked: Sequence[tuple[UUID, UUID, str, datetime.datetime]],
    windows: Iterable[datetime.date],
    *,
    wait: bool,
) -> People:
    """Find and lock the holders of (identity token, source, scene group, time), and read what their locks guard.

    Locks in id order; without `wait` only those that are free. One round trip: the functions are called when all locks
    are held, and read by snapshots of their own. Consents are read of all who are asked for, and count for those that
    are locked: to find these among a batch would compare each with each.
    """
    rows = await driver.fetch(
        f"""
        WITH people AS MATERIALIZED ({PEOPLE}), locked AS MATERIALIZED (
            SELECT holder_id, status, owed_points > 0 AS owes FROM balances
            WHERE holder_id = ANY(ARRAY(SELECT id FROM people))
            ORDER BY holder_id FOR NO KEY UPDATE {"" if wait else "SKIP LOCKED"}
        ), mine AS MATERIALIZED (
            SELECT asked.holders, held.holders AS locked
            FROM (SELECT array_agg(id ORDER BY n) AS holders FROM people) asked,
                 (SELECT array_agg(holder_id) AS holders FROM locked) held
        )
        SELECT 1, token, id, person_key, NULL::bigint, NULL::varchar, NULL::date FROM people
            WHERE id IS NOT NULL
        UNION ALL SELECT 2, NULL, holder_id, NULL, status, CASE WHEN owes THEN '' END, NULL FROM locked
        UNION ALL SELECT 3, NULL, NULL, NULL, c.n, c.scene_group, NULL
            FROM mine, tanpuhui_consents_now(mine.holders, $2::uuid[], $3::varchar[], $4::timestamptz[]) c
        UNION ALL SELECT 4, NULL, c.holder_id, NULL, c.used, c.rule, c.window_start
            FROM mine, tanpuhui_caps_now(mine.locked, $5::date[], $6::date[]) c
        """,
        *columns(asked),
        *_months(windows),
    )
    people = People()
    for kind, token, holder, key, number, text, window in rows:
        match kind:
            case 1:
                people.known[token] = (holder, key)
            case 2:
                people.statuses[holder] = number
                if text is not None:
                    people.owing.add(holder)
            case 3:
                people.granted.add((number, text))
            case _:
                people.caps[holder, text, window] = number
    return people


def _months(windows: Iterable[datetime.date]) -> tuple[list[datetime.date], list[datetime.date]]:
    """First and last of these windows in each month.

    Each month apart, so that a year's window does not lead through all months since January.
    """
    months: dict[tuple[int, int], list[datetime.date]] = {}
    for window in windows:
        months.setdefault((window.year, window.month), []).append(window)
    return [min(month) for month in months.values()], [max(month) for month in months.values()]


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
