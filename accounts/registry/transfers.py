"""Transfers: offered by one account, accepted by the other. Within the caller's transaction; nothing here commits.

An offer holds its units back from the beginning, so that what is accepted is there. A step locks the transfer first,
then the account that the units leave.
"""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import lowest_uuid7, uuid7
from accounts.registry import repository
from accounts.registry import transfer_repository as transfers
from accounts.registry.errors import (
    AccountNotFound,
    TransferApproveOwn,
    TransferDecided,
    TransferNotFound,
    TransferOverLimit,
    TransferToSelf,
)
from accounts.units import service as units

if TYPE_CHECKING:
    import asyncpg

LIFE = datetime.timedelta(days=7)
REASON = "transfer"
_LOCAL = datetime.timezone(datetime.timedelta(hours=8), "Asia/Shanghai")


async def propose(
    driver: "asyncpg.Connection",
    account_id: UUID,
    to_account_id: UUID,
    origin_id: UUID | None,
    quantity_kg: int,
    note: str,
    client_id: str,
    now: datetime.datetime,
) -> transfers.Row:
    """Offer units of an account to another, the lowest numbers first; large amounts wait for a second client.

    Raises `AccountNotFound` (also where it is kept in trust), `TransferToSelf`, `TransferOverLimit`,
    `InsufficientUnits`, `AccountFrozen`.
    """
    if account_id == to_account_id:
        raise TransferToSelf
    to = await repository.by_id(driver, to_account_id)
    own = await repository.locked(driver, account_id)
    if own is None or to is None or to["organisation_id"] is None:
        raise AccountNotFound
    if own["transfer_limit_kg"] is not None and quantity_kg > own["transfer_limit_kg"]:
        raise TransferOverLimit
    if own["daily_limit_kg"] is not None:
        midnight = now.astimezone(_LOCAL).replace(hour=0, minute=0, second=0, microsecond=0)
        # By the account's lock: what others sent today is committed.
        sent = await transfers.sent_since(driver, account_id, lowest_uuid7(midnight))
        if sent + quantity_kg > own["daily_limit_kg"]:
            raise TransferOverLimit
    transfer_id = uuid7(now)
    await units.hold(driver, account_id, origin_id, quantity_kg, REASON, transfer_id, now)
    state = "proposed" if quantity_kg > own["approval_above_kg"] else "offered"
    return await transfers.add(
        driver,
        (
            transfer_id,
            account_id,
            to_account_id,
            origin_id,
            quantity_kg,
            note,
            state,
            client_id,
            now,
            now + LIFE,
        ),
    )


async def approve(
    driver: "asyncpg.Connection",
    account_id: UUID,
    transfer_id: UUID,
    client_id: str,
    now: datetime.datetime,
) -> transfers.Row:
    """A second client of the sender lets a large transfer be offered.

    Raises `TransferNotFound`, `TransferDecided` where it is not waiting for that, `TransferApproveOwn`.
    """
    row = await _sent(driver, account_id, transfer_id)
    if row["state"] != "proposed" or row["expires_at"] <= now:
        raise TransferDecided
    if row["proposed_by"] == client_id:
        raise TransferApproveOwn
    return await transfers.offer(driver, transfer_id, client_id)


async def accept(
    driver: "asyncpg.Connection",
    account_id: UUID,
    transfer_id: UUID,
    client_id: str,
    now: datetime.datetime,
) -> transfers.Row:
    """The recipient takes what was offered; once. Raises `TransferNotFound`, `TransferDecided`, `AccountFrozen`."""
    row = await _received(driver, account_id, transfer_id)
    if row["state"] != "offered" or row["expires_at"] <= now:
        raise TransferDecided
    # The lock has the transfer's id, and all of the transfer's units until it is decided.
    lock = units.Lock(transfer_id, row["account_id"], units.LockKind.LOCKED, REASON, transfer_id, ranges=())
    await units.hand_over(driver, lock, account_id, now)
    return await transfers.decide(driver, transfer_id, "accepted", client_id, now)


async def decline(
    driver: "asyncpg.Connection",
    account_id: UUID,
    transfer_id: UUID,
    client_id: str,
    now: datetime.datetime,
) -> transfers.Row:
    """The recipient does not want it: the units are free again. Raises `TransferNotFound`, `TransferDecided`."""
    row = await _received(driver, account_id, transfer_id)
    return await _end(driver, row, "declined", client_id, now)


async def withdraw(
    driver: "asyncpg.Connection",
    account_id: UUID,
    transfer_id: UUID,
    client_id: str,
    now: datetime.datetime,
) -> transfers.Row:
    """The sender takes an offer back: the units are free again. Raises `TransferNotFound`, `TransferDecided`."""
    row = await _sent(driver, account_id, transfer_id)
    return await _end(driver, row, "withdrawn", client_id, now)


async def expire(driver: "asyncpg.Connection", now: datetime.datetime, limit: int) -> int:
    """Free the units of transfers that nobody decided in time; how many there were."""
    due = await transfers.due(driver, now, limit)
    for transfer_id in due:
        await units.release(driver, transfer_id, now)
        await transfers.decide(driver, transfer_id, "expired", None, now)
    return len(due)


async def _sent(driver: "asyncpg.Connection", account_id: UUID, transfer_id: UUID) -> transfers.Row:
    row = await transfers.lock(driver, transfer_id, account_id)
    if row is None or row["account_id"] != account_id:
        raise TransferNotFound
    return row


async def _received(driver: "asyncpg.Connection", account_id: UUID, transfer_id: UUID) -> transfers.Row:
    row = await transfers.lock(driver, transfer_id, account_id)
    if row is None or row["to_account_id"] != account_id:
        raise TransferNotFound
    return row


async def _end(
    driver: "asyncpg.Connection",
    row: transfers.Row,
    state: str,
    client_id: str,
    now: datetime.datetime,
) -> transfers.Row:
    if row["state"] not in ("proposed", "offered"):
        raise TransferDecided
    await units.release(driver, row["id"], now)
    return await transfers.decide(driver, row["id"], state, client_id, now)
