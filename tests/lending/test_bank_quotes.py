"""Quotes and reports of a resident, from the grant in the own app to the signed paper; over HTTP."""

import asyncio
import base64
import datetime as dt
import json
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from agreements.people import Resident, resident
from banking.bench_of_bank import Counter
from disputes.quarrel import trip
from helpers import Caller, City
from lending.lender import product

from app.application import create_app
from app.scoring.counting import BEHIND, count_deeds
from app.scoring.in_force import ChosenCard, ScoreCards
from app.wiring import Services, utc_now
from dedup.periods import LOCAL

TODAY = utc_now().astimezone(LOCAL).date()


@dataclass
class Desk:
    """A bank with a product for the tiers of the residents' card, and a customer with a score."""

    city: City
    bank: Caller
    counter: Counter
    product_id: str
    other_product_id: str

    async def granted(self, scope: str = "tier", **over: Any) -> str:
        return (await self.counter.grant(scope, **over))["reference"]

    async def quote(self, reference: str, **over: Any) -> httpx.Response:
        headers = over.pop("headers", {})
        body = {"reference": reference, "product_id": self.product_id} | over
        return await self.bank.post("/v1/bank/quotes", json=body, headers=headers)

    async def report(self, reference: str, **over: Any) -> httpx.Response:
        headers = over.pop("headers", {})
        return await self.bank.post("/v1/bank/reports", json={"reference": reference} | over, headers=headers)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def doors(service: Services) -> AsyncIterator[City]:
    """The doors of the very process that knows the cards."""
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield City(http, service)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(doors: City, service: Services) -> Desk:
    operator, platform = await doors.client("operator", "440000"), await doors.client("platform")
    person: Resident = await resident(doors, "13900770001")
    await doors.holder(operator, "13900770001", platform)
    month = TODAY.replace(day=1)
    for _ in range(2):
        month = (month - dt.timedelta(days=1)).replace(day=1)
        for day in (3, 5, 9):
            date = month.replace(day=day).isoformat()
            body = trip(
                "13900770001",
                started_at=f"{date}T08:00:00+08:00",
                ended_at=f"{date}T08:25:00+08:00",
            )
            answer = await platform.post("/v1/activities", json=body)
            assert answer.json()["outcome"] == "credited", answer.text
    await count_deeds(service.database, utc_now() + BEHIND)
    chosen = ScoreCards.model_validate(
        {
            "region": "440300",
            "from": dt.date(2025, 1, 1),
            "cards": (
                ChosenCard(card="resident", version="1"),
                ChosenCard(card="wendeng", version="2023-04"),
            ),
        }
    )
    points = service.live._points
    points.cards = points.cards.with_sets([chosen])
    bank = await doors.client("bank")
    names = [each.tier for each in points.cards.of("440300", TODAY)["resident"].text.tiers.rows]
    table = [
        {
            "level": name,
            "limit_from_bp": 10_000 + 1_000 * place,
            "limit_to_bp": 11_000 + 1_000 * place,
            "discount_from_bp": 10 * place,
            "discount_to_bp": 20 * place,
        }
        for place, name in enumerate(names)
    ]
    made = [
        await bank.post("/v1/bank/products", json=product(card=card, table=rows))
        for card, rows in (("resident", table), ("wendeng", table[-1:]))
    ]
    ids = [answer.json()["product_id"] for answer in made]
    return Desk(doors, bank, Counter(doors, bank, person), *ids)


async def test_a_quote_explains_itself(desk: Desk) -> None:
    reference = await desk.granted()
    answer = await desk.quote(reference, limit_fen=25_000_000, rate_bp=485)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["eligible"], told["reason"]["code"]) == (True, "level_in_table")
    assert told["reference"] == reference
    basis, rule = told["basis"], told["rule"]
    assert (basis["kind"], basis["card"], basis["version"]) == ("tier", "resident", "1")
    assert basis["as_of"] == TODAY.isoformat()
    assert basis["level"] == rule["level"]
    assert told["limit_to_fen"] == 25_000_000 * rule["limit_to_bp"] // 10_000
    assert told["rate_from_bp"] == 485 - rule["discount_to_bp"]
    valid = dt.datetime.fromisoformat(told["valid_until"]) - dt.datetime.fromisoformat(told["made_at"])
    assert valid == dt.timedelta(days=30)
    again = await desk.bank.get("/v1/bank/quotes/" + told["quote_id"])
    assert again.json() == told
    body = {
        "number": "L-1",
        "quote_id": told["quote_id"],
        "amount_fen": 20_000_000,
        "rate_bp": 440,
        "granted_on": TODAY.isoformat(),
    }
    loan = await desk.bank.post("/v1/bank/loans", json=body)
    assert (loan.status_code, loan.json()["level"]) == (200, rule["level"])
    other = await desk.quote(reference, product_id=desk.other_product_id)
    assert (other.json()["eligible"], other.json()["rule"]) == (False, None)


async def test_each_query_is_in_the_holders_log(desk: Desk) -> None:
    reference = await desk.granted()
    before = len(await desk.counter.log())
    await desk.quote(reference)
    await desk.report(reference)
    await desk.quote("cus_" + "0" * 32)
    log = await desk.counter.log()
    assert len(log) == before + 2
    assert [(each["what"], each["refused"]) for each in log[:2]] == [
        ("report", "wider_scope"),
        ("quote", None),
    ]


async def test_without_a_grant_nothing_is_told(desk: Desk) -> None:
    given = await desk.counter.grant("tier")
    reference = given["reference"]
    key = {"headers": {"Idempotency-Key": "k-quote"}}
    first = await desk.quote(reference, **key)
    again = await desk.quote(reference, **key)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
    other = Desk(desk.city, await desk.city.client("bank"), desk.counter, desk.product_id, "")
    refused = {"bank.access_refused"}
    assert (await other.quote(reference)).json()["code"] in refused
    assert (await other.bank.get("/v1/bank/quotes/" + first.json()["quote_id"])).status_code == 404
    await desk.counter.withdraw(given["grant_id"])
    for answer in (
        await desk.quote(reference),
        await desk.quote(reference, **key),
        await desk.bank.get("/v1/bank/quotes/" + first.json()["quote_id"]),
        await desk.report(reference),
        await desk.quote("no reference"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "bank.access_refused")


async def test_a_report_is_signed_and_verified(desk: Desk) -> None:
    reference = await desk.granted("report")
    answer = await desk.report(reference)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    report = made["report"]
    assert (made["kind"], report["reference"]) == ("resident", reference)
    parts = report["sections"]
    assert parts["identity"]["region"] == "440300"
    assert {each["card"] for each in parts["score"]["cards"]} == {"resident", "wendeng"}
    for each in parts["score"]["cards"]:
        if each["points"] is not None:
            assert sum(reason["points"] for reason in each["reasons"]) == each["points"]
    assert len(parts["reductions"]["by_month"]) == 13
    assert sum(each["acts"] for each in parts["reductions"]["by_month"]) == 6
    assert parts["data_quality"]["by_platforms"] == 6
    assert parts["method"]["methodologies"]
    assert parts["units"]["available"] is False
    door = "/v1/reports/verification"
    found = (await desk.city.http.post(door, json={"jws": made["jws"]})).json()
    assert (found["valid"], found["report_id"], found["sha256"]) == (True, made["report_id"], made["sha256"])
    head, claims, signature = made["jws"].split(".")
    forged = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    forged["report"]["bank_name"] = "another"
    other = base64.urlsafe_b64encode(json.dumps(forged).encode()).rstrip(b"=").decode()
    for jws, reason in (
        (f"{head}.{other}.{signature}", "signature"),
        ("e30.e30.e30", "unknown_key"),
        ("x", "no_report"),
        (desk.bank.token, "no_report"),
    ):
        wrong = (await desk.city.http.post(door, json={"jws": jws})).json()
        assert (wrong["valid"], wrong["reason"], wrong["report_id"]) == (False, reason, None)


async def test_a_report_can_be_read_again_while_the_grant_lives(desk: Desk) -> None:
    given = await desk.counter.grant("report")
    key = {"headers": {"Idempotency-Key": "k-report"}}
    both = await asyncio.gather(*(desk.report(given["reference"], **key) for _ in range(2)))
    made = both[0].json()
    assert both[1].json() == made
    door = "/v1/bank/reports/" + made["report_id"]
    assert (await desk.bank.get(door)).json() == made
    assert (await (await desk.city.client("bank")).get(door)).status_code == 404
    paper = await desk.bank.get(door + "/report.pdf")
    assert paper.headers["content-type"] == "application/pdf"
    assert made["jws"] in attached(paper.content)
    assert (await desk.bank.get(door + "/report.pdf")).content == paper.content
    await desk.counter.withdraw(given["grant_id"])
    for answer in (
        await desk.bank.get(door),
        await desk.bank.get(door + "/report.pdf"),
        await desk.report(given["reference"], **key),
    ):
        assert answer.json()["code"] == "bank.access_refused"


def attached(pdf: bytes) -> list[str]:
    """What the streams of a PDF hold."""
    found = []
    for piece in pdf.split(b"stream\n")[1:]:
        content = piece.split(b"\nendstream")[0]
        try:
            content = zlib.decompress(content)
        except zlib.error:
            continue
        found.append(content.decode("latin-1"))
    return found


async def test_an_erased_holders_reports_are_forgotten(desk: Desk, owner: asyncpg.Connection) -> None:
    from app.credit_reports import repository  # noqa: PLC0415 - the only use here

    reference = await desk.granted("report")
    made = (await desk.report(reference)).json()
    holder = await owner.fetchval(
        "SELECT holder_id FROM bank_references WHERE reference = $1::uuid", reference[4:]
    )
    async with desk.city.service.database.driver_transaction() as driver:
        await repository.forget(driver, holder)
    rows = await owner.fetch("SELECT jws, digest FROM credit_reports WHERE holder_id = $1", holder)
    assert rows
    assert {row["jws"] for row in rows} == {None}
    assert (await desk.bank.get("/v1/bank/reports/" + made["report_id"])).status_code == 404
    assert (await desk.city.http.post("/v1/reports/verification", json={"jws": made["jws"]})).json()["valid"]


@pytest.mark.parametrize("purpose", ["white_list", ""])
async def test_a_report_serves_a_loan(desk: Desk, purpose: str) -> None:
    assert (await desk.report("cus_" + "0" * 32, purpose=purpose)).status_code == 422
