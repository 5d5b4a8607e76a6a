"""What is done with statements, with what follows in the same commit: the audit trail, and merchants are told."""

import datetime
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.ids import public_id
from app.auth import audit
from app.auth.principal import NATION, Principal
from app.database import driver_of
from app.webhooks import events, outbox
from points import settlement_errors as errors
from points import settlement_queries as queries
from points import settlement_repository as repository
from points import settlements
from points.settlement_states import BY_JOB

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from points.settlement_models import Settlement
    from points.settlement_repository import Account

ITSELF = Principal("system", UUID(int=0), "Tanpuhui", NATION, frozenset(), 0)
"""Who the audit trail names where the service itself acts."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, when, from where."""

    principal: Principal
    now: datetime.datetime
    address: str


Work = Callable[["AsyncSession", "Settlement"], Awaitable["Settlement"]]


async def issue(
    session: "AsyncSession", account: "Account", ends_at: datetime.datetime, actor: Actor
) -> "Settlement":
    """Issue a statement; the merchant is told."""
    by = BY_JOB if actor.principal is ITSELF else actor.principal.client_id
    settlement = await settlements.issue(session, await driver_of(session), account, ends_at, by, actor.now)
    await _write_down(session, actor, "settlement.issued", settlement, "", None)
    await _tell(session, settlement, events.SETTLEMENT_ISSUED, actor.now)
    return settlement


async def take(
    session: "AsyncSession",
    actor: Actor,
    settlement_id: UUID,
    version: int,
    *,
    of_merchant: bool,
    with_account: bool = False,
) -> "Settlement":
    """The statement as the caller saw it, locked; its account before it, where statements to come depend on it."""
    found = await queries.find(session, settlement_id)
    if found is None or not visible(actor.principal, found, of_merchant=of_merchant):
        raise errors.SettlementNotFound
    if with_account:
        account = repository.Account(found.merchant_id, found.asset_id, found.region, found.starts_at)
        await repository.lock_account(await driver_of(session), account)
    settlement = await queries.lock(session, settlement_id)
    if settlement is None:
        raise errors.SettlementNotFound
    if settlement.version != version:
        raise errors.SettlementChangedMeanwhile
    return settlement


def visible(principal: Principal, settlement: "Settlement", *, of_merchant: bool) -> bool:
    """Whether a merchant's own, or of an operator's region."""
    if of_merchant:
        return settlement.merchant_id == principal.organisation_id
    return principal.may_see_region(settlement.region)


async def step(
    session: "AsyncSession",
    actor: Actor,
    settlement: "Settlement",
    action: str,
    reason: str,
    work: Work,
) -> "Settlement":
    """Take a locked statement a step further; `action` names it in the audit trail, `settlement.…`."""
    before = _snapshot(settlement)
    settlement = await work(session, settlement)
    await _write_down(session, actor, action, settlement, reason, before)
    told = f"settlement.{settlement.state}"
    if told in events.EVENTS and action != "settlement.payment_rejected":
        await _tell(session, settlement, told, actor.now)
    return settlement


def _snapshot(settlement: "Settlement") -> dict[str, Any]:
    return {
        "state": settlement.state,
        "number": settlement.number,
        "total_fen": settlement.total_fen,
        "adjusted_fen": settlement.adjusted_fen,
        "bank_reference": settlement.bank_reference,
        "paid_on": None if settlement.paid_on is None else str(settlement.paid_on),
    }


async def _write_down(
    session: "AsyncSession",
    actor: Actor,
    action: str,
    settlement: "Settlement",
    reason: str,
    before: dict[str, Any] | None,
) -> None:
    await audit.append(
        session,
        actor.principal,
        actor.now,
        action,
        ("settlement", public_id("stl", settlement.id)),
        region=settlement.region,
        address=actor.address,
        reason=reason,
        before=before,
        after=_snapshot(settlement),
    )


async def _tell(session: "AsyncSession", settlement: "Settlement", name: str, now: datetime.datetime) -> None:
    subject = public_id("stl", settlement.id)
    data = {
        "settlement_id": subject,
        "number": settlement.number,
        "region": settlement.region,
        "starts_at": settlement.starts_at.isoformat(),
        "ends_at": settlement.ends_at.isoformat(),
        "state": settlement.state,
        "total_fen": settlement.total_fen,
        "payable_fen": settlement.payable_fen,
    }
    event = outbox.Event(settlement.merchant_id, name, subject, data)
    await outbox.tell_now(await driver_of(session), [event], now)
