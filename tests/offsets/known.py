"""For each door of obligations and filings something real to be asked for, so that made-up calls reach a success."""

import uuid
from typing import Any

from helpers import Caller, City
from offsets.firm import FIGURES, REASON, Firm


async def known_offsets(city: City, operator: Caller) -> tuple[dict[tuple[str, str], Any], Firm]:
    """(method, path) → path parameters, body and version; the firm whose calls they are."""
    firm = await Firm.made(city, operator)
    obligation = await firm.obligation()
    origin = await firm.units(50_000)
    filings = [
        (await firm.file(obligation["obligation_id"], (origin, 1_000))).json()["filing_id"] for _ in range(3)
    ]
    one = {"obligation_id": obligation["obligation_id"]}
    lines = {"lines": [{"origin_id": origin, "quantity_kg": 1_000}]}
    elsewhere = {"kind": "ccer", "region": "130000", "vintage": 2024, "quantity_kg": 1_000, "serials": "x"}
    mine, theirs = "/v1/market/offset-obligations", "/v1/operator/offset-obligations"
    door, own = "/v1/operator/offset-filings", "/v1/market/offset-filings"
    body = {"firm_id": firm.firm.organisation_id, "market": "hubei", "period": 2022, **FIGURES}
    spare = await city.client("participant", "440300", name=uuid.uuid4().hex)
    account = (await firm.firm.get("/v1/market/account")).json()["account_id"]
    some = {"origin_id": origin, "quantity_kg": 1}
    return {
        ("POST", "/v1/market/retirements"): ({}, some | {"beneficiary": "x"}, None),
        ("POST", "/v1/operator/unit-cancellations"): (
            {},
            some | {"account_id": account, "reason": "x"},
            None,
        ),
        ("GET", "/v1/offset-rules/{market}"): ({"market": "beijing"}, None, None),
        ("GET", mine): ({}, None, None),
        ("GET", mine + "/{obligation_id}"): (one, None, None),
        ("POST", mine + "/{obligation_id}/check"): (one, lines, None),
        ("POST", mine + "/{obligation_id}/filings"): (one, lines, None),
        ("GET", own): ({}, None, None),
        ("GET", own + "/{filing_id}"): ({"filing_id": filings[0]}, None, None),
        ("POST", own + "/{filing_id}/withdrawal"): ({"filing_id": filings[0]}, REASON["json"], None),
        ("GET", theirs): ({}, None, None),
        ("POST", theirs): ({}, body | {"firm_id": spare.organisation_id}, None),
        ("GET", theirs + "/{obligation_id}"): (one, None, None),
        ("PUT", theirs + "/{obligation_id}"): (one, FIGURES | {"reason": "x"}, 1),
        ("POST", theirs + "/{obligation_id}/filings"): (one, {"lines": [elsewhere], "document": "x"}, None),
        ("GET", door): ({}, None, None),
        ("GET", door + "/{filing_id}"): ({"filing_id": filings[1]}, None, None),
        ("POST", door + "/{filing_id}/acceptance"): ({"filing_id": filings[1]}, REASON["json"], None),
        ("POST", door + "/{filing_id}/rejection"): ({"filing_id": filings[2]}, REASON["json"], None),
    }, firm
