"""SQL of expectations and alerts."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    import asyncpg

Row: TypeAlias = "asyncpg.Record"
LAST = UUID(int=2**128 - 1)
"""After every id."""
_ALERT = (
    "a.id, a.meter_id, a.kind, a.starts_at, a.last_at, a.ended_at, a.amount, a.expected, a.opened_at,"
    " a.acknowledged_at, a.closed_at, a.verdict, a.note, m.number, m.line_id, m.carrier"
)
_WITH_METER = "meter_alerts a JOIN meters m ON m.holder_id = a.holder_id AND m.id = a.meter_id"


async def know_meters(driver: "asyncpg.Connection", now: datetime.datetime, until: datetime.datetime) -> None:
    """Look at meters that were entered since; they are learnt at once, and looked at from `until` on."""
    await driver.execute(
        "INSERT INTO meter_expectations (meter_id, holder_id, learn_at, looked_until, run_quarters)"
        " SELECT id, holder_id, $1, $2, 0 FROM meters m WHERE removed_at IS NULL"
        " AND NOT EXISTS (SELECT FROM meter_expectations e WHERE e.meter_id = m.id)"
        " ON CONFLICT (meter_id) DO NOTHING",
        now,
        until,
    )


async def to_learn(driver: "asyncpg.Connection", now: datetime.datetime, limit: int) -> list[UUID]:
    """Meters whose past is to be learnt again, locked."""
    rows = await driver.fetch(
        "SELECT meter_id FROM meter_expectations WHERE learn_at <= $1 ORDER BY learn_at LIMIT $2"
        " FOR UPDATE SKIP LOCKED",
        now,
        limit,
    )
    return [row[0] for row in rows]


async def keep_profile(
    driver: "asyncpg.Connection", meter_id: UUID, profile: str | None, learn_at: datetime.datetime
) -> None:
    """Keep what a locked meter's past taught."""
    await driver.execute(
        "UPDATE meter_expectations SET profile = $2, learn_at = $3 WHERE meter_id = $1",
        meter_id,
        profile,
        learn_at,
    )


async def profiles(driver: "asyncpg.Connection", meter_ids: Sequence[UUID]) -> dict[UUID, str]:
    """What the pasts of meters taught, of those that are learnt."""
    rows = await driver.fetch(
        "SELECT meter_id, profile FROM meter_expectations WHERE meter_id = ANY($1) AND profile IS NOT NULL",
        list(meter_ids),
    )
    return {row[0]: row[1] for row in rows}


async def to_look(driver: "asyncpg.Connection", until: datetime.datetime, limit: int) -> list[Row]:
    """Learnt meters that were not looked at up to `until`, locked; removed ones only as far as they stood."""
    return list(
        await driver.fetch(
            "SELECT e.meter_id, e.holder_id, e.looked_until, e.run_amount, e.run_quarters, e.profile"
            " FROM meter_expectations e JOIN meters m ON m.id = e.meter_id"
            " WHERE e.looked_until < $1 AND e.profile IS NOT NULL AND m.removed_at IS NULL"
            " ORDER BY e.looked_until, e.meter_id LIMIT $2 FOR UPDATE OF e SKIP LOCKED",
            until,
            limit,
        )
    )


async def looked(
    driver: "asyncpg.Connection", until: datetime.datetime, rows: Sequence[tuple[UUID, int | None, int]]
) -> None:
    """Keep how far locked meters were looked at: meter, what the last quarter-hours read, how many did."""
    await driver.execute(
        "UPDATE meter_expectations e SET looked_until = $1, run_amount = n.amount, run_quarters = n.quarters"
        " FROM unnest($2::uuid[], $3::bigint[], $4::int[]) AS n (meter_id, amount, quarters)"
        " WHERE e.meter_id = n.meter_id",
        until,
        *([row[place] for row in rows] for place in range(3)),
    )


async def found(
    driver: "asyncpg.Connection", now: datetime.datetime, rows: Sequence[tuple[object, ...]]
) -> list[Row]:
    """Open alerts, or carry on those that last: holder, id, meter, kind, starts, last, amount, expected.

    Answers those that were opened.
    """
    if not rows:
        return []
    there = await driver.fetch(
        "INSERT INTO meter_alerts"
        " (holder_id, id, meter_id, kind, starts_at, last_at, amount, expected, opened_at, note)"
        " SELECT n.holder_id, n.id, n.meter_id, n.kind, n.starts_at, n.last_at, n.amount, n.expected, $1, ''"
        " FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::varchar[], $6::timestamptz[], $7::timestamptz[],"
        " $8::bigint[], $9::bigint[])"
        " AS n (holder_id, id, meter_id, kind, starts_at, last_at, amount, expected)"
        " ON CONFLICT (meter_id, kind) WHERE ended_at IS NULL"
        " DO UPDATE SET last_at = greatest(meter_alerts.last_at, excluded.last_at)"
        " RETURNING meter_alerts.holder_id, meter_alerts.id",
        now,
        *([row[place] for row in rows] for place in range(8)),
    )
    # What is carried on keeps the id that it was opened with.
    offered = {row[1] for row in rows}
    opened = [row for row in there if row["id"] in offered]
    if not opened:
        return []
    return list(
        await driver.fetch(
            f"SELECT a.holder_id, {_ALERT} FROM unnest($1::uuid[], $2::uuid[]) AS n (holder_id, id)"
            f" JOIN {_WITH_METER} ON a.holder_id = n.holder_id AND a.id = n.id ORDER BY a.id",
            *([row[place] for row in opened] for place in range(2)),
        )
    )


async def end_quiet(
    driver: "asyncpg.Connection", meter_ids: Sequence[UUID], last: datetime.datetime, ended: datetime.datetime
) -> None:
    """End the episodes of meters in which nothing was found after `last`."""
    await driver.execute(
        "UPDATE meter_alerts SET ended_at = $3 WHERE meter_id = ANY($1) AND ended_at IS NULL AND last_at <= $2",
        list(meter_ids),
        last,
        ended,
    )


async def faulty(
    driver: "asyncpg.Connection", meter_id: UUID, since: datetime.datetime
) -> list[tuple[datetime.datetime, datetime.datetime]]:
    """Times of a meter from which nothing is learnt: its alerts, but for those closed as no fault."""
    rows = await driver.fetch(
        "SELECT starts_at, last_at FROM meter_alerts WHERE meter_id = $1 AND last_at > $2"
        " AND kind <> 'gap' AND (verdict IS NULL OR verdict = 'fault')",
        meter_id,
        since,
    )
    return [(row[0], row[1]) for row in rows]


async def find_alert(
    driver: "asyncpg.Connection", holder_id: UUID, alert_id: UUID, *, lock: bool = False
) -> "Row | None":
    """An alert of an enterprise, with its meter."""
    return await driver.fetchrow(
        f"SELECT {_ALERT} FROM {_WITH_METER} WHERE a.holder_id = $1 AND a.id = $2"
        + " FOR UPDATE OF a" * lock,
        holder_id,
        alert_id,
    )


async def page_of_alerts(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    wanted: tuple[UUID | None, str | None],
    before: UUID | None,
    limit: int,
) -> list[Row]:
    """Alerts of an enterprise, of a meter or in a state only (`open`, `acknowledged`, `closed`), the newest first."""
    return list(
        await driver.fetch(
            f"""
            SELECT {_ALERT} FROM {_WITH_METER}
            WHERE a.holder_id = $1 AND a.id < $4 AND ($2::uuid IS NULL OR a.meter_id = $2)
                AND ($3::varchar IS NULL OR $3 = CASE WHEN a.closed_at IS NOT NULL THEN 'closed'
                     WHEN a.acknowledged_at IS NOT NULL THEN 'acknowledged' ELSE 'open' END)
            ORDER BY a.id DESC LIMIT $5
            """,
            holder_id,
            *wanted,
            before or LAST,
            limit,
        )
    )


async def acknowledge(
    driver: "asyncpg.Connection", holder_id: UUID, alert_id: UUID, now: datetime.datetime
) -> None:
    """Say that somebody saw a locked alert; the first time counts."""
    await driver.execute(
        "UPDATE meter_alerts SET acknowledged_at = coalesce(acknowledged_at, $3) WHERE holder_id = $1 AND id = $2",
        holder_id,
        alert_id,
        now,
    )


async def close(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    alert_id: UUID,
    verdict: str,
    note: str,
    now: datetime.datetime,
) -> None:
    """Close a locked alert."""
    await driver.execute(
        "UPDATE meter_alerts SET closed_at = $5, verdict = $3, note = $4,"
        " acknowledged_at = coalesce(acknowledged_at, $5) WHERE holder_id = $1 AND id = $2",
        holder_id,
        alert_id,
        verdict,
        note,
        now,
    )
