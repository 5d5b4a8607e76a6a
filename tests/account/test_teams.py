"""Teams: who may come, what they add up to, and their places."""

import asyncio
import datetime
from collections import Counter
from typing import Any

import asyncpg
import httpx
import pytest
from account.people import signed_in, uuid_of
from account.test_ranks import MINUTE, anew, asset, book, redis, sets, step  # noqa: F401 - fixtures
from helpers import Caller, City
from redis.asyncio import Redis

from accounts.teams.service import CODE_ALPHABET, CODE_LENGTH, MAX_MEMBERS, MAX_TEAMS, new_code
from app.auth.rate_limit import SECRET_ATTEMPTS
from app.ranks.service import BEHIND
from app.wiring import Services, utc_now


async def people(city: City, phones: Any, count: int) -> list[tuple[str, Caller]]:
    operator = await city.client("operator", "440000")
    holders = [await city.holder(operator, phones()) for _ in range(count)]
    return [(holder, signed_in(city, holder)) for holder in holders]


async def found(resident: Caller, kind: str = "family", name: str = "三口之家") -> dict[str, Any]:
    answer = await resident.post("/v1/me/teams", json={"kind": kind, "name": name})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def join(resident: Caller, code: str) -> httpx.Response:
    return await resident.post("/v1/me/teams/join", json={"code": code})


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_team_from_its_founding_to_its_end(city: City, phones: Any) -> None:
    (_, one), (_, two), (_, three) = await people(city, phones, 3)
    team = await found(one)
    path = f"/v1/me/teams/{team['team_id']}"
    assert (team["owned"], team["city"], len(team["members"])) == (True, "440300", 1)
    joined = await join(two, team["code"])
    assert joined.status_code == 200, joined.text
    assert (joined.json()["owned"], joined.json()["code"], len(joined.json()["members"])) == (False, None, 2)
    assert code_of(await join(two, team["code"])) == (409, "team.already_member")
    assert code_of(await three.get(path)) == (404, "team.not_found")
    assert code_of(await two.post(path + "/code")) == (403, "team.not_owner")
    assert code_of(await three.post(path + "/code")) == (404, "team.not_found")

    rotated = (await one.post(path + "/code")).json()["code"]
    assert rotated != team["code"]
    assert code_of(await join(three, team["code"])) == (404, "team.not_found")
    assert (await join(three, rotated)).status_code == 200
    members = (await one.get(path)).json()["members"]
    (third,) = [m["member_id"] for m in (await three.get(path)).json()["members"] if m["me"]]
    removal = f"{path}/members/{third}/removal"
    assert code_of(await two.post(removal)) == (403, "team.not_owner")
    removed = await one.post(removal)
    assert len(removed.json()["members"]) == len(members) - 1
    assert code_of(await one.post(removal)) == (404, "team.not_found")
    assert code_of(await three.get(path)) == (404, "team.not_found")
    assert code_of(await join(three, rotated)) == (404, "team.not_found")
    (own,) = [m["member_id"] for m in members if m["me"]]
    assert code_of(await one.post(f"{path}/members/{own}/removal")) == (404, "team.not_found")

    # The founder leaves: who joined next owns it, with a code that the founder does not know.
    known = (await one.get(path)).json()["code"]
    assert (await one.post(path + "/leave")).json() == {"items": []}
    heir = (await two.get("/v1/me/teams")).json()["items"]
    assert [(each["team_id"], each["owned"]) for each in heir] == [(team["team_id"], True)]
    assert heir[0]["code"] != known
    assert code_of(await join(one, known)) == (404, "team.not_found")
    assert (await two.post(path + "/leave")).status_code == 200
    assert code_of(await two.post(path + "/leave")) == (404, "team.not_found")
    assert code_of(await join(one, heir[0]["code"])) == (404, "team.not_found")


async def test_a_person_is_in_so_many_teams_at_most(city: City, phones: Any) -> None:
    (_, one), (_, two) = await people(city, phones, 2)
    answers = await asyncio.gather(
        *(one.post("/v1/me/teams", json={"kind": "school", "name": f"n{n}"}) for n in range(50))
    )
    assert Counter(answer.status_code for answer in answers) == {200: MAX_TEAMS, 409: 50 - MAX_TEAMS}
    assert len((await one.get("/v1/me/teams")).json()["items"]) == MAX_TEAMS
    team = await found(two)
    assert code_of(await join(one, team["code"])) == (409, "team.too_many")


async def test_fifty_callers_for_the_last_places(city: City, phones: Any, owner: asyncpg.Connection) -> None:
    (_, founder), *others = await people(city, phones, 51)
    team = await found(founder)
    answers = await asyncio.gather(*(join(resident, team["code"]) for _, resident in others))
    places = MAX_MEMBERS["family"] - 1
    assert Counter(answer.status_code for answer in answers) == {200: places, 409: 50 - places}
    present = "SELECT count(*) FROM team_members WHERE team_id = $1 AND left_at IS NULL"
    assert await owner.fetchval(present, uuid_of(team["team_id"])) == MAX_MEMBERS["family"]
    # One person who comes fifty times is one member.
    (_, eager), (_, host) = await people(city, phones, 2)
    code = (await found(host))["code"]
    statuses = [a.status_code for a in await asyncio.gather(*(join(eager, code) for _ in range(25)))]
    assert Counter(statuses) == {200: 1, 409: 24}


async def test_a_code_cannot_be_tried_out(city: City, phones: Any) -> None:
    ((_, guesser),) = await people(city, phones, 1)
    answers = [await join(guesser, new_code()) for _ in range(2 * SECRET_ATTEMPTS + 2)]
    assert Counter(answer.status_code for answer in answers)[429] >= 1
    assert {answer.status_code for answer in answers} == {404, 429}
    assert len(CODE_ALPHABET) ** CODE_LENGTH > 2**49 - 1


@pytest.mark.parametrize("name", ["", "x" * 31, "a\u0000b", "a\nb"])
async def test_what_is_no_name(city: City, phones: Any, name: str) -> None:
    ((_, one),) = await people(city, phones, 1)
    answer = await one.post("/v1/me/teams", json={"kind": "family", "name": name})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


async def test_a_total_is_what_present_members_brought_since_they_joined(
    city: City,
    service: Services,
    owner: asyncpg.Connection,
    redis: Redis,  # noqa: F811
    asset: int,  # noqa: F811
    phones: Any,
) -> None:
    (one, first), (two, second), (three, third) = await people(city, phones, 3)
    team = await found(first, "company", "甲公司")
    rival = await found(third, "company", "乙公司")
    family = await found(third, "family", "家")
    path = f"/v1/me/teams/{team['team_id']}"
    now = utc_now()
    # The first two joined an hour ago; what was booked before does not count.
    await join(second, team["code"])
    await owner.execute("UPDATE team_members SET joined_at = $1", now - 60 * MINUTE)
    for holder, minutes, mg in (
        (one, 70, 9000),
        (one, 50, 1000),
        (two, 61, 9000),
        (two, 40, 3000),
        (two, 30, -1000),
        (three, 20, 2500),
    ):
        await book(owner, asset, holder, now - minutes * MINUTE, mg)
    shown = (await first.get(path)).json()
    assert shown["co2e_g"] == "3"
    assert [(m["rank"], m["co2e_g"], m["me"], m["owner"]) for m in shown["members"]] == [
        (1, "2", False, False),
        (2, "1", True, True),
    ]
    await anew(service, redis, now)
    ranked = (await first.get(path + "/rank")).json()
    assert [(t["rank"], t["name"], t["co2e_g"], t["mine"]) for t in ranked["top"]] == [
        (1, "甲公司", "3", True),
        (2, "乙公司", "2.5", False),
    ]
    assert (ranked["own"], ranked["participants"]) == (ranked["top"][0], 2)

    # Who hides from the city's ranks still counts for the team, built at once or step by step.
    await second.request("PUT", "/v1/me/rank", json={"shown": False})
    await book(owner, asset, two, now - BEHIND + MINUTE, 5000)
    await step(service, redis, utc_now() + BEHIND)
    gradual = await sets(redis)
    assert gradual["440300:teams:company"] == {
        uuid_of(team["team_id"]).bytes: 8000.0,
        uuid_of(rival["team_id"]).bytes: 2500.0,
    }
    assert gradual["440300:teams:family"] == {uuid_of(family["team_id"]).bytes: 2500.0}
    await anew(service, redis, utc_now() + BEHIND)
    assert await sets(redis) == gradual

    # Who leaves takes its part along; a team that ended has no place.
    assert (await second.post(path + "/leave")).status_code == 200
    assert (await third.post(f"/v1/me/teams/{rival['team_id']}/leave")).status_code == 200
    assert (await first.get(path)).json()["co2e_g"] == "1"
    await owner.execute(
        "UPDATE team_members SET left_at = left_at + interval '1 minute' WHERE left_at IS NOT NULL"
    )
    await owner.execute(
        "UPDATE teams SET closed_at = closed_at + interval '1 minute' WHERE closed_at IS NOT NULL"
    )
    await step(service, redis, utc_now() + BEHIND + MINUTE)
    gradual = await sets(redis)
    assert gradual["440300:teams:company"] == {uuid_of(team["team_id"]).bytes: 1000.0}
    await anew(service, redis, utc_now() + BEHIND + MINUTE)
    assert await sets(redis) == gradual
    assert datetime.timedelta(0) < BEHIND
