"""Sources, people and reports for tests of the crediting itself, without HTTP."""

import asyncio
import datetime
import itertools
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from accounts.ids import public_id, uuid7
from accounts.onboarding import ConsentGrant, Newcomer, compute_person_keys, hash_identities, onboard
from app.auth.models import Organisation
from app.auth.principal import Principal
from app.auth.scopes import ACTIVITIES_WRITE
from app.crediting import queries, reversal
from app.crediting.corroboration_decision import Behind
from app.crediting.intake import Intake
from app.crediting.prepare import Prepared, Preparer
from app.crediting.rules import Rules
from app.crediting.schemas import ActivityReport
from app.crediting.service import Result, credit
from app.database import Database, driver_of, engine_for
from app.verification import verify
from app.wiring import Services, utc_now

if TYPE_CHECKING:
    import asyncpg

LOCAL = datetime.timezone(datetime.timedelta(hours=8))
DAY = datetime.datetime(2026, 11, 16, tzinfo=LOCAL)
GROUPS = ("trip", "movement", "payment", "recycling", "green", "charging")

_phones = (f"138{number:08d}" for number in itertools.count(1))


def moment(minute: float) -> str:
    """So many minutes after the midnight that begins the tests' day."""
    return (DAY + datetime.timedelta(minutes=minute)).isoformat()


def metro(phone: str, start: float = 480, end: float = 505, **over: Any) -> dict[str, Any]:
    """10 km by metro in Shenzhen, 467 g; excludes the person's other trips of that time."""
    return {
        "event_id": uuid.uuid4().hex,
        "scene": "trip.metro",
        "region": "440300",
        "subject": {"scheme": "phone", "value": phone},
        "started_at": moment(start),
        "ended_at": moment(end),
        "distance_m": 10_000,
        **over,
    }


def bag(phone: str, order_no: str, minute: float = 600, **over: Any) -> dict[str, Any]:
    """An own shopping bag in Wuhan, 5 g; three a day, each order once."""
    return {
        "event_id": uuid.uuid4().hex,
        "scene": "green.own_bag",
        "region": "420100",
        "subject": {"scheme": "phone", "value": phone},
        "occurred_at": moment(minute),
        "count": 1,
        "order_no": order_no,
        "issuer": "supermarket",
        **over,
    }


def clothes(phone: str, order_no: str, **over: Any) -> dict[str, Any]:
    """1 kg of clothes in Luzhou, 1,280 g and 30 points; five a day, each order once."""
    return {
        "event_id": uuid.uuid4().hex,
        "scene": "recycling.clothes",
        "region": "510500",
        "subject": {"scheme": "phone", "value": phone},
        "occurred_at": moment(660),
        "mass_g": 1000,
        "order_no": order_no,
        "issuer": "recycler",
        **over,
    }


def charge(phone: str, pile: str, start: float, end: float, **over: Any) -> dict[str, Any]:
    """A charge at a pile that serves one car at a time, whoever's it is."""
    return {
        "event_id": uuid.uuid4().hex,
        "scene": "charging.ev",
        "region": "440300",
        "subject": {"scheme": "phone", "value": phone},
        "started_at": moment(start),
        "ended_at": moment(end),
        "energy_wh": 15_000,
        "asset_id": pile,
        **over,
    }


class Desk:
    """Makes sources and people of a database, reports for them and reverses."""

    def __init__(self, service: Services) -> None:
        self.service = service
        self.intake = service.intake

    async def source(self) -> UUID:
        now = utc_now()
        found = uuid7(now)
        async with self.service.database.transaction() as session:
            session.add(
                Organisation(id=found, kind="platform", name=found.hex, region="100000", created_at=now)
            )
        return found

    async def people(self, count: int, *sources: UUID) -> list[tuple[str, UUID]]:
        """(phone, holder id) of new people who consent to everything of these sources."""
        since = datetime.datetime(2020, 1, 1, tzinfo=LOCAL)
        consents = [ConsentGrant(source, group, since, "t1", "r1") for source in sources for group in GROUPS]
        phones = list(itertools.islice(_phones, count))
        newcomers = [Newcomer("person", "440300", [("phone", phone, "")], consents) for phone in phones]
        hash_identities(newcomers, self.service.hasher)
        compute_person_keys(newcomers, self.service.person_keys)
        async with self.service.database.transaction() as session:
            await onboard(await driver_of(session), newcomers, lambda _: True, utc_now())
        return [(phone, n.holder_id) for phone, n in zip(phones, newcomers, strict=True) if n.holder_id]

    async def person(self, *sources: UUID) -> tuple[str, UUID]:
        return (await self.people(1, *sources))[0]

    def prepare(self, source: UUID, report: dict[str, Any]) -> Prepared:
        parsed = ActivityReport.model_validate_json(orjson.dumps(report))
        return self.service.preparer.prepare(parsed, source, utc_now())

    async def credit(self, driver: "asyncpg.Connection", report: Prepared) -> list[Result | None]:
        """Decide one report in the caller's transaction, waiting for its holder."""
        return await credit(driver, self.service.preparer, [report], utc_now(), None)

    async def reverse(self, source: UUID, activity_id: UUID, behind: Behind = Behind.DECIDE_AGAIN) -> None:
        principal = Principal(
            "cli_test", source, "test", "100000", frozenset({ACTIVITIES_WRITE}), 2_000_000_000
        )
        async with self.service.database.transaction() as session:
            activity = await queries.visible_activity(session, principal, activity_id)
            await reversal.reverse(
                session, self.service.preparer.rules, activity, principal, "test", utc_now(), behind=behind
            )

    async def breaches(self) -> list[tuple[str, str | None]]:
        """What `tanpuhui verify` finds wrong in the whole database."""
        async with self.service.database.snapshot() as driver:
            return [(f.rule, f.breach) async for f in verify(driver) if f.breach is not None]


@asynccontextmanager
async def processes(service: Services, url: str, count: int) -> AsyncIterator[list[Intake]]:
    """As many intakes, each with one connection and a memory of its own, as separate processes have."""
    databases = [Database(engine_for(url, pool_size=1)) for _ in range(count)]
    rules = service.preparer.rules
    intakes = [
        Intake(
            database,
            Preparer(
                Rules(rules.catalogue, rules.programmes, rules._ids), service.hasher, service.token_maker
            ),
            utc_now,
            committers=1,
            group_max=500,
        )
        for database in databases
    ]
    try:
        await asyncio.gather(*(connected(database) for database in databases))
        yield intakes
    finally:
        for intake in intakes:
            await intake.close()
        for database in databases:
            await database.close()


async def connected(database: Database) -> None:
    async with database.driver_transaction() as driver:
        await driver.fetchval("SELECT 1")


async def waits(watcher: "asyncpg.Connection", pid: int) -> None:
    """Return when the server process `pid` waits for a lock that another one holds."""
    async with asyncio.timeout(10):
        while not await watcher.fetchval("SELECT cardinality(pg_blocking_pids($1))", pid):  # noqa: ASYNC110 - the server's state
            await asyncio.sleep(0.005)


def count_of(results: Sequence[Any], outcome: str) -> int:
    return sum(result.outcome == outcome for result in results)


def act(value: UUID) -> str:
    return public_id("act", value)
