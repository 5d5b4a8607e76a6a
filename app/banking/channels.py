"""The lawful channel of score exports: without one that two operators put in force, no score leaves in bulk."""

import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import public_id, uuid7
from app.auth import audit
from app.auth.models import Organisation, OrganisationKind
from app.auth.principal import prefix
from app.banking.desk_errors import (
    ChannelApprovedAlready,
    ChannelApproveOwn,
    ChannelExists,
    ChannelMissing,
    ChannelNotFound,
)
from app.banking.desk_models import ScoreChannel
from app.banking.errors import BankUnknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.auth.principal import Principal


async def propose(
    session: AsyncSession,
    principal: "Principal",
    bank_id: UUID,
    what: tuple[str, str],
    now: datetime.datetime,
    address: str,
) -> ScoreChannel:
    """Name the channel of a bank of the operator's region: (its name, its legal basis). Raises `BankUnknown`."""
    bank = await session.get(Organisation, bank_id)
    if bank is None or bank.kind != OrganisationKind.BANK or not principal.may_see_region(bank.region):
        raise BankUnknown
    made = ScoreChannel(
        id=uuid7(now),
        bank_id=bank_id,
        region=bank.region,
        name=what[0],
        basis=what[1],
        proposed_by=principal.client_id,
        proposed_at=now,
    )
    session.add(made)
    await session.flush()
    await _write_down(session, principal, "proposed", made, "", now, address)
    return made


async def approve(
    session: AsyncSession,
    principal: "Principal",
    channel_id: UUID,
    reason: str,
    now: datetime.datetime,
    address: str,
) -> ScoreChannel:
    """The second operator's word: from now on scores may be exported to the bank.

    Raises `ChannelNotFound`, `ChannelApprovedAlready`, `ChannelApproveOwn`, `ChannelExists`.
    """
    found = await _take(session, principal, channel_id)
    if found.approved_at is not None or found.ended_at is not None:
        raise ChannelApprovedAlready
    if found.proposed_by == principal.client_id:
        raise ChannelApproveOwn
    # One bank's channels one after the other: two proposals must not both be approved.
    await session.exec(  # type: ignore[call-overload]
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))").bindparams(
            key=f"tanpuhui score channel of {found.bank_id}"
        )
    )
    if await in_force(session, found.bank_id) is not None:
        raise ChannelExists
    found.approved_at, found.approved_by = now, principal.client_id
    await _write_down(session, principal, "approved", found, reason, now, address)
    return found


async def end(
    session: AsyncSession,
    principal: "Principal",
    channel_id: UUID,
    reason: str,
    now: datetime.datetime,
    address: str,
) -> ScoreChannel:
    """Nothing is exported by it any more. Raises `ChannelNotFound`, `ChannelApprovedAlready`."""
    found = await _take(session, principal, channel_id)
    if found.ended_at is not None:
        raise ChannelApprovedAlready
    found.ended_at = now
    await _write_down(session, principal, "ended", found, reason, now, address)
    return found


async def in_force(session: AsyncSession, bank_id: UUID) -> ScoreChannel | None:
    """The channel by which scores may be exported to a bank, kept from ending until the transaction is over."""
    query = select(ScoreChannel).where(
        col(ScoreChannel.bank_id) == bank_id,
        col(ScoreChannel.approved_at).is_not(None),
        col(ScoreChannel.ended_at).is_(None),
    )
    return (await session.exec(query.with_for_update(read=True))).first()


async def require(session: AsyncSession, bank_id: UUID) -> ScoreChannel:
    """The channel in force; raises `ChannelMissing`."""
    found = await in_force(session, bank_id)
    if found is None:
        raise ChannelMissing
    return found


async def page(
    session: AsyncSession, region: str, before: UUID | None, limit: int
) -> "Sequence[ScoreChannel]":
    """Channels of banks of a region, the newest first."""
    query = select(ScoreChannel).where(col(ScoreChannel.region).startswith(prefix(region)))
    if before is not None:
        query = query.where(col(ScoreChannel.id) < before)
    return (await session.exec(query.order_by(col(ScoreChannel.id).desc()).limit(limit))).all()


def state(channel: ScoreChannel) -> str:
    """`proposed`, `in_force` or `ended`."""
    if channel.ended_at is not None:
        return "ended"
    return "proposed" if channel.approved_at is None else "in_force"


async def _take(session: AsyncSession, principal: "Principal", channel_id: UUID) -> ScoreChannel:
    found = (
        await session.exec(select(ScoreChannel).where(col(ScoreChannel.id) == channel_id).with_for_update())
    ).first()
    if found is None or not principal.may_see_region(found.region):
        raise ChannelNotFound
    return found


async def _write_down(
    session: AsyncSession,
    principal: "Principal",
    step: str,
    found: ScoreChannel,
    reason: str,
    now: datetime.datetime,
    address: str,
) -> None:
    session.add(found)
    await session.flush()
    after: dict[str, Any] = {
        "bank_id": public_id("org", found.bank_id),
        "name": found.name,
        "basis": found.basis,
        "state": state(found),
    }
    await audit.append(
        session,
        principal,
        now,
        f"score_channel.{step}",
        ("score_channel", public_id("sch", found.id)),
        region=found.region,
        address=address,
        reason=reason,
        after=after,
    )
