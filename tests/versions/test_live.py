"""How processes learn of a change in time, and what they do where they cannot."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from helpers import City
from versions.office import Clock, Office, midnight, new_city, refusal, text_of

from app.embedded.stack import Stack
from app.server import serve
from app.settings import ConfigurationError, Settings, load_settings
from app.wiring import Services, services, utc_now

DAY = datetime.timedelta(days=1)
NOBODY = "redis://127.0.0.1:1/0"


@asynccontextmanager
async def watching(*instances: Services) -> AsyncIterator[None]:
    """Keep the rules of instances up to date meanwhile, as a server does."""
    tasks = [asyncio.create_task(current.live.run()) for current in instances]
    await asyncio.sleep(0.2)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - there is nothing that tells
            await asyncio.sleep(0.02)


def knows(current: Services, content_hash: str) -> Callable[[], bool]:
    """Whether an instance has a text among what counts or is going to."""
    preparer = current.preparer
    return lambda: any(
        rules.catalogue.by_hash(content_hash) is not None
        for rules in (preparer.rules, *(later for _, later in preparer._later))
    )


async def test_others_are_told_at_once(office: Office, opened: Callable[..., Any]) -> None:
    async with opened(methodology_poll_seconds=14) as (_, other), watching(other):
        active = await office.activated(text_of(new_city(), office.clock.today + DAY))
        began = asyncio.get_running_loop().time()
        await until(knows(other, active["content_hash"]))
        assert asyncio.get_running_loop().time() - began < 3


async def test_without_redis_they_look_by_themselves(office: Office, opened: Callable[..., Any]) -> None:
    async with opened(redis_url=NOBODY) as (_, other), watching(other):
        active = await office.activated(text_of(new_city(), office.clock.today + DAY))
        await until(knows(other, active["content_hash"]))


async def test_the_one_who_decides_needs_no_redis(
    office: Office, opened: Callable[..., Any], moved: Callable[..., Any]
) -> None:
    async with opened(redis_url=NOBODY) as (http, other), watching(other):
        approved = await office.approved(text_of(new_city(), office.clock.today + DAY))
        there = moved(office.second, http)
        active = await office.done(
            approved, "activation", there, activates_at=midnight(office.clock.today + DAY)
        )
        await until(knows(other, active["content_hash"]))


async def test_a_version_counts_from_its_moment_on(office: Office, phones: Any, clock: Clock) -> None:
    place, current = new_city(), office.city.service
    moment = clock.now + datetime.timedelta(seconds=60)
    await office.activated(text_of(place, clock.today - 5 * DAY), moment.isoformat())
    await current.live.refresh()
    phone, before = phones(), current.preparer.rules
    clock.now = moment - datetime.timedelta(microseconds=1)
    assert (await office.trip(place, phone, clock.today - DAY))["reason"] == "no_methodology"
    assert current.preparer.rules is before
    clock.now = moment
    assert (await office.trip(place, phone, clock.today - DAY))["outcome"] == "credited"
    assert current.preparer.rules is not before


async def test_nothing_changed_exchanges_nothing(office: Office) -> None:
    current = office.city.service
    await current.live.refresh()
    before = current.preparer.rules
    await current.live.refresh()
    assert current.preparer.rules is before


async def test_a_process_that_cannot_look_stops_crediting_and_resumes(
    office: Office,
    opened: Callable[..., Any],
    moved: Callable[..., Any],
    owner: asyncpg.Connection,
    phones: Any,
) -> None:
    """Its database answers; only the texts cannot be read. It would credit by an old one for ever."""
    clock, place = office.clock, new_city()
    async with opened() as (http, other), watching(other):
        there = moved(office.platform, http)
        assert (await office.report(there, "440300", phones(), clock.today - DAY)).status_code == 200
        await owner.execute("REVOKE SELECT ON methodology_revisions FROM tanpuhui_service")
        try:
            await asyncio.sleep(0.3)
            clock.forward(seconds=29)
            person = phones()
            assert (await office.report(there, "440300", person, clock.today - DAY)).status_code == 200
            clock.forward(seconds=2)
            refused = await office.report(there, "440300", person, clock.today - 2 * DAY)
            assert refusal(refused) == (503, "methodology.stale")
            assert refused.headers["retry-after"] == "1"
            batch = await there.post("/v1/activities/batch", json=[])
            assert batch.status_code == 200, "what credits nothing goes on"
        finally:
            await owner.execute("GRANT SELECT ON methodology_revisions TO tanpuhui_service")
        stale = True
        async with asyncio.timeout(10):
            while stale:
                await asyncio.sleep(0.1)
                answer = await office.report(there, "440300", person, clock.today - 2 * DAY)
                stale = answer.status_code == 503
        assert answer.json()["outcome"] == "credited"
        # It missed nothing meanwhile.
        active = await office.activated(text_of(place, clock.today + DAY))
        await until(knows(other, active["content_hash"]))


async def test_a_process_that_slept_stops_until_it_has_looked(
    office: Office, opened: Callable[..., Any], moved: Callable[..., Any], phones: Any
) -> None:
    async with opened() as (http, other):
        async with watching(other):
            pass
        there, phone = moved(office.platform, http), phones()
        office.clock.forward(minutes=10)
        answer = await office.report(there, "440300", phone, office.clock.today - DAY)
        assert refusal(answer) == (503, "methodology.stale")
        await other.live.refresh()
        answer = await office.report(there, "440300", phone, office.clock.today - DAY)
        assert answer.json()["outcome"] == "credited"


async def test_credits_go_on_while_texts_change(office: Office, phones: Any) -> None:
    """Rules are exchanged under way: every report is answered, by one text or the other."""
    current, clock = office.city.service, office.clock
    people = [phones() for _ in range(20)]
    for phone in people:
        await office.trip("440300", phone, clock.today - 2 * DAY)
    stop = asyncio.Event()

    async def exchange() -> None:
        while not stop.is_set():
            current.live._known = None
            await current.live.refresh()
            await asyncio.sleep(0)

    task = asyncio.create_task(exchange())
    answers = await asyncio.gather(
        *(office.trip("440300", phone, clock.today - DAY, hour) for phone in people for hour in (8, 10, 12))
    )
    stop.set()
    await task
    assert {answer["outcome"] for answer in answers} == {"credited"}


def test_a_lead_that_leaves_no_time_to_look_is_refused(settings: Settings) -> None:
    given = {"data_dir": settings.data_dir, "activation_lead_seconds": 10}
    with pytest.raises(
        ConfigurationError, match="TANPUHUI_ACTIVATION_LEAD_SECONDS must be at least four times"
    ):
        load_settings(**given, methodology_poll_seconds=3)
    assert load_settings(**given, methodology_poll_seconds=2.5)


async def test_from_draft_to_a_credit_in_real_time_at_two_servers(
    settings: Settings, stack: Stack, database_urls: tuple[str, str], phones: Any
) -> None:
    """HTTP to disk, on the machine's own clock: both switch within the second."""
    own = settings.model_copy(update={"activation_lead_seconds": 2, "methodology_poll_seconds": 0.2})
    places = Stack(database_urls[0], database_urls[1], stack.redis_url, stack.postgres, stack.valkey)
    stop, urls = asyncio.Event(), []
    tasks = []
    for _ in range(2):
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        tasks.append(asyncio.create_task(serve(own, places, ready.set_result, stop)))
        urls.append(await ready)
    clock = Clock()
    clock.now = utc_now()
    try:
        async with (
            services(own, database_urls[0], stack.redis_url) as current,
            httpx.AsyncClient(base_url=urls[0]) as one,
            httpx.AsyncClient(base_url=urls[1]) as two,
        ):
            city = City(one, current)
            author, second = await city.client("operator", "440000"), await city.client("operator", "440000")
            platform = await city.client("platform")
            office = Office(city, clock, author, second, platform)
            place, phone, day = new_city(), phones(), clock.today - DAY
            assert (await office.trip(place, phone, day))["reason"] == "no_methodology"
            approved = await office.approved(text_of(place, day - DAY))
            moment = utc_now() + datetime.timedelta(seconds=2.2)
            await office.done(approved, "activation", activates_at=moment.isoformat())
            there = type(platform)(
                two, platform.token, platform.organisation_id, platform.client_id, platform.secret
            )
            while (left := (moment - utc_now()).total_seconds()) > 0.3:
                early = (await office.report(there, place, phone, day, 6)).json()
                if utc_now() < moment:
                    assert early["reason"] == "no_methodology"
                await asyncio.sleep(min(0.3, left))
            await asyncio.sleep(0.5)
            assert (await office.trip(place, phone, day, 8))["co2e_g"] == "467"
            assert (await office.report(there, place, phone, day, 10)).json()["co2e_g"] == "467"
    finally:
        stop.set()
        await asyncio.gather(*tasks)
