"""SQL of organisations, clients, signing keys and the audit trail."""

import datetime
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.enterprises.models import EnterpriseMember
from app.auth.models import AuditRecord, Client, Organisation, SigningKey
from app.auth.principal import prefix


@dataclass(frozen=True)
class AuditQuery:
    """Which records: `within` is where the caller's rights end; the rest narrows them down where given."""

    within: str
    region: str | None = None
    action: str | None = None
    target_type: str | None = None
    target_id: str | None = None
    actor_client_id: str | None = None
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None


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


async def organisation_of(session: AsyncSession, holder_id: UUID) -> Organisation | None:
    """The organisation whose clients speak for an enterprise."""
    rows = await session.exec(select(Organisation).where(col(Organisation.holder_id) == holder_id))
    return rows.first()


async def organisation_name(session: AsyncSession, organisation_id: UUID) -> str:
    """What an organisation is called; empty where there is none."""
    rows = await session.exec(select(Organisation.name).where(col(Organisation.id) == organisation_id))
    return rows.first() or ""


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


async def clients_of(session: AsyncSession, organisation_id: UUID, limit: int) -> list[Client]:
    """Clients of an organisation, disabled ones too, the first first."""
    rows = await session.exec(
        select(Client)
        .where(col(Client.organisation_id) == organisation_id)
        .order_by(col(Client.created_at), col(Client.id))
        .limit(limit)
    )
    return list(rows.all())


async def ended_members(session: AsyncSession, since: datetime.datetime) -> frozenset[UUID]:
    """Memberships of enterprises that ended since then."""
    rows = await session.exec(select(EnterpriseMember.id).where(col(EnterpriseMember.left_at) > since))
    return frozenset(rows.all())


async def usable_keys(session: AsyncSession, now: datetime.datetime) -> list[SigningKey]:
    """Keys that verify now, the newest first."""
    rows = await session.exec(
        select(SigningKey)
        .where(or_(col(SigningKey.verifies_until).is_(None), col(SigningKey.verifies_until) > now))
        .order_by(col(SigningKey.signs_from).desc())
    )
    return list(rows.all())


async def public_keys(session: AsyncSession) -> list[tuple[str, bytes]]:
    """(kid, public key) of every key there ever was, the oldest first; one a month is made."""
    rows = await session.exec(
        select(SigningKey.kid, SigningKey.public_key).order_by(
            col(SigningKey.signs_from), col(SigningKey.kid)
        )
    )
    return [(row[0], row[1]) for row in rows.all()]


async def page_of_audit(
    session: AsyncSession, query: "AuditQuery", before: UUID | None, limit: int
) -> list[AuditRecord]:
    """Records that a caller may read and asks for, the newest first."""
    found = select(AuditRecord).where(col(AuditRecord.region).startswith(prefix(query.within)))
    for name in ("region", "action", "target_type", "target_id", "actor_client_id"):
        value = getattr(query, name)
        if value is not None:
            found = found.where(col(getattr(AuditRecord, name)) == value)
    if query.since is not None:
        found = found.where(col(AuditRecord.at) >= query.since)
    if query.until is not None:
        found = found.where(col(AuditRecord.at) < query.until)
    if before is not None:
        found = found.where(col(AuditRecord.id) < before)
    return list((await session.exec(found.order_by(col(AuditRecord.id).desc()).limit(limit))).all())
