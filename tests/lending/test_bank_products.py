"""Products of banks: versions, days, and the bounds that the database holds as well."""

import asyncio
import datetime
import uuid

import asyncpg
import pytest
from helpers import City
from lending.lender import RULE, Lender, product, today

from accounts.ids import parse_public_id
from app.lending import repository
from app.lending.decision import Terms
from app.lending.models import BankProduct


async def test_versions_follow_each_other_and_none_is_changed(lender: Lender) -> None:
    made = await lender.publish()
    door = "/v1/bank/products/" + made["product_id"]
    assert (made["version"], made["in_force"]) == (1, True)
    later = (datetime.date.fromisoformat(today()) + datetime.timedelta(days=10)).isoformat()
    body = product(code=made["code"], table=[RULE | {"limit_to_bp": 15_000}], valid_from=later)
    assert (await lender.bank.request("PUT", door, json=body)).status_code == 428
    second = await lender.bank.request("PUT", door, json=body, headers={"If-Match": "1"})
    assert (second.status_code, second.json()["version"], second.json()["in_force"]) == (200, 2, False)
    stale = await lender.bank.request("PUT", door, json=body, headers={"If-Match": "1"})
    assert (stale.status_code, stale.json()["code"]) == (412, "product.edited_meanwhile")
    versions = (await lender.bank.get(door + "/versions")).json()["items"]
    assert [(each["version"], each["in_force"]) for each in versions] == [(2, False), (1, True)]
    assert versions[1] == made
    assert (await lender.bank.get(door)).json()["version"] == 2
    listed = (await lender.bank.get("/v1/bank/products")).json()["items"]
    assert [each["version"] for each in listed if each["product_id"] == made["product_id"]] == [2]


async def test_a_last_day_ends_a_product(lender: Lender) -> None:
    made = await lender.publish()
    door = "/v1/bank/products/" + made["product_id"]
    yesterday = (datetime.date.fromisoformat(today()) - datetime.timedelta(days=1)).isoformat()
    ended = await lender.bank.request(
        "PUT", door, json=product(code=made["code"], valid_until=today()), headers={"If-Match": "1"}
    )
    assert ended.json()["in_force"] is True
    known = parse_public_id("bpr", made["product_id"])
    assert known is not None
    async with lender.city.service.database.driver_transaction() as driver:
        on = [
            await repository.versions_in_force(driver, [known], datetime.date.fromisoformat(today()) + each)
            for each in (-datetime.timedelta(days=1), datetime.timedelta(0), datetime.timedelta(days=1))
        ]
    assert on == [{}, {known: 2}, {}]
    past = await lender.bank.post("/v1/bank/products", json=product(valid_from=yesterday))
    assert (past.status_code, past.json()["code"]) == (422, "product.begins_in_past")


async def test_one_code_one_product_and_one_next_version(lender: Lender) -> None:
    body = product()
    both = await asyncio.gather(*(lender.bank.post("/v1/bank/products", json=body) for _ in range(2)))
    assert sorted(each.status_code for each in both) == [200, 409]
    door = "/v1/bank/products/" + next(each.json()["product_id"] for each in both if each.status_code == 200)
    nexts = await asyncio.gather(
        *(lender.bank.request("PUT", door, json=body, headers={"If-Match": "1"}) for _ in range(3))
    )
    assert sorted(each.status_code for each in nexts) == [200, 412, 412]
    other = await lender.bank.request("PUT", door, json=product(), headers={"If-Match": "2"})
    assert other.json()["code"] == "product.code_taken"


async def test_another_banks_product_is_not_there(lender: Lender, city: City) -> None:
    made = await lender.publish()
    other = await city.client("bank")
    door = "/v1/bank/products/" + made["product_id"]
    for answer in (
        await other.get(door),
        await other.get(door + "/versions"),
        await other.request("PUT", door, json=product(code=made["code"]), headers={"If-Match": "1"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "product.not_found")
    # A code is the bank's own.
    assert (await other.post("/v1/bank/products", json=product(code=made["code"]))).status_code == 200


@pytest.mark.parametrize(
    "over",
    [
        {"table": [RULE | {"limit_to_bp": 15_001}]},
        {"table": [RULE | {"limit_from_bp": 9_999}]},
        {"table": [RULE | {"discount_to_bp": 101}]},
        {"table": [RULE | {"discount_from_bp": -1}]},
        {"table": [RULE | {"limit_from_bp": 13_001}]},
        {"table": [RULE, RULE]},
        {"table": []},
        {"card": None},
        {"basis": "label"},
        {"basis": "label", "card": None},
        {"valid_until": "2020-01-01"},
        {"quote_days": 0},
    ],
)
async def test_what_does_not_fit_is_refused(lender: Lender, over: dict[str, object]) -> None:
    answer = await lender.bank.post("/v1/bank/products", json=product(**over))
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


@pytest.mark.parametrize(
    "terms",
    [
        Terms("a", 10_000, 15_001, 0, 0),
        Terms("a", 9_999, 10_000, 0, 0),
        Terms("a", 10_000, 10_000, 0, 101),
        Terms("a", 10_000, 10_000, -1, 0),
        Terms("a", 12_000, 11_000, 0, 0),
        Terms("a", 10_000, 10_000, 50, 49),
    ],
)
async def test_the_database_refuses_what_no_door_would_let_in(lender: Lender, terms: Terms) -> None:
    made = await lender.publish()
    known = parse_public_id("bpr", made["product_id"])
    assert known is not None
    bank = parse_public_id("org", lender.bank.organisation_id)
    assert bank is not None
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(lender, bank, known, terms)


async def insert(lender: Lender, bank: uuid.UUID, product_id: uuid.UUID, terms: Terms) -> None:
    """A ninth version with that rule, past all doors."""
    async with lender.city.service.database.driver_transaction() as driver:
        rows = await repository.product_versions(driver, bank, product_id)
        version = BankProduct(**dict(rows[0]) | {"version": 9})
        await repository.insert_product(driver, version, [terms])


async def test_the_shipped_examples_can_be_adopted(lender: Lender) -> None:
    items = (await lender.bank.get("/v1/bank/product-examples")).json()["items"]
    assert {each["basis"] for each in items} == {"tier", "label"}
    for each in items:
        answer = await lender.bank.post("/v1/bank/products", json=each)
        assert answer.status_code == 200, answer.text
        assert answer.json()["in_force"]
        assert answer.json()["source"]
