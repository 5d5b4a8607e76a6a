"""Ids and bodies with which doors of emissions and budgets reach an answer, for Schemathesis."""

import datetime
from typing import Any

from emissions.factory import EVIDENCE, every_day, fill, grid_factor
from enterprises.known import Known
from enterprises.plant import Plant

MONTH = "2026-03"


async def known_emissions(plant: Plant) -> Known:
    """Of a month with readings; each write that may happen once has something of its own to happen to."""
    day = datetime.date(2026, 3, 1)
    await fill(plant, "E-IN", every_day(day, day, 100))
    certificate = {
        "number": "GEC-KNOWN-1",
        "issuer": "x",
        "energy_wh": 1000,
        "first_month": MONTH,
        "last_month": MONTH,
        "cancelled_on": "2026-04-01",
        "evidence": EVIDENCE,
    }
    process = {
        "site_id": plant.site_id,
        "month": MONTH,
        "process": "x",
        "co2e_g": "1.5",
        "evidence": EVIDENCE,
    }
    fuel = {
        "meter_id": plant.meters["G-1"],
        "from_month": MONTH,
        "fuel": "coke_oven_gas",
        "document_reference": "x",
    }
    other = await plant.city.client("operator", "440000")
    factor = grid_factor(2026, "0.5", region="440300")
    proposed = (await other.post("/v1/operator/emission-factors", json=factor)).json()
    withdrawn = await _made(plant, "green-certificates", certificate | {"number": "GEC-KNOWN-2"})
    replaced = await _made(plant, "process-emissions", process)
    month = {"month": MONTH}
    evidence = {"co2e_g": "2", "evidence": EVIDENCE, "reason": "x"}
    quota = {"measure": "electricity", "period": "2026", "amount": 1, "document_reference": "x"}
    known: Known = {
        ("GET", "/v1/enterprises/reports/{month}"): (month, None, None),
        ("GET", "/v1/enterprises/reports/{month}/statements"): (month, None, None),
        ("POST", "/v1/enterprises/reports/{month}/statements"): (month, None, None),
        ("POST", "/v1/enterprises/green-certificates"): ({}, certificate, None),
        ("POST", "/v1/enterprises/green-certificates/{certificate_id}/withdrawal"): (
            {"certificate_id": withdrawn["certificate_id"]},
            {"reason": "x"},
            None,
        ),
        ("POST", "/v1/enterprises/process-emissions"): ({}, process, None),
        ("POST", "/v1/enterprises/process-emissions/{process_id}/replacement"): (
            {"process_id": replaced["process_id"]},
            evidence,
            None,
        ),
        ("POST", "/v1/enterprises/fuels"): ({}, fuel, None),
        ("POST", "/v1/enterprises/energy-quotas"): ({}, quota, None),
        ("POST", "/v1/operator/emission-factors"): ({}, factor, None),
        ("POST", "/v1/operator/emission-factors/{factor_id}/approval"): (
            {"factor_id": proposed["factor_id"]},
            {"reason": "x"},
            None,
        ),
    }
    return known


async def _made(plant: Plant, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await plant.client.post(f"/v1/enterprises/{path}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
