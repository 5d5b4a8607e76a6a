"""What was booked under mandates: the entries that an issuance may take, and totals for applicants."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.models import AccountKind, EntryKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.repository import Driver, Row

LEAST_HOLDERS = 10
"""Below so many holders a total would tell of single persons."""

_NET = f"CASE WHEN e.credit = {AccountKind.HOLDER_OPEN:d} THEN e.amount ELSE -e.amount END"
# A reversal follows the credit that it takes back, the last one before it, whatever became of the mandate since. That
# entry is not older than the activity that caused it, whose id carries the moment: so few partitions are visited.
_MANDATED = f"""
    mandates m
    LEFT JOIN mandate_withdrawals w ON w.holder_id = m.holder_id AND w.mandate_id = m.id
    JOIN entries e ON e.holder_id = m.holder_id
        AND e.kind IN ({EntryKind.CREDIT:d}, {EntryKind.REVERSAL:d})
        AND {AccountKind.HOLDER_OPEN:d} IN (e.debit, e.credit)
    JOIN LATERAL (
        SELECT CASE e.kind WHEN {EntryKind.CREDIT:d} THEN e.booked_at ELSE (
            SELECT c.booked_at FROM entries c
            WHERE c.holder_id = e.holder_id AND c.cause_id = e.cause_id AND c.asset_id = e.asset_id
              AND c.kind = {EntryKind.CREDIT:d} AND c.credit = {AccountKind.HOLDER_OPEN:d}
              AND c.id < e.id AND c.id >= (left(e.cause_id::text, 13) || '-0000-0000-000000000000')::uuid
            ORDER BY c.id DESC LIMIT 1) END AS at) credited
        ON credited.at >= m.valid_from AND credited.at < coalesce(least(m.valid_until, w.ends_at), 'infinity')
"""


async def mandated_entries(
    driver: "Driver",
    applicant_id: UUID,
    period: tuple[datetime.datetime, datetime.datetime],
    after: tuple[UUID, UUID] | None,
    limit: int,
) -> "Sequence[Row]":
    """Entries booked in `[from, until)` whose holder's mandate to the applicant was live at booking.

    (holder_id, id, asset_id, net_mg, mandate_id, terms_id), of grams only, in order of holder and id, from `after` on.
    A reversal counts (negative) where its credit does.
    """
    holder, entry = after or (UUID(int=0), UUID(int=0))
    rows: Sequence[Row] = await driver.fetch(
        f"""
        SELECT e.holder_id, e.id, e.asset_id, {_NET} AS net_mg, m.id AS mandate_id, m.terms_id
        FROM {_MANDATED}
        WHERE m.applicant_id = $1 AND m.holder_id >= $4 AND e.booked_at >= $2 AND e.booked_at < $3
          AND e.id >= tanpuhui_uuid7_floor($2) AND e.id < tanpuhui_uuid7_floor($3 + interval '1 millisecond')
          AND (e.holder_id, e.id) > ($4, $5)
        ORDER BY e.holder_id, e.id LIMIT $6
        """,
        applicant_id,
        *period,
        holder,
        entry,
        limit,
    )
    return rows


async def count(driver: "Driver", now: datetime.datetime, page: int = 2_000) -> None:
    """Count anew what was booked under each version of terms, a page of mandates at a time."""
    sums: dict[UUID, tuple[int, int]] = {}
    after = (UUID(int=0), UUID(int=0))
    while True:
        rows = await driver.fetch(
            f"""
            SELECT p.holder_id, p.id, p.terms_id, p.live, coalesce((
                SELECT sum({_NET}) FROM {_MANDATED}
                WHERE m.holder_id = p.holder_id AND m.id = p.id
                  AND e.id >= tanpuhui_uuid7_floor(p.valid_from) AND e.id < tanpuhui_uuid7_floor($3)), 0)::bigint
            FROM (
                SELECT m.holder_id, m.id, m.terms_id, m.valid_from,
                    coalesce(least(m.valid_until, w.ends_at), 'infinity') > $3 AS live
                FROM mandates m
                LEFT JOIN mandate_withdrawals w ON w.holder_id = m.holder_id AND w.mandate_id = m.id
                WHERE (m.holder_id, m.id) > ($1, $2) ORDER BY m.holder_id, m.id LIMIT $4) p
            ORDER BY p.holder_id, p.id
            """,
            *after,
            now,
            page,
        )
        for _, _, terms_id, live, net in rows:
            holders, total = sums.get(terms_id, (0, 0))
            sums[terms_id] = (holders + live, total + net)
        if len(rows) < page:
            break
        after = (rows[-1][0], rows[-1][1])
    await driver.execute(
        """
        INSERT INTO mandate_totals (terms_id, counted_at, holders, net_mg)
        SELECT t, $4, h, n FROM unnest($1::uuid[], $2::int[], $3::bigint[]) AS s (t, h, n)
        ON CONFLICT (terms_id) DO UPDATE
        SET counted_at = excluded.counted_at, holders = excluded.holders, net_mg = excluded.net_mg
        """,
        list(sums),
        [holders for holders, _ in sums.values()],
        [total for _, total in sums.values()],
        now,
    )


async def totals(driver: "Driver", applicant_id: UUID, before: UUID | None, limit: int) -> "Sequence[Row]":
    """(terms_id, version, holder_percent, counted_at, holders, net_mg) of an applicant's terms, the newest first."""
    rows: Sequence[Row] = await driver.fetch(
        """
        SELECT t.id AS terms_id, t.version, t.holder_percent, s.counted_at, s.holders, s.net_mg
        FROM mandate_terms t LEFT JOIN mandate_totals s ON s.terms_id = t.id
        WHERE t.applicant_id = $1 AND t.id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY t.id DESC LIMIT $3
        """,
        applicant_id,
        before,
        limit,
    )
    return rows
