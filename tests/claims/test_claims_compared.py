"""Platforms' claims are decided by the function of the intake: an act meets the same answer at either door."""

import asyncio
from typing import Any

import asyncpg
import pytest_asyncio
from claims.made import asked, person_key, ride
from claims.test_claims import claim, query, sound
from crediting.desk import moment
from helpers import Caller, City, metro

from app.wiring import Services

Answer = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def operator(city: City) -> Caller:
    return await city.client("operator", "440000")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reporter(city: City) -> Caller:
    return await city.client("platform")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def claimer(city: City) -> Caller:
    return await city.client("platform")


def at(start: float, end: float, **over: Any) -> dict[str, Any]:
    """Minutes after the midnight that begins the tests' day."""
    return {"started_at": moment(start), "ended_at": moment(end)} | over


class Doors:
    """Two platforms, and people who are at both."""

    def __init__(
        self, city: City, service: Services, operator: Caller, reporter: Caller, claimer: Caller
    ) -> None:
        self.reporter, self.claimer = reporter, claimer
        self._city, self._service, self._operator = city, service, operator

    async def person(self, phone: str) -> "Person":
        await self._city.holder(self._operator, phone, self.reporter)
        return Person(self, phone, person_key(self._service, phone))


class Person:
    def __init__(self, doors: Doors, phone: str, key: str) -> None:
        self.phone, self.key, self._doors = phone, key, doors

    async def reports(self, name: str, body: dict[str, Any]) -> Answer:
        answer = await self._doors.reporter.post(
            "/v1/activities", json=metro(name + self.phone, self.phone, **body)
        )
        assert answer.status_code == 200, answer.text
        found: Answer = answer.json()
        return found | {"id": found["activity_id"]}

    async def claims(self, name: str, body: dict[str, Any]) -> Answer:
        (found,) = await claim(self._doors.claimer, ride(name + self.phone, self.key, **body))
        return found

    async def asks(self, body: dict[str, Any]) -> Answer:
        (found,) = await query(self._doors.claimer, asked(ride("", self.key, **body)))
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def doors(city: City, service: Services, operator: Caller, reporter: Caller, claimer: Caller) -> Doors:
    return Doors(city, service, operator, reporter, claimer)


async def test_one_act_meets_through_both_doors_in_both_orders(
    doors: Doors, service: Services, phones: Any
) -> None:
    """Four minutes by two clocks that are two minutes apart: the claims' periods alone do not meet."""
    seen, by_other_clock = at(480, 484, distance_m=2_000), at(482.8, 486.8, distance_m=2_050)
    for amounts in (True, False):
        claimed = by_other_clock if amounts else by_other_clock | {"distance_m": None}
        person = await doors.person(phones())
        won = await person.reports("a", seen)
        assert won["outcome"] == "credited"
        assert (await person.asks(claimed))["winner_id"] == won["id"]
        lost = await person.claims("b", claimed)
        assert (lost["outcome"], lost["reason"], lost["winner_id"]) == (
            "duplicate",
            "claimed_body",
            won["id"],
        )

        other = await doors.person(phones())
        won = await other.claims("a", claimed)
        assert won["outcome"] == "claimed"
        lost = await other.reports("b", seen)
        assert (lost["outcome"], lost["reason"], lost["winner_id"]) == (
            "duplicate",
            "claimed_body",
            won["id"],
        )
    await sound(service)


async def test_the_loser_of_a_claim_learns_why(doors: Doors, phones: Any) -> None:
    person = await doors.person(phones())
    won = await person.reports("a", at(480, 505))
    lost = await person.claims("b", at(482, 507, distance_m=10_400))
    told = (await doors.claimer.get(f"/v1/claims/{lost['id']}")).json()
    comparison = told["comparison"]
    assert (comparison["verdict"], comparison["rule"], comparison["winner_ids"]) == (
        "same",
        "evidence",
        [won["id"]],
    )
    levels = {each["feature"]: each["level"] for each in comparison["evidence"]}
    assert (levels["period"], levels["amount"], levels["source"]) == ("aligned", "<=4", "other")
    assert doors.reporter.organisation_id not in str(told)
    # And the other way round: the winner of a report is named as what it is.
    other = await doors.person(phones())
    won = await other.claims("a", at(480, 505))
    lost = await other.reports("b", at(482, 507))
    shown = (await doors.reporter.get(f"/v1/activities/{lost['activity_id']}/explanation")).json()
    assert shown["comparison"]["winner_ids"] == [won["id"]]
    assert (await doors.claimer.get(f"/v1/claims/{won['id']}")).json()["comparison"] is None


async def test_two_acts_in_a_row_pass_through_either_door(
    doors: Doors, service: Services, phones: Any, owner: asyncpg.Connection
) -> None:
    """A metro, then a bus that one clock has begin three minutes before the metro ends."""
    bus = {"scene": "trip.bus", "region": "420100", "distance_m": None}
    first, second = at(480, 505), at(502, 527, **bus)
    for order in ((first, second), (second, first)):
        for one, other in (("reports", "claims"), ("claims", "reports")):
            person = await doors.person(phones())
            for way, body in zip((one, other), order, strict=True):
                number = {"order_no": f"{person.phone}-{way}"} if body is second else {}
                amount = {"count": 1} if body is second and way == "reports" else {}
                answer = await getattr(person, way)(way, body | number | amount)
                assert answer["outcome"] in ("credited", "claimed"), answer
    uncut = await owner.fetchval(
        "SELECT count(*) FROM interval_claims "
        "WHERE ends_at - starts_at < (raw_ends_at - raw_starts_at) * 3 / 4 OR starts_at >= ends_at"
    )
    assert uncut == 0
    # Without amounts and numbers too: what claims knew before.
    person = await doors.person(phones())
    plain = {"distance_m": None}
    assert (await person.claims("x", at(480, 510, **plain)))["outcome"] == "claimed"
    assert (await person.claims("y", at(509, 530, **plain)))["outcome"] == "claimed"
    await sound(service)


async def test_both_sides_of_midnight_meet_and_one_of_many_at_once_wins(
    doors: Doors, service: Services, phones: Any
) -> None:
    """The two touch no common day, and come at the same time."""
    before, after = at(1_434, 1_440, distance_m=3_000), at(1_436, 1_442, distance_m=3_050)

    async def both(phone: str, number: int) -> list[Answer]:
        person = await doors.person(phone)
        one, other = (before, after) if number % 2 else (after, before)
        return list(await asyncio.gather(person.reports("a", one), person.claims("b", other)))

    for answers in await asyncio.gather(*(both(phones(), number) for number in range(12))):
        outcomes = [answer["outcome"] for answer in answers]
        assert outcomes in (["credited", "duplicate"], ["duplicate", "claimed"])
        winner = next(answer for answer in answers if answer["outcome"] != "duplicate")
        loser = next(answer for answer in answers if answer["outcome"] == "duplicate")
        assert loser["winner_id"] == winner["id"]
    await sound(service)


async def test_an_act_that_excludes_another_is_told_to_whoever_asks(doors: Doors, phones: Any) -> None:
    """On a bus in the middle of a metro ride: not one act, but nobody was on both."""
    person = await doors.person(phones())
    won = await person.claims("a", at(480, 520, distance_m=20_000))
    inside = at(490, 510, scene="trip.bus", region="420100", distance_m=None, order_no=f"B-{person.phone}")
    told = await person.asks(inside)
    assert (told["claimed"], told["own"], told["reason"]) == (True, True, "claimed_body")
    lost = await person.claims("b", inside)
    assert lost["winner_id"] == told["winner_id"] == won["id"]
    shown = (await doors.claimer.get(f"/v1/claims/{lost['id']}")).json()["comparison"]
    assert (shown["verdict"], shown["rule"]) == ("excludes", "one_place_at_a_time")


async def test_the_amount_is_part_of_the_claim(doors: Doors, phones: Any) -> None:
    person = await doors.person(phones())
    body = at(480, 505, distance_m=9_000)
    won = await person.claims("a", body)
    assert await person.claims("a", body) == won | {"replayed": True}
    for other in (9_001, None):
        changed = await person.claims("a", body | {"distance_m": other})
        assert changed["reason"] == "claim_id_conflict"
