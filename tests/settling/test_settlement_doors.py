"""Statements over HTTP: a merchant agrees or disputes, operators resolve and pay, nobody sees what is not theirs."""

import asyncio
import uuid
from typing import Any

import asyncpg
import httpx
import pytest_asyncio
from helpers import Caller, City
from settling.books import Books, Trader, at, client_of

OPERATOR = "/v1/operator/settlements"
MERCHANT = "/v1/merchant/settlements"
SINCE = at("2026-06-20 00:00")
ENDS = "2026-10-01T00:00:00+08:00"


@pytest_asyncio.fixture(scope="module", autouse=True, loop_scope="session")
async def nothing_is_counted(base_url: str, database_urls: tuple[str, str]) -> None:
    """The service counts deeds up to now when it starts, and these books are of last year, before that."""
    owner = await asyncpg.connect(database_urls[1])
    await owner.execute("UPDATE jobs SET next_run_at = now() + interval '1 day' WHERE name = 'take_scores'")
    await owner.execute("DELETE FROM deed_counts")
    await owner.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def operators(city: City) -> list[Caller]:
    return [await city.client("operator", "440300") for _ in range(3)]


async def traded(books: Books, times: int = 3, fens: tuple[int, ...] = (500,), **more: Any) -> Trader:
    trader = await books.trader(SINCE, fens, **more)
    await books.redeem(trader, await books.holder(), "2026-09-15 12:00", times=times)
    return trader


async def issued(operator: Caller, trader: Trader, **more: Any) -> dict[str, Any]:
    body = {"merchant_id": trader.public, "region": trader.region, "ends_at": ENDS}
    answer = await operator.post(OPERATOR, json=body, **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def step(who: Caller, prefix: str, seen: dict[str, Any], name: str, **body: Any) -> httpx.Response:
    return await who.post(
        f"{prefix}/{seen['settlement_id']}/{name}", json=body, headers={"If-Match": str(seen["version"])}
    )


async def done(who: Caller, prefix: str, seen: dict[str, Any], name: str, **body: Any) -> dict[str, Any]:
    answer = await step(who, prefix, seen, name, **body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_from_the_statement_to_its_payment(
    books: Books, city: City, operators: list[Caller], owner: asyncpg.Connection
) -> None:
    trader = await traded(books, shops=("福田店",))
    merchant = await client_of(city, trader)
    first, second, _ = operators
    asked = {"merchant_id": trader.public, "region": trader.region, "ends_at": "2027-01-01T00:00:00+08:00"}
    preview = (await first.get(OPERATOR + "/preview", params=asked)).json()
    assert (preview["over"], preview["spent_fen"], preview["redeemed"]) == (False, 1500, 3)
    running = await first.post(OPERATOR, json=asked)
    assert code(running) == (409, "settlement.period_not_over")
    seen = await issued(first, trader)
    assert (seen["state"], seen["total_fen"], seen["payable_fen"], seen["points"]) == (
        "issued",
        1500,
        1500,
        30,
    )
    assert seen["merchant_id"] == trader.public
    listed = (await merchant.get(MERCHANT)).json()["items"]
    assert [each["settlement_id"] for each in listed] == [seen["settlement_id"]]
    early = await step(first, OPERATOR, seen, "payment", bank_reference="B-7", paid_on="2026-10-09")
    assert code(early) == (409, "settlement.wrong_state")
    seen = await done(merchant, MERCHANT, seen, "agreement", note="checked")
    again = await step(merchant, MERCHANT, seen, "dispute", reason="too late")
    assert code(again) == (409, "settlement.wrong_state")
    seen = await done(first, OPERATOR, seen, "payment", bank_reference="B-7", paid_on="2026-10-09")
    assert (seen["state"], seen["bank_reference"]) == ("in_payment", "B-7")
    told = (await merchant.get(f"{MERCHANT}/{seen['settlement_id']}")).json()
    assert (told["state"], told["bank_reference"], told["paid_on"]) == ("in_payment", None, None)
    own = await step(first, OPERATOR, seen, "payment/approval", reason="checked")
    assert code(own) == (403, "settlement.approve_own")
    seen = await done(second, OPERATOR, seen, "payment/approval", reason="seen at the bank")
    told = (await merchant.get(f"{MERCHANT}/{seen['settlement_id']}")).json()
    assert (told["state"], told["bank_reference"], told["paid_on"]) == ("paid", "B-7", "2026-10-09")
    for who, prefix, name, body in (
        (first, OPERATOR, "payment", {"bank_reference": "B-8", "paid_on": "2026-10-10"}),
        (second, OPERATOR, "payment/approval", {"reason": "x"}),
        (first, OPERATOR, "resolution", {"reason": "x"}),
        (merchant, MERCHANT, "agreement", {}),
    ):
        assert code(await step(who, prefix, seen, name, **body)) == (409, "settlement.wrong_state"), name
    records = await owner.fetch(
        "SELECT action, actor_client_id, reason FROM audit_records WHERE target_id = $1 ORDER BY id",
        seen["settlement_id"],
    )
    assert [tuple(row) for row in records] == [
        ("settlement.issued", first.client_id, ""),
        ("settlement.agreed", merchant.client_id, "checked"),
        ("settlement.payment_proposed", first.client_id, ""),
        ("settlement.paid", second.client_id, "seen at the bank"),
    ]
    assert await books.breaches() == []


async def test_a_dispute_that_is_corrected_and_one_that_is_upheld(
    books: Books, city: City, operators: list[Caller]
) -> None:
    trader = await traded(books)
    merchant = await client_of(city, trader)
    first, second, third = operators
    seen = await issued(first, trader)
    empty = await step(merchant, MERCHANT, seen, "dispute")
    assert code(empty) == (422, "request.invalid")
    unknown = await step(
        merchant, MERCHANT, seen, "dispute", lines=[{"line": 1, "reason": "a"}, {"line": 9, "reason": "b"}]
    )
    assert code(unknown) == (422, "settlement.line_unknown")
    assert unknown.json()["errors"][0]["pointer"] == "/lines/1/line"
    seen = await done(
        merchant, MERCHANT, seen, "dispute", reason="整单不符", lines=[{"line": 1, "reason": "少一笔"}]
    )
    blocked = await step(first, OPERATOR, seen, "payment", bank_reference="B", paid_on="2026-10-09")
    assert code(blocked) == (409, "settlement.wrong_state")
    waiting = (await first.get(OPERATOR, params={"state": "disputed", "merchant_id": trader.public})).json()
    assert [each["settlement_id"] for each in waiting["items"]] == [seen["settlement_id"]]
    corrections = [{"line": 1, "fen": 500, "reason": "one more"}, {"fen": -100, "reason": "a fee"}]
    zero = await step(
        first, OPERATOR, seen, "resolution", reason="x", corrections=[{"fen": 0, "reason": "x"}]
    )
    assert code(zero) == (422, "request.invalid")
    seen = await done(first, OPERATOR, seen, "resolution", reason="checked", corrections=corrections)
    assert (seen["state"], seen["adjusted_fen"], seen["total_fen"]) == ("corrected", 400, 1900)
    # Again, for what is still wrong; now it is upheld, and may be paid without the merchant's word.
    seen = await done(merchant, MERCHANT, seen, "dispute", reason="还差一笔")
    assert seen["resolution"] is None
    seen = await done(first, OPERATOR, seen, "resolution", reason="refunded the same day")
    assert (seen["state"], seen["total_fen"]) == ("upheld", 1900)
    final = await step(merchant, MERCHANT, seen, "dispute", reason="once more")
    assert code(final) == (409, "settlement.wrong_state")
    detail = (await merchant.get(f"{MERCHANT}/{seen['settlement_id']}")).json()
    assert [(each["line"], each["reason"]) for each in detail["disputes"]] == [
        (1, "少一笔"),
        (None, "整单不符"),
        (None, "还差一笔"),
    ]
    assert [(each["line"], each["fen"]) for each in detail["adjustments"]] == [(1, 500), (None, -100)]
    seen = await done(second, OPERATOR, seen, "payment", bank_reference="B-9", paid_on="2026-10-09")
    resolver = await step(first, OPERATOR, seen, "payment/approval", reason="x")
    assert code(resolver) == (403, "settlement.approve_own")
    seen = await done(third, OPERATOR, seen, "payment/rejection", reason="no such transfer")
    assert (seen["state"], seen["bank_reference"]) == ("upheld", None)
    seen = await done(second, OPERATOR, seen, "payment", bank_reference="B-10", paid_on="2026-10-10")
    seen = await done(third, OPERATOR, seen, "payment/approval", reason="seen")
    assert seen["state"] == "paid"
    assert await books.breaches() == []


async def test_nothing_is_paid_of_what_is_below_zero(
    books: Books, city: City, operators: list[Caller]
) -> None:
    trader = await books.trader(SINCE)
    holder = await books.holder()
    (taken,) = await books.redeem(trader, holder, "2026-08-15 12:00")
    await books.issue(trader, "2026-09-01 00:00")
    await books.refund(trader, taken, "2026-09-02 12:00")
    merchant = await client_of(city, trader)
    seen = await issued(operators[0], trader)
    assert (seen["total_fen"], seen["payable_fen"], seen["carry_fen"]) == (-500, 0, -500)
    seen = await done(merchant, MERCHANT, seen, "agreement")
    answer = await step(operators[0], OPERATOR, seen, "payment", bank_reference="B", paid_on="2026-10-09")
    assert code(answer) == (409, "settlement.nothing_payable")


async def test_nobody_sees_what_is_not_theirs(books: Books, city: City, operators: list[Caller]) -> None:
    trader, other = await traded(books), await traded(books)
    merchant, stranger = await client_of(city, trader), await client_of(city, other)
    elsewhere = await city.client("operator", "310000")
    seen = await issued(operators[0], trader)
    path = seen["settlement_id"]
    assert (await stranger.get(MERCHANT)).json()["items"] == []
    assert (await elsewhere.get(OPERATOR, params={"merchant_id": trader.public})).json()["items"] == []
    nowhere = "stl_" + "1" * 32
    for who, prefix, steps in (
        (stranger, MERCHANT, ("agreement", "dispute")),
        (elsewhere, OPERATOR, ("resolution", "payment", "payment/approval", "payment/rejection")),
    ):
        for name in ("", "/lines", "/statement.csv", "/statement.pdf"):
            answers = [await who.get(f"{prefix}/{each}{name}") for each in (path, nowhere)]
            assert [each.status_code for each in answers] == [404, 404]
            assert {each.json()["code"] for each in answers} == {"settlement.not_found"}
            assert {each.json()["detail"] for each in answers} == {"结算单不存在或无权查看"}
        bodies = {"dispute": {"reason": "x"}, "payment": {"bank_reference": "x", "paid_on": "2026-10-01"}}
        for name in steps:
            body = bodies.get(name, {} if name == "agreement" else {"reason": "x"})
            assert code(await step(who, prefix, seen, name, **body)) == (404, "settlement.not_found")
    asked = {"merchant_id": trader.public, "region": trader.region, "ends_at": ENDS}
    for answer in (
        await elsewhere.post(OPERATOR, json=asked),
        await elsewhere.get(OPERATOR + "/preview", params=asked),
    ):
        assert code(answer) == (404, "settlement.merchant_not_found")
    unknown = await operators[0].post(OPERATOR, json=asked | {"merchant_id": "org_" + "1" * 32})
    assert code(unknown) == (404, "settlement.merchant_not_found")
    # A merchant's rights end at its own doors, and reading ends before writing.
    assert (await merchant.get(OPERATOR)).status_code == 403
    reader = await city.client("merchant", trader.region, ("merchant:settlements:read",), name=trader.name)
    assert (await reader.get(f"{MERCHANT}/{path}")).status_code == 200
    assert code(await step(reader, MERCHANT, seen, "agreement")) == (403, "auth.scope")
    maker = await city.client("operator", "440300", ("operator:settlements:write",))
    assert code(await step(maker, OPERATOR, seen, "payment/approval", reason="x")) == (403, "auth.scope")


async def test_versions_and_kept_answers(books: Books, city: City, operators: list[Caller]) -> None:
    trader = await traded(books)
    merchant = await client_of(city, trader)
    key = {"Idempotency-Key": uuid.uuid4().hex}
    seen = await issued(operators[0], trader, headers=key)
    assert await issued(operators[0], trader, headers=key) == seen
    body = {"merchant_id": trader.public, "region": trader.region, "ends_at": ENDS}
    assert code(await operators[0].post(OPERATOR, json=body)) == (409, "settlement.already_issued")
    path = f"{MERCHANT}/{seen['settlement_id']}/agreement"
    assert code(await merchant.post(path, json={})) == (428, "settlement.if_match_missing")
    stale = await merchant.post(path, json={}, headers={"If-Match": "9", "Accept-Language": "en"})
    assert code(stale) == (412, "settlement.changed_meanwhile")
    assert stale.json()["detail"] == "It has changed since you read it; read it again"
    headers = {"If-Match": str(seen["version"]), "Idempotency-Key": uuid.uuid4().hex}
    answers = await asyncio.gather(*(merchant.post(path, json={}, headers=headers) for _ in range(8)))
    assert {each.status_code for each in answers} == {200}
    assert len({each.content for each in answers}) == 1
    assert sum("Idempotent-Replayed" in each.headers for each in answers) == 7


async def test_agreement_and_dispute_at_once(books: Books, city: City, operators: list[Caller]) -> None:
    trader = await traded(books)
    merchant = await client_of(city, trader)
    seen = await issued(operators[0], trader)
    asked = [("agreement", {}), ("dispute", {"reason": "x"})] * 10
    answers = await asyncio.gather(*(step(merchant, MERCHANT, seen, name, **body) for name, body in asked))
    assert sorted(each.status_code for each in answers) == [200] + [412] * 19


async def test_twenty_operators_at_once(books: Books, city: City, operators: list[Caller]) -> None:
    trader = await traded(books, times=10)
    body = {"merchant_id": trader.public, "region": trader.region, "ends_at": ENDS}
    answers = await asyncio.gather(*(operators[n % 3].post(OPERATOR, json=body) for n in range(20)))
    assert sorted(each.status_code for each in answers) == [200] + [409] * 19
    seen = next(each.json() for each in answers if each.status_code == 200)
    assert seen["redeemed"] == 10
    merchant = await client_of(city, trader)
    seen = await done(merchant, MERCHANT, seen, "agreement")
    seen = await done(operators[0], OPERATOR, seen, "payment", bank_reference="B", paid_on="2026-10-09")
    paid = await asyncio.gather(
        *(step(operators[1 + n % 2], OPERATOR, seen, "payment/approval", reason="x") for n in range(20))
    )
    assert sorted(each.status_code for each in paid) == [200] + [412] * 19
    assert await books.breaches() == []


async def test_lines_in_pages(books: Books, city: City, operators: list[Caller]) -> None:
    trader = await books.trader(SINCE, (500, 700))
    holder = await books.holder()
    for day in range(1, 8):
        for offer in (0, 1):
            await books.redeem(trader, holder, f"2026-09-{day:02d} 12:00", offer=offer)
    merchant = await client_of(city, trader)
    seen = await issued(operators[0], trader)
    path, cursor, found = f"{MERCHANT}/{seen['settlement_id']}/lines", None, []
    while True:
        params = {"limit": 5} | ({} if cursor is None else {"cursor": cursor})
        page = (await merchant.get(path, params=params)).json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [each["line"] for each in found] == list(range(1, 15))
    assert sum(each["spent_fen"] for each in found) == seen["spent_fen"] == 7 * 1200
    for odd in ("0", "x", "-1", "99999999999", "1.5"):
        assert code(await merchant.get(path, params={"cursor": odd})) == (422, "request.invalid")
    pages = (await operators[0].get(OPERATOR, params={"limit": 1})).json()
    following = (await operators[0].get(OPERATOR, params={"limit": 1, "cursor": pages["next_cursor"]})).json()
    assert following["items"][0]["settlement_id"] < pages["items"][0]["settlement_id"]


async def test_the_merchant_is_told_in_the_same_commit(
    books: Books, city: City, operators: list[Caller], owner: asyncpg.Connection
) -> None:
    trader = await traded(books)
    merchant = await client_of(city, trader)
    types = ["issued", "agreed", "disputed", "corrected", "upheld", "paid"]
    hook = {"url": "http://127.0.0.1:9/", "event_types": [f"settlement.{each}" for each in types]}
    answer = await merchant.post("/v1/webhooks", json=hook)
    assert answer.status_code == 200, answer.text
    seen = await issued(operators[0], trader)
    seen = await done(merchant, MERCHANT, seen, "dispute", reason="x")
    seen = await done(
        operators[0], OPERATOR, seen, "resolution", reason="x", corrections=[{"fen": 5, "reason": "x"}]
    )
    # What is refused tells nothing.
    assert (await step(merchant, MERCHANT, seen | {"version": 1}, "agreement")).status_code == 412
    seen = await done(operators[1], OPERATOR, seen, "payment", bank_reference="B", paid_on="2026-10-09")
    seen = await done(operators[2], OPERATOR, seen, "payment/rejection", reason="x")
    seen = await done(merchant, MERCHANT, seen, "agreement")
    seen = await done(operators[1], OPERATOR, seen, "payment", bank_reference="B", paid_on="2026-10-09")
    await done(operators[2], OPERATOR, seen, "payment/approval", reason="x")
    rows = await owner.fetch(
        "SELECT type, data FROM webhook_deliveries WHERE subject = $1 ORDER BY seq", seen["settlement_id"]
    )
    told = [f"settlement.{each}" for each in ("issued", "disputed", "corrected", "agreed", "paid")]
    assert [row["type"] for row in rows] == told
    assert '"payable_fen":1505' in rows[-1]["data"]
