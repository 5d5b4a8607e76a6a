"""SQL of issuances, what stays out of them, and objections."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import col, select

from accounts.ids import uuid7_batch
from accounts.issuance.models import Issuance, IssuanceObjection, Status
from accounts.models import AccountKind, EntryKind
from accounts.offsetting.repository import open_of_users

if TYPE_CHECKING:
    import asyncpg
    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.repository import Driver, Row

_OPEN, _ISSUED = AccountKind.HOLDER_OPEN, AccountKind.HOLDER_ISSUED


async def issuable_text(driver: "Driver", region: str, code: str, version: str) -> "Row | None":
    """(id, region, scene, content_hash) of a text that a second operator approved as issuable."""
    return await driver.fetchrow(
        """
        SELECT id, region, scene, content_hash FROM methodology_versions
        WHERE region = $1 AND code = $2 AND version = $3 AND issuable ORDER BY id DESC LIMIT 1
        """,
        region,
        code,
        version,
    )


async def text_of(driver: "Driver", methodology_id: int) -> "Row":
    """(region, scene, code, version, content_hash, content) of a methodology version."""
    (found,) = await driver.fetch(
        "SELECT region, scene, code, version, content_hash, content FROM methodology_versions WHERE id = $1",
        methodology_id,
    )
    return found


async def asset_of(driver: "Driver", methodology_id: int, vintage: int) -> int | None:
    """The asset of grams of a methodology version and vintage, where anything was booked."""
    found: int | None = await driver.fetchval(
        "SELECT id FROM assets WHERE kind = 'reduction' AND methodology_id = $1 AND vintage = $2",
        methodology_id,
        vintage,
    )
    return found


async def lock_opening(driver: "Driver") -> None:
    """One at a time opens issuances, of whomever: they are numbered in each region, and series may not overlap."""
    await driver.execute("SELECT pg_advisory_xact_lock(hashtextextended('issuances', 0))")


async def find(session: "AsyncSession", issuance_id: UUID, *, lock: bool = False) -> Issuance | None:
    """An issuance; with `lock` it is the caller's until the commit."""
    query = select(Issuance).where(col(Issuance.id) == issuance_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return (await session.exec(query)).first()


async def of_asset(session: "AsyncSession", applicant_id: UUID, asset_id: int) -> Sequence[Issuance]:
    """All of an applicant's issuances of an asset that were not withdrawn, by place."""
    rows = await session.exec(
        select(Issuance)
        .where(
            col(Issuance.applicant_id) == applicant_id,
            col(Issuance.asset_id) == asset_id,
            col(Issuance.status) != Status.WITHDRAWN,
        )
        .order_by(col(Issuance.place))
    )
    return rows.all()


async def page(
    session: "AsyncSession",
    region_digits: str,
    states: Sequence[str] | None,
    before: UUID | None,
    limit: int,
    applicant_id: UUID | None = None,
) -> Sequence[Issuance]:
    """At most `limit` issuances of a region, the newest first."""
    query = select(Issuance).where(col(Issuance.region).startswith(region_digits))
    if states is not None:
        query = query.where(col(Issuance.status).in_(states))
    if before is not None:
        query = query.where(col(Issuance.id) < before)
    if applicant_id is not None:
        query = query.where(col(Issuance.applicant_id) == applicant_id)
    return (await session.exec(query.order_by(col(Issuance.id).desc()).limit(limit))).all()


async def waiting(session: "AsyncSession") -> Sequence[UUID]:
    """Issuances that a job has something to do for, the oldest first."""
    rows = await session.exec(
        select(col(Issuance.id))
        .where(
            or_(
                col(Issuance.status).in_((Status.CLOSING, Status.OPENING)),
                (col(Issuance.status) == Status.DRAFT) & col(Issuance.preview).is_(None),
            )
        )
        .order_by(col(Issuance.id))
    )
    return rows.all()


async def close_bookings(driver: "Driver", asset_id: int, until: datetime.datetime) -> None:
    """From the commit on nothing of the asset is booked before a moment; waits for who is about to."""
    await driver.execute("SELECT tanpuhui_close_bookings($1, $2)", asset_id, until)


async def objections(session: "AsyncSession", issuance_id: UUID) -> Sequence[IssuanceObjection]:
    """All objections to an issuance, the first one first."""
    rows = await session.exec(
        select(IssuanceObjection)
        .where(col(IssuanceObjection.issuance_id) == issuance_id)
        .order_by(col(IssuanceObjection.id))
    )
    return rows.all()


async def exclusions(driver: "Driver", issuance_id: UUID, after: UUID | None, limit: int) -> "list[Row]":
    """(cause_id, amount_mg, reason, note, excluded_at, included_at), by act, each act's last."""
    return list(
        await driver.fetch(
            """
            SELECT DISTINCT ON (cause_id) cause_id, amount_mg, reason, note, excluded_at, included_at
            FROM issuance_exclusions WHERE issuance_id = $1 AND cause_id > $2
            ORDER BY cause_id, entry_id DESC LIMIT $3
            """,
            issuance_id,
            after or UUID(int=0),
            limit,
        )
    )


Excluded = tuple[UUID, UUID, int]
"""(holder, act, mg that stand of it)."""


async def exclude(
    driver: "asyncpg.Connection",
    issuance: Issuance,
    rows: Sequence[Excluded],
    reason: str,
    note: str,
    by: str,
    now: datetime.datetime,
) -> None:
    """Move what stands of acts from open to where nothing is issued from; the holders are locked."""
    ids = uuid7_batch(int(now.timestamp() * 1000), len(rows))
    await driver.execute(
        f"""
        WITH n AS (
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[]) AS n (holder, cause, mg, id)),
        booked AS (
            INSERT INTO entries (holder_id, id, cause_id, asset_id, kind, debit, credit, amount, party_id, booked_at)
            SELECT holder, id, cause, $5::int, {EntryKind.EXCLUSION:d}, {_OPEN:d}, {AccountKind.HOLDER_EXCLUDED:d}, mg,
                $6::uuid, (SELECT tanpuhui_booked_at($10::timestamptz, ARRAY[$5::int]))
            FROM n WHERE mg > 0),
        moved AS (
            UPDATE balances b SET open_mg = b.open_mg - t.mg, excluded_mg = b.excluded_mg + t.mg
            FROM (SELECT holder, sum(mg)::bigint AS mg FROM n GROUP BY holder) t WHERE b.holder_id = t.holder)
        INSERT INTO issuance_exclusions (holder_id, cause_id, entry_id, issuance_id, amount_mg, reason, note,
            excluded_by, excluded_at)
        SELECT holder, cause, id, $6::uuid, mg, $7::varchar, $8::varchar, $9::varchar, $10::timestamptz FROM n
        """,
        *([row[place] for row in rows] for place in range(3)),
        ids,
        issuance.asset_id,
        issuance.id,
        reason,
        note,
        by,
        now,
    )


async def leave_out_used(
    driver: "asyncpg.Connection",
    issuance: Issuance,
    rows: Sequence[tuple[UUID, UUID]],
    now: datetime.datetime,
) -> None:
    """Write down acts whose grams their holders have used: an offset moved them, so no entry does. Once."""
    await driver.execute(
        """
        INSERT INTO issuance_exclusions (holder_id, cause_id, entry_id, issuance_id, amount_mg, reason, note,
            excluded_by, excluded_at)
        SELECT holder, cause, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid, $3::uuid, 0, 'used', '', 'system',
            $4::timestamptz
        FROM unnest($1::uuid[], $2::uuid[]) AS n (holder, cause)
        ON CONFLICT DO NOTHING
        """,
        [row[0] for row in rows],
        [row[1] for row in rows],
        issuance.id,
        now,
    )


async def move_to_issued(
    driver: "asyncpg.Connection", issuance: Issuance, wanted: dict[UUID, int], now: datetime.datetime
) -> None:
    """Book holders' grams of the issuance from open to issued: one entry for each, of what is open still."""
    holders = sorted(wanted)
    rows = await driver.fetch(
        """
        SELECT holder_id, open_mg, used_mg FROM balances WHERE holder_id = ANY($1::uuid[])
        ORDER BY holder_id FOR NO KEY UPDATE
        """,
        holders,
    )
    # By the next statement, behind the locks: what was reversed since the period ended is not there to be moved.
    reversed_since = dict(
        await driver.fetch(
            f"""
            SELECT e.holder_id, sum(e.amount)::bigint FROM entries e
            CROSS JOIN LATERAL (
                SELECT c.booked_at AS at FROM entries c WHERE c.holder_id = e.holder_id AND c.cause_id = e.cause_id
                  AND c.asset_id = e.asset_id AND c.kind = {EntryKind.CREDIT:d} AND c.credit = {_OPEN:d} AND c.id < e.id
                  AND c.id >= (left(e.cause_id::text, 13) || '-0000-0000-000000000000')::uuid
                ORDER BY c.id DESC LIMIT 1) c
            WHERE e.holder_id = ANY($1::uuid[]) AND e.id >= tanpuhui_uuid7_floor($4) AND e.asset_id = $2
              AND e.kind = {EntryKind.REVERSAL:d} AND e.debit = {_OPEN:d} AND c.at >= $3 AND c.at < $4
              AND NOT EXISTS (SELECT FROM issuance_exclusions x WHERE x.holder_id = e.holder_id
                  AND x.cause_id = e.cause_id AND x.entry_id > e.id)
            GROUP BY e.holder_id
            """,
            holders,
            issuance.asset_id,
            issuance.booked_from,
            issuance.booked_until,
        )
    )
    of_asset = await open_of_users(driver, [holder for holder, _, used_mg in rows if used_mg])
    moved: list[tuple[UUID, int]] = []
    for holder, open_mg, _ in rows:
        there = min(open_mg, of_asset.get(holder, {issuance.asset_id: open_mg}).get(issuance.asset_id, 0))
        amount = min(wanted[holder] - reversed_since.get(holder, 0), there)
        if amount > 0:
            moved.append((holder, amount))
    if moved:
        await _book(driver, issuance, moved, now, back=False)


async def move_back(
    driver: "asyncpg.Connection", issuance: Issuance, holders: Sequence[UUID], now: datetime.datetime
) -> None:
    """Book what an issuance has of holders' grams back to open."""
    await driver.execute(
        "SELECT FROM balances WHERE holder_id = ANY($1::uuid[]) ORDER BY holder_id FOR NO KEY UPDATE", holders
    )
    rows = await driver.fetch(
        f"""
        SELECT holder_id, sum(CASE WHEN credit = {_ISSUED:d} THEN amount ELSE -amount END)::bigint FROM entries
        WHERE holder_id = ANY($1::uuid[]) AND id >= tanpuhui_uuid7_floor($3) AND party_id = $2
          AND kind IN ({EntryKind.ISSUE:d}, {EntryKind.RETURN:d})
        GROUP BY holder_id
        HAVING sum(CASE WHEN credit = {_ISSUED:d} THEN amount ELSE -amount END) > 0
        """,
        holders,
        issuance.id,
        issuance.opened_at,
    )
    if rows:
        await _book(driver, issuance, [(row[0], row[1]) for row in rows], now, back=True)


async def _book(
    driver: "asyncpg.Connection",
    issuance: Issuance,
    moved: Sequence[tuple[UUID, int]],
    now: datetime.datetime,
    *,
    back: bool,
) -> None:
    kind, debit, credit, sign = (
        (EntryKind.RETURN, _ISSUED, _OPEN, "-") if back else (EntryKind.ISSUE, _OPEN, _ISSUED, "+")
    )
    await driver.execute(
        f"""
        WITH n AS (SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[]) AS n (holder, mg, id)),
        booked AS (
            INSERT INTO entries (holder_id, id, cause_id, asset_id, kind, debit, credit, amount, party_id, booked_at)
            SELECT holder, id, $5::uuid, $4::int, {kind:d}, {debit:d}, {credit:d}, mg, $5::uuid,
                (SELECT tanpuhui_booked_at($6::timestamptz, ARRAY[$4::int]))
            FROM n)
        UPDATE balances b SET issued_mg = b.issued_mg {sign} n.mg, open_mg = b.open_mg - ({sign} n.mg)
        FROM n WHERE b.holder_id = n.holder
        """,
        [row[0] for row in moved],
        [row[1] for row in moved],
        uuid7_batch(int(now.timestamp() * 1000), len(moved)),
        issuance.asset_id,
        issuance.id,
        now,
    )


async def holders_between(driver: "Driver", applicant_id: UUID, before: UUID, limit: int) -> list[UUID]:
    """Holders who ever gave the applicant a mandate, from one on downwards."""
    rows = await driver.fetch(
        """
        SELECT DISTINCT holder_id FROM mandates WHERE applicant_id = $1 AND holder_id <= $2
        ORDER BY holder_id DESC LIMIT $3
        """,
        applicant_id,
        before,
        limit,
    )
    return [row[0] for row in rows]
