"""Statements as merchants and operators read them: pages, lines, entries in slices, sums for print."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from points.settlement_models import Settlement, SettlementAdjustment, SettlementDispute, SettlementLine
from points.settlement_states import State

if TYPE_CHECKING:
    import asyncpg


async def find(session: AsyncSession, settlement_id: UUID) -> Settlement | None:
    """A statement, whosever it is."""
    return (await session.exec(select(Settlement).where(col(Settlement.id) == settlement_id))).first()


async def lock(session: AsyncSession, settlement_id: UUID) -> Settlement | None:
    """A statement, locked for a step."""
    query = select(Settlement).where(col(Settlement.id) == settlement_id).with_for_update(key_share=True)
    return (await session.exec(query.execution_options(populate_existing=True))).first()


async def page(
    session: AsyncSession,
    *,
    merchant_id: UUID | None = None,
    region_prefix: str = "",
    state: State | None = None,
    before: UUID | None,
    limit: int,
) -> Sequence[Settlement]:
    """Statements of a merchant, or of a region and its parts; the newest first."""
    query = (
        select(Settlement)
        .where(col(Settlement.region).startswith(region_prefix))
        .order_by(col(Settlement.id).desc())
        .limit(limit)
    )
    if merchant_id is not None:
        query = query.where(col(Settlement.merchant_id) == merchant_id)
    if state is not None:
        query = query.where(col(Settlement.state) == state)
    if before is not None:
        query = query.where(col(Settlement.id) < before)
    return (await session.exec(query)).all()


async def known_lines(session: AsyncSession, settlement_id: UUID, lines: Sequence[int]) -> set[int]:
    """Those of the numbers that are lines of the statement."""
    rows = await session.exec(
        select(SettlementLine.line).where(
            col(SettlementLine.settlement_id) == settlement_id, col(SettlementLine.line).in_(lines)
        )
    )
    return set(rows.all())


async def disputes(session: AsyncSession, settlement_id: UUID) -> Sequence[SettlementDispute]:
    """What the merchant objected to, the earliest first."""
    rows = await session.exec(
        select(SettlementDispute)
        .where(col(SettlementDispute.settlement_id) == settlement_id)
        .order_by(col(SettlementDispute.id))
    )
    return rows.all()


async def adjustments(session: AsyncSession, settlement_id: UUID) -> Sequence[SettlementAdjustment]:
    """What operators corrected, the earliest first."""
    rows = await session.exec(
        select(SettlementAdjustment)
        .where(col(SettlementAdjustment.settlement_id) == settlement_id)
        .order_by(col(SettlementAdjustment.id))
    )
    return rows.all()


@dataclass(frozen=True, slots=True)
class Line:
    """A line with the names of what it is about."""

    line: int
    day: datetime.date
    offer_id: UUID
    title_zh: str
    title_en: str
    shop_id: UUID | None
    shop: str | None
    redeemed: int
    refunded: int
    quantity: int
    points: int
    spent_fen: int
    refunded_fen: int


async def page_of_lines(
    driver: "asyncpg.Connection", settlement_id: UUID, after: int, limit: int
) -> list[Line]:
    """Lines of a statement in their order, after one of them."""
    rows = await driver.fetch(
        """
        SELECT l.line, l.day, l.offer_id, o.title_zh, o.title_en, l.shop_id, s.name, l.redeemed, l.refunded,
            l.quantity, l.points, l.spent_fen, l.refunded_fen
        FROM settlement_lines l JOIN offers o ON o.id = l.offer_id LEFT JOIN shops s ON s.id = l.shop_id
        WHERE l.settlement_id = $1 AND l.line > $2 ORDER BY l.line LIMIT $3
        """,
        settlement_id,
        after,
        limit,
    )
    return [Line(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Settled:
    """A redemption or a refund of a statement; `fen`, `points` and `quantity` are below zero for a refund."""

    holder_id: UUID
    entry_id: UUID
    day: datetime.date
    redemption_id: UUID
    offer_id: UUID
    title_zh: str
    title_en: str
    shop: str | None
    quantity: int
    points: int
    fen: int


_FIRST = UUID(int=0)


async def slice_of_entries(
    driver: "asyncpg.Connection", settlement_id: UUID, after: Settled | None, limit: int
) -> list[Settled]:
    """Entries of a statement in the order of their booking, after one of them."""
    rows = await driver.fetch(
        """
        SELECT q.holder_id, q.entry_id, q.day, q.redemption_id, r.offer_id, o.title_zh, o.title_en, s.name,
            sign(q.fen)::int * r.quantity, sign(q.fen)::bigint * r.points, q.fen
        FROM (
            SELECT holder_id, entry_id, day, redemption_id, fen FROM settled_entries
            WHERE settlement_id = $1 AND entry_id >= $2 AND (entry_id, holder_id) > ($2, $3)
            ORDER BY entry_id, holder_id LIMIT $4) q
        JOIN redemptions r ON r.holder_id = q.holder_id AND r.id = q.redemption_id
        JOIN offers o ON o.id = r.offer_id LEFT JOIN shops s ON s.id = r.shop_id
        ORDER BY q.entry_id, q.holder_id
        """,
        settlement_id,
        _FIRST if after is None else after.entry_id,
        _FIRST if after is None else after.holder_id,
        limit,
    )
    return [Settled(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Group:
    """What a statement says of one offer, shop or day."""

    name: str
    name_en: str
    redeemed: int
    refunded: int
    quantity: int
    points: int
    spent_fen: int
    refunded_fen: int


_SUMS = (
    "sum(l.redeemed)::bigint, sum(l.refunded)::bigint, sum(l.quantity)::bigint, sum(l.points)::bigint,"
    " sum(l.spent_fen)::bigint, sum(l.refunded_fen)::bigint"
)
_BY = {
    "offer": ("o.title_zh, o.title_en", "o.id, o.title_zh, o.title_en", "sum(l.spent_fen) DESC, o.id"),
    "shop": ("coalesce(s.name, ''), ''", "s.id, s.name", "sum(l.spent_fen) DESC, s.id"),
    "day": ("l.day::text, ''", "l.day", "l.day"),
}


async def grouped(
    driver: "asyncpg.Connection", settlement_id: UUID, by: Literal["offer", "shop", "day"], limit: int
) -> list[Group]:
    """The lines of a statement added up: by offer or shop, the largest first, or by day. No shop has no name."""
    names, groups, order = _BY[by]
    rows = await driver.fetch(
        f"""
        SELECT {names}, {_SUMS} FROM settlement_lines l
        JOIN offers o ON o.id = l.offer_id LEFT JOIN shops s ON s.id = l.shop_id
        WHERE l.settlement_id = $1 GROUP BY {groups} ORDER BY {order} LIMIT $2
        """,
        settlement_id,
        limit,
    )
    return [Group(*row) for row in rows]
