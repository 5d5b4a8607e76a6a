"""Sessions: rotation, reuse, lifetimes, devices, and signing out here and everywhere."""

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import jwt
import pytest
from helpers import City
from sign_in.desk import Desk
from sign_in.persons import refused

from app.auth.residents import MAX_SESSIONS, forget_sessions

ACCOUNT, SESSIONS = "/v1/me/account", "/v1/me/sessions"


async def look_again(desk: Desk) -> None:
    """What another process does every few seconds."""
    async with desk.service.database.reading() as session:
        await desk.service.tokens.keys.refresh(session, datetime.now(UTC))


async def status(desk: Desk, told: dict[str, Any]) -> int:
    return (await desk.caller(told).get(ACCOUNT)).status_code


async def test_a_refresh_token_counts_once(desk: Desk, phone: str) -> None:
    first = await desk.by_phone(phone)
    other_device = await desk.by_phone(phone)
    answer = await desk.refresh(first["refresh_token"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    second = answer.json()
    assert (second["session_id"], second["holder_id"]) == (first["session_id"], first["holder_id"])
    assert second["refresh_token"] != first["refresh_token"]
    third = (await desk.refresh(second["refresh_token"])).json()
    assert await status(desk, third) == 200
    # Any token of before is somebody else's copy, or one's own: nobody can tell, so the family ends.
    refused(await desk.refresh(first["refresh_token"]), 401, "session.refresh_invalid")
    refused(await desk.refresh(third["refresh_token"]), 401, "session.refresh_invalid")
    assert await status(desk, third) == 401
    assert await status(desk, other_device) == 200
    assert (await desk.refresh(other_device["refresh_token"])).status_code == 200


async def test_fifty_refreshes_of_one_token_at_once(
    desk: Desk, phone: str, owner: asyncpg.Connection
) -> None:
    told, other = await desk.by_phone(phone), await desk.by_phone(phone)
    answers = await asyncio.gather(*(desk.refresh(told["refresh_token"]) for _ in range(50)))
    won = [answer.json() for answer in answers if answer.status_code == 200]
    # One got the next token, the others came with one that was used: that family is over, the other is untouched.
    assert len(won) == 1
    assert {answer.json()["code"] for answer in answers if answer.status_code != 200} == {
        "session.refresh_invalid"
    }
    refused(await desk.refresh(won[0]["refresh_token"]), 401, "session.refresh_invalid")
    rows = await owner.fetch(
        "SELECT end_reason FROM resident_sessions s JOIN holders h ON h.id = s.holder_id WHERE h.id = $1"
        " ORDER BY s.created_at",
        bytes_of(told["holder_id"]),
    )
    assert [row[0] for row in rows] == ["reused", ""]
    assert (await desk.refresh(other["refresh_token"])).status_code == 200


def bytes_of(public: str) -> str:
    return public.partition("_")[2]


async def test_what_is_no_refresh_token(desk: Desk, phone: str) -> None:
    told = await desk.by_phone(phone)
    good = told["refresh_token"]
    raw = bytearray(base64.urlsafe_b64decode(good[4:]))
    raw[0] ^= 1
    tries = [
        "x",
        "rft_",
        "rft_" + "A" * 64,
        good[4:],
        good + "=",
        good[:-4],
        told["access_token"],
        "rft_" + "é" * 64,
    ]
    tries.append("rft_" + base64.urlsafe_b64encode(raw).decode())
    for each in tries:
        answer = await desk.refresh(each)
        assert (answer.status_code, answer.json()["code"]) in (
            (401, "session.refresh_invalid"),
            (422, "request.invalid"),
        ), each
    # None of that has ended the session.
    assert (await desk.refresh(good)).status_code == 200


async def test_tokens_are_kept_as_keyed_hashes(desk: Desk, phone: str, owner: asyncpg.Connection) -> None:
    told = await desk.by_phone(phone)
    raw = base64.urlsafe_b64decode(told["refresh_token"][4:])
    rows = await owner.fetch("SELECT s::text AS whole FROM resident_sessions s")
    for row in rows:
        for part in (raw, raw[:16], raw[16:]):
            assert part.hex() not in row["whole"]
        assert told["refresh_token"] not in row["whole"]
        assert phone not in row["whole"]
    claims = jwt.decode(told["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 900
    assert phone not in str(claims)


async def test_an_idle_session_and_an_old_one_end(desk: Desk, phone: str) -> None:
    told = await desk.by_phone(phone)
    for _ in range(6):
        desk.clock.forward(days=29)
        answer = await desk.refresh(told["refresh_token"])
        assert answer.status_code == 200, answer.text
        told = answer.json()
    # 174 days: six are left of the longest life, however often it is used.
    assert datetime.fromisoformat(told["refresh_expires_at"]) < desk.clock() + timedelta(days=7)
    desk.clock.forward(days=7)
    refused(await desk.refresh(told["refresh_token"]), 401, "session.refresh_invalid")
    idle = await desk.wechat("openid-idle")
    assert idle["status"] == "phone_needed"


async def test_an_idle_session_ends(desk: Desk, phone: str) -> None:
    told = await desk.by_phone(phone)
    desk.clock.forward(days=31)
    refused(await desk.refresh(told["refresh_token"]), 401, "session.refresh_invalid")
    assert (await desk.by_phone(phone))["holder_id"] == told["holder_id"]


async def test_signing_out_ends_the_access_token_too(
    desk: Desk, phone: str, opened: Callable[..., Any]
) -> None:
    mine, other = await desk.by_phone(phone), await desk.by_phone(phone)
    async with opened() as second:
        assert await status(second, mine) == await status(second, other) == 200
        answer = await desk.caller(mine).request("DELETE", SESSIONS + "/current")
        assert (answer.status_code, answer.json()) == (200, {"ended": 1})
        # At once here, and at another process with its next look.
        assert await status(desk, mine) == 401
        await look_again(second)
        assert await status(second, mine) == 401
        assert await status(second, other) == 200
    await look_again(desk)
    assert (await status(desk, mine), await status(desk, other)) == (401, 200)
    refused(await desk.refresh(mine["refresh_token"]), 401, "session.refresh_invalid")


async def test_signing_out_everywhere(
    desk: Desk, phone: str, phones: Callable[[], str], opened: Callable[..., Any]
) -> None:
    devices = [await desk.by_phone(phone) for _ in range(3)]
    bystander = await desk.by_phone(phones())
    city = City(desk.client(), desk.service)
    operator = await city.client("operator")
    lent = await city.resident(operator, devices[0]["holder_id"])
    async with opened() as second:
        for told in (*devices, bystander):
            assert await status(second, told) == 200
        answer = await desk.caller(devices[0]).request("DELETE", SESSIONS)
        assert (answer.status_code, answer.json()) == (200, {"ended": 3})
        again = await desk.by_phone(phone)
        lent_again = await city.resident(operator, again["holder_id"])
        await look_again(second)
        for each in (desk, second):
            assert [await status(each, told) for told in devices] == [401] * 3
            # Within the same second, and yet after it.
            assert await status(each, again) == await status(each, bystander) == 200
        assert (await lent.get(ACCOUNT)).status_code == 401
        assert (await lent_again.get(ACCOUNT)).status_code == 200
    for told in devices:
        refused(await desk.refresh(told["refresh_token"]), 401, "session.refresh_invalid")
    renewed = await desk.refresh(again["refresh_token"])
    assert await status(desk, renewed.json()) == 200


async def test_signing_out_everywhere_against_signing_in_and_refreshing(desk: Desk, phone: str) -> None:
    """Whatever comes at once: what was handed out before it counts no more, and nothing is half signed in."""
    devices = [await desk.by_phone(phone) for _ in range(6)]
    out = desk.caller(devices[0])
    results = await asyncio.gather(
        *(desk.refresh(told["refresh_token"]) for told in devices[1:]), out.request("DELETE", SESSIONS)
    )
    assert results[-1].status_code == 200
    for answer in results[:-1]:
        if answer.status_code == 200:
            assert await status(desk, answer.json()) == 401
            refused(await desk.refresh(answer.json()["refresh_token"]), 401, "session.refresh_invalid")


async def test_ones_devices(desk: Desk, phone: str, phones: Callable[[], str]) -> None:
    phone_told = await desk.by_phone(phone, device="iPhone 15")
    tablet = await desk.by_phone(phone, device="平板")
    stranger = await desk.by_phone(phones())
    me = desk.caller(phone_told)
    listed = (await me.get(SESSIONS)).json()
    assert listed["next_cursor"] is None
    assert [(item["device"], item["method"], item["current"]) for item in listed["items"]] == [
        ("平板", "phone", False),
        ("iPhone 15", "phone", True),
    ]
    # A stranger's session, and what is none, look alike.
    nowhere = "ses_" + "1" * 32
    for session_id in (stranger["session_id"], nowhere, "x", tablet["session_id"].replace("ses_", "hld_")):
        refused(await me.request("DELETE", f"{SESSIONS}/{session_id}"), 404, "session.not_found")
    assert await status(desk, stranger) == 200
    assert (await me.request("DELETE", f"{SESSIONS}/{tablet['session_id']}")).status_code == 200
    assert await status(desk, tablet) == 401
    refused(await me.request("DELETE", f"{SESSIONS}/{tablet['session_id']}"), 404, "session.not_found")
    assert [item["device"] for item in (await me.get(SESSIONS)).json()["items"]] == ["iPhone 15"]


async def test_never_more_than_ten_devices(desk: Desk, phone: str, owner: asyncpg.Connection) -> None:
    devices = []
    for number in range(MAX_SESSIONS + 2):
        desk.clock.forward(seconds=1)
        devices.append(await desk.by_phone(phone, device=str(number)))
        if number == 5:
            desk.clock.forward(seconds=1)
            devices[0] = (await desk.refresh(devices[0]["refresh_token"])).json()
    # An access token of the present, not of the moved clock.
    desk.clock.moved = timedelta()
    latest = (await desk.refresh(devices[-1]["refresh_token"])).json()
    items = (await desk.caller(latest).get(SESSIONS)).json()["items"]
    assert len(items) == MAX_SESSIONS
    # The ones that were not used for longest went.
    assert {"1", "2"}.isdisjoint(item["device"] for item in items)
    refused(await desk.refresh(devices[1]["refresh_token"]), 401, "session.refresh_invalid")
    assert (await desk.refresh(devices[0]["refresh_token"])).status_code == 200


async def test_a_closed_account(desk: Desk, phone: str, owner: asyncpg.Connection) -> None:
    told = await desk.by_phone(phone)
    await owner.execute("UPDATE balances SET status = 2 WHERE holder_id = $1", bytes_of(told["holder_id"]))
    refused(await desk.refresh(told["refresh_token"]), 403, "holder.closed")
    refused(await desk.try_phone(phone), 403, "holder.closed")


async def test_an_operators_token_signs_nobody_out(desk: Desk, phone: str) -> None:
    told = await desk.by_phone(phone)
    city = City(desk.client(), desk.service)
    lent = await city.resident(await city.client("operator"), told["holder_id"])
    for path in (SESSIONS, SESSIONS + "/current", f"{SESSIONS}/{told['session_id']}"):
        refused(await lent.request("DELETE", path), 403, "auth.scope")
    assert (await lent.get(SESSIONS)).json()["items"][0]["current"] is False


@pytest.mark.parametrize("what", ["another key", "as an access token", "old"])
async def test_a_binding_token_is_only_that(desk: Desk, phone: str, what: str) -> None:
    token = (await desk.wechat(f"openid-{what}"))["binding_token"]
    if what == "as an access token":
        answer = await desk.client().get(ACCOUNT, headers={"Authorization": f"Bearer {token}"})
        assert refused(answer, 401, "auth.invalid")
        token = (await desk.by_phone(phone))["access_token"]
    elif what == "another key":
        token = jwt.encode({"aud": "tanpuhui binding", "ids": []}, "x" * 32, algorithm="HS256")
    else:
        head, claims, sign = token.split(".")
        token = f"{head}.{claims}.{sign[::-1]}"
    refused(await desk.try_phone(phone, binding_token=token), 422, "sign_in.binding_invalid")


async def test_old_sessions_are_forgotten(desk: Desk, phone: str, owner: asyncpg.Connection) -> None:
    told = await desk.by_phone(phone)
    await desk.caller(told).request("DELETE", SESSIONS + "/current")
    count = "SELECT count(*) FROM resident_sessions WHERE id = $1"
    for days, left in ((29, 1), (31, 0)):
        async with desk.service.database.transaction() as session:
            await forget_sessions(session, datetime.now(UTC) + timedelta(days=days))
        assert await owner.fetchval(count, bytes_of(told["session_id"])) == left
