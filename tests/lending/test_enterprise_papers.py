"""A bank's quote and report of an enterprise, by its label."""

from typing import Any

import asyncpg
import pytest_asyncio
from enterprises.plant import Plant, made_plant
from helpers import Caller, City
from labels.district import District
from labels.made import three_views
from lending.lender import let, product

from app.credit_reports import signing
from app.wiring import Services, utc_now

TABLE = [
    {
        "level": level,
        "limit_from_bp": low,
        "limit_to_bp": high,
        "discount_from_bp": 0,
        "discount_to_bp": off,
    }
    for level, low, high, off in (("dark_green", 12_000, 15_000, 100), ("yellow", 10_000, 10_500, 10))
]


@pytest_asyncio.fixture(loop_scope="session")
async def maker(city: City, service: Services, owner: asyncpg.Connection) -> Plant:
    return await made_plant(city, await city.client("operator", "330000"))


async def asked(bank: Caller, door: str, **body: Any) -> Any:
    answer = await bank.post("/v1/bank/" + door, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_by_its_label(city: City, service: Services, owner: asyncpg.Connection, maker: Plant) -> None:
    bank = await city.client("bank")
    reference = await let(owner, maker.holder_id, bank, "report")
    body = product(holder_kind="organisation", basis="label", card=None, table=TABLE)
    product_id = (await bank.post("/v1/bank/products", json=body)).json()["product_id"]
    told = await asked(bank, "quotes", reference=reference, product_id=product_id)
    assert (told["eligible"], told["reason"]["code"]) == (False, "nothing_to_go_by")
    report = (await asked(bank, "reports", reference=reference))["report"]
    assert report["sections"]["label"]["reason"] == "no_label"

    district = District(service, owner, "330800")
    await district.rules(three_views() | {"industry": None})
    for measure, amount, unit in (("value_added", 154_166_666, "fen"), ("tax", 20_555_555, "fen")):
        await district.figure(maker.holder_id, measure, amount, unit=unit)
    await district.figure(maker.holder_id, "output", 1_000_000_000, unit="g", product="steel")
    district.mg[maker.holder_id, 2025] = 1_850_000_000_000
    await district.labelled()

    told = await asked(bank, "quotes", reference=reference, product_id=product_id, limit_fen=1_000)
    assert (told["eligible"], told["rule"]["level"], told["limit_to_fen"]) == (True, "yellow", 1_050)
    basis = told["basis"]
    assert (basis["kind"], basis["year"], basis["official"]) == ("label", 2025, False)
    made = await asked(bank, "reports", reference=reference)
    parts = made["report"]["sections"]
    assert (made["kind"], parts["identity"]["domain"]) == ("enterprise", "industry")
    label = parts["label"]
    assert (label["current"]["colour"], label["current"]["points"]) == ("yellow", "44.99")
    assert len(label["history"]) == 1
    assert parts["units"]["available"] is False
    pdf = await bank.get(f"/v1/bank/reports/{made['report_id']}/report.pdf")
    assert pdf.content.startswith(b"%PDF")
    # A product for persons is not for it.
    person = (await bank.post("/v1/bank/products", json=product(card="resident"))).json()["product_id"]
    told = await asked(bank, "quotes", reference=reference, product_id=person)
    assert told["reason"]["code"] == "other_kind_of_holder"
    keys = {key.kid: key.public.public_bytes_raw() for key in service.tokens.keys.verifying(utc_now())}
    assert signing.verify(made["jws"], keys).report == made["report"]
