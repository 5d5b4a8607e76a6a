"""Carbon-neutral events: computed, covered by units that are locked while an order waits, and retired by its payment.

Everything runs in the caller's transaction. Locks are taken in one order: an order, its event, the account of units.
"""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from accounts.event_footprints.computing import price_fen, whole_kg
from accounts.ids import uuid7
from accounts.registry.errors import AccountFrozen, AccountNotFound
from accounts.registry.service import account_of
from accounts.teams.service import new_code
from accounts.units import service as units
from accounts.units.errors import InsufficientUnits
from app.events import repository
from app.events.errors import (
    EventCovered,
    EventFull,
    EventNotFound,
    EventOrderNotFound,
    OrderOver,
    PoolNotFound,
    ShareNotFound,
    ShareOrdered,
    StockTooSmall,
)
from app.events.models import NeutralEvent, OrderState

if TYPE_CHECKING:
    import asyncpg

    from accounts.event_footprints.computing import EventFootprint
    from app.events.repository import Row
    from app.events.schemas import EventInput

HOLD: Final = datetime.timedelta(minutes=30)
"""How long units are kept for a buyer who does not pay."""
RELEASED_AFTER: Final = datetime.timedelta(minutes=2)
"""So long after its time an order's units go back; the provider closes its payment a minute before."""
IN_A_RUN: Final = 50
LOCK_REASON: Final = "event_order"


async def open_pool(
    driver: "asyncpg.Connection",
    organisation_id: UUID,
    origin_id: UUID | None,
    said: tuple[str, str, str, int],
    now: datetime.datetime,
) -> UUID:
    """Sell units of one's own registry account: (region, title zh, title en, fen a tonne). Answers the pool."""
    account = await account_of(driver, organisation_id, now)
    region, title_zh, title_en, price = said
    made = uuid7(now)
    await repository.add_pool(
        driver, (made, organisation_id, account.id, origin_id, region, title_zh, title_en, price, now)
    )
    return made


async def create(
    driver: "asyncpg.Connection",
    organiser_id: UUID,
    said: "EventInput",
    footprint: "EventFootprint",
    now: datetime.datetime,
    *,
    of_enterprise: bool,
) -> "Row":
    """Keep an event with what it emits."""
    made = NeutralEvent(
        id=uuid7(now),
        code=new_code(),
        organiser_id=organiser_id,
        of_enterprise=of_enterprise,
        kind=said.kind,
        title=said.title,
        department=said.department,
        region=said.region,
        day=said.day,
        participants=said.participants,
        co2e_mg=footprint.co2e_mg,
        kg=footprint.kg,
        ordered_kg=0,
        paid_kg=0,
        lines=[line.model_dump(mode="json") for line in footprint.lines],
        created_at=now,
    )
    await repository.add_event(driver, made)
    return await repository.event(driver, made.id)


async def own_event(
    driver: "asyncpg.Connection", organiser_id: UUID, event_id: UUID, *, lock: bool = False
) -> "Row":
    """An organiser's own event; raises `EventNotFound`."""
    found = await repository.event(driver, event_id, lock=lock)
    if found is None or found["organiser_id"] != organiser_id:
        raise EventNotFound
    return found


async def take_share(
    driver: "asyncpg.Connection", holder_id: UUID, code: str, now: datetime.datetime
) -> "Row":
    """Take part in the event of a code: an equal part of what it emits, once. `EventNotFound`, `EventFull`."""
    event = await repository.event_by_code(driver, code)
    if event is None:
        raise EventNotFound
    part = -(-event["co2e_mg"] // event["participants"])
    before = await repository.count_shares(driver, event["id"])
    share = await repository.add_share(driver, (uuid7(now), event["id"], holder_id, part, now))
    if before >= event["participants"] and await repository.count_shares(driver, event["id"]) > before:
        raise EventFull
    return share


async def order(
    driver: "asyncpg.Connection",
    event_id: UUID,
    buyer_id: UUID,
    pool_id: UUID,
    kg: int | None,
    share_ids: Sequence[UUID],
    now: datetime.datetime,
) -> "Row":
    """Lock units for an event until they are paid: so many kg, what shares need, or all that is left of it.

    Shares are rounded up to whole kg, and the last of them get what is left. Raises `EventNotFound`, `PoolNotFound`,
    `EventCovered`, `ShareOrdered`, `ShareNotFound` and `StockTooSmall`, and changes nothing then.
    """
    event = await repository.event(driver, event_id, lock=True)
    if event is None:
        raise EventNotFound
    pool = await repository.open_pool(driver, pool_id)
    if pool is None:
        raise PoolNotFound
    made, left = uuid7(now), event["kg"] - event["ordered_kg"]
    if share_ids:
        shares = await _for_order(driver, event_id, share_ids, made)
        kg = min(sum(whole_kg(share["co2e_mg"]) for share in shares), left)
    wanted = left if kg is None else kg
    if wanted <= 0 or not await repository.take_kg(driver, event_id, wanted):
        raise EventCovered
    price = pool["price_fen_per_t"]
    fen = price_fen(wanted, price)
    await repository.add_order(
        driver, (made, event_id, pool_id, buyer_id, event["region"], wanted, price, fen, now, now + HOLD)
    )
    try:
        await units.lock(driver, pool["account_id"], pool["origin_id"], wanted, LOCK_REASON, made, now)
    except (InsufficientUnits, AccountFrozen, AccountNotFound):
        raise StockTooSmall from None
    return await repository.order(driver, made)


async def _for_order(
    driver: "asyncpg.Connection", event_id: UUID, share_ids: Sequence[UUID], order_id: UUID
) -> "Sequence[Row]":
    wanted = sorted(set(share_ids))
    for share_id in wanted:
        share = await repository.share(driver, share_id)
        if share is None or share["event_id"] != event_id:
            raise ShareNotFound
    taken = await repository.order_shares(driver, event_id, wanted, order_id)
    if len(taken) < len(wanted):
        raise ShareOrdered
    return taken


async def own_order(
    driver: "asyncpg.Connection", buyer_id: UUID, order_id: UUID, *, lock: bool = False
) -> "Row":
    """A buyer's own order; raises `EventOrderNotFound`."""
    found = await repository.order(driver, order_id, lock=lock)
    if found is None or found["buyer_id"] != buyer_id:
        raise EventOrderNotFound
    return found


async def cancel(
    driver: "asyncpg.Connection", buyer_id: UUID, order_id: UUID, now: datetime.datetime
) -> "Row":
    """Give back the units of one's own order that is not paid; again, it stays so. Raises `OrderOver`."""
    found = await own_order(driver, buyer_id, order_id, lock=True)
    if found["state"] == OrderState.AWAITING:
        await _end(driver, found, OrderState.CANCELLED, now)
    elif found["state"] != OrderState.CANCELLED:
        raise OrderOver
    return await repository.order(driver, order_id)


async def expire(driver: "asyncpg.Connection", now: datetime.datetime) -> int:
    """End the orders whose time is over, and give their units back; answers how many there were."""
    due = await repository.due_orders(driver, now - RELEASED_AFTER, IN_A_RUN)
    # Events first, then accounts, each in the order of their ids, so that nobody waits in a circle.
    for event_id in sorted({row["event_id"] for row in due}):
        await repository.event(driver, event_id, lock=True)
    for row in sorted(due, key=lambda each: (each["account_id"], each["id"])):
        await _end(driver, row, OrderState.EXPIRED, now)
    return len(due)


async def _end(driver: "asyncpg.Connection", row: "Row", state: OrderState, now: datetime.datetime) -> None:
    await repository.event(driver, row["event_id"], lock=True)
    await repository.end_order(driver, row["id"], state.value)
    await repository.give_kg_back(driver, row["event_id"], row["kg"])
    await units.release(driver, (await units.find_lock(driver, row["id"])).id, now)


async def pay(
    driver: "asyncpg.Connection",
    order_id: UUID,
    reference: str,
    paid_at: datetime.datetime,
    now: datetime.datetime,
) -> "tuple[Row, Row, units.Retirement] | None":
    """Take the payment of an order: its units are retired for the event, in this very transaction.

    Answers the order, its event and the retirement; None where the order is over, so that the money goes back.
    """
    found = await repository.order(driver, order_id, lock=True)
    if found is None:
        return None
    if found["state"] == OrderState.PAID:
        return None if found["payment_ref"] != reference else await _paid(driver, found)
    if found["state"] != OrderState.AWAITING or paid_at > found["expires_at"]:
        return None
    event = await repository.event(driver, found["event_id"], lock=True)
    held = await units.find_lock(driver, order_id)
    try:
        await units.retire(
            driver, held, None, found["kg"], units.Purpose.EVENT, beneficiary_of(event), order_id, now
        )
    except AccountFrozen:
        # By order nothing leaves the account: the money goes back, and the order ends in its time.
        return None
    await repository.pay_kg(driver, found["event_id"], found["kg"])
    await repository.mark_paid(driver, order_id, reference, paid_at)
    return await _paid(driver, await repository.order(driver, order_id))


async def _paid(driver: "asyncpg.Connection", order_row: "Row") -> "tuple[Row, Row, units.Retirement]":
    event = await repository.event(driver, order_row["event_id"])
    retired = await units.find_retirement(driver, order_row["id"])
    if retired is None:
        raise LookupError("a paid order without its retirement")
    return order_row, event, retired


def beneficiary_of(event: "Row") -> str:
    """Whom units are retired for, as everybody may read it: a resident's event is told by kind and day only."""
    if event["of_enterprise"]:
        return str(event["title"])
    return f"个人活动 personal event {event['day'].isoformat()}"
