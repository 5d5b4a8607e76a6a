"""SQL that an intake batch needs of holders, consents and the ledger: array-shaped, in the batch's transaction."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from accounts.ids import moment_ms
from accounts.models import HolderStatus
from dedup.writes import Writes, columns

if TYPE_CHECKING:
    import asyncpg

Driver: TypeAlias = "asyncpg.Connection"
Row: TypeAlias = "asyncpg.Record"


PEOPLE = """
SELECT k.n, k.token, h.id, h.person_key || coalesce(h.next_person_key, ''::bytea) AS person_key
FROM unnest($1::uuid[]) WITH ORDINALITY AS k (token, n)
LEFT JOIN identities i ON i.token = k.token LEFT JOIN holders h ON h.id = i.holder_id
"""
"""Of identity tokens `$1`: place, token, and whose it is: holder, person key and behind it the next one, if any."""


async def resolve(
    driver: "asyncpg.Connection", identity_tokens: Sequence[UUID]
) -> dict[UUID, tuple[UUID, bytes]]:
    """Identity token → (holder, person key, and behind it the next one where there is one)."""
    rows = await driver.fetch(PEOPLE, identity_tokens)
    return {row[1]: (row[2], row[3]) for row in rows if row[2] is not None}


async def lock_holders(driver: "asyncpg.Connection", holder_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Take the holders' locks in id order; answers holder → status, read under the lock."""
    rows = await driver.fetch(
        """
        SELECT holder_id, status FROM balances WHERE holder_id = ANY($1::uuid[])
        ORDER BY holder_id FOR NO KEY UPDATE
        """,
        holder_ids,
    )
    return {row[0]: row[1] for row in rows}


MOVEMENT = "movement"
"""Movement data is consented to on its own, beside the scene group."""
AGGREGATION = "aggregation"
"""That the source takes the reductions is consented to on its own, apart from the use of data."""


async def consented(
    driver: "asyncpg.Connection",
    holder_ids: Sequence[UUID],
    source_ids: Sequence[UUID],
    scene_groups: Sequence[str],
    at: Sequence[datetime],
) -> list[tuple[int, str]]:
    """(place from 1, scene group) of the live consents of locked holders, `MOVEMENT` and `AGGREGATION` among them."""
    rows = await driver.fetch(
        "SELECT n, scene_group FROM tanpuhui_consents_now($1::uuid[], $2::uuid[], $3::varchar[], $4::timestamptz[])",
        *(holder_ids, source_ids, scene_groups, at),
    )
    return [(row[0], row[1]) for row in rows]


async def consented_then(
    driver: "asyncpg.Connection",
    activity_ids: Sequence[UUID],
    holder_ids: Sequence[UUID],
    source_ids: Sequence[UUID],
    at: Sequence[datetime],
) -> set[UUID]:
    """Activities whose source was allowed to take the reduction when they were booked, whatever was withdrawn later."""
    rows = await driver.fetch(
        f"""
        SELECT k.activity FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[])
            AS k (activity, holder, source, at, booked)
        JOIN consents c ON c.holder_id = k.holder AND c.source_id = k.source
        WHERE c.scene_group = '{AGGREGATION}' AND c.granted_at <= k.at AND c.recorded_at <= k.booked
          AND (c.withdrawn_at IS NULL OR c.withdrawn_at > k.booked)
        """,
        activity_ids,
        holder_ids,
        source_ids,
        at,
        [datetime.fromtimestamp(moment_ms(each) / 1000, UTC) for each in activity_ids],
    )
    return {row[0] for row in rows}


EntryRow = tuple[UUID, UUID, UUID, int, int, int, int, int]
"""(holder, id, activity, asset, kind, debit, credit, amount)."""


def write_entries(writes: Writes, rows: Sequence[EntryRow], booked_at: datetime) -> None:
    """Append entries that are booked at one moment."""
    writes.add(
        """
        INSERT INTO entries (holder_id, id, cause_id, asset_id, kind, debit, credit, amount, booked_at)
        SELECT e.*, (SELECT tanpuhui_booked_at($9, $4)) FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[],
            $5::smallint[], $6::smallint[], $7::smallint[], $8::bigint[]) AS e
        """,
        *columns(rows),
        booked_at,
    )


def add_to_balances(
    writes: Writes,
    holder_ids: Sequence[UUID],
    open_mg: Sequence[int],
    points: Sequence[int],
    owed: Sequence[int] | None = None,
) -> None:
    """Add to locked balances, one row for each holder; amounts may be negative, balances may not become so.

    `owed` is given where somebody of them owes points.
    """
    if owed is not None:
        writes.add(
            """
            UPDATE balances b SET open_mg = b.open_mg + d.mg, points = b.points + d.points,
                owed_points = b.owed_points + d.owed
            FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) AS d (holder, mg, points, owed)
            WHERE b.holder_id = d.holder
            """,
            holder_ids,
            open_mg,
            points,
            owed,
        )
        return
    writes.add(
        """
        UPDATE balances b SET open_mg = b.open_mg + d.mg, points = b.points + d.points
        FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS d (holder, mg, points) WHERE b.holder_id = d.holder
        """,
        holder_ids,
        open_mg,
        points,
    )


AssetKey = tuple[str, int, int, str]
"""(kind, methodology, vintage, programme)."""


async def know_assets(driver: "asyncpg.Connection", wanted: Sequence[AssetKey]) -> dict[AssetKey, int]:
    """Ids of all assets, after creating those of `wanted` that are new.

    To be committed before the ids are used by another transaction.
    """
    kinds, methodologies, vintages, programmes = map(list, zip(*wanted, strict=True))
    await driver.execute(
        """
        INSERT INTO assets (kind, methodology_id, vintage, programme)
        SELECT * FROM unnest($1::varchar[], $2::int[], $3::smallint[], $4::varchar[]) ON CONFLICT DO NOTHING
        """,
        kinds,
        methodologies,
        vintages,
        programmes,
    )
    return await read_assets(driver)


async def standing_of(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], first_activity: UUID
) -> list[Row]:
    """What entries leave standing of these holders' activities, from a first one on.

    activity_id, asset_id, whether of points, the system's and the other account, the amount that moved from the one to
    the other (0 where all was taken back), and when the first of it was credited. What a credit repaid of a debt is
    its own as well, what a campaign gave is not.
    """
    return list(
        await driver.fetch(
            """
            SELECT e.cause_id AS activity_id, e.asset_id, a.kind = 'points' AS points,
                least(e.debit, e.credit) AS system, greatest(e.debit, e.credit) AS account,
                sum(CASE WHEN e.debit < e.credit THEN e.amount ELSE -e.amount END)::bigint AS amount,
                min(e.booked_at) FILTER (WHERE e.kind IN (1, 10)) AS credited_at
            FROM entries e JOIN assets a ON a.id = e.asset_id
            WHERE e.holder_id = ANY($1::uuid[]) AND e.id >= tanpuhui_uuid7_floor($2) AND e.cause_id >= $3
              AND e.kind IN (1, 2, 9, 10) AND e.party_id IS NULL
            GROUP BY 1, 2, 3, 4, 5
            """,
            holder_ids,
            _moment_of(first_activity),
            first_activity,
        )
    )


async def standing_of_activity(driver: "asyncpg.Connection", holder_id: UUID, activity_id: UUID) -> list[Row]:
    """What entries leave standing of one activity, as `standing_of`."""
    return list(
        await driver.fetch(
            """
            SELECT e.asset_id, a.kind = 'points' AS points, least(e.debit, e.credit) AS system,
                greatest(e.debit, e.credit) AS account,
                sum(CASE WHEN e.debit < e.credit THEN e.amount ELSE -e.amount END)::bigint AS amount,
                min(e.booked_at) FILTER (WHERE e.kind IN (1, 10)) AS credited_at
            FROM entries e JOIN assets a ON a.id = e.asset_id
            WHERE e.holder_id = $1 AND e.id >= tanpuhui_uuid7_floor($2) AND e.cause_id = $3
              AND e.kind IN (1, 2, 9, 10) AND e.party_id IS NULL
            GROUP BY 1, 2, 3, 4
            """,
            holder_id,
            _moment_of(activity_id),
            activity_id,
        )
    )


def _moment_of(value: UUID) -> datetime:
    return datetime.fromtimestamp(moment_ms(value) // 1000, UTC)


async def page_of_holders(driver: "asyncpg.Connection", after: UUID, limit: int) -> list[UUID]:
    """Holders in id order."""
    rows = await driver.fetch(
        "SELECT holder_id FROM balances WHERE holder_id > $1 ORDER BY holder_id LIMIT $2", after, limit
    )
    return [row[0] for row in rows]


async def open_grams(driver: "asyncpg.Connection", holder_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Holder → open mg."""
    rows = await driver.fetch(
        "SELECT holder_id, open_mg FROM balances WHERE holder_id = ANY($1::uuid[])", holder_ids
    )
    return {row[0]: row[1] for row in rows}


async def read_assets(driver: "asyncpg.Connection") -> dict[AssetKey, int]:
    """Ids of all assets."""
    rows = await driver.fetch("SELECT id, kind, methodology_id, vintage, programme FROM assets")
    return {(row[1], row[2], row[3], row[4]): row[0] for row in rows}


async def lock_onboarding(driver: "asyncpg.Connection") -> None:
    """One onboarding at a time: two that bring the same person must not make two holders."""
    await driver.execute("SELECT pg_advisory_xact_lock(hashtext('tanpuhui_onboarding'))")


async def holders_by_person_key(driver: "asyncpg.Connection", keys: Sequence[bytes]) -> dict[bytes, UUID]:
    """Person key → holder."""
    rows = await driver.fetch("SELECT person_key, id FROM holders WHERE person_key = ANY($1::bytea[])", keys)
    return {row[0]: row[1] for row in rows}


async def regions_of(driver: "asyncpg.Connection", holder_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Holder → region."""
    rows = await driver.fetch("SELECT id, region FROM holders WHERE id = ANY($1::uuid[])", holder_ids)
    return {row[0]: row[1] for row in rows}


async def add_holders(driver: "asyncpg.Connection", rows: Sequence[tuple[object, ...]]) -> None:
    """Create holders (id, kind, region, person key, created at) with empty balances."""
    if not rows:
        return
    await driver.copy_records_to_table(
        "holders", records=rows, columns=["id", "kind", "region", "person_key", "created_at"]
    )
    await driver.copy_records_to_table(
        "balances",
        records=[(row[0], HolderStatus.ACTIVE, 0, 0) for row in rows],
        columns=["holder_id", "status", "open_mg", "points"],
    )


async def add_identities(driver: "asyncpg.Connection", rows: Sequence[tuple[object, ...]]) -> None:
    """Record identities (token, holder, scheme, created at); known ones stay as they are."""
    if rows:
        await driver.execute(
            """
            INSERT INTO identities (token, holder_id, scheme, created_at)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::varchar[], $4::timestamptz[]) ON CONFLICT DO NOTHING
            """,
            *(list(column) for column in zip(*rows, strict=True)),
        )


async def add_consents(driver: "asyncpg.Connection", rows: Sequence[tuple[object, ...]]) -> None:
    """Record consents (holder, source, group, granted at, text version, receipt, now) of locked holders, once each.

    A consent that was granted before the holder withdrew is recorded as withdrawn: only a newer one lives.
    """
    if rows:
        await driver.execute(
            """
            INSERT INTO consents (holder_id, source_id, scene_group, granted_at, withdrawn_at, text_version,
                                  receipt_id, recorded_at)
            SELECT n.holder, n.source, n.scene_group, n.granted, max(c.withdrawn_at), n.version, n.receipt, n.recorded
            FROM unnest($1::uuid[], $2::uuid[], $3::varchar[], $4::timestamptz[], $5::varchar[], $6::varchar[],
                        $7::timestamptz[]) AS n (holder, source, scene_group, granted, version, receipt, recorded)
            LEFT JOIN consents c ON c.holder_id = n.holder AND c.source_id = n.source
                AND c.scene_group = n.scene_group AND c.withdrawn_at >= n.granted
            GROUP BY n.holder, n.source, n.scene_group, n.granted, n.version, n.receipt, n.recorded
            ON CONFLICT DO NOTHING
            """,
            *(list(column) for column in zip(*rows, strict=True)),
        )


async def end_consents(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    source_id: UUID | None,
    scene_group: str | None,
    now: datetime,
) -> list[Row]:
    """End a locked holder's live consents; answers what they were."""
    return list(
        await driver.fetch(
            """
            UPDATE consents SET withdrawn_at = greatest($4, granted_at)
            WHERE holder_id = $1 AND ($2::uuid IS NULL OR source_id = $2)
              AND ($3::varchar IS NULL OR scene_group = $3) AND withdrawn_at IS NULL
            RETURNING source_id, scene_group, text_version, granted_at
            """,
            holder_id,
            source_id,
            scene_group,
            now,
        )
    )


async def withdraw_consents(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    source_id: UUID | None,
    scene_group: str | None,
    now: datetime,
) -> int:
    """End a locked holder's live consents; answers how many."""
    return len(await end_consents(driver, holder_id, source_id, scene_group, now))
