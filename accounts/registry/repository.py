"""SQL of registry accounts."""

import datetime
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    import asyncpg

Row: TypeAlias = "asyncpg.Record"
_COLUMNS = "id, organisation_id, holder_id, region, opened_at, frozen_at"


async def of_organisation(driver: "asyncpg.Connection", organisation_id: UUID) -> "Row | None":
    """The account of an organisation."""
    return await driver.fetchrow(
        f"SELECT {_COLUMNS} FROM registry_accounts WHERE organisation_id = $1", organisation_id
    )


async def of_holder(driver: "asyncpg.Connection", holder_id: UUID) -> "Row | None":
    """The account that is kept in trust for a holder."""
    return await driver.fetchrow(f"SELECT {_COLUMNS} FROM registry_accounts WHERE holder_id = $1", holder_id)


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
