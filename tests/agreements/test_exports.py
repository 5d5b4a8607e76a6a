"""All my data as a zip: complete, without identifiers, sealed, streamed, fetched by a link that expires; one result."""

import asyncio
import csv
import datetime
import io
import json
import os
import subprocess
import sys
import tracemalloc
import uuid
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from agreements.people import Resident, breaches, resident, signed_in
from cryptography.exceptions import InvalidTag
from helpers import City, metro
from sqlalchemy import text

from accounts.ids import parse_public_id
from app.auth import signatures
from app.embedded.stack import Stack
from app.my_data import archive, exports
from app.my_data.sections import SECTIONS
from app.settings import Settings
from app.wiring import Services, utc_now

ROOT = Path(__file__).resolve().parents[2]


async def run_job(service: Services) -> None:
    """What the job does, with its lease, so that the running service's own job keeps away."""
    async with service.database.transaction() as session:
        await session.exec(  # type: ignore[call-overload]
            text("SELECT 1 FROM jobs WHERE name = 'build_exports' FOR UPDATE")
        )
        await exports.build_waiting(service, session)


async def ready(service: Services, person: Resident) -> dict[str, Any]:
    asked = await person.post("/v1/me/exports")
    assert asked.status_code == 200, asked.text
    await run_job(service)
    found: dict[str, Any] = (await person.get(f"/v1/me/exports/{asked.json()['export_id']}")).json()
    assert found["state"] == "ready", found
    return found


@pytest.fixture
async def person(city: City, phone: str) -> Resident:
    """Somebody with a credit, a duplicate, a consent withdrawn and a mandate."""
    operator, source = await city.client("operator", "440000"), await city.client("platform")
    holder = await city.holder(operator, phone, source)
    made = signed_in(city, holder, phone)
    for event in ("a", "b"):
        report = metro(uuid.uuid4().hex + event, phone)
        assert (await source.post("/v1/activities", json=report)).status_code == 200
    await made.post("/v1/me/consents/withdrawal", json={"scene_group": "green"})
    terms = await source.post(
        "/v1/mandate-terms",
        json={"version": "1", "holder_percent": 60, "text_zh": "=六成", "text_en": "=60 %"},
    )
    await made.post("/v1/me/mandates", json={"terms_id": terms.json()["terms_id"]})
    assert (await operator.get(f"/v1/operator/holders/{holder}")).status_code == 200
    return made


async def test_everything_is_in_it_and_no_identifier(
    city: City, service: Services, person: Resident, owner: asyncpg.Connection
) -> None:
    found = await ready(service, person)
    answer = await city.http.get(found["link"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert len(answer.content) == found["size_bytes"] == int(answer.headers["content-length"])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        files = {name: packed.read(name) for name in packed.namelist()}
    assert set(files) == {"about.json"} | {f"{s.name}.{end}" for s in SECTIONS for end in ("json", "csv")}
    tables = {s.name: json.loads(files[f"{s.name}.json"]) for s in SECTIONS}
    for section in SECTIONS:
        lines = list(csv.reader(io.StringIO(files[f"{section.name}.csv"].decode("utf-8-sig"))))
        assert lines[0] == list(section.columns)
        assert len(lines) - 1 == len(tables[section.name])
    (profile,) = tables["profile"]
    assert (profile["holder_id"], profile["open_mg"], profile["points"]) == (person.holder_id, 467_000, 467)
    assert {(a["outcome"], a["co2e_g"]) for a in tables["activities"]} == {
        ("credited", "467"),
        ("duplicate", "0"),
    }
    assert sorted((e["asset"], e["amount"]) for e in tables["entries"]) == [
        ("points", 467),
        ("reduction", 467_000),
    ]
    assert [c["withdrawn_at"] is not None for c in tables["consents"] if c["scene_group"] == "green"] == [
        True
    ]
    assert [m["holder_percent"] for m in tables["mandates"]] == [60]
    # A spreadsheet takes nothing for a formula.
    assert "'=六成" in files["mandates.csv"].decode("utf-8-sig")
    assert [r["kind"] for r in tables["receipts"]] == ["consent_withdrawn", "mandate_granted"]
    assert [(r["what"]) for r in tables["access_log"]] == ["account"]
    assert [i["scheme"] for i in tables["identities"]] == ["phone"]
    holder = parse_public_id("hld", person.holder_id)
    tokens = [
        row[0] for row in await owner.fetch("SELECT token FROM identities WHERE holder_id = $1", holder)
    ]
    key = await owner.fetchval("SELECT person_key FROM holders WHERE id = $1", holder)
    for content in files.values():
        told = content.decode("utf-8-sig")
        assert person.phone not in told
        assert key.hex() not in told
        assert not any(token.hex in told or str(token) in told for token in tokens)
    # The fetch is in the person's own log.
    log = (await person.get("/v1/me/access-log")).json()["items"]
    assert [(item["what"], item["reader"]) for item in log][:1] == [("export", "signed link")]


async def test_a_link_is_for_its_export_and_expires(
    city: City, service: Services, person: Resident, phones: Any
) -> None:
    found = await ready(service, person)
    name = found["export_id"]
    path = f"/v1/me/exports/{name}/file"
    now = utc_now()
    keys = service.tokens.keys

    def link(**over: Any) -> str:
        claims = {"jti": name, "sub": person.holder_id, "exp": int(now.timestamp()) + 60, **over}
        return signatures.sign(keys, signatures.EXPORT, claims, now)

    stranger = await resident(city, phones())
    for wrong in (
        "",
        "x",
        person.token,
        link(exp=int(now.timestamp()) - 1),
        link(jti="exp_" + "1" * 32),
        link(sub=stranger.holder_id),
        link(sub="x"),
        signatures.sign(
            keys, signatures.RECEIPT, {"jti": name, "sub": person.holder_id, "exp": 2_000_000_000}, now
        ),
    ):
        answer = await city.http.get(path, params={"token": wrong})
        assert (answer.status_code, answer.json()["code"]) == (404, "export.not_found")
    assert (await city.http.get(path, params={"token": link()})).status_code == 200
    assert (await stranger.get(f"/v1/me/exports/{name}")).status_code == 404
    # The same export while it is ready: a person cannot keep the job busy.
    assert (await person.post("/v1/me/exports")).json()["export_id"] == name
    # It goes when its time is over.
    later = datetime.datetime.fromisoformat(found["expires_at"])
    async with service.database.driver_transaction() as driver:
        await exports.forget(driver, later - datetime.timedelta(seconds=1))
        assert await driver.fetchval("SELECT count(*) FROM export_parts WHERE export_id = $1", id_of(name))
        await exports.forget(driver, later)
        assert not await driver.fetchval(
            "SELECT count(*) FROM export_parts WHERE export_id = $1", id_of(name)
        )
    assert (await city.http.get(path, params={"token": link()})).status_code == 404
    assert (await person.get(f"/v1/me/exports/{name}")).json()["state"] == "gone"
    assert (await person.post("/v1/me/exports")).json()["export_id"] != name


def id_of(name: str) -> UUID:
    found = parse_public_id("exp", name)
    assert found is not None
    return found


async def test_parts_are_sealed_each_in_its_place(
    service: Services, person: Resident, owner: asyncpg.Connection
) -> None:
    found = await ready(service, person)
    rows = await owner.fetch(
        "SELECT attempt, number, sealed FROM export_parts WHERE export_id = $1 ORDER BY number",
        id_of(found["export_id"]),
    )
    key = exports.key_of(service)
    assert not any(person.holder_id.encode() in row["sealed"] for row in rows)
    seal = archive.Seal(key, id_of(found["export_id"]), rows[0]["attempt"])
    opened = seal.open(0, rows[0]["sealed"])
    assert opened.startswith(b"PK")
    for wrong, number in (
        (seal, 1),
        (archive.Seal(key, id_of(found["export_id"]), rows[0]["attempt"] + 1), 0),
        (archive.Seal(key, uuid.uuid4(), rows[0]["attempt"]), 0),
        (archive.Seal(b"x" * 32, id_of(found["export_id"]), rows[0]["attempt"]), 0),
    ):
        with pytest.raises(InvalidTag):
            wrong.open(number, rows[0]["sealed"])


async def test_fifty_requests_make_one_export(city: City, phone: str, service: Services) -> None:
    person = await resident(city, phone)
    answers = await asyncio.gather(*(person.post("/v1/me/exports") for _ in range(50)))
    assert len({answer.json()["export_id"] for answer in answers}) == 1
    await run_job(service)
    assert len((await person.get("/v1/me/exports")).json()["items"]) == 1


async def test_memory_is_bounded_whatever_the_size() -> None:
    sizes: list[int] = []

    async def put(part: bytes) -> None:
        sizes.append(len(part))

    async def rows() -> AsyncIterator[dict[str, Any]]:
        for _ in range(1_500):
            yield {"a": os.urandom(8_192).hex(), "b": -1}

    made = archive.Archive(put, utc_now())
    tracemalloc.start()
    try:
        await made.add_json("a.json", rows())
        await made.add_csv("a.csv", ["a", "b"], rows())
        await made.close()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(sizes) > 20_000_000
    assert max(sizes) == archive.PART_BYTES
    assert peak < 8 * archive.PART_BYTES


KILLED = """
import asyncio, os, signal
from app.embedded.stack import Stack
from app.my_data import archive, exports
from app.settings import load_settings
from app.wiring import services
from sqlalchemy import text

archive.PART_BYTES = 400
put = exports._Build._put

async def dying(self, part):
    await put(self, part)
    if self._number == 3:
        os.kill(os.getpid(), signal.SIGKILL)

exports._Build._put = dying

async def main():
    settings = load_settings()
    async with services(settings, os.environ["TANPUHUI_DATABASE_URL"], os.environ["TANPUHUI_REDIS_URL"]) as service:
        async with service.database.transaction() as session:
            await session.exec(text("SELECT 1 FROM jobs WHERE name = 'build_exports' FOR UPDATE"))
            await exports.build_waiting(service, session)

asyncio.run(main())
"""


async def test_killed_while_it_is_built_it_begins_anew_with_one_result(
    city: City,
    service: Services,
    person: Resident,
    settings: Settings,
    stack: Stack,
    database_urls: tuple[str, str],
    owner: asyncpg.Connection,
) -> None:
    await run_job(service)
    asked = (await person.post("/v1/me/exports")).json()
    environment = {
        **os.environ,
        "TANPUHUI_DATA_DIR": str(settings.data_dir),
        "TANPUHUI_DATABASE_URL": database_urls[0],
        "TANPUHUI_REDIS_URL": stack.redis_url,
        "TANPUHUI_ENVIRONMENT": "test",
    }
    died = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", KILLED],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert died.returncode == -9, died.stderr
    left = (await person.get(f"/v1/me/exports/{asked['export_id']}")).json()
    if left["state"] == "running":
        count = "SELECT count(*) FROM export_parts WHERE export_id = $1 AND attempt = 1"
        assert await owner.fetchval(count, id_of(asked["export_id"])) == 3
    await run_job(service)
    found = (await person.get(f"/v1/me/exports/{asked['export_id']}")).json()
    assert found["state"] == "ready"
    attempts = await owner.fetch(
        "SELECT DISTINCT attempt FROM export_parts WHERE export_id = $1", id_of(asked["export_id"])
    )
    assert [row[0] for row in attempts] == [2]
    answer = await city.http.get(found["link"])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
    assert len((await person.get("/v1/me/exports")).json()["items"]) == 1
    assert await breaches(city) == []


async def test_what_never_succeeds_fails_and_keeps_nobody_waiting(
    city: City, service: Services, phone: str, phones: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = await resident(city, phone), await resident(city, phones())
    asked = [(await each.post("/v1/me/exports")).json()["export_id"] for each in (bad, good)]
    run = exports._Build.run

    async def failing(self: Any) -> None:
        if self._export_id == id_of(asked[0]):
            raise OSError("no")
        await run(self)

    monkeypatch.setattr(exports._Build, "run", failing)
    for _ in range(exports.MOST_ATTEMPTS):
        with pytest.raises(OSError, match="no"):
            await run_job(service)
    await run_job(service)
    assert (await bad.get(f"/v1/me/exports/{asked[0]}")).json()["state"] == "failed"
    assert (await good.get(f"/v1/me/exports/{asked[1]}")).json()["state"] == "ready"
