"""Fifty claimers and reporters on real connections: no two live overlaps, and each loser names who beat it."""

import asyncio
import datetime as dt
import random
from typing import Any

import asyncpg
import httpx
from claims.made import person_key, ride
from helpers import Caller, City, metro

from accounts.ids import owner_id
from app.crediting.sameness import parameters_on
from app.verification import verify
from app.wiring import Services

CLAIMERS, BATCHES, PEOPLE = 50, 6, 12
MIDNIGHT = dt.datetime.fromisoformat("2026-11-16T00:00:00+08:00")


def period(minute: int, length: int) -> dict[str, str]:
    start = MIDNIGHT + dt.timedelta(minutes=minute)
    return {
        "started_at": start.isoformat(),
        "ended_at": (start + dt.timedelta(minutes=length)).isoformat(),
    }


def near(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether the decision compares them, or the claims' guard finds them to overlap."""
    (a, b), (c, d) = (
        [int(dt.datetime.fromisoformat(each[n]).timestamp()) for n in ("started_at", "ended_at")]
        for each in (one, other)
    )
    reach_s = parameters_on(MIDNIGHT.date()).reach_s
    return a - reach_s < d and c < b + reach_s


class Crowd:
    """What was sent, for whom, and what was answered, by the public id of each claim and activity."""

    def __init__(self, base_url: str, keys: dict[str, str]) -> None:
        self.base_url = base_url
        self.keys = keys
        self.sent: dict[str, dict[str, Any]] = {}
        self.whose: dict[str, str] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self._chance = random.Random(7)

    def act(self) -> tuple[str, dict[str, Any]]:
        """A person and a period; some past midnight, many with a number that somebody else may have too."""
        chance = self._chance
        body = period(chance.randrange(360, 1_380), chance.randrange(5, 90))
        if chance.random() < 0.1:
            body = period(chance.randrange(1_400, 1_438), 60)
        numbers = {"order_no": f"at-once-{chance.randrange(150)}", "issuer": "everybody"}
        return chance.choice(list(self.keys)), body | (numbers if chance.random() < 0.7 else {})

    def note(self, own: str, phone: str, body: dict[str, Any], answer: dict[str, Any]) -> None:
        self.sent[own], self.whose[own], self.answers[own] = body, phone, answer

    async def claimer(self, platform: Caller, number: int) -> None:
        async with httpx.AsyncClient(base_url=self.base_url, timeout=240) as http:
            own = Caller(http, platform.token, "", "", "")
            for batch in range(BATCHES):
                acts = [self.act() for _ in range(8)]
                bodies = [
                    ride(f"c{number}-{batch}-{place}", self.keys[phone], **body)
                    for place, (phone, body) in enumerate(acts)
                ]
                answer = await own.post("/v1/claims/batch", json=bodies)
                assert answer.status_code == 200, answer.text
                items = answer.json()["items"]
                for (phone, _), body, outcome in zip(acts, bodies, items, strict=True):
                    self.note(outcome["id"], phone, body, outcome)
                won = [outcome["id"] for outcome in items if outcome["outcome"] == "claimed"]
                if won and self._chance.random() < 0.3:
                    path = f"/v1/claims/{self._chance.choice(won)}/release"
                    assert (await own.post(path, json={"reason": "x"})).status_code == 200

    async def reporter(self, source: Caller, number: int) -> None:
        async with httpx.AsyncClient(base_url=self.base_url, timeout=240) as http:
            own = Caller(http, source.token, "", "", "")
            for batch in range(BATCHES):
                acts = [self.act() for _ in range(4)]
                bodies = [
                    metro(f"r{number}-{batch}-{place}", phone, distance_m=metres(body), **body)
                    for place, (phone, body) in enumerate(acts)
                ]
                answer = await own.post("/v1/activities/batch", json=bodies)
                assert answer.status_code == 200, answer.text
                for (phone, _), body, outcome in zip(acts, bodies, answer.json()["items"], strict=True):
                    assert outcome["activity_id"] is not None, outcome
                    self.note(outcome["activity_id"], phone, body, outcome)

    def each_loser_names_who_beat_it(self) -> None:
        for own, answer in self.answers.items():
            if answer["outcome"] != "duplicate":
                assert answer["winner_id"] is None
                continue
            winner = answer["winner_id"]
            body, other = self.sent[own], self.sent[winner]
            if answer["reason"] == "claimed_order":
                assert body["order_no"] == other["order_no"]
            else:
                assert answer["reason"] == "claimed_body"
                assert self.whose[own] == self.whose[winner]
                assert near(body, other)

    def count(self, *outcomes: str) -> int:
        return sum(answer["outcome"] in outcomes for answer in self.answers.values())


def metres(body: dict[str, Any]) -> int:
    """At six metres a second."""
    first, last = (dt.datetime.fromisoformat(body[name]) for name in ("started_at", "ended_at"))
    return int((last - first).total_seconds() * 6)


async def test_fifty_claimers_and_the_intake_never_both_win(
    city: City, base_url: str, service: Services, owner: asyncpg.Connection, phones: Any
):
    operator, source = await city.client("operator", "440000"), await city.client("platform")
    people = [phones() for _ in range(PEOPLE)]
    for each in people:
        await city.holder(operator, each, source)
    crowd = Crowd(base_url, {each: person_key(service, each) for each in people})
    platforms = [await city.client("platform") for _ in range(5)]
    claiming = [crowd.claimer(platforms[number % 5], number) for number in range(CLAIMERS - 5)]
    await asyncio.gather(*claiming, *(crowd.reporter(source, number) for number in range(5)))
    assert crowd.count("claimed") > 20
    assert crowd.count("credited", "capped") > 5
    assert crowd.count("duplicate") > 200
    crowd.each_loser_names_who_beat_it()

    live = await owner.fetch(
        """
        SELECT a.activity_id AS one, b.activity_id AS other FROM interval_claims a JOIN interval_claims b
        ON a.token = b.token AND a.day = b.day AND a.activity_id < b.activity_id
            AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
        """
    )
    assert not live
    held = {owner_id(row[0]) for row in await owner.fetch("SELECT activity_id FROM interval_claims")}
    winners = {own for own, answer in crowd.answers.items() if answer["winner_id"] is None}
    assert held
    assert held <= winners
    async with service.database.snapshot() as driver:
        assert not [each async for each in verify(driver) if each.breach is not None]
