"""Clocks of platforms are measured from rides that both reported under one number, and decide what tolerances miss."""

import asyncio
from typing import Any

import asyncpg
from crediting.desk import moment
from helpers import Caller, City
from helpers import metro as ride

from app.clocks.job import SINCE, measure_clocks
from app.wiring import Services, utc_now

AHEAD_S = 150
JITTER_S = (-20, 0, 20)


def at(start_s: float, end_s: float) -> dict[str, str]:
    """Seconds after the midnight that begins the tests' day."""
    return {"started_at": moment(start_s / 60), "ended_at": moment(end_s / 60)}


async def reported(platform: Caller, phone: str, start_s: int, length_s: int, **over: Any) -> dict[str, Any]:
    body = ride(f"{phone}-{start_s}-{platform.client_id}", phone, **at(start_s, start_s + length_s), **over)
    answer = await platform.post("/v1/activities", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def measure(service: Services) -> int:
    async with service.database.driver_transaction() as driver:
        number = await measure_clocks(driver, service.rules_now(), utc_now())
    await service.live.tell()
    return number


async def share_numbers(one: Caller, ahead: Caller, phone: str, acts: int) -> None:
    """Both report the same rides under the operator's number, one of them by a clock that is ahead."""
    for number in range(acts):
        start_s, order = 3_600 + number * 3_600, f"{phone}-{number}"
        off = AHEAD_S + JITTER_S[number % 3]
        won = await reported(one, phone, start_s, 1_200, order_no=order, issuer="metro")
        lost = await reported(ahead, phone, start_s + off, 1_200, order_no=order, issuer="metro")
        assert (won["outcome"], lost["reason"]) == ("credited", "claimed_order")


async def one_act(one: Caller, ahead: Caller, phone: str) -> dict[str, Any]:
    """Four minutes, that the other platform saw 50 s later still and a fifth shorter."""
    assert (await reported(one, phone, 30_000, 240, distance_m=2_000))["outcome"] == "credited"
    return await reported(ahead, phone, 30_200, 240, distance_m=1_600)


async def two_acts(one: Caller, ahead: Caller, phone: str) -> dict[str, Any]:
    """Two rides of six minutes, the second one 20 s after the first; by the clocks 130 s before it ended."""
    assert (await reported(ahead, phone, 30_000 + AHEAD_S, 360, distance_m=3_000))["outcome"] == "credited"
    return await reported(one, phone, 30_380, 360, distance_m=3_000)


async def test_what_tolerances_miss_is_recognised_by_measured_clocks(
    city: City, service: Services, phones: Any, owner: asyncpg.Connection
) -> None:
    operator = await city.client("operator", "440000")
    abroad = await city.client("operator", "310000")
    one, ahead = await city.client("platform"), await city.client("platform", "440300")
    people = [phones() for _ in range(6)]
    for phone in people:
        await city.holder(operator, phone, one, ahead)

    # Before: one act is taken for two, and two for one.
    assert (await one_act(one, ahead, people[0]))["outcome"] == "credited"
    taken_for_one = await two_acts(one, ahead, people[1])
    assert (taken_for_one["outcome"], taken_for_one["reason"]) == ("duplicate", "claimed_body")
    told = (await one.get(f"/v1/activities/{taken_for_one['activity_id']}/explanation")).json()
    assert told["comparison"]["clock"] is None

    await share_numbers(one, ahead, people[2], 9)
    assert await measure(service) == 0, "nine acts are too few"
    await share_numbers(one, ahead, people[3], 3)
    assert await measure(service) == 1

    lost = await one_act(one, ahead, people[4])
    async with asyncio.timeout(15):
        # The served process measured nothing itself: it is told, or looks by itself some seconds later.
        while lost["outcome"] == "credited":
            await asyncio.sleep(0.2)
            await city.holder(operator, again := phones(), one, ahead)
            lost = await one_act(one, ahead, again)
    assert (lost["outcome"], lost["reason"]) == ("duplicate", "claimed_body")
    comparison = (await ahead.get(f"/v1/activities/{lost['activity_id']}/explanation")).json()["comparison"]
    # The winner's clock is behind the loser's.
    assert comparison["clock"] == {"ahead_s": -AHEAD_S, "tolerance_s": 60}
    assert (comparison["verdict"], comparison["rule"]) == ("same", "evidence")
    assert (await two_acts(one, ahead, people[5]))["outcome"] == "credited"

    # Of acts of a person alone: another's ride under the same number measures nothing.
    assert [row["differences"] for row in await owner.fetch("SELECT * FROM source_clocks")] == [24]
    page = (await operator.get("/v1/operator/clocks")).json()
    (seen,) = page["items"]
    signs = {one.organisation_id: 1, ahead.organisation_id: -1}
    assert seen["ahead_s"] == AHEAD_S * signs[seen["organisation_id"]]
    assert (seen["tolerance_s"], seen["differences"], page["next_cursor"]) == (60, 24, None)
    assert (await abroad.get("/v1/operator/clocks")).json()["items"] == []

    # A pair that is not measured again is forgotten.
    async with service.database.driver_transaction() as driver:
        assert await measure_clocks(driver, service.rules_now(), utc_now() + 2 * SINCE) == 0
    assert await owner.fetchval("SELECT count(*) FROM source_clocks") == 0
