"""Pledges: units that secure a bank's loan. Within the caller's transaction; nothing here commits.

Who pledges cannot take the units back: the bank gives them free, all or a part.
"""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import uuid7
from accounts.registry import transfer_repository as repository
from accounts.registry.errors import BankNotFound, PledgeNotFound
from accounts.units import service as units
from accounts.units.service import LockKind

if TYPE_CHECKING:
    import asyncpg

REASON = "pledge"


async def pledge(
    driver: "asyncpg.Connection",
    account_id: UUID,
    bank_id: UUID,
    origin_id: UUID | None,
    quantity_kg: int,
    contract: str,
    client_id: str,
    now: datetime.datetime,
) -> repository.Row:
    """Pledge units of an account to a bank, the lowest numbers first.

    Raises `BankNotFound`, `InsufficientUnits`, `AccountFrozen`.
    """
    if not await repository.is_bank(driver, bank_id):
        raise BankNotFound
    pledge_id = uuid7(now)
    await units.hold(driver, account_id, origin_id, quantity_kg, REASON, pledge_id, now, LockKind.PLEDGED)
    return await repository.add_pledge(
        driver, (pledge_id, account_id, bank_id, origin_id, quantity_kg, contract, client_id, now)
    )


async def release(
    driver: "asyncpg.Connection",
    bank_id: UUID,
    pledge_id: UUID,
    quantity_kg: int | None,
    client_id: str,
    now: datetime.datetime,
) -> repository.Row:
    """The bank gives units free: all that are left, or so many.

    Raises `PledgeNotFound`, and `InsufficientUnits` where so many are not left.
    """
    row = await repository.pledge_to_bank(driver, pledge_id, bank_id)
    if row is None:
        raise PledgeNotFound
    lock = await units.find_lock(driver, pledge_id)
    freed = await units.release(driver, lock.id, now, quantity_kg)
    if row["released_at"] is None and sum(part.quantity_kg for part in freed) == lock.quantity_kg:
        await repository.end_pledge(driver, pledge_id, client_id, now)
    again = await repository.pledge_to_bank(driver, pledge_id, bank_id)
    if again is None:
        raise PledgeNotFound
    return again
