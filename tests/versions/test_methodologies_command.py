"""`tanpuhui methodologies …` as an operator types it, against a running service."""

import asyncio
import csv
import datetime
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest_asyncio
from helpers import Caller, City
from versions.office import LOCAL, midnight, text_of

from app.embedded.stack import Stack
from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
IN_TWO_DAYS = datetime.datetime.now(LOCAL).date() + datetime.timedelta(days=2)


class Desk:
    """The command line of two operators."""

    def __init__(self, environment: dict[str, str], url: str, author: Caller, second: Caller) -> None:
        self.environment, self.url, self.author, self.second = environment, url, author, second

    async def run(self, who: Caller, *arguments: str, group: str = "methodologies") -> tuple[int, str, str]:
        command = [sys.executable, "-m", "app.cli", group, *arguments, "--url", self.url]
        environment = self.environment | {
            "TANPUHUI_CLIENT_ID": who.client_id,
            "TANPUHUI_CLIENT_SECRET": who.secret,
        }
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, errors = await process.communicate()
        return process.returncode or 0, out.decode(), errors.decode()

    async def json(self, who: Caller, *arguments: str) -> dict[str, Any]:
        code, out, errors = await self.run(who, *arguments, "--json")
        assert code == 0, errors
        return dict(json.loads(out))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(
    settings: Settings, stack: Stack, database_urls: tuple[str, str], base_url: str, city: City
) -> Desk:
    environment = {
        **os.environ,
        "TANPUHUI_DATA_DIR": str(settings.data_dir),
        "TANPUHUI_DATABASE_URL": database_urls[0],
        "TANPUHUI_REDIS_URL": stack.redis_url,
        "TANPUHUI_ENVIRONMENT": "test",
    }
    author, second = await city.client("operator", "440000"), await city.client("operator", "440000")
    return Desk(environment, base_url, author, second)


async def test_a_version_from_draft_to_retirement(desk: Desk, tmp_path: Path) -> None:
    text = text_of("440400", IN_TWO_DAYS, version=uuid.uuid4().hex[:8])
    file = tmp_path / "text.json"
    file.write_text(json.dumps(text | {"formula": "distance_m"}))
    code, out, _ = await desk.run(desk.author, "check", str(file))
    assert code == 1
    assert "/parameters/0" in out
    draft = await desk.json(desk.author, "draft", "--file", str(file))
    assert (draft["state"], bool(draft["problems"])) == ("draft", True)
    code, _, errors = await desk.run(desk.author, "submit", draft["id"], "--reason", "early")
    assert (code, "methodology.invalid" in errors) == (1, True)
    file.write_text(json.dumps(text))
    assert (await desk.run(desk.author, "check", str(file)))[0] == 0
    assert (await desk.json(desk.author, "draft", draft["id"], "--file", str(file)))["problems"] == []
    assert (await desk.json(desk.author, "submit", draft["id"], "--reason", "r"))["state"] == "shadow"
    code, _, errors = await desk.run(desk.author, "approve", draft["id"], "--reason", "mine")
    assert (code, "methodology.approve_own" in errors) == (1, True)
    approved = await desk.json(desk.second, "approve", draft["id"], "--reason", "r")
    assert approved["approved_by"] == desk.second.client_id
    active = await desk.json(
        desk.second, "activate", draft["id"], "--at", midnight(IN_TWO_DAYS), "--reason", "r"
    )
    assert active["activates_at"] is not None
    found = await desk.json(desk.author, "timeline", "--region", "440400", "--scene", "trip.metro")
    assert [period["revision_id"] for period in found["periods"]] == [draft["id"]]
    _, out, _ = await desk.run(desk.author, "timeline", "--region", "440400", "--scene", "trip.metro")
    assert str(IN_TWO_DAYS) in out
    retired = await desk.json(
        desk.second, "retire", draft["id"], "--last-day", str(IN_TWO_DAYS), "--reason", "over"
    )
    assert retired["state"] == "retired"
    listed = await desk.json(desk.author, "list", "--region", "440400", "--state", "retired")
    assert [item["id"] for item in listed["items"]] == [draft["id"]]
    code, out, _ = await desk.run(desk.author, "show", draft["id"])
    assert (code, "distance_m * factor" in out) == (0, True)


async def test_from_a_packs_version_and_wrong_use(desk: Desk) -> None:
    origin = "440300 SZ-LOW-CARBON-TRANSIT.metro 2021"
    made = await desk.json(desk.author, "draft", "--from", origin, "--version", "cli")
    assert (made["origin"], made["version"], made["problems"]) == (origin, "cli", [])
    assert (await desk.run(desk.author, "draft", "--from", "440300"))[0] == 2
    assert (await desk.run(desk.author, "show", "mrv_" + "1" * 32))[0] == 1
    assert (await desk.run(desk.author, "approve", made["id"]))[0] == 2


async def test_an_exclusion_from_proposal_to_withdrawal_and_the_trail_of_it(
    desk: Desk, tmp_path: Path
) -> None:
    first = str(IN_TWO_DAYS + datetime.timedelta(days=1))
    arguments = (
        "--region",
        "440400",
        "--scene",
        "trip.metro",
        "--first-day",
        first,
        "--legal-basis",
        "notice 7",
    )
    made = await desk.json(desk.author, "exclude", *arguments, "--reason", "=boundary")
    assert (made["state"], made["first_day"]) == ("proposed", first)
    code, _, errors = await desk.run(desk.author, "approve", made["id"], "--reason", "mine")
    assert (code, "methodology.approve_own" in errors) == (1, True)
    code, out, _ = await desk.run(desk.second, "approve", made["id"], "--reason", "checked")
    assert (code, "approved" in out, "notice 7" in out) == (0, True, True)
    code, out, _ = await desk.run(desk.second, "end-exclusion", made["id"], "--reason", "mistake")
    assert (code, "never to begin" in out) == (0, True)
    code, out, _ = await desk.run(desk.author, "exclusions", "--scene", "trip.metro")
    assert (code, "never to begin" in out, made["id"] in out) == (0, True, True)
    kept = await desk.json(desk.author, "withdraw", made["id"], "--reason", "keep it")
    assert (kept["state"], kept["proposed_end"]) == ("approved", None)

    code, out, errors = await desk.run(desk.author, "list", "--target", made["id"], group="audit")
    assert code == 0, errors
    for action in ("exclusion_proposed", "excluded", "exclusion_end_proposed", "exclusion_end_withdrawn"):
        assert f"scene.{action}  {made['id']}" in out
    assert "legal_basis: — → notice 7" in out
    file = tmp_path / "audit.csv"
    asked = ("--target", made["id"], "--format", "csv", "--out", str(file), "--json")
    code, out, errors = await desk.run(desk.author, "export", *asked, group="audit")
    assert (code, json.loads(out)["bytes"]) == (0, file.stat().st_size), errors
    rows = list(csv.DictReader(file.open(encoding="utf-8", newline="")))
    assert [row["reason"] for row in rows] == ["keep it", "mistake", "checked", "'=boundary"]
    code, out, _ = await desk.run(desk.author, "export", "--target", made["id"], group="audit")
    assert [json.loads(line)["id"] for line in out.splitlines()] == [row["id"] for row in rows]
    code, _, errors = await desk.run(desk.author, "export", "--since", "yesterday", group="audit")
    assert (code, "request.invalid" in errors, "/since" in errors) == (1, True, True)


async def test_a_packs_version_is_retired_by_its_name(desk: Desk) -> None:
    assert (await desk.run(desk.second, "retire", "440300 X", "--last-day", "2030-01-01", "--reason", "r"))[
        0
    ] == 2
    assert (await desk.run(desk.second, "retire", "440300 X 1", "--reason", "r"))[0] == 2
    day = ("--last-day", "2030-01-01", "--reason", "r")
    code, _, errors = await desk.run(desk.second, "retire", "440300 NONE 1", *day)
    assert (code, "methodology.not_found" in errors) == (1, True)


async def test_an_adoption_from_proposal_to_its_end(desk: Desk) -> None:
    first = str(IN_TWO_DAYS + datetime.timedelta(days=1))
    place = ("--region", "440400", "--scene", "trip.e_bike")
    code, out, _ = await desk.run(desk.author, "adoptions", "--scene", "trip.carpool")
    assert (code, "No operator adopted" in out) == (0, True)
    arguments = (*place, "--first-day", first, "--legal-basis", "notice 118", "--reason", "council")
    made = await desk.json(desk.author, "adopt", *arguments)
    assert (made["id"][:4], made["state"], made["first_day"]) == ("mad_", "proposed", first)
    code, _, errors = await desk.run(desk.author, "approve", made["id"], "--reason", "mine")
    assert (code, "methodology.approve_own" in errors) == (1, True)
    code, out, _ = await desk.run(desk.second, "approve", made["id"], "--reason", "checked")
    assert (code, "approved" in out, "notice 118" in out) == (0, True, True)
    code, out, _ = await desk.run(desk.author, "timeline", *place)
    assert (code, f"adopted by 440400 ({made['id']})" in out, "100000" in out) == (0, True, True)
    code, out, _ = await desk.run(
        desk.second, "end-adoption", made["id"], "--last-day", first, "--reason", "trial"
    )
    assert (code, f"to end on {first}" in out) == (0, True)
    kept = await desk.json(desk.author, "withdraw", made["id"], "--reason", "goes on")
    assert (kept["last_day"], kept["proposed_end"]) == (None, None)
    assert (await desk.run(desk.author, "withdraw", "mrv_" + "1" * 32, "--reason", "x"))[0] == 2
