"""The recurring jobs behind residents' agreements and rights."""

import datetime
from typing import TYPE_CHECKING

from accounts import mandated
from app.database import driver_of
from app.jobs.runner import Recurring
from app.my_data import access, erasure, exports

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.wiring import Services


def recurring(services: "Services") -> list[Recurring]:
    """Exports built and forgotten, wishes to be forgotten carried out, mandates counted, old reads forgotten."""

    async def build_exports(session: "AsyncSession", now: datetime.datetime) -> None:  # noqa: ARG001
        await exports.build_waiting(services, session)

    async def forget_exports(session: "AsyncSession", now: datetime.datetime) -> None:
        await exports.forget(await driver_of(session), now)

    async def erase_holders(session: "AsyncSession", now: datetime.datetime) -> None:
        await erasure.erase_due(services, session, now)

    async def count_mandates(session: "AsyncSession", now: datetime.datetime) -> None:
        await mandated.count(await driver_of(session), now)

    async def forget_access(session: "AsyncSession", now: datetime.datetime) -> None:
        await access.forget(session, now - datetime.timedelta(days=services.settings.access_log_days))

    return [
        Recurring("build_exports", datetime.timedelta(seconds=15), build_exports),
        Recurring("forget_exports", datetime.timedelta(hours=1), forget_exports),
        Recurring("erase_holders", datetime.timedelta(minutes=1), erase_holders),
        Recurring("count_mandates", datetime.timedelta(hours=1), count_mandates),
        Recurring("forget_access", datetime.timedelta(days=1), forget_access),
    ]
