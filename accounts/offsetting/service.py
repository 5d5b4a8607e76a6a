"""Using open grams once. Nothing is ever used that is not open: decided under the holder's lock."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import uuid7
from accounts.models import AccountKind, EntryKind, HolderStatus
from accounts.offsetting import repository
from accounts.offsetting.errors import (
    AccountNotActive,
    FootprintNotFound,
    FootprintOffset,
    GramsUsed,
    NotEnoughGrams,
)
from accounts.offsetting.models import Offset
from accounts.postings import Posting, post
from accounts.repository import lock_holders
from dedup.writes import Writes

if TYPE_CHECKING:
    import asyncpg


async def offset(
    session: AsyncSession,
    driver: "asyncpg.Connection",
    holder_id: UUID,
    wanted: int | UUID,
    purpose: str,
    now: datetime.datetime,
) -> Offset:
    """Use `wanted` mg, or what a footprint has; from the oldest vintage on.

    Raises `AccountNotActive`, `FootprintNotFound`, `FootprintOffset` or `NotEnoughGrams`.
    """
    statuses = await lock_holders(driver, [holder_id])
    if statuses.get(holder_id) != HolderStatus.ACTIVE:
        raise AccountNotActive
    footprint_id = wanted if isinstance(wanted, UUID) else None
    if isinstance(wanted, UUID):
        footprint = await repository.find_footprint(session, holder_id, wanted)
        if footprint is None:
            raise FootprintNotFound
        if await repository.offsets_of(session, holder_id, [wanted]):
            raise FootprintOffset
        amount = footprint.co2e_mg
    else:
        amount = wanted
    made = Offset(
        holder_id=holder_id,
        id=uuid7(now),
        footprint_id=footprint_id,
        purpose=purpose,
        amount_mg=amount,
        booked_at=now,
    )
    postings: list[Posting] = []
    left = amount
    for asset, open_mg in await repository.open_by_asset(driver, holder_id):
        share = min(left, open_mg)
        if share <= 0:
            break
        postings.append(
            Posting(
                holder_id,
                made.id,
                asset,
                EntryKind.OFFSET,
                AccountKind.HOLDER_OPEN,
                AccountKind.HOLDER_USED,
                share,
            )
        )
        left -= share
    if left:
        raise NotEnoughGrams
    writes = Writes()
    post(writes, postings, now)
    await writes.execute(driver)
    session.add(made)
    await session.flush()
    return made


async def keep_used(driver: "asyncpg.Connection", holder_id: UUID, taken: "list[tuple[int, int]]") -> None:
    """Grams that were used stay backed: raises `GramsUsed` where (asset, mg) to be taken back is not open any more.

    The holder is locked. Costs one look-up where nothing was ever used.
    """
    if not taken or not await repository.used_mg(driver, holder_id):
        return
    still_open = dict(await repository.open_by_asset(driver, holder_id))
    for asset, amount in taken:
        if still_open.get(asset, 0) < amount:
            raise GramsUsed
