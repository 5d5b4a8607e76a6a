"""Who read a holder's data: written in the transaction of the reading itself, so that no read goes unrecorded."""

import datetime
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import epoch_ms, uuid7_batch
from app.my_data.models import AccessRecord
from dedup.writes import columns

if TYPE_CHECKING:
    from accounts.repository import Driver
    from app.auth.principal import Principal
    from app.wiring import Services

What = Literal[
    "account",
    "activity",
    "explanation",
    "token",
    "correction",
    "export",
    "tier",
    "score",
    "label",
    "report",
    "quote",
    "pre_screening",
    "white_list",
    "score_export",
    "monitoring",
    "figures",
    "score_review",
]
LINK = "signed link"
"""Reader's name where an export was fetched by its link, which tells nobody's name."""


@asynccontextmanager
async def session_for(
    services: "Services", principal: "Principal", recorded: frozenset[str]
) -> AsyncIterator[AsyncSession]:
    """A session that may record, for a caller with one of the scopes whose reads are recorded; else one that reads."""
    if is_recorded(principal, recorded):
        async with services.database.transaction() as session:
            yield session
    else:
        async with services.database.reading() as session:
            yield session


def is_recorded(principal: "Principal", recorded: frozenset[str]) -> bool:
    """Whether the caller's reads are written down: those of operators and banks, not of the holder itself."""
    return principal.holder_id is None and not principal.scopes.isdisjoint(recorded)


async def record(
    session: AsyncSession,
    principal: "Principal | None",
    what: What,
    read: Sequence[tuple[UUID, str]],
    now: datetime.datetime,
) -> None:
    """Write down that a caller reads `what` of holders: (holder, public id of what is read).

    Without a caller, it was fetched by a signed link.
    """
    if not read:
        return
    ids = uuid7_batch(epoch_ms(now), len(read))
    session.add_all(
        AccessRecord(
            holder_id=holder_id,
            id=record_id,
            at=now,
            reader_id=None if principal is None else principal.organisation_id,
            reader_name=LINK if principal is None else principal.name,
            what=what,
            target=target,
        )
        for record_id, (holder_id, target) in zip(ids, read, strict=True)
    )
    await session.flush()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a bank asked of a holder, and whether it was refused."""

    reader_id: UUID | None
    reader_name: str
    what: What
    purpose: str | None
    holder_id: UUID
    target: str
    refused: str | None


async def record_asked(driver: "Driver", asked: Sequence[Asked], now: datetime.datetime) -> Sequence[UUID]:
    """Write down what a bank asked, answered or refused; answers the records' ids."""
    if not asked:
        return []
    ids = uuid7_batch(epoch_ms(now), len(asked))
    rows = [
        (
            each.holder_id,
            made,
            each.reader_id,
            each.reader_name,
            each.what,
            each.target,
            each.purpose,
            each.refused,
        )
        for made, each in zip(ids, asked, strict=True)
    ]
    await driver.execute(
        """
        INSERT INTO access_records (holder_id, id, at, reader_id, reader_name, what, target, purpose, refused)
        SELECT a.holder_id, a.id, $9, a.reader_id, a.reader_name, a.what, a.target, a.purpose, a.refused
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::varchar[], $5::varchar[], $6::varchar[], $7::varchar[],
                    $8::varchar[]) AS a (holder_id, id, reader_id, reader_name, what, target, purpose, refused)
        """,
        *columns(rows),
        now,
    )
    return ids


async def page(
    session: AsyncSession, holder_id: UUID, before: UUID | None, limit: int
) -> Sequence[AccessRecord]:
    """At most `limit` records of a holder older than `before`, the newest first."""
    query = (
        select(AccessRecord)
        .where(col(AccessRecord.holder_id) == holder_id)
        .order_by(col(AccessRecord.id).desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(col(AccessRecord.id) < before)
    return (await session.exec(query)).all()


async def forget(session: AsyncSession, before: datetime.datetime) -> None:
    """Drop records older than that, by the one function that may."""
    await session.exec(text("SELECT tanpuhui_forget_access(:before)").bindparams(before=before))  # type: ignore[call-overload]
