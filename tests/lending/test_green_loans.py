"""Loans that banks report back, their corrections, and what operators read of them."""

import asyncio
import datetime
import uuid

import asyncpg
import pytest
from helpers import City
from lending.lender import Lender, today

from app.lending.statistics import SMALLEST_GROUP
from app.wiring import utc_now


async def test_a_loan_is_told_once(lender: Lender) -> None:
    made = await lender.publish()
    quote = await lender.quoted(made["product_id"])
    number = uuid.uuid4().hex
    both = await asyncio.gather(*(lender.lend(quote, number=number) for _ in range(3)))
    assert [each.status_code for each in both] == [200, 200, 200]
    assert len({each.json()["loan_id"] for each in both}) == 1
    for over in ({"amount_fen": 2}, {"rate_bp": 1}, {"funded_co2e_g": "5"}):
        answer = await lender.lend(quote, number=number, **over)
        assert (answer.status_code, answer.json()["code"]) == (409, "loan.number_taken")
    # One quote makes one loan.
    assert (await lender.lend(quote)).json()["code"] == "loan.number_taken"


async def test_corrections_are_versions(lender: Lender) -> None:
    made = await lender.publish()
    loan = (await lender.lend(await lender.quoted(made["product_id"]), funded_co2e_g="1200.5")).json()
    assert (loan["version"], loan["funded_co2e_g"], loan["level"]) == (1, "1200.5", "deep_green")
    door = "/v1/bank/loans/" + loan["loan_id"]
    body = {"amount_fen": 7, "rate_bp": 390, "granted_on": today(), "reason": "mistyped"}
    answers = await asyncio.gather(
        *(lender.bank.request("PUT", door, json=body, headers={"If-Match": "1"}) for _ in range(3))
    )
    assert sorted(each.status_code for each in answers) == [200, 412, 412]
    cancelled = await lender.bank.request(
        "PUT", door, json=body | {"state": "cancelled", "reason": "not drawn"}, headers={"If-Match": "2"}
    )
    assert (cancelled.json()["version"], cancelled.json()["state"]) == (3, "cancelled")
    items = (await lender.bank.get(door)).json()["items"]
    assert [(each["version"], each["amount_fen"], each["reason"]) for each in items] == [
        (3, 7, "not drawn"),
        (2, 7, "mistyped"),
        (1, 1_000_000, ""),
    ]
    listed = (await lender.bank.get("/v1/bank/loans")).json()["items"]
    assert [each["version"] for each in listed if each["loan_id"] == loan["loan_id"]] == [3]
    # What was reported first is repeated as it stands now.
    assert (await lender.bank.request("PUT", door, json=body)).json()["code"] == "loan.if_match_missing"


async def test_a_loan_stands_on_a_quote_that_counted(lender: Lender, city: City) -> None:
    made = await lender.publish(quote_days=10)
    product = made["product_id"]
    nothing = await lender.quoted(product, "light_green")
    assert (await lender.lend(nothing)).json()["code"] == "loan.quote_not_eligible"
    quote = await lender.quoted(product)
    day = datetime.date.fromisoformat(today())
    for away in (-1, 1, 11):
        answer = await lender.lend(quote, granted_on=(day + datetime.timedelta(days=away)).isoformat())
        assert (answer.status_code, answer.json()["code"]) == (422, "loan.quote_not_valid")
    other = Lender(city, await city.client("bank"))
    assert (await other.lend(quote)).json()["code"] == "quote.not_found"
    loan = (await lender.lend(quote)).json()["loan_id"]
    assert (await other.bank.get("/v1/bank/loans/" + loan)).status_code == 404


async def test_the_database_refuses_a_quote_beyond_the_bounds(
    lender: Lender, owner: asyncpg.Connection
) -> None:
    made = await lender.publish()
    quote = uuid.UUID((await lender.quoted(made["product_id"])).removeprefix("quo_"))
    for column, value in (("limit_to_bp", 15_001), ("discount_to_bp", 101), ("limit_from_bp", None)):
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute(f"UPDATE bank_quotes SET {column} = $2 WHERE id = $1", quote, value)


async def test_small_groups_are_withheld_from_totals_too(city: City) -> None:
    lender = Lender(city, await city.client("bank"))
    operator = await city.client("operator", "510000")
    shown, few = await lender.publish(), await lender.publish()
    for made, number in ((shown, SMALLEST_GROUP), (few, SMALLEST_GROUP - 1)):
        for place in range(number):
            quote = await lender.quoted(made["product_id"], region="510100")
            loan = await lender.lend(
                quote, amount_fen=100 * (place + 1), rate_bp=400 + place, funded_co2e_g="10.5"
            )
            assert loan.status_code == 200, loan.text
    await lender.lend(await lender.quoted(shown["product_id"], region="440300"), amount_fen=9)
    told = (await operator.get("/v1/operator/green-credit")).json()
    groups = {each["product_code"]: each for each in told["items"]}
    assert groups.keys() == {shown["code"], few["code"]}
    amount = sum(100 * (place + 1) for place in range(SMALLEST_GROUP))
    weighted = sum(100 * (place + 1) * (400 + place) for place in range(SMALLEST_GROUP))
    one = groups[shown["code"]]
    assert (one["loans"], one["amount_fen"], one["rate_bp"]) == (SMALLEST_GROUP, amount, weighted // amount)
    assert (one["funded_co2e_g"], one["month"]) == ("52.5", today()[:7])
    two = groups[few["code"]]
    assert two["withheld"]
    assert {two[name] for name in ("loans", "amount_fen", "rate_bp", "funded_co2e_g")} == {None}
    assert told["total"] == {"loans": SMALLEST_GROUP, "amount_fen": amount, "funded_co2e_g": "52.5"}


async def test_many_loans_of_one_holder_make_no_group(city: City, owner: asyncpg.Connection) -> None:
    lender = Lender(city, await city.client("bank"))
    operator = await city.client("operator", "520000")
    made = await lender.publish()
    loans = [
        (await lender.lend(await lender.quoted(made["product_id"], region="520100"))).json()
        for _ in range(SMALLEST_GROUP)
    ]

    async def withheld() -> bool:
        return bool((await operator.get("/v1/operator/green-credit")).json()["items"][0]["withheld"])

    assert not await withheld()
    ids = [uuid.UUID(each["loan_id"].removeprefix("gln_")) for each in loans]
    await owner.execute("UPDATE green_loans SET holder_id = $1 WHERE id = ANY($2)", uuid.uuid4(), ids)
    assert await withheld()


async def test_pages_and_months(city: City) -> None:
    lender = Lender(city, await city.client("bank"))
    operator = await city.client("operator", "530000")
    for _ in range(3):
        made = await lender.publish()
        await lender.lend(await lender.quoted(made["product_id"], region="530100"))
    door, seen, cursor = "/v1/operator/green-credit", [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await operator.get(door, params=query)).json()
        seen += [each["product_code"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 3
    before = (utc_now() - datetime.timedelta(days=62)).strftime("%Y-%m")
    assert (await operator.get(door, params={"to_month": before})).json()["items"] == []
    wrong = {"from_month": "2026-02", "to_month": "2026-01"}
    assert (await operator.get(door, params=wrong)).status_code == 422
    assert (await operator.get(door, params={"from_month": "2020-01"})).status_code == 422
