"""The audit trail: the one way an operation is written down, in its own transaction."""

import datetime
import getpass
import os
import socket
from typing import TYPE_CHECKING, Any

import orjson

from accounts.ids import uuid7
from app.auth.models import AuditRecord

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.auth.principal import Principal


LOCAL_CLIENT = "local"


def local_actor() -> tuple[str, str]:
    """Who acts by a command on a machine of the deployment: the system user, and the machine's name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    return name, socket.gethostname()


async def append_local(
    session: "AsyncSession",
    now: datetime.datetime,
    action: str,
    target: tuple[str, str],
    *,
    region: str,
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write down what a command did at the database itself, by whom at which machine."""
    name, address = local_actor()
    await _write(session, (LOCAL_CLIENT, name), now, action, target, region, address, reason, before, after)


async def append(
    session: "AsyncSession",
    principal: "Principal",
    now: datetime.datetime,
    action: str,
    target: tuple[str, str],
    *,
    region: str,
    address: str,
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write down who did what to `target` (type, id), why, from where, and what changed.

    The name is the caller's at this time. Operators of `region` may read it.
    """
    await _write(
        session,
        (principal.client_id, principal.name),
        now,
        action,
        target,
        region,
        address,
        reason,
        before,
        after,
    )


async def _write(
    session: "AsyncSession",
    actor: tuple[str, str],
    now: datetime.datetime,
    action: str,
    target: tuple[str, str],
    region: str,
    address: str,
    reason: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    session.add(
        AuditRecord(
            id=uuid7(now),
            at=now,
            actor_client_id=actor[0],
            actor_name=actor[1],
            action=action,
            target_type=target[0],
            target_id=target[1],
            detail=reason,
            region=region,
            reason=reason,
            address=address,
            before=None if before is None else orjson.dumps(before).decode(),
            after=None if after is None else orjson.dumps(after).decode(),
        )
    )
    await session.flush()
