"""Recurring jobs. Each is a row that one process leases; APScheduler only wakes the processes to look."""

import datetime
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import metrics
from app.jobs.models import Job

if TYPE_CHECKING:
    from app.database import Database

log = structlog.get_logger(__name__)
LOOK_EVERY_S = 30
RETRY = datetime.timedelta(minutes=1)

Work = Callable[[AsyncSession, datetime.datetime], Awaitable[None]]


@dataclass(frozen=True)
class Recurring:
    """A job that all processes together run once in each period."""

    name: str
    every: datetime.timedelta
    work: Work


@asynccontextmanager
async def held(database: "Database", name: str) -> AsyncIterator[None]:
    """The lease of a job, waited for, as long as the block runs: no process runs it meanwhile."""
    async with database.transaction() as session:
        await session.exec(select(Job.name).where(col(Job.name) == name).with_for_update())
        yield


class Runner:
    """Looks for due jobs and runs them, each in one transaction with its lease."""

    def __init__(
        self, database: "Database", clock: Callable[[], datetime.datetime], jobs: list[Recurring]
    ) -> None:
        self._database = database
        self._clock = clock
        self._jobs = {job.name: job for job in jobs}
        self._scheduler = AsyncIOScheduler()

    async def start(self) -> None:
        """Register the jobs and look for due ones from now on."""
        async with self._database.transaction() as session:
            # In one statement and in one order: processes that start together must not fail each other.
            now = self._clock()
            rows = [{"name": name, "next_run_at": now, "last_error": ""} for name in sorted(self._jobs)]
            if rows:
                await session.exec(insert(Job).values(rows).on_conflict_do_nothing())
        self._scheduler.add_job(
            self.run_due, "interval", seconds=LOOK_EVERY_S, max_instances=1, coalesce=True
        )
        self._scheduler.start()

    def stop(self) -> None:
        """Look no more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def run_due(self) -> list[str]:
        """Run every job that is due and not leased by another process; answers their names."""
        ran = []
        for job in self._jobs.values():
            try:
                if await self._run(job):
                    ran.append(job.name)
            except (SQLAlchemyError, OSError) as error:
                log.warning("job could not be leased", job=job.name, error=type(error).__name__)
        return ran

    async def _run(self, job: Recurring) -> bool:
        now = self._clock()
        try:
            async with self._database.transaction() as session:
                row = await self._lease(session, job.name, now)
                if row is None:
                    return False
                await job.work(session, now)
                row.last_run_at, row.next_run_at, row.last_error = now, now + job.every, ""
                session.add(row)
        except Exception as error:  # noqa: BLE001 - one job's failure must not end the others; it is kept and counted
            metrics.JOB_FAILURES.labels(job.name).inc()
            log.warning("job failed", job=job.name, error=type(error).__name__)
            await self._keep_failure(job.name, now, type(error).__name__)
        return True

    async def _keep_failure(self, name: str, now: datetime.datetime, error: str) -> None:
        async with self._database.transaction() as session:
            row = await self._lease(session, name, now)
            if row is not None:
                row.last_error, row.next_run_at = error, now + RETRY
                session.add(row)

    async def _lease(self, session: AsyncSession, name: str, now: datetime.datetime) -> Job | None:
        return (
            await session.exec(
                select(Job)
                .where(col(Job.name) == name, col(Job.next_run_at) <= now)
                .with_for_update(skip_locked=True)
            )
        ).first()
