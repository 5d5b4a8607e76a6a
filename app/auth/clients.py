"""Registering clients and checking their secrets."""

import asyncio
import datetime
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from accounts.enterprises.roles import Role
from accounts.ids import public_id, uuid7
from app.auth import audit, repository
from app.auth.models import Client, Organisation, OrganisationKind
from app.auth.scopes import ALLOWED, ROLES
from app.problems import RequestError

if TYPE_CHECKING:
    from uuid import UUID

    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.database import Database

_HASHER = PasswordHasher()
MAX_SECRET_LENGTH = 256
# Threads of their own, few: each check takes 64 MB and some 50 ms, and others' work must not wait for a flood of them.
_CHECKERS = ThreadPoolExecutor(2, thread_name_prefix="secret")


@dataclass(frozen=True)
class NewClient:
    """A client with its secret, which is shown once and stored as a hash only."""

    client_id: str
    secret: str
    organisation_id: str
    scopes: tuple[str, ...]


async def create_client(
    session: "AsyncSession",
    kind: OrganisationKind,
    name: str,
    region: str,
    scopes: tuple[str, ...] | None,
    now: datetime.datetime,
    holder_id: "UUID | None" = None,
) -> NewClient:
    """Register a client of an organisation, which is made where it is new, and write it to the audit trail.

    One of an enterprise, which is there already, is named by its holder alone. Raises `ValueError` where there is no
    such enterprise, or a scope is not one that this kind may hold.
    """
    chosen = ALLOWED[kind] if scopes is None else scopes
    if unknown := sorted(set(chosen) - set(ALLOWED[kind])):
        raise ValueError(
            f"a {kind.value} cannot hold {', '.join(unknown)}; it may hold {', '.join(ALLOWED[kind])}"
        )
    if (kind is OrganisationKind.ENTERPRISE) != (holder_id is not None):
        raise ValueError("an enterprise's client, and no other, is bound to a holder")
    if holder_id is not None:
        organisation = await repository.organisation_of(session, holder_id)
        if organisation is None:
            raise ValueError("no enterprise of that id is onboarded")
    else:
        organisation = await repository.find_organisation(session, kind.value, name, region)
    if organisation is None:
        organisation = Organisation(id=uuid7(now), kind=kind.value, name=name, region=region, created_at=now)
        session.add(organisation)
        await session.flush()
    secret = secrets.token_urlsafe(32)
    client_id = await _add(session, organisation, _HASHER.hash(secret), tuple(chosen), None, now)
    await audit.append_local(
        session,
        now,
        "client.created",
        ("client", client_id),
        region=organisation.region,
        after={
            "organisation_id": public_id("org", organisation.id),
            "name": organisation.name,
            "kind": kind.value,
            "scopes": list(chosen),
        },
    )
    return NewClient(client_id, secret, public_id("org", organisation.id), tuple(chosen))


async def create_for_enterprise(
    session: "AsyncSession", organisation: Organisation, role: Role, now: datetime.datetime
) -> NewClient:
    """Register a client that may what a role may, also what the role may later; the caller writes it down."""
    secret = secrets.token_urlsafe(32)
    hashed = await asyncio.get_running_loop().run_in_executor(_CHECKERS, _HASHER.hash, secret)
    chosen = tuple(sorted(ROLES[role]))
    client_id = await _add(session, organisation, hashed, chosen, role, now)
    return NewClient(client_id, secret, public_id("org", organisation.id), chosen)


async def _add(
    session: "AsyncSession",
    organisation: Organisation,
    secret_hash: str,
    scopes: tuple[str, ...],
    role: Role | None,
    now: datetime.datetime,
) -> str:
    client_id = "cli_" + secrets.token_hex(12)
    session.add(
        Client(
            id=client_id,
            organisation_id=organisation.id,
            secret_hash=secret_hash,
            scopes=list(scopes),
            created_at=now,
            role=None if role is None else role.value,
        )
    )
    await session.flush()
    return client_id


def scopes_of(client: Client) -> frozenset[str]:
    """What a client may: its own scopes, or what its role may now."""
    return frozenset(client.scopes) if client.role is None else ROLES[Role(client.role)]


async def disable_client(
    session: "AsyncSession", client_id: str, reason: str, now: datetime.datetime
) -> Organisation:
    """Stop a client for good, and write it to the audit trail; `ValueError` where there is none that is enabled."""
    found = await repository.find_client(session, client_id)
    if found is None:
        raise ValueError("no such client, or it is disabled already")
    client, organisation = found
    client.disabled_at = now
    session.add(client)
    await session.flush()
    await audit.append_local(
        session,
        now,
        "client.disabled",
        ("client", client_id),
        region=organisation.region,
        reason=reason,
        before={"disabled_at": None},
        after={"disabled_at": now},
    )
    return organisation


async def authenticate(database: "Database", client_id: str, secret: str) -> tuple[Client, Organisation]:
    """The client of an id and secret; `auth.client` where either is wrong, after the same time."""
    async with database.reading() as session:
        found = await repository.find_client(session, client_id) if client_id.isprintable() else None
    # The connection is back: a flood of sign-ins must not keep the pool from those that report.
    stored = found[0].secret_hash if found is not None else None
    right = len(secret) <= MAX_SECRET_LENGTH and await asyncio.get_running_loop().run_in_executor(
        _CHECKERS, _matches, stored, secret
    )
    if found is None or not right:
        raise RequestError("auth.client")
    return found


@cache
def _nobodys() -> str:
    return _HASHER.hash(secrets.token_urlsafe(32))


def _matches(stored: str | None, secret: str) -> bool:
    try:
        # Where there is no such client a hash is checked all the same, so that the answer takes as long.
        return _HASHER.verify(_nobodys() if stored is None else stored, secret)
    except (VerificationError, InvalidHashError):
        return False
