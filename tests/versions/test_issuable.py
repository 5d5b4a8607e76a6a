"""A pack's word makes nothing issuable: a second operator's does, of this deployment."""

import importlib
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from helpers import City
from versions.office import BASE, LOCAL, Clock, Office, midnight

from app.wiring import Services
from methodologies.plugins import GROUP

SAMPLE = Path(__file__).resolve().parents[1] / "plugins" / "sample_pack" / "src" / "tanpuhui_sample"
REGION, SCENE = "990100", "green.bottle_refill"
CHANGES = {
    "authority: null": "authority: 虚构市生态环境局",
    "  title: 虚构，仅作样例": "  title: 虚构，仅作样例\n  url: https://example.org/text",
    "filing_no: null": "filing_no: 备〔2025〕1号",
    "status: demonstration": "status: in_force\nissuable: true",
    "confidence: example": "confidence: quoted",
    "demonstration_only: true\n": "",
}


@pytest.fixture
def bureau(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A bureau's package on the path, whose text says that it is issuable."""
    package = "bureau_" + uuid.uuid4().hex[:8]
    folder = tmp_path / package
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "990100_sample" / "green_bottle_refill.yaml"
    text = file.read_text(encoding="utf-8")
    for old, new in CHANGES.items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    metadata = tmp_path / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\npacks = {package}\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield
    sys.modules.pop(package, None)


async def told(office: Office, holder: str, day: object, order: str) -> tuple[bool, bool]:
    """What the explanation of a credited act says of its text, and its calculation."""
    outcome = await office.platform.post(
        "/v1/activities",
        json={
            "event_id": uuid.uuid4().hex,
            "scene": SCENE,
            "region": REGION,
            "subject": {"scheme": "phone", "value": holder},
            "started_at": f"{day}T00:30:00+08:00",
            "ended_at": f"{day}T00:31:00+08:00",
            "count": 2,
            "order_no": order,
        },
    )
    assert outcome.json()["outcome"] == "credited", outcome.text
    path = f"/v1/activities/{outcome.json()['activity_id']}/explanation"
    explained = (await office.platform.get(path)).json()
    return explained["methodology"]["issuable"], explained["calculation"]["issuable"]


async def test_a_packs_text_is_issuable_only_as_a_version_that_was_approved_here(
    bureau: None, opened: Callable[..., Any], clock: Clock, owner: asyncpg.Connection, phone: str
) -> None:
    async with opened() as (http, current):
        city = City(http, current)
        author, second = await city.client("operator", REGION), await city.client("operator", REGION)
        office = Office(city, clock, author, second, await city.client("platform"))
        await city.holder(author, phone, office.platform, region=REGION)

        async def listed() -> dict[str, tuple[bool, bool]]:
            answer = await http.get("/v1/methodologies", params={"region": REGION, "scene": SCENE})
            return {
                each["version"]: (each["issuable"], each["text"]["issuable"])
                for each in answer.json()["items"]
            }

        async def stored() -> dict[str, bool]:
            rows = await owner.fetch(
                "SELECT version, issuable FROM methodology_versions WHERE region = $1 AND scene = $2"
                " AND content LIKE '%\"issuable\":true%'",
                REGION,
                SCENE,
            )
            return {row["version"]: row["issuable"] for row in rows}

        assert await listed() == {"1": (False, True)}
        assert await stored() == {"1": False}
        assert await told(office, phone, clock.today, "A") == (False, False)

        origin = {"region": REGION, "code": "SAMPLE.bottle-refill", "version": "1"}
        made = (await author.post(BASE, json={"from": origin, "version": "1-approved"})).json()
        text = made["methodology"]
        tomorrow = clock.today.fromordinal(clock.today.toordinal() + 1)
        text["in_force"] = {"from": tomorrow.isoformat(), "to": None}
        edited = await author.request(
            "PUT", f"{BASE}/{made['id']}", json={"methodology": text}, headers={"If-Match": "1"}
        )
        shadow = await office.done(edited.json(), "submission", author)
        await current.live.refresh()
        assert await stored() == {"1": False}, "a shadow is not approved"
        approved = await office.done(shadow, "approval")
        await office.done(approved, "activation", activates_at=midnight(tomorrow))
        clock.forward(days=1)
        await current.live.refresh()
        assert await listed() == {"1": (False, True), "1-approved": (True, True)}
        assert await stored() == {"1": False, "1-approved": True}
        assert clock.now.astimezone(LOCAL).date() == tomorrow
        assert await told(office, phone, tomorrow, "B") == (True, True)


async def test_the_database_lets_nothing_be_issuable_without_an_approval(service: Services) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="second operator"):
        async with service.database.driver_transaction() as driver:
            await driver.execute(
                "INSERT INTO methodology_versions (region, scene, code, version, content_hash, content, issuable,"
                " recorded_at) VALUES ('990100', 'trip.metro', 'X', '1', 'x', '{}', true, now())"
            )
