"""People for tests: what they prove, earn and add; and whether the books still agree."""

import itertools
import uuid
from typing import Any

import asyncpg
import httpx
from helpers import City, metro
from sign_in.desk import Desk

from app.verification import verify

SIGN_INS, SESSIONS = "/v1/me/sign-ins", "/v1/me/sessions"
_days = itertools.count(1)
_people = itertools.count(1)


def refused(answer: httpx.Response, status: int, code: str) -> bool:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return True


def openid() -> str:
    return f"oABC-{next(_people)}-{uuid.uuid4().hex[:6]}"


def id_no() -> str:
    """A made-up resident's number with its check digit; born in 1990."""
    head = f"11010119900101{next(_people) % 1000:03}"
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(head))
    return head + "10X98765432"[total % 11]


async def earn(desk: Desk, phone: str) -> str:
    """Give the person of a phone an entry: onboarded by an operator with consent, and credited."""
    city = City(desk.client(), desk.service)
    operator, source = await city.client("operator"), await city.client("platform")
    holder = await city.holder(operator, phone, source)
    day = next(_days) % 20 + 1
    report = metro(
        uuid.uuid4().hex,
        phone,
        started_at=f"2026-10-{day:02}T08:00:00+08:00",
        ended_at=f"2026-10-{day:02}T08:25:00+08:00",
    )
    answer = await source.post("/v1/activities", json=report)
    assert answer.json()["outcome"] == "credited", answer.text
    return holder


async def points(desk: Desk, told: dict[str, Any]) -> int:
    answer = await desk.caller(told).get("/v1/me/account")
    assert answer.status_code == 200, answer.text
    return int(answer.json()["points"])


async def add_phone(desk: Desk, told: dict[str, Any], phone: str, **more: Any) -> httpx.Response:
    await desk.lift()
    body = {"method": "phone", "phone": phone, "code": await desk.code(phone)}
    return await desk.caller(told).post(SIGN_INS, json=body | more)


async def add_wechat(desk: Desk, told: dict[str, Any], user: str) -> httpx.Response:
    code = uuid.uuid4().hex
    desk.providers.wechat_users[code] = {"openid": user}
    return await desk.caller(told).post(SIGN_INS, json={"method": "wechat", "code": code})


async def by_wechat_phone(desk: Desk, number: str, user: str, **more: Any) -> httpx.Response:
    """The whole way of a mini-program user who never gets an SMS."""
    binding = (await desk.wechat(user))["binding_token"]
    body = {"method": "wechat_phone", "phone_code": desk.phone_code(number), "binding_token": binding}
    return await desk.client().post(SESSIONS, json=body | {"is_14_or_older": True} | more)


async def clean(owner: asyncpg.Connection) -> bool:
    async with owner.transaction(isolation="repeatable_read", readonly=True):
        broken = [finding async for finding in verify(owner) if finding.breach is not None]
    # The owner of the tables asks here, so the rule about the service's role is not this test's.
    assert [finding.rule for finding in broken] == ["rights"]
    return True
