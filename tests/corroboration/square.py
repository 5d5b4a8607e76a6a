"""Three platforms that report what the same people do, under a programme of the test's own."""

import asyncio
import datetime
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from crediting.desk import Desk
from lots.purse import programme

from accounts.ids import uuid7
from app.auth.principal import Principal
from app.auth.scopes import OPERATOR_ACTIVITIES_REVERSE
from app.crediting import explanation, precedence, queries, reversal
from app.crediting.corroboration_decision import Behind
from app.crediting.intake import Intake
from app.crediting.precedence_choice import choose
from app.crediting.prepare import Preparer
from app.crediting.rules import Rules
from app.crediting.schemas import ActivityReport
from app.crediting.service import Result
from app.database import driver_of
from app.wiring import Services, utc_now
from points.programmes import Programmes

OPERATOR = Principal(
    "cli_test", uuid.UUID(int=7), "test", "100000", frozenset({OPERATOR_ACTIVITIES_REVERSE}), 2_000_000_000
)
Row = tuple[UUID, UUID, str | None]
"""(winner, activity, how it ended) of a corroboration."""


@dataclass
class Square:
    desk: Desk
    intake: Intake
    sources: list[UUID] = field(default_factory=list)

    @property
    def service(self) -> Services:
        return self.desk.service

    @property
    def rules(self) -> Rules:
        return self.intake.preparer.rules

    async def person(self) -> tuple[str, UUID]:
        return await self.desk.person(*self.sources)

    def prepared(self, place: int, body: dict[str, Any]) -> Any:
        report = ActivityReport.model_validate_json(orjson.dumps(body))
        return self.intake.preparer.prepare(report, self.sources[place], self.intake.clock())

    async def report(self, place: int, body: dict[str, Any]) -> Result:
        found = await self.intake.report(self.prepared(place, body))
        assert isinstance(found, Result)
        return found

    async def batch(self, reports: Sequence[tuple[int, dict[str, Any]]]) -> list[Result]:
        found = await self.intake.report_batch([self.prepared(place, body) for place, body in reports])
        return [each for each in found if isinstance(each, Result)]

    async def reverse(self, activity_id: UUID, behind: Behind = Behind.DECIDE_AGAIN) -> None:
        async with self.service.database.transaction() as session:
            activity = await queries.visible_activity(session, OPERATOR, activity_id)
            await reversal.reverse(session, self.rules, activity, OPERATOR, "test", utc_now(), behind=behind)

    async def move(self) -> int:
        """What the job does."""
        async with self.service.database.transaction() as lease:
            return await precedence.move_outranked(self.service.database, lease, self.rules, utc_now())

    async def prefer(self, holder: UUID, place: int | None, at: datetime.datetime) -> None:
        async with self.service.database.transaction() as session:
            source = None if place is None else self.sources[place]
            await choose(await driver_of(session), holder, "trip", source, at)

    async def standing(self, holder: UUID) -> list[UUID]:
        """The credits that a person has."""
        return [
            row[0]
            for row in await self.fetch(
                """
                SELECT id FROM activities WHERE holder_id = $1 AND reversed_at IS NULL
                  AND outcome IN ('credited', 'capped', 'pending') ORDER BY id
                """,
                holder,
            )
        ]

    async def rows(self, holder: UUID) -> list[Row]:
        found = await self.fetch(
            "SELECT winner_id, activity_id, ended FROM corroborations WHERE holder_id = $1 ORDER BY at, activity_id",
            holder,
        )
        return [(row[0], row[1], row[2]) for row in found]

    async def behind(self, winner: UUID) -> set[UUID]:
        """What stands behind a credit."""
        found = await self.fetch(
            "SELECT activity_id FROM corroborations WHERE winner_id = $1 AND ended_at IS NULL", winner
        )
        return {row[0] for row in found}

    async def skipped(self, activity: UUID) -> str | None:
        (row,) = await self.fetch("SELECT skipped FROM corroborations WHERE activity_id = $1", activity)
        found: str | None = row[0]
        return found

    async def activity(self, activity: UUID) -> Any:
        (row,) = await self.fetch("SELECT * FROM activities WHERE id = $1", activity)
        return row

    async def books(self, holder: UUID) -> tuple[int, int, int]:
        """(open mg, points, points owed)."""
        (row,) = await self.fetch(
            "SELECT open_mg, points, owed_points FROM balances WHERE holder_id = $1", holder
        )
        return row[0], row[1], row[2]

    async def explained(self, activity: UUID) -> dict[str, Any]:
        async with self.service.database.reading() as session:
            found = await queries.visible_activity(session, OPERATOR, activity)
            told = await explanation.explain(session, self.rules, found)
        return told.corroboration.model_dump(mode="json")

    async def trail(self, activity: UUID) -> list[tuple[str, dict[str, Any]]]:
        """(action, what came of it) of an activity's audit records, the first one first."""
        found = await self.fetch(
            "SELECT action, after FROM audit_records WHERE target_id = $1 ORDER BY id",
            "act_" + activity.hex,
        )
        return [(row[0], orjson.loads(row[1])) for row in found]

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        async with self.service.database.statement() as driver:
            return list(await driver.fetch(query, *arguments))

    async def breaches(self) -> list[tuple[str, str | None]]:
        return await self.desk.breaches()

    def process(self) -> Intake:
        """Another intake of the same rules."""
        made = Preparer(self.rules, self.service.hasher, self.service.token_maker)
        return Intake(self.service.database, made, utc_now, committers=1, group_max=50)


@asynccontextmanager
async def square(service: Services, sources: int = 3, **over: Any) -> AsyncIterator[Square]:
    """Under a programme of the nation with these fields."""
    known = service.preparer.rules
    rules = Rules(known.catalogue, Programmes((programme(**over),)), known._ids)
    preparer = Preparer(rules, service.hasher, service.token_maker)
    intake = Intake(service.database, preparer, utc_now, committers=2, group_max=100)
    made = Square(Desk(service), intake)
    made.sources = [await made.desk.source() for _ in range(sources)]
    try:
        yield made
    finally:
        await intake.close()


async def together(*steps: Any) -> list[Any]:
    return list(await asyncio.gather(*steps))


def new_id() -> UUID:
    return uuid7(utc_now())
