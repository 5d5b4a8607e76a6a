"""What both deployments credited: found where either side changed, decided by agreement, reversed if lost."""

import datetime
import time
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlmodel import col, select

from accounts.ids import public_id
from accounts.offsetting.errors import GramsUsed
from app import metrics
from app.auth import audit
from app.auth.principal import Principal
from app.crediting import reversal
from app.crediting.corroboration_decision import Behind
from app.crediting.errors import AlreadyReversed, NotReversible
from app.crediting.models import Activity
from app.database import driver_of
from app.neighbours import double_repository, repository
from app.neighbours.errors import DoubleNotFound, NotLost
from app.neighbours.models import DoubleClaim, DoubleState, Neighbour
from dedup.exchange import Exchanged, is_double, own_keeps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.crediting.rules import Rules
    from app.database import Database
    from app.neighbours.agreements import Agreements
    from app.neighbours.double_repository import DoubleRow, Pair

SYSTEM: Final = Principal("system", UUID(int=0), "system", "100000", frozenset(), 0)
IN_A_RUN: Final = 100
NOBODY: Final = UUID(int=0)


async def reconcile(
    database: "Database", agreements: "Agreements", neighbour_id: UUID, now: datetime.datetime
) -> int:
    """Compare what either side wrote since the last time; answers how many acts are claimed in both.

    Only transactions that are over are looked at, so that none slips in behind.
    """
    found = 0
    async with database.transaction() as session:
        neighbour = await repository.neighbour(session, neighbour_id)
        if neighbour is None:
            return 0
        driver = await driver_of(session)
        changed = (neighbour.reconciled, await repository.horizon(driver))
        if not await double_repository.set_reconciled(driver, neighbour.id, changed):
            return 0
        for day in await double_repository.changed_days(driver, neighbour.id, changed):
            pairs = await double_repository.changed_pairs(driver, neighbour.id, changed, day)
            rows = _doubles(agreements, neighbour, pairs)
            if rows:
                await double_repository.write_doubles(driver, neighbour.id, rows, now)
                found += len(rows)
            ended = {(pair.own.reference, pair.other.reference) for pair in pairs if _released(pair)}
            if ended:
                await double_repository.end_doubles(driver, neighbour.id, sorted(ended))
    metrics.NEIGHBOUR_DOUBLES.inc(found)
    return found


def _released(pair: "Pair") -> bool:
    return pair.own.released_ms is not None or pair.other.released_ms is not None


def _doubles(agreements: "Agreements", neighbour: Neighbour, pairs: "Sequence[Pair]") -> "list[DoubleRow]":
    """One row for each two acts, whatever number of digests they share."""
    found: dict[tuple[UUID, UUID], DoubleRow] = {}
    for pair in pairs:
        own, other = pair.own, pair.other
        terms = agreements.of(pair.region, own.day).get(neighbour.organisation_id)
        if terms is None or not terms.recognised(other.scene) or not is_double(own, other):
            continue
        state = DoubleState.KEPT if own_keeps(own, other, terms.precedence) else DoubleState.LOST
        found[own.reference, other.reference] = (
            *(own.reference, other.reference, pair.region, own.day, int(own.kind), own.scene, other.scene),
            *(_arrived(own), _arrived(other), terms.precedence.value, state.value),
            terms.losses == "automatic",
        )
    return [found[key] for key in sorted(found)]


def _arrived(row: Exchanged) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(row.arrived_ms / 1000, datetime.UTC)


async def reverse_lost(
    session: "AsyncSession",
    rules: "Rules",
    principal: Principal,
    neighbour_id: UUID,
    activity_id: UUID,
    reason: str,
    now: datetime.datetime,
    address: str,
) -> list[DoubleClaim]:
    """Reverse an act that the neighbour keeps, once, in the caller's commit.

    Raises `DoubleNotFound`, `NotLost`, and what a reversal raises.
    """
    found = await double_repository.doubles_of(session, neighbour_id, activity_id, lock=True)
    if not found or not principal.may_see_region(found[0].region):
        raise DoubleNotFound
    if all(each.state != DoubleState.LOST for each in found):
        raise NotLost
    activity = (await session.exec(select(Activity).where(col(Activity.id) == activity_id))).one()
    await reversal.reverse(
        session, rules, activity, principal, reason, now, address, Behind.CLAIMED_ELSEWHERE
    )
    for each in found:
        if each.state == DoubleState.LOST:
            each.state, each.decided_at, each.decided_by = DoubleState.REVERSED, now, principal.client_id
            each.reason = reason
        elif each.state == DoubleState.KEPT:
            each.state = DoubleState.ENDED
        session.add(each)
    await session.flush()
    await audit.append(
        session,
        principal,
        now,
        "neighbour.yielded",
        ("activity", public_id("act", activity_id)),
        region=found[0].region,
        address=address,
        reason=reason,
        before={"state": DoubleState.LOST},
        after={
            "state": DoubleState.REVERSED,
            "neighbour": public_id("nbr", neighbour_id),
            "references": [each.reference.hex for each in found if each.state == DoubleState.REVERSED],
        },
    )
    return found


async def reverse_automatically(
    database: "Database", rules: "Rules", neighbour_id: UUID, now: datetime.datetime, budget_s: float
) -> int:
    """Reverse what the agreement has the service reverse, each act in a commit of its own; answers how many.

    Those whose grams are used stay lost, for an operator to see. The next run goes on after so many seconds.
    """
    until = time.monotonic() + budget_s
    async with database.reading() as session:
        neighbour = await repository.neighbour(session, neighbour_id)
    done, after = 0, NOBODY
    while neighbour is not None and time.monotonic() < until:
        async with database.reading() as session:
            waiting = await double_repository.lost_automatically(session, neighbour_id, after, IN_A_RUN)
        if not waiting:
            break
        after = waiting[-1]
        for activity_id in waiting:
            reason = f"claimed first at {neighbour.name}"
            try:
                async with database.transaction() as session:
                    await reverse_lost(session, rules, SYSTEM, neighbour_id, activity_id, reason, now, "")
            except (NotLost, AlreadyReversed, NotReversible, GramsUsed):
                continue
            done += 1
    return done
