"""The service's own recurring jobs."""

import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, text
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from app.api.models import IdempotentAnswer
from app.auth.residents import forget_sessions
from app.database import driver_of
from app.jobs.expiry import expire_points
from app.jobs.runner import Recurring
from app.my_data import jobs as my_data
from app.ranks import service as ranks
from app.ranks.store import Ranks
from app.recalculation.job import Recalculator
from app.settling.job import settle_months
from app.versions.shadow import compare_shadows
from app.webhooks.forgetting import drop_deliveries

if TYPE_CHECKING:
    from app.wiring import Services

MONTHS_AHEAD = 4
KEPT_ANSWERS = datetime.timedelta(days=8)
"""A day more than the week that is promised."""


async def make_partitions(session: AsyncSession, now: datetime.datetime) -> None:
    """Make the months ahead, so that no act meets a table without its partition."""
    await session.exec(  # type: ignore[call-overload]
        text("SELECT tanpuhui_make_partitions(:month, :months)").bindparams(
            month=now.date(), months=MONTHS_AHEAD
        )
    )


async def forget_answers(session: AsyncSession, now: datetime.datetime) -> None:
    """Drop answers that no retry can ask for any more."""
    await session.exec(delete(IdempotentAnswer).where(col(IdempotentAnswer.created_at) < now - KEPT_ANSWERS))


def recurring(services: "Services") -> list[Recurring]:
    """All jobs of the service."""

    async def rotate_keys(session: AsyncSession, now: datetime.datetime) -> None:
        await services.tokens.keys.rotate(session, now)

    async def recalculate(_session: AsyncSession, _now: datetime.datetime) -> None:
        # Each slice commits by itself; the lease only spares the other processes the look.
        recalculator = Recalculator(
            services.database, services.preparer, services.live, services.intake.clock
        )
        await recalculator.work()

    async def return_redemptions(session: AsyncSession, now: datetime.datetime) -> None:  # noqa: ARG001 - the lease
        await services.redemptions.return_due(now)

    async def update_ranks(session: AsyncSession, now: datetime.datetime) -> None:
        await ranks.update(await driver_of(session), Ranks(services.redis), now)

    async def rebuild_ranks(session: AsyncSession, now: datetime.datetime) -> None:
        await ranks.rebuild(await driver_of(session), Ranks(services.redis), now)

    async def expire(_session: AsyncSession, now: datetime.datetime) -> None:
        # Each slice commits by itself; the lease only spares the other processes the look.
        await expire_points(services.database, now)

    async def issue_settlements(session: AsyncSession, now: datetime.datetime) -> None:
        await settle_months(services.database, session, now)

    return [
        Recurring("make_partitions", datetime.timedelta(days=1), make_partitions),
        Recurring("forget_answers", datetime.timedelta(days=1), forget_answers),
        Recurring("forget_sessions", datetime.timedelta(days=1), forget_sessions),
        Recurring("compare_shadows", datetime.timedelta(minutes=1), compare_shadows),
        Recurring("recalculate", datetime.timedelta(seconds=10), recalculate),
        Recurring("drop_deliveries", datetime.timedelta(hours=1), drop_deliveries),
        Recurring("return_redemptions", datetime.timedelta(seconds=30), return_redemptions),
        Recurring("rebuild_ranks", datetime.timedelta(days=1), rebuild_ranks),
        Recurring("update_ranks", datetime.timedelta(minutes=1), update_ranks),
        Recurring("expire_points", datetime.timedelta(minutes=10), expire),
        Recurring("issue_settlements", datetime.timedelta(minutes=10), issue_settlements),
        Recurring("rotate_keys", datetime.timedelta(hours=6), rotate_keys),
        *my_data.recurring(services),
    ]
