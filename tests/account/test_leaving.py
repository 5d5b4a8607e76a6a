"""What becomes of footprints, offsets, ranks and teams of who leaves, asks for all data, or had two accounts."""

import datetime
import io
import json
import uuid
import zipfile
from typing import Any

import asyncpg
import pytest
from account.people import signed_in, uuid_of
from account.test_teams import code_of, found, join, people
from agreements.people import breaches
from agreements.test_erasure import run_job as erase_due
from agreements.test_exports import ready
from helpers import Caller, City, metro

from accounts.repository import lock_holders
from accounts.teams.service import MAX_TEAMS
from app.auth.entering import absorb
from app.ranks import repository as ranks
from app.wiring import Services, utc_now

GAS = {"month": "2026-10", "items": [{"item": "gas", "quantity": 1, "unit": "m3"}]}


async def footprint(resident: Caller) -> str:
    answer = await resident.post("/v1/me/footprints", json=GAS)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["footprint_id"])


async def present(resident: Caller, team: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await resident.get(f"/v1/me/teams/{team['team_id']}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["members"])


@pytest.fixture
async def rich(city: City, phone: str) -> tuple[str, Caller]:
    """Somebody with five kg open, who has used part of them on a footprint."""
    operator, source = await city.client("operator", "440000"), await city.client("platform")
    holder = await city.holder(operator, phone, source)
    for hour in range(6, 18, 2):
        report = metro(uuid.uuid4().hex, phone)
        report["started_at"] = report["started_at"].replace("T08", f"T{hour:02d}")
        report["ended_at"] = report["ended_at"].replace("T08", f"T{hour:02d}")
        answer = (await source.post("/v1/activities", json=report)).json()
        assert answer["outcome"] == "credited", answer
    made = signed_in(city, holder)
    used = await footprint(made)
    wish = {"footprint_id": used, "purpose": "own_footprint"}
    answer = await made.post("/v1/me/offsets", json=wish)
    assert answer.status_code == 200, answer.text
    return holder, made


async def test_who_is_erased_leaves_teams_ranks_and_footprints(
    city: City,
    service: Services,
    rich: tuple[str, Caller],
    owner: asyncpg.Connection,
    phones: Any,
) -> None:
    holder, one = rich
    (_, two), (_, three) = await people(city, phones, 2)
    await footprint(one)
    alone, shared = await found(one, name="张三的家"), await found(one, "school", "三班")
    for each in (two, three):
        assert (await join(each, shared["code"])).status_code == 200
    certificate = (await one.get("/v1/me/offsets")).json()["items"][0]["certificate_id"]
    shown = (await one.get(f"/v1/certificates/{certificate}")).json()
    due = datetime.datetime.fromisoformat((await one.post("/v1/me/erasure")).json()["due_at"])
    await erase_due(service, due)

    # Who joined first of the others owns the team, with a code that nobody was told before.
    assert [member["me"] for member in await present(two, shared)] == [True, False]
    heir = (await two.get("/v1/me/teams")).json()["items"]
    assert [(each["team_id"], each["owned"]) for each in heir] == [(shared["team_id"], True)]
    assert heir[0]["code"] != shared["code"]
    ended = await owner.fetchrow(
        "SELECT name, closed_at IS NOT NULL AS closed FROM teams WHERE id = $1", uuid_of(alone["team_id"])
    )
    assert tuple(ended) == ("", True)
    assert code_of(await join(two, alone["code"])) == (404, "team.not_found")
    gone = await owner.fetchval(
        "SELECT count(*) FROM team_members WHERE holder_id = $1 AND left_at IS NULL", uuid_of(holder)
    )
    assert gone == 0
    # What the person told of its life is gone; what a certificate stands on is kept, and says the same.
    kept = await owner.fetch("SELECT lines FROM footprints WHERE holder_id = $1", uuid_of(holder))
    assert [row["lines"] for row in kept] == ["[]"]
    after = (await two.get(f"/v1/certificates/{certificate}")).json()
    assert {name: after[name] for name in after if name != "signature"} == {
        name: shown[name] for name in shown if name != "signature"
    }
    async with service.database.driver_transaction() as driver:
        assert await ranks.hidden(driver, [uuid_of(holder)]) == {uuid_of(holder)}
    assert await breaches(city) == []


async def test_an_export_has_footprints_offsets_the_choice_and_teams(
    city: City, service: Services, rich: tuple[str, Caller], phones: Any
) -> None:
    _, one = rich
    (_, other), *_ = await people(city, phones, 1)
    own, joined = await found(one, name="张三的家"), await found(other, name="李四的家")
    assert (await join(one, joined["code"])).status_code == 200
    assert (await one.post(f"/v1/me/teams/{own['team_id']}/leave")).status_code == 200
    assert (await one.request("PUT", "/v1/me/rank", json={"shown": False})).status_code == 200
    told = (await one.get("/v1/me/offsets")).json()["items"][0]
    answer = await city.http.get((await ready(service, one))["link"])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        names = ("footprints", "offsets", "rank_choice", "teams")
        tables = {name: json.loads(packed.read(f"{name}.json")) for name in names}
        whole = b"".join(packed.read(name) for name in packed.namelist())
    (entered,) = tables["footprints"]
    assert (entered["id"], entered["month"], entered["co2e_g"]) == (
        told["footprint_id"],
        "2026-10-01",
        told["co2e_g"],
    )
    assert [line["item"] for line in entered["lines"]] == ["gas"]
    (used,) = tables["offsets"]
    for name in ("certificate_id", "footprint_id", "co2e_g", "purpose"):
        assert used[name] == told[name]
    assert [row["shown"] for row in tables["rank_choice"]] == [False]
    assert [(row["name"], row["owned"], row["left_at"] is None) for row in tables["teams"]] == [
        ("张三的家", True, False),
        ("李四的家", False, True),
    ]
    # Who else is in a team is theirs; its code lets people in.
    assert joined["code"].encode() not in whole


async def become_one(service: Services, kept: str, absorbed: str) -> None:
    async with service.database.transaction() as session:
        ids = [uuid_of(kept), uuid_of(absorbed)]
        connection = await session.connection()
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        await lock_holders(raw, sorted(ids))
        await absorb(session, *ids, utc_now())


async def test_a_blank_account_brings_what_it_has(
    city: City, service: Services, owner: asyncpg.Connection, phones: Any
) -> None:
    (kept, one), (blank, two), (_, three) = await people(city, phones, 3)
    mine, theirs = await found(two, name="自己的"), await found(three, "school", "别人的")
    both = await found(three, "company", "两边都在")
    for resident, team in ((two, theirs), (one, both), (two, both)):
        assert (await join(resident, team["code"])).status_code == 200
    entered = await footprint(two)
    assert (await two.request("PUT", "/v1/me/rank", json={"shown": False})).status_code == 200
    await become_one(service, kept, blank)

    listed = (await one.get("/v1/me/teams")).json()["items"]
    assert {(each["team_id"], each["owned"]) for each in listed} == {
        (mine["team_id"], True),
        (theirs["team_id"], False),
        (both["team_id"], False),
    }
    assert [member["me"] for member in await present(one, mine)] == [True]
    assert len(await present(one, theirs)) == len(await present(one, both)) == 2
    assert [each["footprint_id"] for each in (await one.get("/v1/me/footprints")).json()["items"]] == [
        entered
    ]
    async with service.database.driver_transaction() as driver:
        assert uuid_of(kept) in await ranks.hidden(driver, [uuid_of(kept)])
    for query in (
        "SELECT count(*) FROM team_members WHERE holder_id = $1 AND left_at IS NULL",
        "SELECT count(*) FROM teams WHERE owner_id = $1 AND closed_at IS NULL",
        "SELECT count(*) FROM footprints WHERE holder_id = $1",
    ):
        assert await owner.fetchval(query, uuid_of(blank)) == 0, query
    assert await breaches(city) == []


async def test_two_accounts_in_one_are_in_no_more_teams_than_one(
    city: City, service: Services, owner: asyncpg.Connection, phones: Any
) -> None:
    (kept, one), (blank, two) = await people(city, phones, 2)
    for _ in range(MAX_TEAMS - 1):
        await found(one)
    lost = [await found(two) for _ in range(2)]
    await become_one(service, kept, blank)
    assert len((await one.get("/v1/me/teams")).json()["items"]) == MAX_TEAMS
    # The one that nobody is in any more has ended.
    open_ = await owner.fetchval(
        "SELECT count(*) FROM teams WHERE id = ANY($1::uuid[]) AND closed_at IS NULL",
        [uuid_of(each["team_id"]) for each in lost],
    )
    assert open_ == 1
