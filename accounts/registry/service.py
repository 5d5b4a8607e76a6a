"""Registry accounts: opened on first use, one for each organisation and holder."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import uuid7
from accounts.registry import repository
from accounts.registry.errors import AccountEditedMeanwhile, AccountNotFound, NotFrozen

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True, slots=True)
class RegistryAccount:
    """Where units stand. Either an organisation's or, in trust, a holder's."""

    id: UUID
    organisation_id: UUID | None
    holder_id: UUID | None
    region: str
    opened_at: datetime.datetime
    frozen_at: datetime.datetime | None
    transfer_limit_kg: int | None
    daily_limit_kg: int | None
    approval_above_kg: int
    version: int


def of_row(row: "asyncpg.Record") -> RegistryAccount:
    """An account as the repository read it."""
    return RegistryAccount(
        row["id"],
        row["organisation_id"],
        row["holder_id"],
        row["region"],
        row["opened_at"],
        row["frozen_at"],
        row["transfer_limit_kg"],
        row["daily_limit_kg"],
        row["approval_above_kg"],
        row["version"],
    )


async def account_of(
    driver: "asyncpg.Connection", organisation_id: UUID, now: datetime.datetime
) -> RegistryAccount:
    """The account of an organisation, opened where there is none; `AccountNotFound` without such an organisation."""
    row = await repository.of_organisation(driver, organisation_id)
    if row is None:
        await repository.open_for_organisation(driver, uuid7(now), organisation_id, now)
        row = await repository.of_organisation(driver, organisation_id)
    if row is None:
        raise AccountNotFound
    return of_row(row)


async def trustee_account(
    driver: "asyncpg.Connection", holder_id: UUID, now: datetime.datetime
) -> RegistryAccount:
    """The account that is kept in trust for a holder, opened where there is none; `AccountNotFound` without one."""
    row = await repository.of_holder(driver, holder_id)
    if row is None:
        await repository.open_for_holder(driver, uuid7(now), holder_id, now)
        row = await repository.of_holder(driver, holder_id)
    if row is None:
        raise AccountNotFound
    return of_row(row)


async def get(driver: "asyncpg.Connection", account_id: UUID) -> RegistryAccount:
    """An account; `AccountNotFound` where there is none."""
    row = await repository.by_id(driver, account_id)
    if row is None:
        raise AccountNotFound
    return of_row(row)


async def set_limits(
    driver: "asyncpg.Connection", account_id: UUID, limits: tuple[int | None, int | None, int], version: int
) -> RegistryAccount:
    """Other limits in kg: of one transfer, of a day, and above which a second client approves.

    Raises `AccountEditedMeanwhile` where the version is another.
    """
    row = await repository.set_limits(driver, account_id, limits, version)
    if row is None:
        raise AccountEditedMeanwhile
    return of_row(row)


async def freeze(
    driver: "asyncpg.Connection",
    account_id: UUID,
    document: str,
    reason: str,
    client_id: str,
    now: datetime.datetime,
) -> RegistryAccount:
    """By an order nothing leaves an account from now on; further orders may follow. Raises `AccountNotFound`."""
    # Its lock is the one that whoever moves units takes: a step that is under way is over.
    row = await repository.locked(driver, account_id)
    if row is None:
        raise AccountNotFound
    await repository.add_freeze(driver, (uuid7(now), account_id, document, reason, client_id, now))
    await repository.set_frozen(driver, account_id, row["frozen_at"] or now)
    return await get(driver, account_id)


async def unfreeze(
    driver: "asyncpg.Connection", account_id: UUID, document: str, client_id: str, now: datetime.datetime
) -> RegistryAccount:
    """Lift the orders on an account. Raises `AccountNotFound`, `NotFrozen`."""
    if await repository.locked(driver, account_id) is None:
        raise AccountNotFound
    if not await repository.lift_freezes(driver, account_id, document, client_id, now):
        raise NotFrozen
    await repository.set_frozen(driver, account_id, None)
    return await get(driver, account_id)
