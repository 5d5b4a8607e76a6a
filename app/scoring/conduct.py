"""A conduct on record: put there and withdrawn by operators, each step in the audit trail."""

import datetime as dt
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.errors import Fault, HolderNotFound
from accounts.ids import public_id, uuid7
from accounts.scores import repository
from accounts.scores.errors import ConductNotFound, ConductWithdrawn
from accounts.scores.model import Conduct
from app.auth import audit
from app.database import driver_of
from app.problems import RequestError
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.programmes.decisions import Actor


async def record(
    session: "AsyncSession",
    actor: "Actor",
    kinds: frozenset[str],
    holder_id: UUID,
    kind: str,
    happened_on: dt.date,
    reason: str,
) -> Any:
    """Put a conduct on record; answers its row. Raises `HolderNotFound`, and where no card knows the kind."""
    driver = await driver_of(session)
    known = await repository.region_of(driver, holder_id)
    if known is None or not actor.principal.may_see_region(known[1]):
        raise HolderNotFound
    if kind not in kinds:
        raise RequestError("request.invalid", Fault("/kind", "no card knows this kind", "没有评分卡列有此类"))
    if happened_on > actor.now.astimezone(LOCAL).date():
        raise RequestError("request.invalid", Fault("/happened_on", "lies in the future", "晚于今日"))
    found = Conduct(uuid7(actor.now), kind, happened_on)
    by = actor.principal.client_id
    await repository.add_conduct(driver, holder_id, found, known[1], reason, (actor.now, by))
    await _write_down(session, actor, "recorded", found.id, known[1], reason)
    return await repository.conduct_record(driver, found.id)


async def withdraw(session: "AsyncSession", actor: "Actor", record_id: UUID, reason: str) -> Any:
    """Take a conduct off the record, once; from then on no score counts it."""
    driver = await driver_of(session)
    found = await repository.conduct_record(driver, record_id)
    if found is None or not actor.principal.may_see_region(found["region"]):
        raise ConductNotFound
    changed = await repository.withdraw_conduct(
        driver, record_id, actor.now, actor.principal.client_id, reason
    )
    if changed is None:
        raise ConductWithdrawn
    await _write_down(session, actor, "withdrawn", record_id, found["region"], reason)
    return changed


async def _write_down(
    session: "AsyncSession", actor: "Actor", step: str, record_id: UUID, region: str, reason: str
) -> None:
    await audit.append(
        session,
        actor.principal,
        actor.now,
        f"conduct.{step}",
        ("conduct_record", public_id("cnd", record_id)),
        region=region,
        address=actor.address,
        reason=reason,
    )
