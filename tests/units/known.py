"""Ids and bodies with which doors of registry accounts reach an answer, for Schemathesis."""

from enterprises.known import Known
from helpers import Caller, City
from units.made import Book, an_origin

from accounts.ids import parse_public_id
from accounts.units import service as units
from app.wiring import utc_now

TRANSFERS = "/v1/market/transfers"


async def known_units(city: City, participant: Caller, bank: Caller) -> Known:
    """Of a participant with units; each step that happens once has a transfer of its own."""
    other = await city.client("participant", "440300")
    own = parse_public_id("org", participant.organisation_id)
    async with city.service.database.driver_transaction() as driver:
        kept = await driver.fetchrow("SELECT name, region FROM organisations WHERE id = $1", own)
    assert kept is not None
    second = await city.client("participant", kept["region"], name=kept["name"])
    accounts = []
    for caller in (participant, other):
        accounts.append(str((await caller.get("/v1/market/account")).json()["account_id"]))
        account = parse_public_id("rac", accounts[-1])
        assert account is not None
        book = Book(city.service)
        await book.step(
            lambda driver, to=account: units.issue(driver, an_origin(), to, 100_000_000, utc_now())
        )

    async def offered(caller: Caller, to: str, quantity_kg: int = 1) -> dict[str, str]:
        answer = await caller.post(TRANSFERS, json={"to_account_id": to, "quantity_kg": quantity_kg})
        assert answer.status_code == 200, answer.text
        return {"transfer_id": answer.json()["transfer_id"]}

    pledge = {"bank_id": bank.organisation_id, "quantity_kg": 1000, "contract": "x"}
    pledged = {"pledge_id": (await participant.post("/v1/market/pledges", json=pledge)).json()["pledge_id"]}
    mine, order = {"account_id": accounts[0]}, {"document": "x", "reason": "x"}
    theirs = {"account_id": accounts[1]}
    limits = {"transfer_limit_kg": None, "daily_limit_kg": None, "approval_above_kg": 0, "reason": "x"}
    step = "{transfer_id}"
    known: Known = {
        ("GET", f"{TRANSFERS}/{step}"): (await offered(participant, accounts[1]), None, None),
        ("POST", TRANSFERS): ({}, {"to_account_id": accounts[1], "quantity_kg": 1}, None),
        ("POST", f"{TRANSFERS}/{step}/acceptance"): (await offered(other, accounts[0]), None, None),
        ("POST", f"{TRANSFERS}/{step}/rejection"): (await offered(other, accounts[0]), None, None),
        ("POST", f"{TRANSFERS}/{step}/withdrawal"): (await offered(participant, accounts[1]), None, None),
        ("POST", f"{TRANSFERS}/{step}/approval"): (await offered(second, accounts[1], 1_000_001), None, None),
        ("POST", "/v1/market/pledges"): ({}, pledge, None),
        ("GET", "/v1/market/pledges/{pledge_id}"): (pledged, None, None),
        ("POST", "/v1/bank/pledges/{pledge_id}/release"): (pledged, {"quantity_kg": 1}, None),
        ("GET", "/v1/operator/registry-accounts/{account_id}"): (mine, None, None),
        ("PUT", "/v1/operator/registry-accounts/{account_id}/limits"): (theirs, limits, 1),
        ("POST", "/v1/operator/registry-accounts/{account_id}/freeze"): (theirs, order, None),
        ("POST", "/v1/operator/registry-accounts/{account_id}/unfreezing"): (theirs, {"document": "x"}, None),
    }
    return known
