"""For each door at which a bank asks about a customer something real to be asked for, and for the customer's own."""

from typing import Any

from banking.bench_of_bank import until
from enterprises.plant import Plant
from lending.lender import Lender


async def known_customers(lender: Lender, plant: Plant) -> dict[tuple[str, str], Any]:
    """(method, path) → path parameters, body and version; the customer is the enterprise."""
    wish = {
        "bank_id": lender.bank.organisation_id,
        "purpose": "loan_application",
        "scope": "report",
        "valid_until": until(),
        "text_version": "2026-11",
    }
    answer = await plant.client.post("/v1/enterprises/bank-grants", json=wish)
    assert answer.status_code == 200, answer.text
    reference, receipt = answer.json()["reference"], answer.json()["receipt_id"]
    made = await lender.publish()
    asked = {"customer": {"reference": reference}, "purpose": "loan_application"}
    wanted = {"reference": reference, "product_id": made["product_id"]}
    quote = (await lender.bank.post("/v1/bank/quotes", json=wanted)).json()
    reporting = {"reference": reference, "purpose": "loan_application"}
    report = {"report_id": (await lender.bank.post("/v1/bank/reports", json=reporting)).json()["report_id"]}
    export = (await plant.client.post("/v1/enterprises/exports")).json()
    line = (await plant.client.get("/v1/enterprises/access-log")).json()["items"][0]
    review = {"access_id": line["access_id"], "explanation": "x"}
    own = "/v1/enterprises"
    return {
        ("POST", "/v1/bank/labels/query"): ({}, asked | {"detail": False}, None),
        ("POST", "/v1/bank/pre-screenings"): (
            {},
            {"card": "resident", "customers": [asked["customer"]]},
            None,
        ),
        ("POST", "/v1/bank/quotes"): ({}, wanted, None),
        ("GET", "/v1/bank/quotes/{quote_id}"): ({"quote_id": quote["quote_id"]}, None, None),
        ("POST", "/v1/bank/reports"): ({}, reporting, None),
        ("GET", "/v1/bank/reports/{report_id}"): (report, None, None),
        ("GET", "/v1/bank/reports/{report_id}/report.pdf"): (report, None, None),
        ("GET", own + "/receipts/{receipt_id}"): ({"receipt_id": receipt}, None, None),
        ("GET", own + "/exports/{export_id}"): ({"export_id": export["export_id"]}, None, None),
        ("POST", own + "/score-reviews"): ({}, review, None),
    }
