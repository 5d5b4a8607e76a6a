"""A neighbour is asked before the credit; one that is dead, slow or unknown costs a bounded time and no credit."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from helpers import metro
from neighbours.towns import Town

from app.neighbours.asking import FAILURES

Towns = tuple[Town, Town]
SKEWED = {"started_at": "2026-11-16T08:01:30+08:00", "ended_at": "2026-11-16T08:26:00+08:00"}
LATER = {"started_at": "2026-11-16T18:00:00+08:00", "ended_at": "2026-11-16T18:25:00+08:00"}


def trip(phone: str, **over: Any) -> dict[str, Any]:
    return metro(uuid.uuid4().hex, phone, **over)


async def unchecked(town: Town, activity_id: str) -> list[bool]:
    rows = await town.rows(
        "SELECT unchecked FROM exchanged_claims WHERE activity_id = $1", uuid.UUID(hex=activity_id[4:])
    )
    return [row[0] for row in rows]


async def asks(town: Town, **terms: Any) -> None:
    await town.agree(asks_first=True, **terms)
    town.services.neighbours.directory._lines.clear()
    town.services.neighbours.directory.forget()
    await town.services.neighbours.directory.lines()


async def test_what_the_neighbour_holds_is_not_credited_again(towns: Towns, phone: str) -> None:
    one, other = towns
    await one.agree()
    await asks(other)
    await one.holder(phone)
    await other.holder(phone)
    assert (await one.report(trip(phone)))["outcome"] == "credited"
    told = trip(phone, **SKEWED)
    refused = await other.report(told)
    assert (refused["outcome"], refused["reason"]) == ("duplicate", "claimed_elsewhere")
    assert (refused["winner_id"], refused["co2e_g"], refused["points"]) == (None, "0", 0)
    assert (await other.report(told))["replayed"]
    free = await other.report(trip(phone, **LATER))
    assert free["outcome"] == "credited"
    assert await unchecked(other, free["activity_id"]) == [False]
    batch = await other.platform.post("/v1/activities/batch", json=[trip(phone), trip(phone)])
    assert [each["reason"] for each in batch.json()["items"]] == ["claimed_elsewhere"] * 2
    why = await other.operator.get(f"/v1/activities/{refused['activity_id']}/explanation")
    assert why.status_code == 200
    assert await other.breaches() == []


async def test_what_does_not_count_here_is_no_obstacle(towns: Towns, phone: str) -> None:
    one, other = towns
    await one.agree()
    await asks(other, recognises=["trip.bus"])
    await one.holder(phone)
    await other.holder(phone)
    await one.report(trip(phone))
    assert (await other.report(trip(phone, **SKEWED)))["outcome"] == "credited"


async def test_with_the_neighbour_dead_it_is_credited_marked_and_found_later(
    towns: Towns, phones: Any
) -> None:
    one, other = towns
    await one.agree()
    await asks(other)
    people = [phones() for _ in range(FAILURES + 6)]
    for person in people:
        await one.holder(person)
        await other.holder(person)
    first = await one.report(trip(people[0]))
    await other.exchange()
    await one.close()
    try:
        second = await other.report(trip(people[0], **SKEWED))
        assert second["outcome"] == "credited"
        assert await unchecked(other, second["activity_id"]) == [True]
        for person in people[1:]:
            assert (await other.report(trip(person)))["outcome"] == "credited"
    finally:
        await one.open()
    done = await other.exchange()
    assert done.doubles == 1
    found = await other.double(second["activity_id"])
    assert found is not None
    assert (found["state"], found["reference"]) == ("lost", first["activity_id"][4:])
    assert (await other.reverse(second["activity_id"])).status_code == 200
    assert await other.breaches() == []


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, list[int]]]:
    """A machine that takes connections and never answers; how many it took."""
    taken: list[int] = []
    held: list[asyncio.StreamWriter] = []

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(1)
        held.append(writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", taken
    finally:
        for writer in held:
            writer.close()
        server.close()


async def test_a_neighbour_that_never_answers_is_soon_left_alone(towns: Towns, phones: Any) -> None:
    """The first few wait for the time-out; then nobody does, and no transaction was open meanwhile."""
    _, other = towns
    await asks(other)
    people = [phones() for _ in range(40)]
    for person in people:
        await other.holder(person)
    timeout_s = other.settings.neighbour_timeout_ms / 1000
    async with silent() as (url, taken):
        before = (await other.rows("SELECT url FROM neighbours WHERE id = $1", other.neighbour_id))[0][0]
        await other.rows("UPDATE neighbours SET url = $1 WHERE id = $2", url, other.neighbour_id)
        other.services.neighbours.directory.forget()
        try:
            waiting = asyncio.create_task(other.report(trip(people[0])))
            while not taken:  # noqa: ASYNC110 - what the other machine sees
                await asyncio.sleep(0.01)
            idle = await other.rows(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND state = 'idle in transaction'"
            )
            assert idle[0][0] == 0
            assert (await waiting)["outcome"] == "credited"
            for person in people[1:FAILURES]:
                assert (await other.report(trip(person)))["outcome"] == "credited"
            lines = await other.services.neighbours.directory.lines()
            assert all(line.open for line in lines.values())
            count, began = len(taken), time.monotonic()
            for person in people[FAILURES:]:
                assert (await other.report(trip(person)))["outcome"] == "credited"
            assert len(taken) == count
            assert time.monotonic() - began < timeout_s * len(people[FAILURES:])
        finally:
            await other.rows("UPDATE neighbours SET url = $1 WHERE id = $2", before, other.neighbour_id)
            other.services.neighbours.directory.forget()


async def test_reports_that_come_at_once_are_asked_about_together(towns: Towns, phones: Any) -> None:
    one, other = towns
    await one.agree()
    await asks(other)
    people = [phones() for _ in range(30)]
    for person in people:
        await one.holder(person)
        await other.holder(person)
    await one.platform.post("/v1/activities/batch", json=[trip(person) for person in people[::2]])
    lines = await other.services.neighbours.directory.lines()
    (line,) = lines.values()
    questions = 0
    real = line._door.claims

    async def counted(digests: Any) -> Any:
        nonlocal questions
        questions += 1
        return await real(digests)

    line._door.claims = counted  # type: ignore[method-assign]
    line._timeout_s = 5
    answers = await asyncio.gather(*(other.report(trip(person, **SKEWED)) for person in people))
    del line._door.claims
    assert [each["outcome"] for each in answers] == ["duplicate", "credited"] * 15
    assert questions < len(people)
