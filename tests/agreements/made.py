"""What a signed-in resident really has, to be put into cases that a tool made up."""

from typing import Any

from agreements.people import Resident, wish
from helpers import Caller

TERMS = {"version": "1", "holder_percent": 50, "text_zh": "x", "text_en": "x"}


async def things_of(person: Resident, source: Caller) -> dict[str, Any]:
    """Path parameters and bodies that are real."""
    receipt = await person.agree(source, "trip")
    terms = (await source.post("/v1/mandate-terms", json=TERMS)).json()["terms_id"]
    later = {"terms_id": terms, "valid_from": "2040-01-01T00:00:00Z"}
    mandate = (await person.post("/v1/me/mandates", json=later)).json()["mandate_id"]
    binding = (await person.post("/v1/me/bindings", json=wish(source, "trip"))).json()
    wrong_region = {"subject": "region", "region": "440300", "explanation": "x"}
    correction = (await person.post("/v1/me/corrections", json=wrong_region)).json()["correction_id"]
    export = (await person.post("/v1/me/exports")).json()["export_id"]
    return {
        "ids": {
            "receipt_id": receipt,
            "mandate_id": mandate,
            "binding_id": binding["binding_id"],
            "export_id": export,
            "correction_id": correction,
        },
        "bodies": {
            "/v1/me/consents": wish(source, "green"),
            "/v1/me/mandates": {"terms_id": terms, "valid_until": "2039-01-01T00:00:00Z"},
            "/v1/me/bindings": wish(source, "trip"),
            "/v1/bindings": {"link_token": binding["link_token"], "user_id": "u-made"},
            "/v1/mandate-terms": TERMS | {"version": "2"},
            "/v1/me/corrections": wrong_region,
            "/v1/operator/corrections/{correction_id}/decision": {"accepted": False, "reason": "x"},
        },
    }
