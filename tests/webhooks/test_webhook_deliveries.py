"""Webhooks over HTTP: what is booked is told, signed, in order, again where it failed, and to no one else."""

import asyncio
import base64
import datetime
import email.utils
import inspect
import time
from typing import Any

import asyncpg
import pytest
from standardwebhooks.webhooks import WebhookVerificationError
from webhooks.conftest import Shop
from webhooks.receiver import receiving

from app.webhooks.delivery import Deliverer
from app.webhooks.forgetting import KEPT_DELIVERED, KEPT_OTHERS, drop_deliveries
from app.webhooks.outbox import Listeners
from app.wiring import Services, utc_now


async def eventually(look: Any, seconds: float = 20) -> Any:
    """What a look answers as soon as it is something."""
    async with asyncio.timeout(seconds):
        while True:
            found = look()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.05)


async def failed(shop: Shop, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in await shop.deliveries(webhook) if each["last_status"] or each["last_error"]]


def deliverer(service: Services) -> Deliverer:
    """Another process's."""
    return Deliverer(
        service.database,
        Listeners(),
        service.webhooks.targets,
        service.webhooks.box,
        utc_now,
        max_attempts=3,
        retry_s=0.2,
        timeout_s=4,
        disable_after=datetime.timedelta(days=5),
    )


async def test_a_credit_and_its_reversal_are_told_signed_and_in_order(shop: Shop) -> None:
    async with receiving() as receiver:
        webhook = await shop.to(receiver)
        activity = await shop.credit()
        await shop.reverse(activity)
        first, second = (await receiver.until(2))[:2]
        told = [each.verified(webhook["secret"]) for each in (first, second)]
        assert [each["type"] for each in told] == ["activity.credited", "activity.reversed"]
        assert told[0]["data"] == {
            "activity_id": activity,
            "outcome": "credited",
            "co2e_g": "467",
            "points": 467,
        }
        assert first.headers["webhook-id"] == told[0]["id"]
        assert set(told[0]) == {"id", "type", "time", "data"}
        assert shop.phone not in first.body.decode()
        assert shop.holder not in first.body.decode()


async def test_what_fails_is_tried_again_and_blocks_only_its_own_subject(shop: Shop) -> None:
    stuck: list[str] = []
    async with receiving(lambda got: 500 if stuck and stuck[0] in got.body.decode() else 204) as receiver:
        webhook = await shop.to(receiver)
        stuck.append(await shop.credit())
        await receiver.until(1)
        await shop.reverse(stuck[0])
        other = await shop.credit()
        await shop.reverse(other)
        await eventually(lambda: len(receiver.of(other)) == 2)
        assert [each["type"] for each in receiver.of(other)] == ["activity.credited", "activity.reversed"]
        # The reversal waits for the credit, however often that fails.
        await eventually(lambda: len(receiver.of(stuck[0])) >= 3)
        assert {each["type"] for each in receiver.of(stuck[0])} == {"activity.credited"}
        assert len({each["id"] for each in receiver.of(stuck[0])}) == 1
        subject, stuck[0] = stuck[0], "nothing"
        await eventually(lambda: receiver.of(subject)[-1]["type"] == "activity.reversed")
        kinds = [each["type"] for each in receiver.of(subject)]
        assert kinds == sorted(kinds)
        items = await shop.deliveries(webhook)
        assert [(each["type"], each["state"]) for each in items if each["subject"] == subject] == [
            ("activity.reversed", "delivered"),
            ("activity.credited", "delivered"),
        ]


async def test_used_up_attempts_make_it_dead_and_it_can_be_replayed(
    shop: Shop, service: Services, owner: asyncpg.Connection
) -> None:
    answers = {"status": 503}
    body = b"HTTP/1.1 503 X\r\nContent-Length: 5000\r\n\r\n" + b"no\x00 room " * 500
    async with receiving(lambda _: body if answers["status"] == 503 else 204) as receiver:
        webhook = await shop.to(receiver)
        subject = await shop.credit()
        await receiver.until(1)
        # As if all attempts but one were made.
        await owner.execute(
            "UPDATE webhook_deliveries SET attempts = $1 WHERE subject = $2",
            service.settings.webhook_max_attempts - 1,
            subject,
        )
        dead = await eventually(lambda: shop.deliveries(webhook, state="dead"))
        assert (dead[0]["subject"], dead[0]["last_status"]) == (subject, 503)
        assert dead[0]["last_answer"].startswith("no  room no")
        assert len(dead[0]["last_answer"]) <= 200
        assert dead[0]["next_attempt_at"] is None
        # Behind a dead one, its subject goes on.
        answers["status"] = 204
        await shop.reverse(subject)
        await eventually(lambda: receiver.of(subject)[-1]["type"] == "activity.reversed")
        path = f"/v1/webhooks/{webhook['webhook_id']}/deliveries/{dead[0]['event_id']}/replay"
        count = len(receiver.received)
        assert (await shop.platform.post(path)).json() == {"deliveries": 1}
        again = (await receiver.until(count + 1))[-1]
        assert again.verified(webhook["secret"])["id"] == dead[0]["event_id"]
        # All of a time range, also what was delivered.
        span = {
            "since": "2020-01-01T00:00:00Z",
            "until": "2100-01-01T00:00:00Z",
            "states": ["delivered", "dead"],
        }
        await eventually(lambda: shop.deliveries(webhook, state="delivered"))
        answer = await shop.platform.post(f"/v1/webhooks/{webhook['webhook_id']}/replay", json=span)
        assert answer.json() == {"deliveries": 2}
        await receiver.until(count + 3)
        assert [each["type"] for each in receiver.of(subject)[-2:]] == [
            "activity.credited",
            "activity.reversed",
        ]


async def test_a_receiver_that_hangs_holds_nobody_back(shop: Shop) -> None:
    async with receiving(lambda _: None) as hanging, receiving() as prompt:
        await shop.to(hanging)
        for _ in range(3):
            await shop.credit()
        await hanging.until(3)
        await shop.to(prompt)
        began = time.monotonic()
        subject = await shop.credit()
        await eventually(lambda: prompt.of(subject))
        assert time.monotonic() - began < 5
        assert hanging.open >= 3


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(shop: Shop, status: int) -> None:
    async with receiving() as other:
        answer = f"HTTP/1.1 {status} X\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n".encode()
        async with receiving(lambda _: answer) as receiver:
            webhook = await shop.to(receiver)
            await shop.credit()
            await eventually(lambda: failed(shop, webhook))
            assert (await shop.deliveries(webhook))[0]["last_status"] == status
        assert not other.received


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"SSH-2.0-OpenSSH_9.9\r\n", "protocol"), (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, "protocol")],
    ids=["no http", "endless head"],
)
async def test_rubbish_is_a_failure(shop: Shop, answer: bytes, error: str) -> None:
    async with receiving(lambda _: answer) as receiver:
        webhook = await shop.to(receiver)
        await shop.credit()
        item = (await eventually(lambda: failed(shop, webhook)))[0]
        assert (item["state"], item["last_error"], item["last_status"]) == ("pending", error, None)


async def test_gone_disables_and_tells_the_other_endpoints(shop: Shop, owner: asyncpg.Connection) -> None:
    async with receiving(lambda _: 410) as gone, receiving() as other:
        webhook = await shop.to(gone)
        told = await shop.to(other, "webhook.disabled")
        subject = await shop.credit()
        event = (await other.until(1))[0].verified(told["secret"])
        assert (event["type"], event["data"]) == (
            "webhook.disabled",
            {"webhook_id": webhook["webhook_id"], "reason": "gone"},
        )
        path = f"/v1/webhooks/{webhook['webhook_id']}"
        view = (await shop.platform.get(path)).json()
        assert (view["enabled"], view["disabled_reason"]) == (False, "gone")
        # Nothing new is written for it; what waits is delivered once it is enabled.
        await shop.credit()
        assert [each["subject"] for each in await shop.deliveries(webhook)] == [subject]
        gone.answer = lambda _: 204
        count = len(gone.received)
        change = {"url": gone.url, "event_types": ["activity.credited"], "enabled": True}
        answer = await shop.platform.request(
            "PUT", path, json=change, headers={"If-Match": str(view["version"])}
        )
        assert answer.json()["enabled"] is True
        await owner.execute("UPDATE webhook_deliveries SET due_at = now() WHERE subject = $1", subject)
        await gone.until(count + 1)


async def test_an_endpoint_that_keeps_failing_is_disabled(shop: Shop, owner: asyncpg.Connection) -> None:
    async with receiving(lambda _: 500) as receiver, receiving() as other:
        webhook = await shop.to(receiver)
        await shop.to(other, "webhook.disabled")
        await shop.credit()
        await eventually(lambda: failed(shop, webhook))
        path = f"/v1/webhooks/{webhook['webhook_id']}"
        view = (await shop.platform.get(path)).json()
        assert view["enabled"] is True
        assert view["failing_since"] is not None
        await owner.execute("UPDATE webhook_endpoints SET failing_since = now() - interval '6 days'")
        await other.until(1)
        view = (await shop.platform.get(path)).json()
        assert (view["enabled"], view["disabled_reason"]) == (False, "failing")


async def test_during_a_rotation_both_secrets_verify(shop: Shop, owner: asyncpg.Connection) -> None:
    async with receiving() as receiver:
        webhook = await shop.to(receiver)
        path = f"/v1/webhooks/{webhook['webhook_id']}/secret"
        rotated = (await shop.platform.post(path, json={"overlap_hours": 1})).json()
        assert rotated["secret"].startswith("whsec_")
        assert rotated["secret"] != webhook["secret"]
        await shop.credit()
        got = (await receiver.until(1))[0]
        assert got.verified(webhook["secret"]) == got.verified(rotated["secret"])
        await owner.execute("UPDATE webhook_endpoints SET previous_until = now() - interval '1 second'")
        await shop.credit()
        got = (await receiver.until(2))[1]
        got.verified(rotated["secret"])
        with pytest.raises(WebhookVerificationError):
            got.verified(webhook["secret"])
        kept = await owner.fetchval("SELECT string_agg(to_jsonb(p)::text, '') FROM webhook_endpoints p")
        for secret in (webhook["secret"], rotated["secret"]):
            assert base64.b64decode(secret.removeprefix("whsec_")).hex() not in kept


async def test_two_runners_deliver_each_event_once(shop: Shop, service: Services) -> None:
    """The service's own and two more look at the same moment."""
    more = [deliverer(service) for _ in range(2)]
    async with receiving() as receiver:
        await shop.to(receiver)
        subjects = [await shop.credit() for _ in range(4)]
        for _ in range(20):
            subjects += await asyncio.gather(shop.credit(), shop.credit())
            await asyncio.gather(*(each.look() for each in more))
        await asyncio.gather(*(each.settled() for each in more))
        await eventually(lambda: {e.event["data"]["activity_id"] for e in receiver.received} >= set(subjects))
        await asyncio.sleep(1.5)
        assert len(receiver.received) == len(subjects)


async def test_a_lease_that_a_dead_process_left_is_taken_again(
    shop: Shop, service: Services, owner: asyncpg.Connection
) -> None:
    async with receiving(lambda _: None) as hanging:
        webhook = await shop.to(hanging)
        subject = await shop.credit()
        await hanging.until(1)
        row = await owner.fetchrow("SELECT * FROM webhook_deliveries WHERE subject = $1", subject)
        assert row["attempts"] == 1
        lease = row["due_at"] - datetime.datetime.now(datetime.UTC)
        assert datetime.timedelta(seconds=4) < lease <= datetime.timedelta(seconds=4 * 4)
        hanging.answer = lambda _: 204
        await owner.execute("UPDATE webhook_deliveries SET due_at = now() WHERE subject = $1", subject)
        other = deliverer(service)
        await other.look()
        await other.settled()
        (item,) = await shop.deliveries(webhook)
        assert (item["state"], item["attempts"]) == ("delivered", 2)


async def test_old_deliveries_are_dropped(shop: Shop, service: Services, owner: asyncpg.Connection) -> None:
    async with receiving() as receiver:
        webhook = await shop.to(receiver)
        await shop.credit()
        await eventually(lambda: shop.deliveries(webhook, state="delivered"))
        now = datetime.datetime.now(datetime.UTC)

        async def dropped_at(moment: datetime.datetime) -> int:
            async with service.database.transaction() as session:
                await drop_deliveries(session, moment)
            return len(await shop.deliveries(webhook))

        assert await dropped_at(now + KEPT_DELIVERED - datetime.timedelta(minutes=1)) == 1
        await owner.execute("UPDATE webhook_deliveries SET state = 'dead'")
        assert await dropped_at(now + KEPT_DELIVERED + datetime.timedelta(minutes=1)) == 1
        assert await dropped_at(now + KEPT_OTHERS + datetime.timedelta(minutes=1)) == 0


async def test_what_is_rolled_back_is_not_told(shop: Shop, owner: asyncpg.Connection) -> None:
    async with receiving() as receiver:
        await shop.to(receiver)
        activity = await shop.credit()
        await receiver.until(1)
        before = await owner.fetchval("SELECT count(*) FROM webhook_deliveries")
        await owner.execute("ALTER TABLE entries ADD CONSTRAINT broken CHECK (kind <> 2) NOT VALID")
        try:
            answer = await shop.platform.post(f"/v1/activities/{activity}/reversal", json={"reason": "x"})
            assert answer.status_code >= 500
        finally:
            await owner.execute("ALTER TABLE entries DROP CONSTRAINT broken")
        assert await owner.fetchval("SELECT count(*) FROM webhook_deliveries") == before


@pytest.mark.parametrize("said", ["3600", "http date"])
async def test_retry_after_is_respected(shop: Shop, said: str) -> None:
    now = datetime.datetime.now(datetime.UTC)
    later = now + datetime.timedelta(hours=1)
    value = said if said.isdigit() else email.utils.format_datetime(later, usegmt=True)
    answer = f"HTTP/1.1 503 X\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode()
    async with receiving(lambda _: answer) as receiver:
        webhook = await shop.to(receiver)
        await shop.credit()
        (item,) = await eventually(lambda: failed(shop, webhook))
        pause = datetime.datetime.fromisoformat(item["next_attempt_at"]) - now
        assert datetime.timedelta(minutes=58) < pause < datetime.timedelta(minutes=63)
