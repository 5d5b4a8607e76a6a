"""Recycled numbers, two accounts that become one, and real names."""

import asyncio
import datetime
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
from helpers import Caller, City
from sign_in.desk import Desk
from sign_in.persons import (
    add_phone,
    add_wechat,
    by_wechat_phone,
    clean,
    earn,
    id_no,
    openid,
    points,
    refused,
)

# Recycled numbers


async def test_a_recycled_number_does_not_open_the_old_account(
    desk: Desk, phone: str, owner: asyncpg.Connection
) -> None:
    holder = await earn(desk, phone)
    user = openid()
    needed = await desk.wechat(user)
    former = await desk.by_phone(phone, binding_token=needed["binding_token"])
    assert former["holder_id"] == holder
    desk.clock.forward(days=91)
    refused(await desk.try_phone(phone), 409, "sign_in.phone_unproven")
    # Neither with a WeChat user of one's own …
    mine = openid()
    binding = (await desk.wechat(mine))["binding_token"]
    refused(await desk.try_phone(phone, binding_token=binding), 409, "sign_in.phone_unproven")
    # … nor by saying to be 14 only. Who says to be the new owner begins anew.
    refused(await desk.try_phone(phone, new_owner=True, is_14_or_older=False), 409, "sign_in.age_undeclared")
    binding = (await desk.wechat(mine))["binding_token"]
    new = await desk.by_phone(phone, new_owner=True, binding_token=binding)
    assert new["created"] is True
    assert new["holder_id"] != holder
    desk.clock.moved = datetime.timedelta()
    fresh = await desk.by_phone(phone)
    assert fresh["holder_id"] == new["holder_id"]
    assert await points(desk, fresh) == 0
    # The former owner is still in by the other way, with all that was there, and signs in nobody else.
    again = await desk.wechat(user)
    assert again["holder_id"] == holder
    assert await points(desk, again) > 0
    keys = await owner.fetch(
        "SELECT DISTINCT person_key FROM holders WHERE id IN ($1, $2)",
        holder.partition("_")[2],
        new["holder_id"].partition("_")[2],
    )
    assert len(keys) == 2
    written = await owner.fetch(
        "SELECT target_id, actor_client_id FROM audit_records WHERE action = 'holder.number_taken'"
    )
    assert (new["holder_id"], new["session_id"]) in [(row[0], row[1]) for row in written]


async def test_the_second_factor_renews_a_number(desk: Desk, phone: str, phones: Callable[[], str]) -> None:
    user = openid()
    told = await desk.by_phone(phone, binding_token=(await desk.wechat(user))["binding_token"])
    desk.clock.forward(days=91)
    refused(await desk.try_phone(phone), 409, "sign_in.phone_unproven")
    desk.clock.moved = datetime.timedelta()
    # Still the same number: in by WeChat, and the phone proven from there.
    inside = await desk.wechat(user)
    assert (await add_phone(desk, inside, phone)).status_code == 200
    # A new number: the same account gets it.
    other = phones()
    assert (await add_phone(desk, inside, other)).status_code == 200
    assert (await desk.by_phone(other))["holder_id"] == told["holder_id"]


async def test_an_operator_restores_a_number(desk: Desk, phone: str) -> None:
    holder = await earn(desk, phone)
    desk.clock.forward(days=91)
    refused(await desk.try_phone(phone), 409, "sign_in.phone_unproven")
    desk.clock.moved = datetime.timedelta()
    operator = await City(desk.client(), desk.service).client("operator")
    desk.clock.forward(days=91)
    body = {"id_no": id_no(), "phone": phone, "reason": "papers seen"}
    answer = await operator.post(f"/v1/operator/holders/{holder}/real-name", json=body)
    assert (answer.status_code, answer.json()) == (200, {"holder_id": holder, "merged": False})
    desk.clock.forward(days=89)
    assert (await desk.by_phone(phone))["holder_id"] == holder


async def test_a_longer_trust_is_a_setting(opened: Callable[..., Any], phone: str) -> None:
    async with opened(phone_trust_days=365) as desk:
        told = await desk.by_phone(phone)
        desk.clock.forward(days=364)
        assert (await desk.by_phone(phone))["holder_id"] == told["holder_id"]
        desk.clock.forward(days=365)
        refused(await desk.try_phone(phone), 409, "sign_in.phone_unproven")


async def test_nobody_adds_a_number_to_anothers_account_and_walks_in(
    desk: Desk, phone: str, phones: Callable[[], str]
) -> None:
    holder, mine, third = await earn(desk, phone), phones(), phones()
    platform = await City(desk.client(), desk.service).client("platform")

    async def onboard(*numbers: str) -> None:
        identities = [{"scheme": "phone", "value": number} for number in numbers]
        body = {"holders": [{"region": "440300", "identities": identities}]}
        assert (await platform.post("/v1/operator/holders/batch", json=body)).status_code == 200

    await onboard(phone, mine)
    refused(await desk.try_phone(mine), 409, "sign_in.phone_unproven")
    refused(await by_wechat_phone(desk, mine, openid()), 409, "sign_in.sms_needed")
    # The number that the account was made with still opens it; the added one is somebody's who begins anew.
    assert (await desk.by_phone(phone))["holder_id"] == holder
    assert (await desk.by_phone(mine, new_owner=True))["holder_id"] != holder
    # Proven by SMS, a number stays its account's, whatever a platform adds.
    await onboard(phone, third)
    assert (await desk.by_phone(phone))["holder_id"] == holder
    refused(await desk.try_phone(third), 409, "sign_in.phone_unproven")
    # Two that it was made with: nobody can tell whose it is, until an operator has seen the papers.
    both = phones(), phones()
    await onboard(*both)
    for number in both:
        refused(await desk.try_phone(number), 409, "sign_in.phone_unproven")


# Merging


async def test_a_blank_account_becomes_part_of_the_other(
    desk: Desk, phone: str, phones: Callable[[], str], owner: asyncpg.Connection
) -> None:
    other = phones()
    blank = await desk.by_phone(other)
    user = openid()
    assert (await add_wechat(desk, blank, user)).json()["merged"] is False
    holder = await earn(desk, phone)
    mine = await desk.by_phone(phone)
    answer = await add_phone(desk, mine, other)
    assert answer.json() == {"holder_id": holder, "merged": True, "session": None}
    # All that led to the blank one leads here, and it lets nobody in any more.
    assert (await desk.by_phone(other))["holder_id"] == holder
    assert (await desk.wechat(user))["holder_id"] == holder
    assert (await desk.caller(blank).get("/v1/me/account")).status_code == 401
    refused(await desk.refresh(blank["refresh_token"]), 401, "session.refresh_invalid")
    assert await clean(owner)


async def test_from_the_blank_one_into_the_other(
    desk: Desk, phone: str, phones: Callable[[], str], owner: asyncpg.Connection
) -> None:
    holder = await earn(desk, phone)
    await desk.by_phone(phone)
    blank = await desk.by_phone(phones())
    answer = (await add_phone(desk, blank, phone)).json()
    assert (answer["holder_id"], answer["merged"]) == (holder, True)
    assert await points(desk, answer["session"]) > 0
    assert (await desk.caller(blank).get("/v1/me/account")).status_code == 401
    assert (await desk.refresh(answer["session"]["refresh_token"])).status_code == 200
    assert await clean(owner)


async def test_two_with_history_stay_two(
    desk: Desk, phone: str, phones: Callable[[], str], owner: asyncpg.Connection
) -> None:
    second = phones()
    one, two = await earn(desk, phone), await earn(desk, second)
    mine = await desk.by_phone(phone)
    refused(await add_phone(desk, mine, second), 409, "holder.real_name_needed")
    user = openid()
    await add_wechat(desk, await desk.by_phone(second), user)
    refused(await add_wechat(desk, mine, user), 409, "holder.real_name_needed")
    assert (await desk.by_phone(second))["holder_id"] == two
    # Real names say that it is one person, and entries stay where they are all the same.
    operator = await City(desk.client(), desk.service).client("operator")
    body = {"id_no": id_no(), "reason": "papers seen"}
    assert (await operator.post(f"/v1/operator/holders/{one}/real-name", json=body)).status_code == 200
    answer = await operator.post(f"/v1/operator/holders/{two}/real-name", json=body)
    refused(answer, 409, "holder.both_have_history")
    assert (await desk.by_phone(second))["holder_id"] == two
    assert await clean(owner)


async def test_fifty_merges_at_once(
    desk: Desk, phone: str, phones: Callable[[], str], owner: asyncpg.Connection
) -> None:
    """Two blank accounts, each trying to take in the other."""
    user, other_user = openid(), openid()
    one = await desk.by_phone(phone, binding_token=(await desk.wechat(user))["binding_token"])
    two = await desk.by_phone(phones(), binding_token=(await desk.wechat(other_user))["binding_token"])
    answers = await asyncio.gather(
        *(
            add_wechat(desk, told, wanted)
            for told, wanted in ((one, other_user), (two, user))
            for _ in range(25)
        )
    )
    assert {answer.status_code for answer in answers} <= {200, 401, 403, 503}
    assert sum(answer.status_code == 200 and answer.json()["merged"] for answer in answers) == 1
    assert (await desk.wechat(user))["holder_id"] == (await desk.wechat(other_user))["holder_id"]
    assert await clean(owner)


# Real names


async def test_real_names(
    desk: Desk, phone: str, phones: Callable[[], str], owner: asyncpg.Connection
) -> None:
    holder = await earn(desk, phone)
    blank = await desk.by_phone(phones())
    operator = await City(desk.client(), desk.service).client("operator", "440000")
    papers = id_no()

    async def prove(whom: str, who: Caller = operator, **more: Any) -> httpx.Response:
        body = {"id_no": papers, "reason": "papers seen"} | more
        return await who.post(f"/v1/operator/holders/{whom}/real-name", json=body)

    assert (await prove(holder)).json() == {"holder_id": holder, "merged": False}
    assert (await prove(holder)).json() == {"holder_id": holder, "merged": False}
    # Another's papers do not fit any more.
    refused(await prove(holder, id_no=id_no()), 409, "holder.identity_conflict")
    # A number that leads to another account is not taken by a word.
    other = phones()
    await desk.by_phone(other, region="440300")
    refused(await prove(holder, phone=other), 409, "holder.identity_conflict")
    # The blank account lies outside the region; the nation's operator may, and the two become one.
    refused(await prove(blank["holder_id"]), 404, "holder.not_found")
    nation = await City(desk.client(), desk.service).client("operator")
    assert (await prove(blank["holder_id"], nation)).json() == {"holder_id": holder, "merged": True}
    assert (await desk.caller(blank).get("/v1/me/account")).status_code in (200, 401)
    refused(await desk.refresh(blank["refresh_token"]), 401, "session.refresh_invalid")
    refused(await prove(holder, id_no="110105194912310020"), 422, "request.invalid")
    refused(await prove(holder, phone="123"), 422, "request.invalid")
    records = await owner.fetch(
        "SELECT r::text AS whole FROM audit_records r WHERE action = 'holder.real_name_proven' AND target_id = $1",
        holder,
    )
    assert len(records) == 3
    assert all(papers not in row["whole"] for row in records)
    assert await clean(owner)
