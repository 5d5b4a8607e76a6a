"""Money of participants. Every change is an entry from one purse to another, in the caller's transaction."""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import epoch_ms, uuid7_batch
from app.market.errors import MoneyInsufficient
from app.market.models import Purse

if TYPE_CHECKING:
    import asyncpg

OUTSIDE: tuple[UUID | None, Purse] = (None, Purse.OUTSIDE)
Place = tuple[UUID | None, Purse]


@dataclass(frozen=True, slots=True)
class Move:
    """Fen from one purse to another; each subject has each reason once."""

    reason: str
    subject_id: UUID
    debit: Place
    credit: Place
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Balance:
    """A participant's money, fen."""

    available_fen: int
    held_fen: int


def free(organisation_id: UUID) -> Place:
    """What a participant may spend."""
    return organisation_id, Purse.AVAILABLE


def held(organisation_id: UUID) -> Place:
    """What is held back for a bid or a withdrawal."""
    return organisation_id, Purse.HELD


async def lock(driver: "asyncpg.Connection", organisations: Iterable[UUID]) -> dict[UUID, Balance]:
    """Lock the money of participants, in the order of their ids, and look behind the lock."""
    ids = sorted(set(organisations))
    await driver.execute(
        """
        INSERT INTO market_money (organisation_id, available_fen, held_fen)
        SELECT id, 0, 0 FROM unnest($1::uuid[]) AS id ORDER BY id ON CONFLICT DO NOTHING
        """,
        ids,
    )
    await driver.execute(
        """
        SELECT FROM market_money WHERE organisation_id = ANY($1::uuid[]) ORDER BY organisation_id FOR NO KEY UPDATE
        """,
        ids,
    )
    rows = await driver.fetch("SELECT * FROM market_money WHERE organisation_id = ANY($1::uuid[])", ids)
    return {row["organisation_id"]: Balance(row["available_fen"], row["held_fen"]) for row in rows}


async def book(driver: "asyncpg.Connection", moves: Sequence[Move], now: datetime.datetime) -> None:
    """Book moves between purses that the caller has locked.

    Raises `MoneyInsufficient` where one would sink below 0; the caller's transaction is to be rolled back then.
    """
    moves = [move for move in moves if move.amount_fen]
    if not moves:
        return
    available: defaultdict[UUID, int] = defaultdict(int)
    holding: defaultdict[UUID, int] = defaultdict(int)
    for move in moves:
        for (owner, purse), change in ((move.debit, -move.amount_fen), (move.credit, move.amount_fen)):
            if owner is not None:
                (available if purse is Purse.AVAILABLE else holding)[owner] += change
    owners = sorted({*available, *holding})
    changed = await driver.execute(
        """
        UPDATE market_money m SET available_fen = m.available_fen + c.available, held_fen = m.held_fen + c.held
        FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS c (id, available, held)
        WHERE m.organisation_id = c.id AND m.available_fen + c.available >= 0 AND m.held_fen + c.held >= 0
        """,
        owners,
        [available[owner] for owner in owners],
        [holding[owner] for owner in owners],
    )
    if changed != f"UPDATE {len(owners)}":
        raise MoneyInsufficient
    await driver.execute(
        """
        INSERT INTO market_money_entries
            (id, reason, subject_id, debit_id, debit, credit_id, credit, amount_fen, booked_at)
        SELECT *, $9 FROM unnest(
            $1::uuid[], $2::varchar[], $3::uuid[], $4::uuid[], $5::varchar[], $6::uuid[], $7::varchar[], $8::bigint[])
        """,
        uuid7_batch(epoch_ms(now), len(moves)),
        [move.reason for move in moves],
        [move.subject_id for move in moves],
        [move.debit[0] for move in moves],
        [move.debit[1].value for move in moves],
        [move.credit[0] for move in moves],
        [move.credit[1].value for move in moves],
        [move.amount_fen for move in moves],
        now,
    )
