"""Months of claims in archives: whatever is asked of them is answered as if they had never been taken out."""

import asyncio
import datetime
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from claims.made import asked, person_key, ride
from claims.test_claims import claim, query
from crediting.desk import Desk
from helpers import City, metro
from typer.testing import CliRunner

from accounts.ids import parse_public_id
from app.archives.job import archive_due
from app.archives.policy import latest_before, least_days
from app.cli import app
from app.database import Database, engine_for
from app.embedded.stack import Stack
from app.settings import Settings
from app.verification import verify
from app.wiring import Services, utc_now
from dedup.archive import Archive
from dedup.archiving import archive_month, detach, drop, export

Answer = dict[str, Any]


def at(month: datetime.date, day: int, start: str, end: str, ends: int = 0) -> dict[str, str]:
    """A period of a day of a month that ends so many days later."""
    first = month.replace(day=day)
    last = first + datetime.timedelta(days=ends)
    return {"started_at": f"{first}T{start}:00+08:00", "ended_at": f"{last}T{end}:00+08:00"}


@pytest.fixture
async def scanning(database_urls: tuple[str, str]) -> Any:
    database = Database(engine_for(database_urls[0], pool_size=2, scans=True))
    yield database
    await database.close()


class World:
    """The same things, done and asked in one month or another."""

    def __init__(self, city: City, service: Services, month: datetime.date) -> None:
        self.city, self.service, self.month = city, service, month
        self.known: dict[str, str] = {}

    async def open(self, phones: Callable[[], str]) -> "World":
        self.operator = await self.city.client("operator")
        self.platforms = [await self.city.client("platform") for _ in range(3)]
        self.people = [phones() for _ in range(4)]
        for phone in self.people:
            await self.city.holder(self.operator, phone, *self.platforms)
        return self

    def _answered(self, name: str, answer: Answer, own: str | None) -> tuple[Any, ...]:
        """What is the same in every month: ids as they are called here."""
        if own is not None:
            self.known[own] = name
        return answer["outcome"], answer["reason"], self.known.get(answer["winner_id"], answer["winner_id"])

    async def report(self, name: str, platform: int, person: int, **period: Any) -> tuple[Any, ...]:
        phone = self.people[person]
        body = metro(f"{name}-{phone}", phone, **period)
        answer = (await self.platforms[platform].post("/v1/activities", json=body)).json()
        return self._answered(name, answer, answer["activity_id"])

    async def claim(self, name: str, platform: int, person: int, **period: Any) -> tuple[Any, ...]:
        phone = self.people[person]
        body = ride(f"{name}-{phone}", person_key(self.service, phone), distance_m=10_000, **period)
        (answer,) = await claim(self.platforms[platform], body)
        return self._answered(name, answer, answer["id"])

    async def query(self, platform: int, person: int, **period: Any) -> tuple[Any, ...]:
        body = ride("", person_key(self.service, self.people[person]), distance_m=10_000, **period)
        (answer,) = await query(self.platforms[platform], asked(body))
        return answer["claimed"], answer["own"], answer["reason"], self.known.get(answer["winner_id"])

    def id_of(self, name: str) -> str:
        return next(own for own, called in self.known.items() if called == name)

    async def end(self, name: str, platform: int, way: str) -> int:
        """Reverse an activity or release a claim."""
        kind = "activities" if way == "reversal" else "claims"
        path = f"/v1/{kind}/{self.id_of(name)}/{way}"
        return (await self.platforms[platform].post(path, json={"reason": "x"})).status_code

    async def move(self, name: str, platform: int) -> tuple[int, str]:
        """Contest a lost act and have its claim moved to it."""
        own = self.id_of(name)
        opened = await self.platforms[platform].post(
            f"/v1/activities/{own}/dispute", json={"explanation": "x"}
        )
        path = f"/v1/operator/disputes/{opened.json()['dispute_id']}/decision"
        answer = await self.operator.post(path, json={"decision": "moved", "reason": "x"})
        stands = (await self.operator.get(f"/v1/activities/{own}")).json()
        return answer.status_code, stands["outcome"]

    def before(self) -> list[Callable[[], Awaitable[Any]]]:
        """What happens before anything is archived."""
        of = lambda *period: at(self.month, *period)  # noqa: E731
        return [
            lambda: self.report("a", 0, 0, **of(3, "08:00", "08:25")),
            lambda: self.claim("b", 1, 0, **of(4, "08:00", "08:25")),
            lambda: self.report("night", 0, 1, **of(5, "23:50", "00:10", 1)),
            lambda: self.report("last", 0, 1, **of(28, "23:51", "23:57")),
            lambda: self.report("d", 0, 2, **of(7, "08:00", "08:25"), order_no=f"d-{self.people[2]}"),
            lambda: self.report("e", 1, 2, **of(7, "08:02", "08:27")),
            lambda: self.report("f", 0, 3, **of(8, "08:00", "08:25")),
            lambda: self.report("g", 0, 3, **of(9, "23:40", "00:20", 1)),
        ]

    def after(self) -> list[Callable[[], Awaitable[Any]]]:
        """What is done and asked while it is archived, and afterwards."""
        of = lambda *period: at(self.month, *period)  # noqa: E731
        return [
            # Met, by a clock that is two minutes off, and on the other side of midnight.
            lambda: self.query(2, 0, **of(3, "08:02", "08:27")),
            lambda: self.report("a2", 1, 0, **of(3, "08:02", "08:27")),
            lambda: self.query(1, 0, **of(4, "08:01", "08:26")),
            lambda: self.report("b2", 0, 0, **of(4, "08:01", "08:26")),
            lambda: self.claim("night2", 2, 1, **of(6, "00:01", "00:12")),
            lambda: self.claim("last2", 2, 1, **of(28, "23:53", "23:59")),
            # Given up and free for another, once.
            lambda: self.end("b", 1, "release"),
            lambda: self.query(2, 0, **of(4, "08:00", "08:25")),
            lambda: self.claim("b3", 2, 0, **of(4, "08:00", "08:25")),
            lambda: self.report("b4", 0, 0, **of(4, "08:00", "08:25")),
            lambda: self.end("a", 0, "reversal"),
            lambda: self.report("a3", 1, 0, **of(3, "08:02", "08:27")),
            lambda: self.report("a4", 2, 0, **of(3, "08:00", "08:25")),
            # A claim is moved to the loser of before.
            lambda: self.move("e", 1),
            lambda: self.report("e2", 2, 2, **of(7, "08:01", "08:26")),
            # A number counts for ever, and was never taken out.
            lambda: self.claim("number", 2, 3, **of(20, "08:00", "08:25")),
            lambda: self.report(
                "d2", 0, 3, **of(21, "08:00", "08:25"), order_no=f"d-{self.people[2]}", issuer=None
            ),
            # New in an old month, and then again.
            lambda: self.report("new", 0, 3, **of(10, "08:00", "08:25")),
            lambda: self.claim("new2", 1, 3, **of(10, "08:02", "08:27")),
            lambda: self.report("free", 1, 3, **of(8, "09:00", "09:25")),
            # Both days of a ride past midnight are freed.
            lambda: self.end("g", 0, "reversal"),
            lambda: self.claim("g2", 1, 3, **of(10, "00:05", "00:15")),
            lambda: self.query(2, 3, **of(9, "23:42", "23:58")),
        ]


STEPS = {0: "detach", 6: "export", 12: "drop"}


@pytest.mark.parametrize("shift", [0, 7, 20])
async def test_a_month_in_an_archive_answers_as_one_that_is_not(
    city: City,
    service: Services,
    desk: Desk,
    phones: Any,
    scanning: Database,
    tmp_path: Path,
    owner: asyncpg.Connection,
    shift: int,
) -> None:
    """Two worlds, of which one is archived in three steps at different places of the same history."""
    months = {0: (1, 2), 7: (3, 4), 20: (5, 7)}[shift]
    old = await World(city, service, datetime.date(2026, months[0], 1)).open(phones)
    live = await World(city, service, datetime.date(2026, months[1], 1)).open(phones)
    for one, other in zip(old.before(), live.before(), strict=True):
        assert await one() == await other()
    steps = {place + shift: what for place, what in STEPS.items()}
    ways = list(zip(old.after(), live.after(), strict=True))
    async with scanning.statement() as driver:
        for place in range(max(len(ways), *steps) + 1):
            if place in steps:
                await step(driver, steps[place], tmp_path, old.month)
                assert await desk.breaches() == []
            if place < len(ways):
                one, other = ways[place]
                assert await one() == await other(), place
    assert await desk.breaches() == []
    assert await owner.fetchval("SELECT state FROM claim_archives WHERE month = $1", old.month) == "archived"
    assert not await owner.fetchval(
        "SELECT count(*) FROM pg_class WHERE relname LIKE '%detached' AND relkind = 'r'"
    )


async def step(driver: asyncpg.Connection, what: str, folder: Path, month: datetime.date) -> None:
    if what == "detach":
        await detach(driver, folder, month)
    elif what == "export":
        await export(driver, Archive(month, "detached", str(folder), None, None), folder)
    else:
        await drop(driver, month)


async def test_many_at_once_while_a_month_is_taken_out(
    city: City, service: Services, desk: Desk, phones: Any, scanning: Database, tmp_path: Path
) -> None:
    """Each act is reported by three and claimed by one, around the moment at which its month goes: one has it."""
    world = await World(city, service, datetime.date(2026, 8, 1)).open(phones)
    acts = [at(world.month, day, "08:00", "08:25") for day in range(1, 26)]
    firsts = [await world.report(f"first{place}", 0, 0, **act) for place, act in enumerate(acts[:12])]
    assert {answer[0] for answer in firsts} <= {"credited", "capped"}

    async def compete(place: int, act: dict[str, str]) -> list[tuple[Any, ...]]:
        await asyncio.sleep(0.01 * place)
        return await asyncio.gather(
            *(world.report(f"r{place}-{number}", number, 0, **act) for number in range(3)),
            world.claim(f"c{place}", 1, 0, **act),
        )

    async def take_out() -> None:
        await asyncio.sleep(0.05)
        async with scanning.statement() as driver:
            await archive_month(driver, tmp_path, world.month)

    *answers, _ = await asyncio.gather(*(compete(place, act) for place, act in enumerate(acts)), take_out())
    for place, found in enumerate(answers):
        won = [answer for answer in found if answer[0] in ("credited", "capped", "claimed")]
        assert len(won) == (0 if place < 12 else 1), (place, found)
        if place < 12:
            assert {answer[2] for answer in found} == {f"first{place}"}
    assert await desk.breaches() == []


async def test_without_its_files_nothing_is_decided(
    city: City, service: Services, desk: Desk, phones: Any, scanning: Database, tmp_path: Path
) -> None:
    world = await World(city, service, datetime.date(2026, 6, 1)).open(phones)
    act = at(world.month, 3, "08:00", "08:25")
    assert (await world.report("a", 0, 0, **act))[0] == "credited"
    async with scanning.statement() as driver:
        await archive_month(driver, tmp_path, world.month)
    file = tmp_path / "interval_claims_2026_06.parquet"
    kept = file.read_bytes()

    def body(name: str) -> dict[str, Any]:
        return metro(f"{name}-{world.people[0]}", world.people[0], **act)

    reversal = f"/v1/activities/{world.id_of('a')}/reversal"
    for broken in (None, kept[: len(kept) // 2], kept[:200] + bytes(200) + kept[400:]):
        if broken is None:
            file.unlink()
        else:
            file.write_bytes(broken)
        if broken is None or len(broken) != len(kept):
            answer = await world.platforms[1].post("/v1/activities", json=body("b"))
            assert (answer.status_code, answer.json()["code"]) == (503, "storage.unavailable")
        assert [rule for rule, _ in await desk.breaches()] == ["claims_archived"]
    file.unlink()
    assert (await world.platforms[0].post(reversal, json={"reason": "x"})).status_code == 503
    file.write_bytes(kept)
    assert await world.report("c", 2, 0, **act) == ("duplicate", "claimed_body", "a")
    assert await desk.breaches() == []


WRONG = {
    "what was archived was freed elsewhere": "UPDATE activities SET reversed_at = now() WHERE id = $1",
    "it knows of a claim that is not there": (
        "UPDATE activities SET claim_tokens = claim_tokens || uuid_send(gen_random_uuid()) WHERE id = $1"
    ),
    "it knows of none": "UPDATE activities SET claim_tokens = '' WHERE id = $1",
    "another file": "UPDATE claim_archives SET claims_sha256 = 'x' WHERE month = '2025-12-01' AND $1::uuid IS NOT NULL",
}


async def test_what_is_wrong_with_an_archive_is_named(
    city: City,
    service: Services,
    phones: Any,
    scanning: Database,
    tmp_path: Path,
    owner: asyncpg.Connection,
) -> None:
    """In its files, and before they are written."""
    month = datetime.date(2025, 12, 1)
    world = await World(city, service, month).open(phones)
    assert (await world.report("a", 0, 0, **at(month, 3, "23:50", "00:15", 1)))[0] == "credited"
    act = parse_public_id("act", world.id_of("a"))
    async with scanning.statement() as driver:
        await detach(driver, tmp_path, month)
        assert await wrong(owner, "SELECT $1::uuid", act) == {}
        for statement in WRONG.values():
            if "sha256" not in statement:
                assert (await wrong(owner, statement, act))["claims_archived"] == world.id_of("a")
        await archive_month(driver, tmp_path, month)
    assert await wrong(owner, "SELECT $1::uuid", act) == {}
    for name, statement in WRONG.items():
        found = (await wrong(owner, statement, act))["claims_archived"]
        assert found == (
            str(tmp_path / "interval_claims_2025_12.parquet") if name == "another file" else world.id_of("a")
        )


async def wrong(owner: asyncpg.Connection, statement: str, act: Any) -> dict[str, str | None]:
    """What `tanpuhui verify` finds after a statement, which is undone."""
    transaction = owner.transaction()
    await transaction.start()
    try:
        await owner.execute(statement, act)
        rules = [each async for each in verify(owner)]
    finally:
        await transaction.rollback()
    return {each.rule: each.breach for each in rules if each.breach is not None and each.rule != "rights"}


async def test_what_must_not_be_taken_out_is_refused(
    service: Services, scanning: Database, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    async with scanning.statement() as driver:
        for month in (today.replace(day=1), today.replace(day=2), latest_before(utc_now(), 62)):
            with pytest.raises(asyncpg.RaiseError):
                await detach(driver, tmp_path, month)
        with pytest.raises(asyncpg.RaiseError):
            await driver.execute("SELECT tanpuhui_drop_claims('2025-10-01')")
        month = datetime.date(2025, 11, 1)
        await detach(driver, tmp_path, month)
        with pytest.raises(asyncpg.RaiseError, match="in its files"):
            await driver.execute("SELECT tanpuhui_drop_claims($1::date)", month)
        await export(driver, Archive(month, "detached", str(tmp_path), None, None), tmp_path)
        await owner.execute(
            "INSERT INTO interval_tokens_2025_11_detached VALUES (gen_random_uuid(), '2025-11-05', 1)"
        )
        with pytest.raises(asyncpg.RaiseError, match="not all rows"):
            await driver.execute("SELECT tanpuhui_drop_claims($1::date)", month)
        await owner.execute("DELETE FROM interval_tokens_2025_11_detached")
        await drop(driver, month)
        for statement in ("DELETE FROM claim_archives", "UPDATE claim_archives SET archived_at = NULL"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await driver.execute(statement)


async def test_the_command_and_the_job_keep_to_the_windows(
    city: City,
    service: Services,
    desk: Desk,
    settings: Settings,
    stack: Stack,
    database_urls: tuple[str, str],
    phones: Any,
    tmp_path: Path,
    owner: asyncpg.Connection,
) -> None:
    now = utc_now()
    assert least_days(service.rules_now()) == 62
    assert latest_before(datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC), 62) == datetime.date(
        2026, 9, 1
    )
    world = await World(city, service, datetime.date(2025, 10, 1)).open(phones)
    act = at(world.month, 15, "08:00", "08:25")
    assert (await world.report("a", 0, 0, **act))[0] == "credited"

    async def command(*arguments: str, **more: str) -> tuple[int, Any]:
        environment = {
            "TANPUHUI_ENVIRONMENT": "test",
            "TANPUHUI_DATA_DIR": str(settings.data_dir),
            "TANPUHUI_ARCHIVE_DIR": str(tmp_path),
            "TANPUHUI_DATABASE_URL": database_urls[0],
            "TANPUHUI_REDIS_URL": stack.redis_url,
            **more,
        }
        words = ["claims", "archive", *arguments, "--json"]
        done = await asyncio.to_thread(CliRunner().invoke, app, words, env=environment)
        return done.exit_code, json.loads(done.stdout.splitlines()[-1]) if done.exit_code == 0 else str(
            done.exception
        )

    soon = (now.date() + datetime.timedelta(days=31)).strftime("%Y-%m")
    for wrong in ((soon,), ("2026-13",), ("x",)):
        code, _ = await command("--before", *wrong)
        assert code == 1
    assert (await command("--before", "2026-06", TANPUHUI_CLAIMS_ARCHIVE_DAYS="400"))[0] == 1
    planned = {"month": "2025-10", "state": "in the database"}
    assert await command("--before", "2025-11", "--dry-run") == (0, {"dry_run": True, "months": [planned]})
    assert await owner.fetchval("SELECT count(*) FROM claim_archives WHERE month = '2025-10-01'") == 0
    code, told = await command("--before", "2025-11")
    (month,) = told["months"]
    assert (code, month["state"], month["claims"]) == (0, "archived", 1)
    assert await command("--before", "2025-11") == (0, {"dry_run": False, "months": []})
    assert await world.report("b", 1, 0, **act) == ("duplicate", "claimed_body", "a")

    # The job does nothing until the settings say when; then all that is old enough.
    waiting = "SELECT count(*) FROM interval_claims WHERE day < '2026-09-01' AND day >= '2025-10-01'"
    left = await owner.fetchval(waiting)
    assert left
    for days in (None, 62):
        told = settings.model_copy(update={"claims_archive_days": days, "archive_dir": tmp_path})
        assert await owner.fetchval(waiting) == left
        async with service.database.transaction() as session:
            await archive_due(told, service.database, session, service.rules_now(), now)
    assert await owner.fetchval(waiting) < left
    assert await owner.fetchval("SELECT count(*) FROM claim_archives WHERE state <> 'archived'") == 0
    assert await desk.breaches() == []
