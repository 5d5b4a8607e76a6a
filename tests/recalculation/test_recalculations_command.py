"""`tanpuhui recalculations …` as operators type it, against a running service."""

import asyncio
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from helpers import Caller, City
from versions.office import BASE, LOCAL, text_of

from app.embedded.stack import Stack
from app.recalculation.job import Recalculator
from app.settings import Settings
from app.wiring import Services

ROOT = Path(__file__).resolve().parents[2]
YESTERDAY = datetime.datetime.now(LOCAL).date() - datetime.timedelta(days=1)


async def test_from_request_to_approval(
    settings: Settings,
    stack: Stack,
    database_urls: tuple[str, str],
    base_url: str,
    city: City,
    service: Services,
) -> None:
    author, second = await city.client("operator", "440000"), await city.client("operator", "440000")
    own = {
        "TANPUHUI_DATA_DIR": str(settings.data_dir),
        "TANPUHUI_DATABASE_URL": database_urls[0],
        "TANPUHUI_REDIS_URL": stack.redis_url,
        "TANPUHUI_ENVIRONMENT": "test",
    }

    async def run(who: Caller, *arguments: str) -> tuple[int, str, str]:
        caller = {"TANPUHUI_CLIENT_ID": who.client_id, "TANPUHUI_CLIENT_SECRET": who.secret}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.cli", "recalculations", *arguments, "--url", base_url),
            cwd=ROOT,
            env=os.environ | own | caller,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, errors = await process.communicate()
        return process.returncode or 0, out.decode(), errors.decode()

    async def submitted(region: str) -> str:
        drafted = (await author.post(BASE, json={"methodology": text_of(region, YESTERDAY)})).json()
        answer = await author.post(
            f"{BASE}/{drafted['id']}/submission",
            json={"reason": "x"},
            headers={"If-Match": str(drafted["etag"])},
        )
        assert answer.status_code == 200, answer.text
        return str(drafted["id"])

    async def requested(region: str) -> dict[str, Any]:
        code, out, errors = await run(
            author, "request", await submitted(region), "--reason", "notice 31", "--json"
        )
        assert code == 0, errors
        return dict(json.loads(out))

    made = await requested("445100")
    assert made["state"] in ("previewing", "previewed")
    recalculator = Recalculator(service.database, service.preparer, service.live, service.intake.clock)
    while await recalculator.step():
        pass
    code, out, _ = await run(author, "show", made["id"])
    assert code == 0
    assert "previewed" in out
    assert "preview: 0 acts of 0 holders" in out
    moment = (datetime.datetime.now(LOCAL) + datetime.timedelta(seconds=120)).isoformat()
    code, _, errors = await run(author, "approve", made["id"], "--at", moment, "--reason", "checked")
    assert (code, "methodology.approve_own" in errors) == (1, True), errors
    code, out, errors = await run(second, "approve", made["id"], "--at", moment, "--reason", "checked")
    assert (code, "approved" in out) == (0, True), errors

    other = await requested("445200")
    code, out, errors = await run(author, "cancel", other["id"], "--reason", "not now", "--json")
    assert (code, json.loads(out)["state"]) == (0, "cancelled"), errors
    code, out, _ = await run(author, "list", "--limit", "5")
    assert code == 0
    assert made["id"] in out
    assert other["id"] in out
