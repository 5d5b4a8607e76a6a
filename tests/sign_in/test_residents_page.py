"""The walk-through of docs/residents.md, in a shell, against a service on a port; and what the page tells in tables."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from sign_in.providers import Providers

from app.auth import phone_codes, residents
from app.embedded.stack import Stack
from app.server import serve
from app.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "residents.md").read_text(encoding="utf-8")


@pytest_asyncio.fixture(loop_scope="session")
async def url(
    settings: Settings, stack: Stack, database_urls: tuple[str, str], providers: Providers
) -> AsyncIterator[str]:
    own = load_settings(**(settings.model_dump() | providers.settings()))
    place = Stack(database_urls[0], database_urls[1], stack.redis_url, stack.postgres, stack.valkey)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stopping = asyncio.Event()
    task = asyncio.create_task(serve(own, place, ready.set_result, stopping))
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    yield ready.result()
    stopping.set()
    await task


async def shell(script: str, url: str) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *("bash", "-eu", "-o", "pipefail", "-c", script),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "NO_PROXY": "*", "TANPUHUI_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    return [json.loads(line) for line in out.decode().splitlines()]


async def test_the_walk_through(url: str, providers: Providers) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    (sent,) = await shell(blocks[0], url)
    assert sent == {"expires_in": phone_codes.LIFETIME_S, "resend_after": phone_codes.RESEND_S}
    helpers = blocks[0][: blocks[0].index("call /v1/me/phone-codes")]
    assert "code=246810\n" in blocks[1]
    signing_in = blocks[1].replace("code=246810\n", f"code={providers.code_of('14000000077')}\n")
    account, devices, ended, refused = await shell(helpers + signing_in + blocks[2], url)
    assert (account["region"], account["points"]) == ("440300", 0)
    assert [(item["device"], item["current"]) for item in devices["items"]] == [("my laptop", True)]
    assert ended == {"ended": 1}
    assert refused["code"] == "auth.invalid"


def test_what_the_page_tells_of_limits() -> None:
    (once, minute), (hourly, _), (daily, _) = phone_codes.PER_PHONE
    assert f"| phone | {once} in {minute} seconds, {hourly} an hour, {daily} a day |" in PAGE
    assert f"| `device_id` | {phone_codes.PER_DEVICE[0][0]} an hour |" in PAGE
    assert (phone_codes.DIGITS, phone_codes.LIFETIME_S, phone_codes.TRIES) == (6, 300, 5)
    assert "Six digits, good for five minutes and five tries" in PAGE
    assert residents.MAX_SESSIONS == 10
    assert "least used of more than ten" in PAGE
    fields = Settings.model_fields
    assert (fields["refresh_token_days"].default, fields["session_days"].default) == (30, 180)
    assert "after 30 days without use, after 180 days" in PAGE
