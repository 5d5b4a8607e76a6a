"""What an enterprise may ask for of its own: scores, receipts, reviews of what banks were answered, all its data."""

import io
import json
import zipfile
from typing import Any

import asyncpg
import httpx
from banking.bench_of_bank import until
from banking.lending_town import labelled
from emissions.factory import METERS
from enterprises.plant import Plant, made_plant
from helpers import City
from sqlalchemy import text

from app.application import create_app
from app.my_data import exports
from app.my_data.enterprise_sections import OF_ENTERPRISES
from app.my_data.sections import SECTIONS
from app.scoring.in_force import ScoreCards
from app.wiring import Services

OWN = ("scores", "score-reviews", "receipts", "exports")


async def exported(plant: Plant, service: Services) -> dict[str, Any]:
    """Its export, section by section."""
    asked = (await plant.client.post("/v1/enterprises/exports")).json()
    async with service.database.transaction() as session:
        await session.exec(  # type: ignore[call-overload]
            text("SELECT 1 FROM jobs WHERE name = 'build_exports' FOR UPDATE")
        )
        await exports.build_waiting(service, session)
    found = (await plant.client.get(f"/v1/enterprises/exports/{asked['export_id']}")).json()
    assert found["state"] == "ready", found
    (listed,) = (await plant.client.get("/v1/enterprises/exports")).json()["items"]
    assert listed["export_id"] == asked["export_id"]
    with zipfile.ZipFile(io.BytesIO((await city_get(plant, found["link"])).content)) as packed:
        names = {name.removesuffix(".json") for name in packed.namelist() if name.endswith(".json")}
        assert names == {"about"} | {section.name for section in (*SECTIONS, *OF_ENTERPRISES)}
        return {name: json.loads(packed.read(f"{name}.json")) for name in names}


async def city_get(plant: Plant, link: str) -> Any:
    """A link needs no token."""
    answer = await plant.city.http.get(link)
    assert answer.status_code == 200, answer.text
    return answer


async def test_owners_alone_see_receipts_and_ask_for_a_review(city: City, owner: asyncpg.Connection) -> None:
    plant, bank = await made_plant(city, meters=()), await city.client("bank")
    other = await made_plant(city, meters=())
    wish = {
        "bank_id": bank.organisation_id,
        "purpose": "loan_application",
        "scope": "score",
        "valid_until": until(),
        "text_version": "2026-11",
    }
    granted = (await plant.client.post("/v1/enterprises/bank-grants", json=wish)).json()
    (receipt,) = (await plant.client.get("/v1/enterprises/receipts")).json()["items"]
    path = f"/v1/enterprises/receipts/{granted['receipt_id']}"
    assert (await plant.client.get(path)).json() == receipt
    assert (await other.client.get(path)).status_code == 404
    manager = await plant.speaker("energy_manager")
    for door in OWN[1:]:
        assert (await manager.get(f"/v1/enterprises/{door}")).status_code == 403

    await labelled(owner, plant.enterprise_id, 2025, "yellow")
    query = {"customer": {"reference": granted["reference"]}, "purpose": "loan_application", "detail": False}
    assert (await bank.post("/v1/bank/labels/query", json=query)).status_code == 200
    (line,) = (await plant.client.get("/v1/enterprises/access-log")).json()["items"]
    asked = {"access_id": line["access_id"], "explanation": "产量已更正"}
    door = "/v1/enterprises/score-reviews"
    made = (await plant.client.post(door, json=asked)).json()
    assert (made["state"], made["what"]) == ("waiting", "label")
    assert (await other.client.post(door, json=asked)).status_code == 404
    assert (await plant.client.post(door, json=asked)).status_code == 409
    assert (await plant.client.get(door)).json()["items"] == [made]
    operator = await city.client("operator", "330000")
    waiting = (await operator.get("/v1/operator/score-reviews")).json()["items"]
    assert [each["review_id"] for each in waiting] == [made["review_id"]]


async def test_its_export_has_its_energy_account(
    city: City, service: Services, owner: asyncpg.Connection
) -> None:
    plant = await made_plant(city, None, METERS)
    quota = {"measure": "electricity", "period": "2026", "amount": 1000, "document_reference": "批复 1"}
    answer = await plant.client.post("/v1/enterprises/energy-quotas", json=quota)
    assert answer.status_code == 200, answer.text
    await labelled(owner, plant.enterprise_id, 2025, "yellow")
    process = {
        "site_id": plant.site_id,
        "month": "2026-09",
        "process": "石灰石分解",
        "co2e_g": "1500",
        "evidence": {"reference": "检测报告 2026-118", "sha256": "ab" * 32},
    }
    entered = await plant.client.post("/v1/enterprises/process-emissions", json=process)
    assert entered.status_code == 200, entered.text
    stated = await plant.client.post("/v1/enterprises/reports/2026-09/statements")
    assert stated.status_code == 200, stated.text
    found = await exported(plant, service)
    assert [each["number"] for each in found["meters"]] == list(plant.meters)
    assert {each["id"] for each in found["meters"]} == set(plant.meters.values())
    assert [each["id"] for each in found["energy_quotas"]] == [answer.json()["quota_id"]]
    assert [(each["year"], each["colour"]) for each in found["labels"]] == [(2025, "yellow")]
    (statement,) = found["emission_statements"]
    assert (statement["month"], statement["co2e_g"]) == ("2026-09-01", "1500")
    # A label that is not published is told to nobody.
    await owner.execute("UPDATE label_runs SET published_at = NULL, published_by = NULL, official = NULL")
    hidden = {section.name: section for section in OF_ENTERPRISES}["labels"]
    async with service.database.snapshot() as driver:
        assert await hidden.count(driver, plant.holder_id) == 0


async def test_its_score_is_that_of_its_label(
    city: City, service: Services, owner: asyncpg.Connection
) -> None:
    plant = await made_plant(city, meters=())
    await labelled(owner, plant.enterprise_id, 2025, "light_green")
    points = service.live._points
    chosen = {"region": plant.region, "from": "2025-01-01", "cards": [{"card": "enterprise", "version": "1"}]}
    points.cards = points.cards.with_sets([ScoreCards.model_validate(chosen)])
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        headers = {"Authorization": f"Bearer {plant.client.token}"}
        found = (await http.get("/v1/enterprises/scores/enterprise", headers=headers)).json()
        resident = await http.get("/v1/enterprises/scores/resident", headers=headers)
    assert found["card"] == "enterprise"
    assert sum(each["points"] for each in found["reasons"]) == found["points"] > 0
    assert resident.status_code == 404


async def test_no_card_for_enterprises_means_no_score(city: City) -> None:
    plant = await made_plant(city, meters=())
    viewer = await plant.speaker("viewer")
    assert (await viewer.get("/v1/enterprises/scores")).json() == {"items": []}
    answer = await viewer.get("/v1/enterprises/scores/enterprise")
    assert (answer.status_code, answer.json()["code"]) == (404, "score.card_not_found")
    resident = (await plant.member("owner")).resident
    assert (await resident.get("/v1/enterprises/scores")).status_code == 403
