"""Ways to be paid twice for one act, each through the real API, each caught by a rule with a name."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from crediting.desk import moment
from disputes.quarrel import Quarrel, trip
from helpers import City
from review.watch import watch


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(city: City) -> AsyncIterator[Quarrel]:
    yield await Quarrel.begin(city, platforms=2, persons=8)


def bike(
    phone: str, order_no: str | None, start: float = 480, length: float = 15, **over: Any
) -> dict[str, Any]:
    """3 km on a shared bike in Wuhan, 120 g."""
    return trip(
        phone,
        **{
            "scene": "trip.shared_bike",
            "region": "420100",
            "started_at": moment(start),
            "ended_at": moment(start + length),
            "distance_m": 3_000,
            "order_no": order_no,
            "issuer": "bikes",
            **over,
        },
    )


def ride(phone: str, start: float, end: float, **over: Any) -> dict[str, Any]:
    """By metro at 400 m a minute."""
    distance = round((end - start) * 400)
    return trip(phone, started_at=moment(start), ended_at=moment(end), distance_m=distance, **over)


async def decision_on(town: Quarrel, lost: dict[str, Any]) -> dict[str, Any]:
    assert (lost["outcome"], lost["reason"]) == ("duplicate", "claimed_body"), lost
    return dict((await town.explained(lost["activity_id"]))["comparison"])


async def test_a_replay_under_another_date_is_caught_by_its_number(town: Quarrel) -> None:
    phone, order = town.persons[0][0], uuid.uuid4().hex
    first = await town.report(0, bike(phone, order))
    assert first["outcome"] == "credited", first
    for day, platform in ((3, 0), (5, 1)):
        replayed = bike(
            phone,
            order,
            started_at=f"2026-11-{16 - day:02d}T08:00:00+08:00",
            ended_at=f"2026-11-{16 - day:02d}T08:15:00+08:00",
        )
        again = await town.report(platform, replayed)
        assert (again["outcome"], again["reason"], again["winner_id"]) == (
            "duplicate",
            "claimed_order",
            first["activity_id"],
        )
        # It supports nothing, and would get nothing where the first is reversed.
        assert (await town.explained(again["activity_id"]))["corroboration"]["supports"] == []
    assert (await town.explained(first["activity_id"]))["corroboration"]["platforms"] == 0


async def test_a_replay_without_its_number_is_caught_by_its_shape(watched: City) -> None:
    hold = {"days": 30, "certain_at": 2, "steps": [{"from_score": 50, "action": "hold"}]}
    await watch(watched.service, repeated_trip=hold, decide_within_days=7, undecided="reject")
    town = await Quarrel.begin(watched)
    phone = town.persons[0][0]
    outcomes = []
    for day in (16, 15, 14):
        date = f"2026-11-{day}"
        again = trip(phone, started_at=f"{date}T08:00:00+08:00", ended_at=f"{date}T08:25:00+08:00")
        outcomes.append(await town.report(day % 2, again))
    assert [(each["outcome"], each["reason"]) for each in outcomes] == [
        ("credited", None),
        ("pending", "held_for_review"),
        ("pending", "held_for_review"),
    ]
    (signal,) = (await town.explained(outcomes[1]["activity_id"]))["review"]["signals"]
    assert signal["signal"] == "repeated_trip"


async def test_a_trip_that_is_cut_in_pieces_is_caught_piece_by_piece(town: Quarrel) -> None:
    phone = town.persons[2][0]
    whole = await town.report(0, ride(phone, 480, 520))
    assert whole["outcome"] == "credited"
    for platform in (1, 0):
        for start, end in ((480, 500), (500, 520)):
            told = await decision_on(town, await town.report(platform, ride(phone, start, end)))
            # Another platform's piece is the same act; the own one's is one that nobody does beside it.
            assert (told["verdict"], told["rule"]) in {
                ("same", "evidence"),
                ("excludes", "one_place_at_a_time"),
            }
            assert told["winner_ids"] == [whole["activity_id"]]


async def test_a_merged_trip_is_caught_by_the_two_that_it_swallowed(town: Quarrel) -> None:
    phone = town.persons[3][0]
    one, other = [await town.report(0, ride(phone, *each)) for each in ((480, 505), (506, 530))]
    assert (one["outcome"], other["outcome"]) == ("credited", "credited")
    told = await decision_on(town, await town.report(1, ride(phone, 480, 530)))
    assert (told["verdict"], told["rule"], told["pattern"]) == ("same", "evidence", "pieces")
    assert set(told["winner_ids"]) == {one["activity_id"], other["activity_id"]}


async def test_a_shifted_clock_does_not_make_another_trip(town: Quarrel) -> None:
    """By up to what two clocks may differ the act is the same; by more it is a trip that nobody can have made."""
    phone = town.persons[4][0]
    short = await town.report(0, ride(phone, 480, 484))
    # Four minutes later, so that the two do not overlap by a second.
    told = await decision_on(town, await town.report(1, ride(phone, 484, 488)))
    assert (told["verdict"], told["rule"]) == ("same", "evidence")
    assert told["winner_ids"] == [short["activity_id"]]
    long = await town.report(0, ride(phone, 600, 640))
    told = await decision_on(town, await town.report(1, ride(phone, 607, 647)))
    assert (told["verdict"], told["rule"]) in {("same", "evidence"), ("excludes", "one_place_at_a_time")}
    assert told["winner_ids"] == [long["activity_id"]]


async def test_one_bike_order_of_two_people_has_one_rider(town: Quarrel) -> None:
    (rider, _), (friend, _) = town.persons[5], town.persons[6]
    order = uuid.uuid4().hex
    first = await town.report(0, bike(rider, order))
    for platform in (0, 1):
        second = await town.report(platform, bike(friend, order))
        assert (second["outcome"], second["reason"], second["winner_id"]) == (
            "duplicate",
            "claimed_order",
            first["activity_id"],
        )
        assert (await town.explained(second["activity_id"]))["corroboration"]["supports"] == []
    assert await town.books(6) == (0, 0, 0)


async def test_the_books_are_sound(town: Quarrel) -> None:
    assert await town.breaches() == []
