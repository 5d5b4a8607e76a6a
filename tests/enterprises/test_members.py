"""Who belongs to an enterprise: invited, with a role, until they leave or are removed."""

import asyncio
import datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from enterprises.plant import Plant, made_plant
from helpers import Caller, City

from accounts.enterprises import members
from accounts.enterprises.errors import TooManyParts
from accounts.enterprises.roles import Role
from accounts.ids import parse_public_id
from app.application import create_app
from app.auth.entering import absorb
from app.auth.scopes import ROLES
from app.wiring import utc_now

MEMBERS = "/v1/enterprises/members"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plant(city: City) -> Plant:
    return await made_plant(city)


@pytest_asyncio.fixture(loop_scope="session")
async def fresh(plant: Plant) -> Plant:
    return await made_plant(plant.city, plant.operator, meters=())


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text


async def test_each_role_may_what_it_may_at_each_door(plant: Plant):
    """Role by door: what a role has no scope for is refused before anything is read."""
    doors = [
        (method.upper(), path, {scope for each in operation["security"] for scope in each["oauth2"]})
        for path, operations in create_app().openapi()["paths"].items()
        if path.startswith("/v1/enterprises/")
        for method, operation in operations.items()
    ]
    assert len(doors) > 20
    assert ROLES[Role.VIEWER] < ROLES[Role.ENERGY_MANAGER] < ROLES[Role.OWNER]
    for role in Role:
        for speaker in (await plant.speaker(role), (await plant.member(role)).speaker):
            for method, path, wanted in doors:
                answer = await speaker.request(method, path)
                assert (answer.status_code != 403) == bool(wanted & ROLES[role]), (role, method, path)


async def test_an_invitation_makes_one_member_however_many_use_it(fresh: Plant):
    code = {"code": await fresh.invited("viewer", "王工")}
    people = [
        await fresh.city.signed_in(
            await fresh.city.holder(fresh.operator, f"1360000{place:04d}", region="330800")
        )
        for place in range(6)
    ]
    answers = await asyncio.gather(*(who.post("/v1/me/enterprises/join", json=code) for who in people))
    assert sorted(answer.status_code for answer in answers) == [200] + [404] * 5
    listed = (await fresh.client.get(MEMBERS)).json()["items"]
    assert [(each["role"], each["label"]) for each in listed] == [("viewer", "王工")]
    (invitation,) = (await fresh.client.get("/v1/enterprises/invitations")).json()["items"]
    assert invitation["code"] is None
    assert invitation["used_at"] is not None
    winner = next(who for who, answer in zip(people, answers, strict=True) if answer.status_code == 200)
    again = {"code": await fresh.invited("owner")}
    refused(await winner.post("/v1/me/enterprises/join", json=again), 409, "enterprise.already_member")


async def test_a_withdrawn_or_lapsed_code_leads_nowhere(fresh: Plant, owner: asyncpg.Connection):
    made = (await fresh.client.post("/v1/enterprises/invitations", json={"role": "viewer"})).json()
    path = f"/v1/enterprises/invitations/{made['invitation_id']}/withdrawal"
    assert (await fresh.client.post(path)).json()["withdrawn_at"] is not None
    refused(await fresh.client.post(path), 404, "enterprise.member_not_found")
    late = await fresh.invited("viewer")
    await owner.execute(
        "UPDATE enterprise_invitations SET expires_at = now() WHERE code_hash = $1", members.hash_of(late)
    )
    who = await fresh.city.signed_in(await fresh.city.holder(fresh.operator, "13600009999", region="330800"))
    for code in (made["code"], late, "2" * 20):
        answer = await who.post("/v1/me/enterprises/join", json={"code": code})
        refused(answer, 404, "enterprise.invitation_invalid")


async def test_a_code_is_kept_as_a_hash_and_not_repeated(fresh: Plant, owner: asyncpg.Connection):
    body, key = {"role": "viewer"}, {"Idempotency-Key": "invite"}
    first = await fresh.client.post("/v1/enterprises/invitations", json=body, headers=key)
    again = await fresh.client.post("/v1/enterprises/invitations", json=body, headers=key)
    assert first.headers["Cache-Control"] == "no-store"
    assert again.json() == first.json() | {"code": None}
    code = first.json()["code"].encode()
    assert not await owner.fetchval(
        "SELECT count(*) FROM idempotent_answers WHERE position($1::bytea in answer) > 0", code
    )


async def test_a_members_token_ends_with_the_membership(fresh: Plant):
    first, second = await fresh.member("owner"), await fresh.member("energy_manager")
    path = f"{MEMBERS}/{second.member_id}"
    changed = (await first.speaker.post(path + "/role", json={"role": "viewer"})).json()
    refused(await second.speaker.get("/v1/enterprises/profile"), 401, "auth.invalid")
    second.speaker = await fresh.spoken_by(second.resident)
    assert (await second.speaker.get("/v1/enterprises/profile")).status_code == 200
    refused(await second.speaker.post("/v1/enterprises/sites", json={}), 403, "auth.scope")
    left = await first.speaker.post(f"{MEMBERS}/{changed['member_id']}/removal")
    assert [each["me"] for each in left.json()["items"]] == [True]
    refused(await second.speaker.get("/v1/enterprises/profile"), 401, "auth.invalid")
    token = f"/v1/me/enterprises/{fresh.enterprise_id}/token"
    refused(await second.resident.post(token), 404, "enterprise.not_found")
    assert (await second.resident.get("/v1/me/enterprises")).json()["items"] == []


async def test_another_process_refuses_the_token_as_well(fresh: Plant):
    first = await fresh.member("viewer")
    membership = parse_public_id("emb", first.member_id)
    await fresh.client.post(f"{MEMBERS}/{first.member_id}/removal")
    ring = fresh.city.service.tokens.keys
    async with fresh.city.service.database.transaction() as session:
        await ring.refresh(session, utc_now())
    assert membership in ring.ended_members


async def test_a_members_token_ends_with_the_session(fresh: Plant):
    first = await fresh.member("viewer")
    assert (await first.resident.request("DELETE", "/v1/me/sessions/current")).status_code == 200
    refused(await first.speaker.get("/v1/enterprises/profile"), 401, "auth.invalid")


async def test_a_token_that_an_operator_issued_does_not_speak_for_an_enterprise(fresh: Plant):
    holder_id = await fresh.city.holder(fresh.operator, "13600008888", region="330800")
    await fresh.member("owner", await fresh.city.signed_in(holder_id))
    lent = await fresh.city.resident(fresh.operator, holder_id)
    refused(await lent.post(f"/v1/me/enterprises/{fresh.enterprise_id}/token"), 403, "auth.scope")


async def test_the_last_owner_stays_however_owners_leave_at_once(fresh: Plant):
    owners = [await fresh.member("owner") for _ in range(5)]
    answers = await asyncio.gather(
        *(who.resident.post(f"/v1/me/enterprises/{fresh.enterprise_id}/leave") for who in owners[:2]),
        *(fresh.client.post(f"{MEMBERS}/{who.member_id}/removal") for who in owners[2:4]),
        fresh.client.post(f"{MEMBERS}/{owners[4].member_id}/role", json={"role": "viewer"}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 409]
    refused(next(a for a in answers if a.status_code == 409), 409, "enterprise.last_owner")
    listed = (await fresh.client.get(MEMBERS)).json()["items"]
    assert [each["role"] for each in listed].count("owner") == 1
    viewer = await fresh.member("viewer")
    left = await viewer.resident.post(f"/v1/me/enterprises/{fresh.enterprise_id}/leave")
    assert left.json()["items"] == []


async def test_an_operator_appoints_owners_of_its_region(fresh: Plant):
    door = f"/v1/operator/enterprises/{fresh.enterprise_id}/owners"
    viewer = await fresh.member("viewer")
    stranger = await fresh.city.client("operator", "440000")
    holder_id = await fresh.city.holder(fresh.operator, "13600007777", region="330800")
    body = {"owner_id": holder_id, "reason": "legal representative"}
    refused(await stranger.post(door, json=body), 404, "enterprise.not_found")
    assert (await fresh.operator.post(door, json=body)).status_code == 200
    refused(await fresh.operator.post(door, json=body), 409, "enterprise.already_member")
    away = await fresh.city.holder(stranger, "13600007778", region="440300")
    refused(await fresh.operator.post(door, json=body | {"owner_id": away}), 404, "holder.not_found")
    # Who is a member already gets the other role, and the former token ends.
    mine = (await viewer.resident.get("/v1/me/account")).json()["holder_id"]
    assert (await fresh.operator.post(door, json=body | {"owner_id": mine})).status_code == 200
    refused(await viewer.speaker.get("/v1/enterprises/profile"), 401, "auth.invalid")
    roles = [each["role"] for each in (await fresh.client.get(MEMBERS)).json()["items"]]
    assert roles == ["owner", "owner"]


async def test_the_first_owner_comes_with_the_onboarding(plant: Plant):
    holder_id = await plant.city.holder(plant.operator, "13600006666", region="330800")
    made = await made_plant(plant.city, plant.operator, meters=(), owner_id=holder_id)
    resident = await plant.city.signed_in(holder_id)
    (mine,) = (await resident.get("/v1/me/enterprises")).json()["items"]
    assert (mine["enterprise_id"], mine["role"]) == (made.enterprise_id, "owner")


async def test_clients_get_a_secret_once_and_end(fresh: Plant):
    door, key = "/v1/enterprises/clients", {"Idempotency-Key": "client"}
    made = (await fresh.client.post(door, json={"role": "viewer"}, headers=key)).json()
    again = (await fresh.client.post(door, json={"role": "viewer"}, headers=key)).json()
    assert again == made | {"secret": None}
    form = {"grant_type": "client_credentials"}
    credentials = (made["client_id"], made["secret"])
    token = (await fresh.city.http.post("/oauth/token", data=form, auth=credentials)).json()
    assert set(token["scope"].split()) == ROLES[Role.VIEWER]
    speaker = Caller(fresh.city.http, token["access_token"], "", "", "")
    assert (await speaker.get("/v1/enterprises/profile")).json()["enterprise_id"] == fresh.enterprise_id
    other = await made_plant(fresh.city, fresh.operator, meters=())
    path = f"{door}/{made['client_id']}/end"
    refused(await other.client.post(path), 404, "enterprise.member_not_found")
    ended = (await fresh.client.post(path)).json()
    refused(await speaker.get("/v1/enterprises/profile"), 401, "auth.invalid")
    refused(await fresh.city.http.post("/oauth/token", data=form, auth=credentials), 401, "auth.client")
    listed = (await fresh.client.get(door)).json()["items"]
    assert ended in listed
    assert {each["secret"] for each in listed} == {None}


async def test_there_are_no_more_clients_than_there_may_be(fresh: Plant):
    answers = await asyncio.gather(
        *(fresh.client.post("/v1/enterprises/clients", json={"role": "viewer"}) for _ in range(22))
    )
    # One is there already: the one that asks.
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [409] * 3


async def test_members_of_an_enterprise_have_keys_of_their_own(fresh: Plant):
    body, key = {"role": "viewer"}, {"Idempotency-Key": "same"}
    first, second = await fresh.member("owner"), await fresh.member("owner")
    answers = [
        await who.speaker.post("/v1/enterprises/clients", json=body, headers=key) for who in (first, second)
    ]
    assert len({answer.json()["client_id"] for answer in answers}) == 2
    assert all(answer.json()["secret"] for answer in answers)


async def test_foreign_members_and_invitations_are_not_there(plant: Plant, fresh: Plant):
    member = await plant.member("viewer")
    made = (await plant.client.post("/v1/enterprises/invitations", json={"role": "viewer"})).json()
    for path in (
        f"{MEMBERS}/{member.member_id}/removal",
        f"/v1/enterprises/invitations/{made['invitation_id']}/withdrawal",
    ):
        refused(await fresh.client.post(path), 404, "enterprise.member_not_found")
    role = await fresh.client.post(f"{MEMBERS}/{member.member_id}/role", json={"role": "owner"})
    refused(role, 404, "enterprise.member_not_found")
    for step in ("token", "leave"):
        answer = await member.resident.post(f"/v1/me/enterprises/{fresh.enterprise_id}/{step}")
        refused(answer, 404, "enterprise.not_found")


async def test_who_is_forgotten_leaves_also_as_the_last_owner(fresh: Plant, owner: asyncpg.Connection):
    holder_id = await fresh.city.holder(fresh.operator, "13600005555", region="330800")
    resident = await fresh.city.signed_in(holder_id)
    code = {"code": await fresh.invited("owner", "李总")}
    assert (await resident.post("/v1/me/enterprises/join", json=code)).status_code == 200
    uuid = parse_public_id("hld", holder_id)
    assert uuid is not None
    async with fresh.city.service.database.driver_transaction() as driver:
        await members.leave_all(driver, uuid, utc_now())
    assert (await fresh.client.get(MEMBERS)).json()["items"] == []
    assert not await owner.fetchval("SELECT count(*) FROM enterprise_members WHERE label = '李总'")
    assert not await owner.fetchval("SELECT count(*) FROM enterprise_invitations WHERE label = '李总'")


async def test_an_account_that_is_absorbed_hands_its_memberships_over(plant: Plant, fresh: Plant):
    """The same person twice: one membership is left at each enterprise, with the greater role of an owner."""
    kept = await plant.city.holder(plant.operator, "13600004444", region="330800")
    gone = await plant.city.holder(plant.operator, "13600004445", region="330800")
    await fresh.member("viewer", await plant.city.signed_in(kept))
    await fresh.member("owner", await plant.city.signed_in(gone))
    await plant.member("energy_manager", await plant.city.signed_in(gone))
    ids = [parse_public_id("hld", each) for each in (kept, gone)]
    assert ids[0] is not None
    assert ids[1] is not None
    async with plant.city.service.database.transaction() as session:
        await absorb(session, ids[0], ids[1], utc_now())
    resident = await plant.city.signed_in(kept)
    mine = (await resident.get("/v1/me/enterprises")).json()["items"]
    assert {(each["enterprise_id"], each["role"]) for each in mine} == {
        (fresh.enterprise_id, "owner"),
        (plant.enterprise_id, "energy_manager"),
    }


async def test_a_resident_belongs_to_so_many_enterprises(fresh: Plant, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(members, "MAX_MEMBERSHIPS", 1)
    member = await fresh.member("viewer")
    mine = (await member.resident.get("/v1/me/account")).json()["holder_id"]
    uuid = parse_public_id("hld", mine)
    assert uuid is not None
    async with fresh.city.service.database.driver_transaction() as driver:
        with pytest.raises(TooManyParts):
            await members.join(driver, uuid, "2" * 20, datetime.datetime.now(datetime.UTC))
