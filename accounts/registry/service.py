"""Registry accounts: opened on first use, one for each organisation and holder."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import uuid7
from accounts.registry import repository
from accounts.registry.errors import AccountNotFound

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


def of_row(row: "asyncpg.Record") -> RegistryAccount:
    """An account as the repository read it."""
    return RegistryAccount(
        row["id"],
        row["organisation_id"],
        row["holder_id"],
        row["region"],
        row["opened_at"],
        row["frozen_at"],
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
