"""SQL of organisations, clients, signing keys and the audit trail."""

import datetime
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.auth.models import AuditRecord, Client, Organisation, SigningKey


async def find_client(session: AsyncSession, client_id: str) -> tuple[Client, Organisation] | None:
    """A client that is not disabled, with its organisation."""
    rows = await session.exec(
        select(Client, Organisation)
        .join(Organisation, col(Organisation.id) == col(Client.organisation_id))
        .where(col(Client.id) == client_id, col(Client.disabled_at).is_(None))
    )
    return rows.first()


async def find_organisation(session: AsyncSession, kind: str, name: str, region: str) -> Organisation | None:
    """An organisation by what its operator calls it."""
    rows = await session.exec(
        select(Organisation).where(
            col(Organisation.kind) == kind, col(Organisation.name) == name, col(Organisation.region) == region
        )
    )
    return rows.first()


async def existing_platforms(session: AsyncSession, ids: set[UUID]) -> set[UUID]:
    """Those of the ids that are platforms."""
    rows = await session.exec(
        select(Organisation.id).where(col(Organisation.id).in_(ids), col(Organisation.kind) == "platform")
    )
    return set(rows.all())


async def disabled_clients(session: AsyncSession) -> frozenset[str]:
    """Ids of the clients that are disabled."""
    rows = await session.exec(select(Client.id).where(col(Client.disabled_at).is_not(None)))
    return frozenset(rows.all())


async def usable_keys(session: AsyncSession, now: datetime.datetime) -> list[SigningKey]:
    """Keys that verify now, the newest first."""
    rows = await session.exec(
        select(SigningKey)
        .where(or_(col(SigningKey.verifies_until).is_(None), col(SigningKey.verifies_until) > now))
        .order_by(col(SigningKey.signs_from).desc())
    )
    return list(rows.all())


async def append_audit(session: AsyncSession, record: AuditRecord) -> None:
    """Append to the audit trail."""
    session.add(record)
    await session.flush()
