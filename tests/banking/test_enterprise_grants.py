"""An enterprise lets a bank see its label: by an owner alone, withdrawn at once, every query in its own log."""

import asyncpg
from banking.bench_of_bank import until
from banking.lending_town import labelled
from enterprises.plant import made_plant
from helpers import City

DOOR = "/v1/enterprises/bank-grants"


async def test_an_owner_grants_and_withdraws(city: City, owner: asyncpg.Connection) -> None:
    plant, bank = await made_plant(city, meters=()), await city.client("bank")
    wish = {
        "bank_id": bank.organisation_id,
        "purpose": "loan_application",
        "scope": "score",
        "valid_until": until(),
        "text_version": "2026-11",
    }
    for role in ("viewer", "energy_manager"):
        speaker = await plant.speaker(role)
        assert (await speaker.post(DOOR, json=wish)).status_code == 403
        assert (await speaker.get("/v1/enterprises/access-log")).status_code == 403
    made = await plant.client.post(DOOR, json=wish)
    assert made.status_code == 200, made.text
    await labelled(owner, plant.enterprise_id, 2025, "light_green")
    body = {
        "customer": {"reference": made.json()["reference"]},
        "purpose": "loan_application",
        "detail": True,
    }
    answer = await bank.post("/v1/bank/labels/query", json=body)
    assert (answer.json()["colour"], answer.json()["detail"]["percentile"]) == ("light_green", 40)
    ended = await plant.client.post(f"{DOOR}/{made.json()['grant_id']}/withdrawal")
    assert ended.status_code == 200, ended.text
    assert (await bank.post("/v1/bank/labels/query", json=body)).status_code == 403
    lines = (await plant.client.get("/v1/enterprises/access-log")).json()["items"]
    assert [(each["what"], each["refused"]) for each in lines] == [("label", "withdrawn"), ("label", None)]
    (grant,) = (await plant.client.get(DOOR)).json()["items"]
    assert grant["state"] == "withdrawn"
