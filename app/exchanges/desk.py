"""Instructions to exchanges: staged by one, approved by another, and only then told. Retired is final."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from accounts.errors import Fault
from accounts.ids import parse_public_id, public_id, uuid7
from accounts.registry.errors import AccountNotFound
from accounts.units import service as units
from accounts.units.errors import InsufficientUnits
from accounts.units.serials import format_serial
from app.auth import audit
from app.database import driver_of
from app.exchanges import errors, repository
from app.exchanges.models import ExchangeInstruction, InstructionState
from app.exchanges.schemas import (
    ExchangeAccountOrder,
    ExchangeDeliveryOrder,
    ExchangeRetirementOrder,
    ExchangeTradeOrder,
)
from app.programmes.errors import OutOfRegion
from integrations.carbon_market.ports import (
    AccountOpening,
    InstructionKind,
    Order,
    RetirementOrder,
    TradeReport,
    UnitDelivery,
    content_of,
)

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.repository import Driver, Row
    from app.auth.principal import Principal

DELIVERED = "exchange_delivery"
"""Why units are held back: they stand at an exchange."""
KG_PER_T = 1_000
OrderInput = ExchangeAccountOrder | ExchangeDeliveryOrder | ExchangeTradeOrder | ExchangeRetirementOrder


@dataclass(frozen=True, slots=True)
class Actor:
    """Who stages or checks, when and from where."""

    principal: "Principal"
    now: datetime.datetime
    address: str


@dataclass(frozen=True, slots=True)
class _Staged:
    """What an order comes to: what is told, of what, once, and of which account."""

    order: Order
    subject: str
    region: str
    account_id: UUID | None
    quantity_kg: int | None = None
    price_fen_per_t: int | None = None
    delivery_id: UUID | None = None


def total_fen(quantity_kg: int, price_fen_per_t: int) -> int:
    """What a quantity costs, rounded once, up."""
    return -(-quantity_kg * price_fen_per_t // KG_PER_T)


async def stage(session: "AsyncSession", actor: Actor, wanted: OrderInput) -> ExchangeInstruction:
    """Stage an instruction; nothing leaves. Units that are to be delivered are held back from now on.

    Raises `ExchangeNotFound`, `AccountNotFound`, `ExchangeAccountMissing`, `DeliveryNotDone`, `InstructionExists`, and
    what locking units raises.
    """
    driver = await driver_of(session)
    exchange_id = next(
        (row["id"] for row in await repository.connections(driver) if row["code"] == wanted.exchange), None
    )
    if exchange_id is None:
        raise errors.ExchangeNotFound
    instruction_id = uuid7(actor.now)
    if isinstance(wanted, ExchangeAccountOrder):
        staged = await _opening(driver, actor, wanted)
    elif isinstance(wanted, ExchangeDeliveryOrder):
        staged = await _delivery(driver, actor, wanted, exchange_id, instruction_id)
    elif isinstance(wanted, ExchangeTradeOrder):
        staged = await _trade(driver, actor, wanted, exchange_id)
    else:
        staged = await _retirement(session, actor, wanted, exchange_id)
    row = ExchangeInstruction(
        id=instruction_id,
        exchange_id=exchange_id,
        region=staged.region,
        kind=wanted.kind,
        subject=staged.subject,
        content=content_of(staged.order),
        account_id=staged.account_id,
        delivery_id=staged.delivery_id,
        quantity_kg=staged.quantity_kg,
        price_fen_per_t=staged.price_fen_per_t,
        state=InstructionState.STAGED,
        staged_by=actor.principal.client_id,
        staged_at=actor.now,
        attempts=0,
        due_at=actor.now,
        reference="",
        last_error="",
    )
    if not await repository.add(driver, row, orjson.dumps(row.content).decode()):
        raise errors.InstructionExists
    await _write_down(session, actor, "staged", row, "", None)
    return row


async def approve(
    session: "AsyncSession", actor: Actor, row: ExchangeInstruction, reason: str
) -> ExchangeInstruction:
    """The checker's word on a locked instruction: it is told from now on. Raises `ApproveOwnInstruction`."""
    _staged(row)
    if row.staged_by == actor.principal.client_id:
        raise errors.ApproveOwnInstruction
    before = _told(row)
    row.state, row.approved_by = InstructionState.APPROVED.value, actor.principal.client_id
    row.approved_at = row.due_at = actor.now
    await _write_down(session, actor, "approved", row, reason, before)
    return row


async def withdraw(
    session: "AsyncSession", actor: Actor, row: ExchangeInstruction, reason: str
) -> ExchangeInstruction:
    """Take back a locked instruction that was not approved: what it held back is free again."""
    _staged(row)
    before = _told(row)
    row.state, row.settled_at = InstructionState.WITHDRAWN.value, actor.now
    await _write_down(session, actor, "withdrawn", row, reason, before)
    await let_go(await driver_of(session), row.kind, row.id, actor.now)
    return row


async def let_go(driver: "Driver", kind: str, instruction_id: UUID, now: datetime.datetime) -> None:
    """Release what a delivery that does not come about held back."""
    if kind == InstructionKind.DELIVER_UNITS:
        await units.release(driver, (await units.find_lock(driver, instruction_id)).id, now)


async def retire_here(
    driver: "Driver", delivery_id: UUID, instruction_id: UUID, content: dict[str, Any], now: datetime.datetime
) -> None:
    """Retire what the exchange retired: the units of a delivery, once."""
    lock = await units.find_lock(driver, delivery_id)
    await units.retire(
        driver,
        lock,
        None,
        content["quantity_kg"],
        units.Purpose(content["purpose"]),
        content["beneficiary"],
        instruction_id,
        now,
        content["obligation_period"],
    )


async def seen(
    session: "AsyncSession", principal: "Principal", instruction_id: UUID, *, lock: bool = False
) -> ExchangeInstruction:
    """An instruction of the operator's region. Raises `InstructionNotFound`."""
    row = await repository.instruction(session, instruction_id, lock=lock)
    if row is None or not principal.may_see_region(row.region):
        raise errors.InstructionNotFound
    return row


async def _opening(driver: "Driver", actor: Actor, wanted: ExchangeAccountOrder) -> _Staged:
    owner = await _owner(driver, actor, wanted.account_id)
    order = AccountOpening(public_id("rac", owner["id"]), owner["name"], owner["region"])
    return _Staged(order, str(owner["id"]), owner["region"], owner["id"])


async def _delivery(
    driver: "Driver", actor: Actor, wanted: ExchangeDeliveryOrder, exchange_id: UUID, instruction_id: UUID
) -> _Staged:
    owner = await _owner(driver, actor, wanted.account_id)
    account = await _account_at(driver, exchange_id, owner["id"])
    origin_id = parse_public_id("uor", wanted.origin_id)
    held = [] if origin_id is None else await units.available(driver, owner["id"], origin_id)
    if not held:
        raise InsufficientUnits
    lock = await units.lock(
        driver, owner["id"], origin_id, wanted.quantity_kg, DELIVERED, instruction_id, actor.now
    )
    serials = tuple(format_serial(held[0][0], each) for each in lock.ranges)
    order = UnitDelivery(account, serials, wanted.quantity_kg)
    return _Staged(order, str(instruction_id), owner["region"], owner["id"], wanted.quantity_kg)


async def _trade(driver: "Driver", actor: Actor, wanted: ExchangeTradeOrder, exchange_id: UUID) -> _Staged:
    seller = await _owner(driver, actor, wanted.seller_id)
    buyer_id = parse_public_id("rac", wanted.buyer_id)
    buyer = None if buyer_id is None else await repository.owner_of(driver, buyer_id)
    if buyer is None or buyer["id"] == seller["id"]:
        raise AccountNotFound(Fault("/order/buyer_id", "no other account", "没有另一个账户"))
    order = TradeReport(
        wanted.trade,
        await _account_at(driver, exchange_id, seller["id"]),
        await _account_at(driver, exchange_id, buyer["id"]),
        tuple(wanted.serials),
        wanted.quantity_kg,
        wanted.price_fen_per_t,
        total_fen(wanted.quantity_kg, wanted.price_fen_per_t),
        wanted.settled_at.isoformat(),
    )
    return _Staged(
        order, wanted.trade, seller["region"], seller["id"], wanted.quantity_kg, wanted.price_fen_per_t
    )


async def _retirement(
    session: "AsyncSession", actor: Actor, wanted: ExchangeRetirementOrder, exchange_id: UUID
) -> _Staged:
    delivery_id = parse_public_id("exi", wanted.delivery_id)
    found = None if delivery_id is None else await repository.instruction(session, delivery_id, lock=True)
    if (
        found is None
        or not actor.principal.may_see_region(found.region)
        or (found.exchange_id, found.kind, found.state)
        != (exchange_id, InstructionKind.DELIVER_UNITS.value, InstructionState.DONE.value)
    ):
        raise errors.DeliveryNotDone
    order = RetirementOrder(
        public_id("exi", found.id),
        tuple(found.content["serials"]),
        found.content["quantity_kg"],
        wanted.purpose,
        wanted.beneficiary,
        wanted.obligation_period,
    )
    return _Staged(
        order,
        str(found.id),
        found.region,
        found.account_id,
        order.quantity_kg,
        delivery_id=found.id,
    )


async def _owner(driver: "Driver", actor: Actor, account_id: str) -> "Row":
    """The organisation of a registry account of the operator's region. Raises `AccountNotFound`, `OutOfRegion`."""
    known = parse_public_id("rac", account_id)
    owner = None if known is None else await repository.owner_of(driver, known)
    if owner is None:
        raise AccountNotFound
    if not actor.principal.may_see_region(owner["region"]):
        raise OutOfRegion
    return owner


async def _account_at(driver: "Driver", exchange_id: UUID, account_id: UUID) -> str:
    number = await repository.account_at(driver, exchange_id, account_id)
    if number is None:
        raise errors.ExchangeAccountMissing
    return number


def _staged(row: ExchangeInstruction) -> None:
    if row.state != InstructionState.STAGED:
        raise errors.InstructionWrongState


def _told(row: ExchangeInstruction) -> dict[str, Any]:
    return row.model_dump(mode="json", include={"kind", "state", "content"})


async def _write_down(
    session: "AsyncSession",
    actor: Actor,
    step: str,
    row: ExchangeInstruction,
    reason: str,
    before: dict[str, Any] | None,
) -> None:
    if before is not None:
        session.add(row)
        await session.flush()
    await audit.append(
        session,
        actor.principal,
        actor.now,
        f"exchange_instruction.{step}",
        ("exchange_instruction", public_id("exi", row.id)),
        region=row.region,
        address=actor.address,
        reason=reason,
        before=before,
        after=_told(row),
    )
