"""Projects: forward stock is no unit, a verification issues its units once, by another client."""

import asyncio
import uuid
from typing import Any

import asyncpg
from helpers import City

from accounts.ids import parse_public_id
from app.verification import verify

DOCUMENT = {"title": "核查报告", "reference": "V-1", "sha256": "ab" * 32}


def project(owner_id: str, **over: Any) -> dict[str, Any]:
    return {
        "code": "P" + uuid.uuid4().hex[:8].upper(),
        "owner_id": owner_id,
        "region": "361000",
        "kind": "bamboo",
        "name_zh": "毛竹林碳汇",
        "name_en": "Bamboo",
        "unit_type": "FCER",
        "documents": [DOCUMENT | {"title": "项目设计文件", "sha256": "cd" * 32}],
    } | over


async def test_forward_stock_becomes_units_once(city: City, owner: asyncpg.Connection) -> None:
    maker, checker, foreign = [
        await city.client("operator", region) for region in ("360000", "360000", "440000")
    ]
    holder = await city.client("participant")
    body = project(holder.organisation_id)
    assert (await foreign.post("/v1/operator/projects", json=body)).status_code == 404
    made = (await maker.post("/v1/operator/projects", json=body)).json()
    assert (await maker.post("/v1/operator/projects", json=body)).json()["code"] == "project.exists"
    door = f"/v1/operator/projects/{made['project_id']}/stocks"
    answers = await asyncio.gather(
        *(maker.post(door, json={"vintage": 2026, "expected_kg": 5_000}) for _ in range(50))
    )
    assert sorted(each.status_code for each in answers) == [200] + [409] * 49
    told = next(each.json() for each in answers if each.status_code == 200)["stocks"][0]
    assert (told["state"], told["verified_kg"]) == ("forward", None)
    stock = parse_public_id("pst", told["stock_id"])
    of_stock = (
        "SELECT upper(units) - lower(units) FROM unit_origins WHERE subject_id = $1 AND kind = 'project'"
    )
    assert await owner.fetchval(of_stock, stock) is None

    step = f"/v1/operator/project-stocks/{told['stock_id']}/verification"
    stated = {"quantity_kg": 4_812, "document": DOCUMENT}
    assert (await maker.post(step, json=stated)).json()["code"] == "project.verify_own"
    assert (await foreign.post(step, json=stated)).status_code == 404
    assert await owner.fetchval(of_stock, stock) is None
    answers = await asyncio.gather(*(checker.post(step, json=stated) for _ in range(50)))
    assert sorted(each.status_code for each in answers) == [200] + [409] * 49
    assert {each.json()["code"] for each in answers if each.status_code == 409} == {"project.stock_verified"}
    assert await owner.fetchval(of_stock, stock) == 4_812
    found = (await city.http.get("/v1/public/projects")).json()["items"][0]
    assert (found["stocks"][0]["state"], found["stocks"][0]["verified_kg"]) == ("verified", 4_812)
    assert [each["title"] for each in found["documents"]] == ["项目设计文件", "核查报告"]

    async with owner.transaction(isolation="repeatable_read"):
        assert {f.rule: f.breach async for f in verify(owner) if f.rule == "project_stocks"} == {
            "project_stocks": None
        }
    broken = owner.transaction()
    await broken.start()
    await owner.execute("UPDATE project_stocks SET verified_kg = 4811 WHERE id = $1", stock)
    breach = [f.breach async for f in verify(owner) if f.rule == "project_stocks"]
    await broken.rollback()
    assert breach == [told["stock_id"]]
