"""The audit trail: the one way an operation is written down, in its own transaction."""

import datetime
from typing import TYPE_CHECKING, Any

import orjson

from accounts.ids import uuid7
from app.auth.models import AuditRecord

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.auth.principal import Principal


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
    session.add(
        AuditRecord(
            id=uuid7(now),
            at=now,
            actor_client_id=principal.client_id,
            actor_name=principal.name,
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
