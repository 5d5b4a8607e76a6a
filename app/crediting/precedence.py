"""Precedence: a report that comes later and ranks higher takes the credit of its act over, by the programme's rule.

The intake stores that a report outranks the credit that it stands behind; a job moves the credit soon after, each in a
commit of its own. What a crash leaves undone is still stored as outranking; what is done, or cannot be, is not.
"""

import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlmodel import col, select

from accounts import repository as ledger
from accounts.ids import public_id
from accounts.models import HolderStatus
from accounts.offsetting.errors import GramsUsed
from accounts.quantities import grams
from app.auth import audit
from app.auth.principal import Principal
from app.crediting.corroboration import Corroboration
from app.crediting.corroboration_moves import By, pass_credit
from app.crediting.decision import HELD, HOLDING
from app.crediting.errors import CapReached, ClaimHeld, WithoutConsent
from app.crediting.late import Cause, programme_of
from app.crediting.models import Activity, Outcome
from app.crediting.settlements import PRECEDENCE
from app.database import driver_of
from app.disputes.repository import was_contested

if TYPE_CHECKING:
    import asyncpg
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.crediting.rules import Rules
    from app.database import Database

SYSTEM: Final = Principal("system", UUID(int=0), "system", "100000", frozenset(), 0)
TOOK_PRECEDENCE: Final = "took_precedence"
"""Reason of an act that was credited in full since it took the credit of its act over."""
IN_A_RUN: Final = 500

Key = tuple[UUID, UUID, UUID]
"""(holder, winner, activity) of a corroboration."""


class NotTaken(Exception):
    """The credit stays where it is; `why` is stored."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


async def move_outranked(
    database: "Database", lease: "AsyncSession", rules: "Rules", now: datetime.datetime
) -> int:
    """Have all reports that outrank a credit take it over, or store why not; answers how many were looked at.

    `lease` has the job's. One that fails keeps nobody else waiting; its error is raised at the end.
    """
    due = (
        await lease.exec(
            select(Corroboration.holder_id, Corroboration.winner_id, Corroboration.activity_id)
            .where(
                col(Corroboration.outranks).is_not(None),
                col(Corroboration.skipped).is_(None),
                col(Corroboration.ended_at).is_(None),
            )
            .order_by(col(Corroboration.activity_id))
            .limit(IN_A_RUN)
        )
    ).all()
    leased = await driver_of(lease)
    failed: Exception | None = None
    for key in due:
        try:
            await take_over(database, rules, key, now)
        except Exception as error:  # noqa: BLE001 - raised below
            failed = error
        await leased.fetchval("SELECT 1")  # a connection that idles for a minute is ended
    if failed is not None:
        raise failed
    return len(due)


async def take_over(database: "Database", rules: "Rules", key: Key, now: datetime.datetime) -> None:
    """Move one credit, once, in a commit of its own; where it cannot be moved, store why."""
    try:
        async with database.transaction() as session:
            await _move(session, rules, key, now)
    except NotTaken as stays:
        await _skip(database, key, stays.why)
    except (WithoutConsent, ClaimHeld, CapReached, GramsUsed) as error:
        await _skip(database, key, error.code.rpartition(".")[2])


async def _move(session: "AsyncSession", rules: "Rules", key: Key, now: datetime.datetime) -> None:
    driver = await driver_of(session)
    holder_id, winner_id, activity_id = key
    statuses = await ledger.lock_holders(driver, [holder_id])
    # Read under the lock: another process, a reversal or an operator may have been faster.
    row = await _outranking(session, key)
    if row is None or row.outranks is None:
        return
    had, gets = (
        await _activity(session, holder_id, winner_id),
        await _activity(session, holder_id, activity_id),
    )
    if had.reason == HELD:
        raise NotTaken("held_for_review")
    if had.reversed_at is not None or had.outcome not in HOLDING:
        raise NotTaken("not_credited")
    if programme_of(rules, had).precedence != row.outranks:
        # Reports of one act under two programmes: one of them alone takes nothing.
        raise NotTaken("other_programme")
    if await was_contested(session, had.id, gets.id):
        raise NotTaken("disputed")
    if statuses.get(holder_id) != HolderStatus.ACTIVE:
        raise WithoutConsent
    by = By(SYSTEM, f"{TOOK_PRECEDENCE}: {row.outranks}")
    before = _told(had)
    if await pass_credit(session, rules, had, gets, Cause(PRECEDENCE, had.id, TOOK_PRECEDENCE), by, now):
        # Nobody gives these points back, so another credit would pay for the act twice.
        raise NotTaken("points_spent")
    await audit.append(
        session,
        SYSTEM,
        now,
        f"activity.{TOOK_PRECEDENCE}",
        ("activity", public_id("act", gets.id)),
        region=gets.region,
        address="",
        reason=row.outranks,
        before=before | {"credited": public_id("act", had.id)},
        after=_told(gets) | {"credited": public_id("act", gets.id)},
    )


def _told(activity: Activity) -> dict[str, str | int]:
    return {
        "outcome": Outcome(activity.outcome).value,
        "co2e_g": grams(activity.co2e_mg),
        "points": activity.points,
    }


async def _outranking(session: "AsyncSession", key: Key) -> Corroboration | None:
    holder_id, winner_id, activity_id = key
    query = select(Corroboration).where(
        col(Corroboration.holder_id) == holder_id,
        col(Corroboration.winner_id) == winner_id,
        col(Corroboration.activity_id) == activity_id,
        col(Corroboration.ended_at).is_(None),
        col(Corroboration.skipped).is_(None),
    )
    return (await session.exec(query)).first()


async def _activity(session: "AsyncSession", holder_id: UUID, activity_id: UUID) -> Activity:
    query = select(Activity).where(col(Activity.holder_id) == holder_id, col(Activity.id) == activity_id)
    return (await session.exec(query)).one()


async def _skip(database: "Database", key: Key, why: str) -> None:
    async with database.driver_transaction() as driver:
        await _store_skip(driver, key, why)


async def _store_skip(driver: "asyncpg.Connection", key: Key, why: str) -> None:
    await driver.execute(
        """
        UPDATE corroborations SET skipped = $4
        WHERE holder_id = $1 AND winner_id = $2 AND activity_id = $3 AND skipped IS NULL AND ended_at IS NULL
        """,
        *key,
        why,
    )
