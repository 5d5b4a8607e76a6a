"""SQL of obligations, filings and limits."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlmodel import col, select

from app.auth.principal import prefix
from app.offsets.models import FilingState, OffsetFiling, OffsetLimit, OffsetLine, OffsetObligation

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.repository import Driver, Row

_COUNTED = """
    SELECT l.obligation_id, l.kind, l.region, l.quantity_kg FROM offset_lines l
    JOIN offset_filings f ON f.id = l.filing_id AND f.state IN ('filed', 'accepted')
"""


async def obligation(
    session: "AsyncSession", obligation_id: UUID, *, lock: bool = False
) -> OffsetObligation | None:
    """An obligation; locked where something is filed against it, or it is corrected."""
    query = select(OffsetObligation).where(col(OffsetObligation.id) == obligation_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return (await session.exec(query)).first()


async def same_obligation(
    session: "AsyncSession", organisation_id: UUID, market: str, period: int
) -> OffsetObligation | None:
    """The obligation of a firm in a market and a period."""
    query = select(OffsetObligation).where(
        col(OffsetObligation.organisation_id) == organisation_id,
        col(OffsetObligation.market) == market,
        col(OffsetObligation.period) == period,
    )
    return (await session.exec(query)).first()


async def obligations(
    session: "AsyncSession", *, organisation_id: UUID | None, region: str, before: UUID | None, limit: int
) -> list[OffsetObligation]:
    """Obligations of a firm, or of a region, the newest first."""
    query = select(OffsetObligation).where(col(OffsetObligation.region).startswith(prefix(region)))
    if organisation_id is not None:
        query = query.where(col(OffsetObligation.organisation_id) == organisation_id)
    if before is not None:
        query = query.where(col(OffsetObligation.id) < before)
    return list((await session.exec(query.order_by(col(OffsetObligation.id).desc()).limit(limit))).all())


async def filing(session: "AsyncSession", filing_id: UUID, *, lock: bool = False) -> OffsetFiling | None:
    """A filing; locked where it is decided."""
    query = select(OffsetFiling).where(col(OffsetFiling.id) == filing_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return (await session.exec(query)).first()


async def filings(
    session: "AsyncSession",
    *,
    organisation_id: UUID | None,
    region: str,
    state: FilingState | None,
    before: UUID | None,
    limit: int,
) -> list[OffsetFiling]:
    """Filings of a firm, or of a region, the newest first."""
    query = select(OffsetFiling).where(col(OffsetFiling.region).startswith(prefix(region)))
    if organisation_id is not None:
        query = query.where(col(OffsetFiling.organisation_id) == organisation_id)
    if state is not None:
        query = query.where(col(OffsetFiling.state) == state)
    if before is not None:
        query = query.where(col(OffsetFiling.id) < before)
    return list((await session.exec(query.order_by(col(OffsetFiling.id).desc()).limit(limit))).all())


async def lines(session: "AsyncSession", filing_ids: Sequence[UUID]) -> list[OffsetLine]:
    """The lines of filings, in their order."""
    query = select(OffsetLine).where(col(OffsetLine.filing_id).in_(filing_ids))
    return list((await session.exec(query.order_by(col(OffsetLine.filing_id), col(OffsetLine.line)))).all())


async def live_lines(session: "AsyncSession", obligation_id: UUID) -> list[OffsetLine]:
    """Lines that use up the limits of an obligation; read under its lock."""
    query = (
        select(OffsetLine)
        .join(OffsetFiling, col(OffsetFiling.id) == col(OffsetLine.filing_id))
        .where(
            col(OffsetLine.obligation_id) == obligation_id,
            col(OffsetFiling.state).in_([FilingState.FILED, FilingState.ACCEPTED]),
        )
    )
    return list((await session.exec(query)).all())


async def limits(session: "AsyncSession", obligation_id: UUID) -> list[OffsetLimit]:
    """What each limit has used up."""
    query = select(OffsetLimit).where(col(OffsetLimit.obligation_id) == obligation_id)
    return list((await session.exec(query.order_by(col(OffsetLimit.code)))).all())


async def use_limit(
    driver: "Driver",
    obligation_id: UUID,
    code: str,
    kinds: Sequence[str],
    outside: str | None,
    cap_kg: int,
) -> bool:
    """Have a limit count the live lines anew, those of this transaction too; False where they exceed it."""
    found = await driver.fetchrow(
        f"""
        WITH counted AS (
            SELECT coalesce(sum(quantity_kg), 0)::bigint AS kg FROM ({_COUNTED}) c
            WHERE c.obligation_id = $1 AND c.kind = ANY($3) AND ($4::text IS NULL OR NOT starts_with(c.region, $4)))
        INSERT INTO offset_limits (obligation_id, code, kinds, outside, cap_kg, used_kg)
        SELECT $1, $2, $3, $4, $5, kg FROM counted WHERE kg <= $5
        ON CONFLICT (obligation_id, code) DO UPDATE
        SET kinds = excluded.kinds, outside = excluded.outside, cap_kg = excluded.cap_kg, used_kg = excluded.used_kg
        RETURNING used_kg
        """,
        obligation_id,
        code,
        list(kinds),
        outside,
        cap_kg,
    )
    return found is not None


async def recount_limits(driver: "Driver", obligation_id: UUID) -> None:
    """Have all limits of an obligation count its live lines anew, after one of them ended."""
    await driver.execute(
        f"""
        UPDATE offset_limits m SET used_kg = (
            SELECT coalesce(sum(c.quantity_kg), 0)::bigint FROM ({_COUNTED}) c
            WHERE c.obligation_id = m.obligation_id AND c.kind = ANY(m.kinds)
              AND (m.outside IS NULL OR NOT starts_with(c.region, m.outside)))
        WHERE m.obligation_id = $1
        """,
        obligation_id,
    )


async def forget_limits(driver: "Driver", obligation_id: UUID, codes: Sequence[str]) -> None:
    """Drop limits that the rule in force does not have any more."""
    await driver.execute(
        "DELETE FROM offset_limits WHERE obligation_id = $1 AND code <> ALL ($2)", obligation_id, list(codes)
    )


async def firm(driver: "Driver", organisation_id: UUID) -> "Row | None":
    """A participant of the market: id, name."""
    return await driver.fetchrow(
        "SELECT id, name FROM organisations WHERE id = $1 AND kind = 'participant'", organisation_id
    )


async def known_organisations(driver: "Driver", ids: Sequence[UUID]) -> set[UUID]:
    """Which of the ids are organisations."""
    rows = await driver.fetch("SELECT id FROM organisations WHERE id = ANY($1::uuid[])", list(ids))
    return {row["id"] for row in rows}


async def texts_in_force(driver: "Driver", region: str, until: datetime.datetime) -> "list[Row]":
    """Rules that operators put in force for a market's region before a moment, the newest first."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT content FROM points_texts
        WHERE kind = 'offset_rules' AND region = $1 AND approved_at IS NOT NULL AND counts_from < $2
        ORDER BY counts_from DESC LIMIT 200
        """,
        region,
        until,
    )
    return rows


async def origins(driver: "Driver", origin_ids: Sequence[UUID]) -> "dict[UUID, Row]":
    """Origins with the organisation that their units were issued to."""
    rows = await driver.fetch(
        """
        SELECT o.id, o.kind, o.region, o.methodology, o.vintage, o.unit_type,
            (SELECT a.organisation_id FROM unit_movements m JOIN registry_accounts a ON a.id = m.account_id
             WHERE m.subject_id = o.subject_id AND m.kind = 'issued' LIMIT 1) AS issued_to
        FROM unit_origins o WHERE o.id = ANY($1::uuid[])
        """,
        list(origin_ids),
    )
    return {row["id"]: row for row in rows}


async def retirements(driver: "Driver", line_ids: Sequence[UUID]) -> "dict[UUID, Row]":
    """Line → what was retired for it: id, retired_at."""
    rows = await driver.fetch(
        "SELECT subject_id, id, retired_at FROM unit_retirements WHERE subject_id = ANY($1::uuid[])",
        list(line_ids),
    )
    return {row["subject_id"]: row for row in rows}
