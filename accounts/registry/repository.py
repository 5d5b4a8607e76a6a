"""SQL of registry accounts, their limits and the orders that freeze them."""

import datetime
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    import asyncpg

Row: TypeAlias = "asyncpg.Record"
_COLUMNS = (
    "id, organisation_id, holder_id, region, opened_at, frozen_at, transfer_limit_kg, daily_limit_kg,"
    " approval_above_kg, version"
)


async def of_organisation(driver: "asyncpg.Connection", organisation_id: UUID) -> "Row | None":
    """The account of an organisation."""
    return await driver.fetchrow(
        f"SELECT {_COLUMNS} FROM registry_accounts WHERE organisation_id = $1", organisation_id
    )


async def of_holder(driver: "asyncpg.Connection", holder_id: UUID) -> "Row | None":
    """The account that is kept in trust for a holder."""
    return await driver.fetchrow(f"SELECT {_COLUMNS} FROM registry_accounts WHERE holder_id = $1", holder_id)


async def by_id(driver: "asyncpg.Connection", account_id: UUID) -> "Row | None":
    """An account."""
    return await driver.fetchrow(f"SELECT {_COLUMNS} FROM registry_accounts WHERE id = $1", account_id)


async def locked(driver: "asyncpg.Connection", account_id: UUID) -> "Row | None":
    """An account, locked as by whoever moves its units; what it guards is read by the next statement."""
    return await driver.fetchrow(
        f"SELECT {_COLUMNS} FROM registry_accounts WHERE id = $1 FOR NO KEY UPDATE", account_id
    )


async def page(driver: "asyncpg.Connection", prefix: str, before: UUID | None, limit: int) -> list[Row]:
    """Accounts of a region and its parts, the one that was opened last first."""
    return list(
        await driver.fetch(
            f"SELECT {_COLUMNS} FROM registry_accounts"
            " WHERE region LIKE $1 || '%' AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
            prefix,
            before,
            limit,
        )
    )


async def open_for_organisation(
    driver: "asyncpg.Connection", account_id: UUID, organisation_id: UUID, now: datetime.datetime
) -> None:
    """Open an organisation's account, unless another caller just did."""
    await driver.execute(
        "INSERT INTO registry_accounts (id, organisation_id, region, opened_at)"
        " SELECT $1, id, region, $3 FROM organisations WHERE id = $2 ON CONFLICT (organisation_id) DO NOTHING",
        account_id,
        organisation_id,
        now,
    )


async def open_for_holder(
    driver: "asyncpg.Connection", account_id: UUID, holder_id: UUID, now: datetime.datetime
) -> None:
    """Open a holder's account, unless another caller just did."""
    await driver.execute(
        "INSERT INTO registry_accounts (id, holder_id, region, opened_at)"
        " SELECT $1, id, region, $3 FROM holders WHERE id = $2 ON CONFLICT (holder_id) DO NOTHING",
        account_id,
        holder_id,
        now,
    )


async def set_limits(
    driver: "asyncpg.Connection", account_id: UUID, limits: tuple[int | None, int | None, int], version: int
) -> "Row | None":
    """Other limits (one transfer, a day, approval above) where the version is still this one."""
    return await driver.fetchrow(
        "UPDATE registry_accounts SET transfer_limit_kg = $2, daily_limit_kg = $3, approval_above_kg = $4,"
        f" version = version + 1 WHERE id = $1 AND version = $5 RETURNING {_COLUMNS}",
        account_id,
        *limits,
        version,
    )


async def set_frozen(
    driver: "asyncpg.Connection", account_id: UUID, frozen_at: datetime.datetime | None
) -> None:
    """Mark a locked account as frozen, or not any more."""
    await driver.execute("UPDATE registry_accounts SET frozen_at = $2 WHERE id = $1", account_id, frozen_at)


async def add_freeze(driver: "asyncpg.Connection", row: tuple[object, ...]) -> None:
    """Write an order down (id, account, document, reason, client, time)."""
    await driver.execute(
        "INSERT INTO account_freezes (id, account_id, document, reason, frozen_by, frozen_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        *row,
    )


async def lift_freezes(
    driver: "asyncpg.Connection", account_id: UUID, document: str, client_id: str, now: datetime.datetime
) -> bool:
    """Lift the orders on a locked account that are in force; False where there is none."""
    done = await driver.fetch(
        "UPDATE account_freezes SET lift_document = $2, lifted_by = $3, lifted_at = $4"
        " WHERE account_id = $1 AND lifted_at IS NULL RETURNING id",
        account_id,
        document,
        client_id,
        now,
    )
    return bool(done)


async def freezes(driver: "asyncpg.Connection", account_id: UUID) -> list[Row]:
    """The last hundred orders on an account, the newest first."""
    return list(
        await driver.fetch(
            "SELECT document, reason, frozen_at, lift_document, lifted_at FROM account_freezes"
            " WHERE account_id = $1 ORDER BY id DESC LIMIT 100",
            account_id,
        )
    )
