"""SQL of quotas. What is left is decided by the write that takes it, never by a look before."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.auth.models import Organisation
from app.auth.principal import prefix
from app.quotas.models import QuotaDay, QuotaGrant

if TYPE_CHECKING:
    import asyncpg


async def take_of_day(
    driver: "asyncpg.Connection",
    organisation_id: UUID,
    kind: str,
    day: datetime.date,
    amount: int,
    allowed: int,
) -> bool:
    """Take an amount of a day's quota; False where less is left, and nothing is taken."""
    taken = await driver.fetchval(
        """
        INSERT INTO quota_days AS q (organisation_id, kind, day, used, allowed)
        SELECT $1, $2, $3, $4, $5 WHERE $4::bigint <= $5::bigint
        ON CONFLICT (organisation_id, kind, day) DO UPDATE SET used = q.used + excluded.used, allowed = excluded.allowed
        WHERE q.used + excluded.used <= excluded.allowed
        RETURNING 1
        """,
        organisation_id,
        kind,
        day,
        amount,
        allowed,
    )
    return taken is not None


async def take_of_grants(
    driver: "asyncpg.Connection", organisation_id: UUID, kind: str, amount: int, now: datetime.datetime
) -> bool:
    """Take an amount of the live grant that ends first among those with enough; False where there is none.

    Grants are locked by one statement and looked at by the next, so that those who wait see what others took.
    """
    await driver.execute(
        "SELECT FROM quota_grants WHERE organisation_id = $1 AND kind = $2 AND ends_at > $3 ORDER BY id FOR UPDATE",
        organisation_id,
        kind,
        now,
    )
    taken = await driver.fetchval(
        """
        UPDATE quota_grants SET used = used + $3
        WHERE id = (
            SELECT id FROM quota_grants
            WHERE organisation_id = $1 AND kind = $2 AND starts_at <= $4 AND ends_at > $4
                AND amount - used >= $3::bigint
            ORDER BY ends_at, id LIMIT 1)
        RETURNING 1
        """,
        organisation_id,
        kind,
        amount,
        now,
    )
    return taken is not None


async def platform_in(session: AsyncSession, organisation_id: UUID, region: str) -> Organisation | None:
    """A platform whose region lies in another one."""
    found = await session.exec(
        select(Organisation).where(
            col(Organisation.id) == organisation_id,
            # A neighbour that asks the federation's evaluator has people to onboard as a platform has.
            col(Organisation.kind).in_(("platform", "neighbour")),
            col(Organisation.region).startswith(prefix(region)),
        )
    )
    return found.first()


async def page_of_grants(
    session: AsyncSession, region: str, before: UUID | None, limit: int
) -> list[tuple[QuotaGrant, Organisation]]:
    """Grants to platforms of a region, the newest first."""
    found = (
        select(QuotaGrant, Organisation)
        .join(Organisation, col(Organisation.id) == col(QuotaGrant.organisation_id))
        .where(col(QuotaGrant.region).startswith(prefix(region)))
    )
    if before is not None:
        found = found.where(col(QuotaGrant.id) < before)
    return list((await session.exec(found.order_by(col(QuotaGrant.id).desc()).limit(limit))).all())


async def page_of_days(
    session: AsyncSession, region: str, day: datetime.date, after: tuple[UUID, str] | None, limit: int
) -> list[tuple[QuotaDay, Organisation]]:
    """What platforms of a region used on a day, by organisation and kind."""
    found = (
        select(QuotaDay, Organisation)
        .join(Organisation, col(Organisation.id) == col(QuotaDay.organisation_id))
        .where(col(QuotaDay.day) == day, col(Organisation.region).startswith(prefix(region)))
    )
    if after is not None:
        organisation_id, kind = after
        found = found.where(
            (col(QuotaDay.organisation_id) > organisation_id)
            | ((col(QuotaDay.organisation_id) == organisation_id) & (col(QuotaDay.kind) > kind))
        )
    ordered = found.order_by(col(QuotaDay.organisation_id), col(QuotaDay.kind)).limit(limit)
    return list((await session.exec(ordered)).all())
