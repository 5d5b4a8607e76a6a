"""Two services on one machine: the same resident, the same trip, told to both: found, and taken back once."""

import asyncio
import uuid
from typing import Any

from helpers import metro
from neighbours.towns import Town

from app.neighbours.federation import AskedEvaluator

Towns = tuple[Town, Town]
EARLY = {"started_at": "2026-11-16T06:00:00+08:00", "ended_at": "2026-11-16T06:25:00+08:00"}
SKEWED = {"started_at": "2026-11-16T08:01:30+08:00", "ended_at": "2026-11-16T08:26:00+08:00"}


def trip(phone: str, **over: Any) -> dict[str, Any]:
    return metro(uuid.uuid4().hex, phone, **over)


async def in_both(towns: Towns, phone: str, **over: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """One trip, credited in the first and then in the second, by clocks that differ."""
    one, other = towns
    await one.holder(phone)
    await other.holder(phone)
    first = await one.report(trip(phone, **over))
    second = await other.report(trip(phone, **{**SKEWED, "distance_m": 10_200, **over}))
    assert (first["outcome"], second["outcome"]) == ("credited", "credited")
    return first, second


async def test_one_trip_in_both_is_found_by_both_and_taken_back_once(towns: Towns, phone: str) -> None:
    one, other = towns
    for each in towns:
        await each.agree()
    first, second = await in_both(towns, phone)
    assert (await one.exchange()).pulled.whole
    assert (await other.exchange()).doubles == 1
    kept, lost = await one.double(first["activity_id"]), await other.double(second["activity_id"])
    assert kept is not None
    assert lost is not None
    assert (kept["state"], lost["state"]) == ("kept", "lost")
    # Each names the other's act by the other's own reference, and nothing else of it.
    assert kept["reference"] == second["activity_id"].removeprefix("act_")
    assert lost["reference"] == first["activity_id"].removeprefix("act_")
    assert kept["their_arrived_at"] == lost["arrived_at"]
    assert phone not in str(kept) + str(lost)
    # The side that keeps it has nothing to reverse; the other does so once, whoever asks at the same time.
    assert (await one.reverse(first["activity_id"])).json()["code"] == "neighbour.not_lost"
    answers = await asyncio.gather(*(other.reverse(second["activity_id"]) for _ in range(8)))
    assert sorted(each.status_code for each in answers) == [200, *[409] * 7]
    assert (await other.activity(second["activity_id"]))["reversed_at"] is not None
    assert (await one.activity(first["activity_id"]))["reversed_at"] is None
    assert (await other.double(second["activity_id"]) or {})["state"] == "reversed"
    # The first one learns of it, and nothing is claimed twice any more.
    await one.exchange()
    assert (await one.double(first["activity_id"]) or {})["state"] == "ended"
    assert (await other.exchange()).doubles == 0
    for each in towns:
        assert await each.breaches() == []


async def test_two_trips_in_a_row_and_two_people_stay_apart(towns: Towns, phones: Any) -> None:
    one, other = towns
    for each in towns:
        await each.agree()
    people = [phones(), phones()]
    for each in towns:
        for person in people:
            await each.holder(person)
    first = await one.report(trip(people[0]))
    # The next ride begins where the clocks have the last one not quite over.
    after = {"started_at": "2026-11-16T08:24:30+08:00", "ended_at": "2026-11-16T08:52:00+08:00"}
    others = [
        await other.report(trip(people[0], distance_m=6_000, **after)),
        await other.report(trip(people[1])),
    ]
    for each in towns:
        await each.exchange()
    assert await one.double(first["activity_id"]) is None
    assert [await other.double(each["activity_id"]) for each in others] == [None, None]


async def test_what_is_not_recognised_counts_in_both(towns: Towns, phone: str) -> None:
    one, other = towns
    await one.agree(recognises=["trip.bus"])
    await other.agree(recognises=[])
    first, second = await in_both(towns, phone)
    for each in towns:
        assert (await each.exchange()).doubles == 0
    assert await one.double(first["activity_id"]) is None
    assert await other.double(second["activity_id"]) is None


async def test_one_order_number_is_one_act_whoever_rode(towns: Towns, phones: Any) -> None:
    """No key of a person is needed for it; the issuer has to be named, a platform's own id means nothing elsewhere."""
    one, other = towns
    for each in towns:
        await each.agree()
    order = {"order_no": uuid.uuid4().hex, "issuer": "metro"}
    riders = [phones(), phones()]
    await one.holder(riders[0])
    await other.holder(riders[1])
    first = await one.report(trip(riders[0], **order))
    second = await other.report(trip(riders[1], **order, **SKEWED))
    for each in towns:
        await each.exchange()
    assert (await one.double(first["activity_id"]) or {})["kind"] == "whole"
    assert (await other.double(second["activity_id"]) or {})["state"] == "lost"


async def test_the_service_reverses_where_it_is_agreed(towns: Towns, phone: str) -> None:
    one, other = towns
    await one.agree()
    await other.agree(losses="automatic")
    _, second = await in_both(towns, phone)
    done = await other.exchange()
    assert (done.doubles, done.reversed) == (1, 1)
    found = await other.double(second["activity_id"])
    assert found is not None
    assert (found["state"], found["decided_by"]) == ("reversed", "system")
    assert (await other.exchange()).reversed == 0
    points = await other.rows(
        "SELECT b.points FROM balances b JOIN activities a ON a.holder_id = b.holder_id WHERE a.id = $1",
        uuid.UUID(hex=second["activity_id"][4:]),
    )
    assert [row["points"] for row in points] == [0]
    assert await other.breaches() == []


async def test_where_agreed_the_home_city_keeps_the_act(towns: Towns, phone: str) -> None:
    """The second city has the person as its resident; the first knows somebody from elsewhere."""
    one, other = towns
    for each in towns:
        await each.agree(precedence="home")
    await one.holder(phone, region="441900")
    await other.holder(phone, region="440300")
    first, second = await one.report(trip(phone)), await other.report(trip(phone, **SKEWED))
    for each in towns:
        await each.exchange()
    assert (await one.double(first["activity_id"]) or {})["state"] == "lost"
    assert (await other.double(second["activity_id"]) or {})["state"] == "kept"


async def test_a_reversal_before_the_exchange_leaves_nothing_double(towns: Towns, phone: str) -> None:
    one, other = towns
    for each in towns:
        await each.agree()
    first, second = await in_both(towns, phone)
    done = await one.platform.post(
        f"/v1/activities/{first['activity_id']}/reversal", json={"reason": "refunded"}
    )
    assert done.status_code == 200
    for each in towns:
        await each.exchange()
    assert await other.double(second["activity_id"]) is None
    assert await one.double(first["activity_id"]) is None


async def test_one_who_joined_while_the_evaluator_was_away_is_compared_later(
    towns: Towns, phone: str
) -> None:
    one, other = towns
    for each in towns:
        await each.agree()
    await one.holder(phone)
    await one.close()
    try:
        await other.holder(phone)  # keeps nobody waiting, and nobody out
    finally:
        await one.open()
    holders = "SELECT count(*) FROM holders WHERE federation_key IS NULL"
    assert (await other.rows(holders))[0][0] == 1
    federation = other.services.neighbours.federation
    assert federation is not None
    assert isinstance(federation.evaluator, AskedEvaluator)
    federation.evaluator.again_at = 0.0
    await other.holder(phone)
    assert (await other.rows(holders))[0][0] == 0
    first, second = await one.report(trip(phone, **EARLY)), await other.report(trip(phone, **EARLY))
    for each in towns:
        await each.exchange()
    assert (await one.double(first["activity_id"]) or {})["state"] == "kept"
    assert (await other.double(second["activity_id"]) or {})["state"] == "lost"


async def test_both_have_one_key_of_a_person_and_neither_the_others(towns: Towns, phone: str) -> None:
    for each in towns:
        await each.holder(phone)
    keys = [
        (await each.rows("SELECT person_key, federation_key FROM holders ORDER BY created_at DESC LIMIT 1"))[
            0
        ]
        for each in towns
    ]
    assert keys[0]["federation_key"] == keys[1]["federation_key"] is not None
    assert len({keys[0]["person_key"], keys[1]["person_key"], keys[0]["federation_key"]}) == 3


async def test_the_report_as_csv_and_page_by_page(towns: Towns, phones: Any) -> None:
    one, other = towns
    for each in towns:
        await each.agree()
    for _ in range(3):
        await in_both(towns, phones())
    await one.exchange()
    everything = await one.doubles()
    path = f"/v1/operator/neighbours/nbr_{one.neighbour_id.hex}/reconciliation"
    paged: list[dict[str, Any]] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({} if cursor is None else {"cursor": cursor})
        page = (await one.operator.get(path, params=query)).json()
        paged += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert paged == everything
    assert len(everything) >= 3
    text = (await one.operator.get(path, params={"format": "csv", "limit": 200})).text.splitlines()
    assert len(text) == len(everything) + 1
    assert text[0].startswith("activity_id,reference,region,day,kind")
    foreign = await one.city.client("operator", "330000")
    assert (await foreign.get(path)).json()["items"] == []
    assert other.neighbour_id != one.neighbour_id
