"""Who asks without a sign-in that counts is refused, and the customer sees it: an expired token, an unknown client."""

import datetime
from dataclasses import replace
from typing import Any

import pytest_asyncio
from banking.bench_of_bank import until
from helpers import Caller, City

from app.wiring import Services, utc_now

LABEL = "/v1/bank/labels/query"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bank(city: City) -> Caller:
    return await city.client("bank", name="Bank of expired tokens")


async def customer(city: City, bank: Caller, phone: str) -> tuple[Caller, str]:
    """A resident who granted it, and the bank's name for them."""
    operator = await city.client("operator", "440000")
    resident = await city.signed_in(await city.holder(operator, phone))
    wish = {
        "bank_id": bank.organisation_id,
        "purpose": "loan_application",
        "scope": "tier",
        "valid_until": until(),
        "text_version": "2026-11",
    }
    granted = await resident.post("/v1/me/bank-grants", json=wish)
    assert granted.status_code == 200, granted.text
    return resident, str(granted.json()["reference"])


async def lines(resident: Caller) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await resident.get("/v1/me/access-log")).json()["items"]
    return found


def asking(reference: str) -> dict[str, Any]:
    return {"customer": {"reference": reference}, "purpose": "loan_application", "detail": False}


async def test_an_expired_token_is_refused_and_seen(
    city: City, service: Services, bank: Caller, phone: str
) -> None:
    resident, reference = await customer(city, bank, phone)
    principal = service.tokens.verify(bank.token, utc_now())
    past = utc_now() - datetime.timedelta(hours=1)
    late = replace(principal, expires_at=int(past.timestamp()))
    expired = replace_token(bank, service.tokens.issue(late, utc_now()))
    for _ in range(3):
        answer = await expired.post(LABEL, json=asking(reference))
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.invalid")
    (line,) = await lines(resident)
    told = {name: line[name] for name in ("reader", "what", "purpose", "refused", "target")}
    assert told == {
        "reader": "Bank of expired tokens",
        "what": "label",
        "purpose": "loan_application",
        "refused": "no_sign_in",
        "target": "",
    }
    assert (await bank.post(LABEL, json=asking(reference))).status_code == 200
    assert [each["refused"] for each in await lines(resident)] == [None, "no_sign_in"]


async def test_an_unknown_client_and_one_that_is_no_bank_are_seen(
    city: City, bank: Caller, phones: Any
) -> None:
    platform = await city.client("platform", name="No bank")
    forged = replace_token(bank, bank.token[:-8] + "AAAAAAAA")
    nobody = replace_token(bank, "x.y.z")
    for caller, status, name in (
        (forged, 401, "unknown client"),
        (nobody, 401, "unknown client"),
        (platform, 403, "No bank"),
    ):
        resident, reference = await customer(city, bank, phones())
        bodies: tuple[tuple[str, dict[str, Any]], ...] = (
            ("/v1/bank/quotes", {"reference": reference, "product_id": "bpr_" + "0" * 32}),
            ("/v1/bank/pre-screenings", {"card": "resident", "customers": [{"reference": reference}]}),
        )
        for path, body in bodies:
            assert (await caller.post(path, json=body)).status_code == status
        (line,) = await lines(resident)
        assert (line["reader"], line["what"], line["refused"]) == (name, "quote", "no_sign_in")


async def test_nobody_is_told_of_a_name_that_is_no_customers(city: City, bank: Caller, phone: str) -> None:
    resident, reference = await customer(city, bank, phone)
    nobody = replace_token(bank, "x.y.z")
    other = "cus_" + "0" * 32
    for content in (b"", b"[]", b"{", b'{"customer": 3}', b'{"reference": 7, "customers": [1]}'):
        assert (await nobody.post(LABEL, content=content)).status_code == 401
    assert (await nobody.post(LABEL, json=asking(other))).status_code == 401
    answer = await nobody.http.post(LABEL, json=asking(other))
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.missing")
    # Doors that ask about no customer tell nobody.
    assert (await nobody.post("/v1/bank/products", json={"reference": reference})).status_code == 401
    assert await lines(resident) == []


def replace_token(caller: Caller, token: str) -> Caller:
    return Caller(caller.http, token, caller.organisation_id, caller.client_id, caller.secret)
