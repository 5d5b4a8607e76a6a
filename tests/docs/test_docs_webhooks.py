"""docs/webhooks.md: its receiver runs and takes what the service sends, and its tables say what the code has."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from helpers import City
from redeeming.market import Market

from app.settings import Settings
from app.webhooks import delivery, endpoints, forgetting, sending
from app.webhooks.events import EVENTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")


def test_the_events_of_the_page() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert {name: text for name, _, text in rows} == {each.name: each.description for each in EVENTS.values()}
    for name, told, _ in rows:
        kinds = ", ".join(sorted(EVENTS[name].kinds, reverse=True)) or "nobody by subscription"
        assert told == kinds


def test_the_numbers_of_the_page() -> None:
    assert f"at most {endpoints.MOST_ENDPOINTS} endpoints" in PAGE
    assert f"{endpoints.MOST_REPLAYED:,} at a time" in PAGE
    assert f"within {Settings.model_fields['webhook_timeout_seconds'].default} seconds" in PAGE
    assert f"first {sending.MAX_EXCERPT} characters" in PAGE
    assert f"delivered events for {forgetting.KEPT_DELIVERED.days} days" in PAGE
    assert f"all others for {forgetting.KEPT_OTHERS.days}" in PAGE
    assert delivery.LISTENERS_EVERY_S == 5


async def test_the_receiver_of_the_page_takes_what_is_sent(city: City, tmp_path: Path) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "receiver.py").write_text(script)
    market = Market(city)
    merchant, operator = await market.merchant(), await city.client("operator", "440300")
    offer = await market.offer(merchant, operator, price_points=100)
    resident = await market.resident(500)

    async def started(secret: str, port: str) -> tuple[asyncio.subprocess.Process, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            tmp_path / "receiver.py",
            env={"WEBHOOK_SECRET": secret, "PORT": port, "PATH": os.environ["PATH"]},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        return process, line.split()[-1]

    # Before the registration nobody knows the secret: the first one refuses, the second takes it.
    wrong, port = await started("whsec_" + "A" * 43 + "=", "0")
    try:
        body = {"url": f"http://127.0.0.1:{port}/", "event_types": ["redemption.confirmed"]}
        webhook = (await merchant.post("/v1/webhooks", json=body)).json()
        order = {"offer_id": offer, "confirm": True}
        redemption = (await resident.post("/v1/me/redemptions", json=order)).json()["redemption_id"]
        path = f"/v1/webhooks/{webhook['webhook_id']}/deliveries"
        async with asyncio.timeout(20):
            while (await merchant.get(path)).json()["items"][0]["last_status"] != 401:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    finally:
        wrong.kill()
        await wrong.wait()
    right, _ = await started(webhook["secret"], port)
    try:
        assert right.stdout is not None
        line = (await asyncio.wait_for(right.stdout.readline(), 30)).decode()
        assert line.startswith("redemption.confirmed {")
        assert redemption in line
        # Delivered again, it is answered again and counts once.
        item = (await merchant.get(path)).json()["items"][0]
        await merchant.post(f"{path}/{item['event_id']}/replay")
        async with asyncio.timeout(20):
            while (await merchant.get(path)).json()["items"][0]["state"] != "delivered":  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(right.stdout.readline(), 1)
    finally:
        right.kill()
        await right.wait()
