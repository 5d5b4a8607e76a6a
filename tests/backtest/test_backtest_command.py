"""The command finds what is asked for: an operator's version in any state by id or name, beside the packs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from crediting.desk import Desk, metro

from accounts.ids import public_id, uuid7
from app.versions.drafts import skeleton, stored
from app.versions.models import Revision
from app.wiring import Services, utc_now

DAYS = ("--from", "2026-11-16", "--to", "2026-11-16")
CODE = "DRAFT.metro"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def revisions(service: Services) -> dict[str, str]:
    """The ids of a draft that holds and of one that says nothing yet; one trip of 10 km is credited."""
    desk = Desk(service)
    source = await desk.source()
    phone, _ = await desk.person(source)
    assert (
        await desk.intake.report(desk.prepare(source, metro(phone, distance_m=10_000)))
    ).co2e_mg == 467_000
    pack = next(each for each in service.catalogue.of("440300", "trip.metro") if each.version == "2021")
    now = utc_now()
    name = {"region": "440300", "scene": "trip.metro", "code": CODE}
    text = pack.text.model_dump(mode="json", by_alias=True) | name
    factor = {**text["parameters"][0], "value": "40"}
    example = {**text["examples"][0], "co2e_g": "400"}
    texts = {
        "1": stored({**text, "version": "1", "parameters": [factor], "examples": [example]}),
        "2": stored(skeleton({**name, "version": "2"})),
    }
    made = {
        version: Revision(
            id=uuid7(now),
            **name,
            version=version,
            origin="",
            content=content,
            authors=["me"],
            created_at=now,
            updated_at=now,
        )
        for version, content in texts.items()
    }
    async with service.database.transaction() as session:
        session.add_all(made.values())
    return {version: public_id("mrv", each.id) for version, each in made.items()}


@pytest.fixture
def command(stack: Any, database_urls: tuple[str, str], revisions: Any, tmp_path: Path) -> Any:
    environment = {
        **os.environ,
        "COLUMNS": "80",
        "TANPUHUI_ENVIRONMENT": "test",
        "TANPUHUI_DATA_DIR": str(tmp_path / "data"),
        "TANPUHUI_DATABASE_URL": database_urls[0],
        "TANPUHUI_REDIS_URL": stack.redis_url,
    }

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app.cli", "backtest", *DAYS, *options],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
        )

    return run


def test_a_draft_is_found_by_its_id_and_by_its_name(command: Any, revisions: dict[str, str]) -> None:
    for options in (("--revision", revisions["1"]), ("--methodology", CODE, "--version", "1")):
        made = command(*options, "--fresh", "--json")
        assert made.returncode == 0, made.stderr
        told = json.loads(made.stdout)
        assert told["methodology"] == f"{CODE}/1/440300"
        assert (told["total"]["before_mg"], told["total"]["after_mg"]) == (467_000, 400_000)
    pack = ("--methodology", "SZ-LOW-CARBON-TRANSIT.metro", "--version", "2021")
    for against in (f"{CODE}/1", "active"):
        made = command(*pack, "--against", against, "--json")
        assert made.returncode == 0, made.stderr
        total = json.loads(made.stdout)["total"]
        assert total["before_mg"] == (400_000 if against != "active" else 467_000)


def test_nothing_is_cut_off_on_a_narrow_terminal(command: Any, revisions: dict[str, str]) -> None:
    made = command("--revision", revisions["1"])
    assert made.returncode == 0, made.stderr
    assert "…" not in made.stdout.replace("2026-11-16 … 2026-11-16", "")
    assert "0.400" in made.stdout


def test_what_is_not_there_or_does_not_hold(command: Any, revisions: dict[str, str]) -> None:
    nobody = "mrv_" + "0" * 32
    for options, code, text in (
        (("--revision", nobody), 1, f"没有方法学版本 {nobody}"),
        (("--revision", "mrv_1"), 2, "mrv_"),
        (("--revision", revisions["2"]), 1, "尚不成立"),
        (("--methodology", CODE, "--version", "2"), 1, "/formula"),
        (("--methodology", CODE, "--version", "9"), 1, "没有方法学"),
        (("--methodology", CODE, "--version", "1", "--region", "440400"), 1, "没有方法学"),
        (("--revision", revisions["1"], "--version", "1"), 2, "--revision"),
    ):
        refused = command(*options)
        assert refused.returncode == code, (options, refused.stderr)
        assert text in refused.stderr.replace("\n", " "), refused.stderr
        assert "Traceback" not in refused.stderr
