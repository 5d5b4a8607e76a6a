"""A platform's user becomes a resident's by a signed link: once, for that platform, and neither learns more."""

import asyncio
import base64
import datetime
import json
import uuid

import asyncpg
import jwt
import pytest
from agreements.people import VERSION, Resident, breaches, count, resident, wish
from helpers import Caller, City

from accounts import bindings
from accounts.agreement_errors import LinkUsed
from accounts.ids import parse_public_id
from app.wiring import Services, utc_now


async def link(person: Resident, source: Caller, *groups: str) -> dict[str, str]:
    answer = await person.post("/v1/me/bindings", json=wish(source, *groups))
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


def bag(user: str, order: str) -> dict[str, object]:
    return {
        "event_id": uuid.uuid4().hex,
        "scene": "green.own_bag",
        "region": "420100",
        "subject": {"scheme": "source_user", "value": user},
        "occurred_at": utc_now().isoformat(),
        "count": 1,
        "order_no": order,
        "issuer": uuid.uuid4().hex,
    }


async def test_a_binding_from_link_to_end(city: City, phone: str, owner: asyncpg.Connection) -> None:
    person, source = await resident(city, phone), await city.client("platform")
    started = await link(person, source, "green")
    (shown,) = (await person.get("/v1/me/bindings")).json()["items"]
    assert (shown["state"], shown["source_id"]) == ("waiting", source.organisation_id)
    # Nothing counts before the platform redeemed it.
    assert await count(owner, "consents", person.holder_id) == 0

    answer = await source.post("/v1/bindings", json={"link_token": started["link_token"], "user_id": "u-1"})
    assert answer.json() == {"bound": True}
    report = await source.post("/v1/activities", json=bag("u-1", "1"))
    assert report.json()["outcome"] == "credited", report.text
    (consent,) = (await person.get("/v1/me/consents")).json()["items"]
    assert (consent["scene_group"], consent["text_version"]) == ("green", VERSION)
    assert (await person.get(f"/v1/me/receipts/{consent['receipt_id']}")).status_code == 200
    stored = await owner.fetchrow(
        "SELECT scheme, token FROM identities WHERE holder_id = $1 AND scheme = 'source_user'",
        parse_public_id("hld", person.holder_id),
    )
    assert b"u-1" not in stored["token"].bytes

    ended = await person.post(f"/v1/me/bindings/{started['binding_id']}/end")
    assert ended.json()["state"] == "ended"
    assert (await source.post("/v1/activities", json=bag("u-1", "2"))).json()["reason"] == "no_consent"
    assert [c["withdrawn_at"] is None for c in (await person.get("/v1/me/consents")).json()["items"]] == [
        False
    ]
    # Ending twice ends once; the used link stays used.
    assert (await person.post(f"/v1/me/bindings/{started['binding_id']}/end")).json() == ended.json()
    again = await source.post("/v1/bindings", json={"link_token": started["link_token"], "user_id": "u-1"})
    assert again.json()["code"] == "binding.link_used"
    # The user may be bound anew.
    second = await link(person, source, "green")
    assert (
        await source.post("/v1/bindings", json={"link_token": second["link_token"], "user_id": "u-1"})
    ).status_code == 200
    assert await breaches(city) == []


async def test_fifty_redemptions_of_one_link_bind_one_user(
    city: City, phone: str, owner: asyncpg.Connection
) -> None:
    person, source = await resident(city, phone), await city.client("platform")
    started = await link(person, source, "trip", "green")
    answers = await asyncio.gather(
        *(
            source.post(
                "/v1/bindings", json={"link_token": started["link_token"], "user_id": f"u-{phone}-{n}"}
            )
            for n in range(50)
        )
    )
    codes = [answer.json().get("code") for answer in answers]
    assert sorted(str(code) for code in codes) == ["None"] + ["binding.link_used"] * 49
    holder = parse_public_id("hld", person.holder_id)
    identities = await owner.fetchval(
        "SELECT count(*) FROM identities WHERE holder_id = $1 AND scheme = 'source_user'", holder
    )
    assert identities == 1
    assert await count(owner, "consents", person.holder_id) == 2
    assert await count(owner, "agreement_receipts", person.holder_id) == 1
    assert await breaches(city) == []


async def test_the_same_redemption_again_with_its_key(city: City, phone: str) -> None:
    person, source = await resident(city, phone), await city.client("platform")
    started = await link(person, source)
    body = {"link_token": started["link_token"], "user_id": f"k-{phone}"}
    first, second = [
        await source.post("/v1/bindings", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    assert first.json() == second.json() == {"bound": True}
    assert second.headers["Idempotent-Replayed"] == "true"


async def test_a_link_is_for_its_platform_and_tells_nothing(
    city: City, phone: str, service: Services
) -> None:
    person, source = await resident(city, phone), await city.client("platform")
    other = await city.client("platform")
    started = await link(person, source)
    token = started["link_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert set(claims) == {"iss", "aud", "jti", "src", "exp"}
    assert person.holder_id not in json.dumps(claims)
    head, body, signature = token.split(".")
    changed = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed["src"] = other.organisation_id
    forged = base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip("=")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for caller, wrong in (
        (other, token),
        (other, f"{head}.{forged}.{signature}"),
        (source, f"{unsigned}.{body}."),
        (source, head),
        (source, source.token),
        (source, person.token),
    ):
        answer = await caller.post("/v1/bindings", json={"link_token": wrong, "user_id": "u-2"})
        assert (answer.status_code, answer.json()["code"]) == (404, "binding.link_invalid")
    # A link opens no door.
    answer = await city.http.get("/v1/me/account", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    answer = await source.post("/v1/bindings", json={"link_token": token, "user_id": "u-2"})
    assert answer.status_code == 200


async def test_a_user_of_another_account_is_not_moved(city: City, phone: str, phones) -> None:
    first, second = await resident(city, phone), await resident(city, phones())
    source = await city.client("platform")
    one, two = await link(first, source), await link(second, source, "green")
    user = f"shared-{phone}"
    assert (
        await source.post("/v1/bindings", json={"link_token": one["link_token"], "user_id": user})
    ).status_code == 200
    refused = await source.post("/v1/bindings", json={"link_token": two["link_token"], "user_id": user})
    assert refused.json()["code"] == "binding.user_bound"
    # Refused whole: the link still serves for the right user, and no consent was recorded.
    assert (await second.get("/v1/me/consents")).json()["items"] == []
    done = await source.post("/v1/bindings", json={"link_token": two["link_token"], "user_id": user + "-2"})
    assert done.status_code == 200


async def test_a_link_expires(service: Services, city: City, phone: str) -> None:
    person, source = await resident(city, phone), await city.client("platform")
    holder, organisation = (
        parse_public_id("hld", person.holder_id),
        parse_public_id("org", source.organisation_id),
    )
    assert holder is not None
    assert organisation is not None
    now = utc_now()
    async with service.database.driver_transaction() as driver:
        made, expires = await bindings.start(
            driver,
            holder,
            organisation,
            [],
            now - datetime.timedelta(hours=1),
            datetime.timedelta(minutes=10),
        )
    assert expires < now
    (shown,) = (await person.get("/v1/me/bindings")).json()["items"]
    assert shown["state"] == "expired"
    with pytest.raises(LinkUsed):
        async with service.database.driver_transaction() as driver:
            await bindings.redeem(
                driver, lambda _: "x", service.consent_texts, (made, organisation), uuid.uuid4(), now
            )


async def test_bindings_are_ones_own(city: City, phone: str, phones) -> None:
    person, stranger = await resident(city, phone), await resident(city, phones())
    started = await link(person, await city.client("platform"))
    answer = await stranger.post(f"/v1/me/bindings/{started['binding_id']}/end")
    assert (answer.status_code, answer.json()["code"]) == (404, "binding.not_found")
    assert (await stranger.get("/v1/me/bindings")).json()["items"] == []
