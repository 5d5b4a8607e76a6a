"""Registering endpoints: whose they are, what they may subscribe to, and what is shown when."""

import asyncio
from typing import Any

import asyncpg
import pytest
from helpers import Caller
from webhooks.conftest import Shop
from webhooks.receiver import receiving

URL = "http://127.0.0.1:9/hook"
GOOD = {"url": URL, "event_types": ["activity.credited"]}


async def test_the_secret_is_shown_once(shop: Shop) -> None:
    key = {"Idempotency-Key": "register-1"}
    first = await shop.platform.post("/v1/webhooks", json=GOOD, headers=key)
    assert first.json()["secret"].startswith("whsec_")
    again = await shop.platform.post("/v1/webhooks", json=GOOD, headers=key)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json() | {"secret": None}
    path = f"/v1/webhooks/{first.json()['webhook_id']}"
    assert "secret" not in (await shop.platform.get(path)).json()
    items = (await shop.platform.get("/v1/webhooks")).json()["items"]
    assert [each["webhook_id"] for each in items] == [first.json()["webhook_id"]]


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"url": "https://10.0.0.1/"}, "webhook.target_refused"),
        ({"url": "https://169.254.169.254/latest"}, "webhook.target_refused"),
        ({"url": "http://1.1.1.1/"}, "webhook.target_refused"),
        ({"url": "http://[::ffff:127.0.0.1]/"}, "webhook.target_refused"),
        ({"url": "https://u:p@1.1.1.1/"}, "webhook.target_refused"),
        ({"url": ""}, "request.invalid"),
        ({"url": 7}, "request.invalid"),
        ({"event_types": []}, "request.invalid"),
        ({"event_types": ["activity.invented"]}, "request.invalid"),
        ({"event_types": ["webhook.tested"]}, "request.invalid"),
        ({"description": "x\u0000"}, "request.invalid"),
        ({"secret": "mine"}, "request.invalid"),
    ],
)
async def test_what_is_refused(shop: Shop, over: dict[str, Any], code: str) -> None:
    answer = await shop.platform.post("/v1/webhooks", json=GOOD | over)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


async def test_a_merchant_subscribes_to_what_merchants_are_told(shop: Shop) -> None:
    merchant = await shop.city.client("merchant")
    assert (await merchant.post("/v1/webhooks", json=GOOD)).status_code == 422
    answer = await merchant.post("/v1/webhooks", json=GOOD | {"event_types": ["webhook.disabled"]})
    assert answer.status_code == 200, answer.text


async def test_another_organisation_sees_none_of_it(shop: Shop) -> None:
    webhook = await shop.register(URL)
    path = f"/v1/webhooks/{webhook['webhook_id']}"
    stranger = await shop.city.client("platform")
    tries: list[tuple[str, str, Any]] = [
        ("GET", path, None),
        ("PUT", path, GOOD),
        ("POST", path + "/secret", {}),
        ("POST", path + "/test", None),
        ("GET", path + "/deliveries", None),
        ("POST", path + "/replay", {"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}),
        ("POST", path + "/deliveries/evt_" + "1" * 32 + "/replay", None),
    ]
    for method, where, body in tries:
        answer = await stranger.request(method, where, json=body, headers={"If-Match": "1"})
        assert (answer.status_code, answer.json()["code"]) == (404, "webhook.not_found"), (method, where)
    assert (await stranger.get("/v1/webhooks")).json()["items"] == []


async def test_events_go_to_the_organisation_that_they_are_of(shop: Shop) -> None:
    stranger = await shop.city.client("platform")
    async with receiving() as own, receiving() as foreign:
        await shop.to(own)
        await shop.register(foreign.url, caller=stranger)
        await shop.credit()
        await own.until(1)
        await asyncio.sleep(1.5)
        assert not foreign.received


async def test_a_write_names_the_version_it_was_made_from(shop: Shop) -> None:
    webhook = await shop.register(URL)
    path = f"/v1/webhooks/{webhook['webhook_id']}"

    async def put(caller: Caller, **headers: str) -> Any:
        body = GOOD | {"description": "till", "event_types": ["activity.reversed"]}
        return await caller.request("PUT", path, json=body, headers=headers)

    assert (await put(shop.platform)).status_code == 428
    answers = await asyncio.gather(*(put(shop.platform, **{"If-Match": '"1"'}) for _ in range(5)))
    assert sorted(each.status_code for each in answers) == [200, 412, 412, 412, 412]
    view = (await shop.platform.get(path)).json()
    assert (view["version"], view["description"], view["event_types"]) == (2, "till", ["activity.reversed"])


async def test_a_test_is_delivered_whatever_it_subscribes_to(shop: Shop) -> None:
    async with receiving() as receiver:
        webhook = await shop.to(receiver)
        path = f"/v1/webhooks/{webhook['webhook_id']}/test"
        assert (await shop.platform.post(path)).json() == {"deliveries": 1}
        event = (await receiver.until(1))[0].verified(webhook["secret"])
        assert (event["type"], event["data"]) == ("webhook.tested", {"webhook_id": webhook["webhook_id"]})


async def test_there_are_at_most_twenty(shop: Shop, owner: asyncpg.Connection) -> None:
    for _ in range(20):
        await shop.register(URL)
    answer = await shop.platform.post("/v1/webhooks", json=GOOD)
    assert (answer.status_code, answer.json()["code"]) == (409, "webhook.too_many")
    cursor, seen = None, []
    while True:
        page = (
            await shop.platform.get(
                "/v1/webhooks", params={"limit": 7} | ({"cursor": cursor} if cursor else {})
            )
        ).json()
        seen += [each["webhook_id"] for each in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert len(seen) == len(set(seen)) == 20
    actions = await owner.fetch(
        "SELECT action FROM audit_records WHERE actor_client_id = $1", shop.platform.client_id
    )
    assert [each[0] for each in actions] == ["webhook.registered"] * 20
