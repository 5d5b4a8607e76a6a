"""Monitoring after a loan: falls are told with their reasons, rises never, and nothing after a withdrawal."""

import datetime as dt
from typing import Any

import asyncpg
import orjson
import pytest
from banking.bench_of_bank import Counter, counter, until
from banking.lending_town import EARLIER, LATER, cards, labelled, saved, snapshot
from helpers import City

from accounts.ids import parse_public_id
from app.banking.watching import watch
from app.lending import exchange_repository
from app.lending.exchange_models import BankConnection
from app.wiring import Services, utc_now

MONITORING = "post_loan_monitoring"
HOOK = {"url": "http://127.0.0.1:9/", "event_types": ["tier.fallen", "label.fallen"]}


@pytest.fixture
async def desk(city: City, phone: str, service: Services, owner: asyncpg.Connection) -> Counter:
    """A customer who is deep green and labelled dark green at first."""
    made = await counter(city, phone)
    await saved(owner, made.person.holder_id, EARLIER, 120)
    await labelled(owner, made.person.holder_id, 2024, "dark_green")
    # What an earlier test scored later is not there yet.
    for table in ("scores", "score_slices", "score_runs"):
        await owner.execute(f"DELETE FROM {table}")
    await snapshot(service, owner, EARLIER)
    answer = await made.bank.post("/v1/webhooks", json=HOOK)
    assert answer.status_code == 200, answer.text
    return made


async def begin(desk: Counter, reference: str) -> Any:
    body = {"customer": {"reference": reference}, "card": "wendeng"}
    return await desk.bank.post("/v1/bank/monitors", json=body)


async def told(owner: asyncpg.Connection, reference: str) -> list[tuple[str, Any]]:
    rows = await owner.fetch(
        "SELECT type, data FROM webhook_deliveries WHERE subject = $1 AND type LIKE '%.fallen' ORDER BY seq",
        reference,
    )
    return [(row[0], orjson.loads(row[1])) for row in rows]


async def fall(service: Services, owner: asyncpg.Connection, desk: Counter, kg: int = 60) -> None:
    """Less was saved, and the label is worse."""
    await saved(owner, desk.person.holder_id, LATER, kg)
    await snapshot(service, owner, LATER)
    await labelled(owner, desk.person.holder_id, 2025, "yellow")


@pytest.mark.parametrize("scope", ["tier", "score"])
async def test_falls_are_told_once_with_reasons_where_the_scope_has_them(
    service: Services, desk: Counter, owner: asyncpg.Connection, scope: str
) -> None:
    made = await desk.grant(scope, MONITORING)
    begun = (await begin(desk, made["reference"])).json()
    assert (begun["tier"], begun["label"]) == ("deep_green", "dark_green")
    await watch(service.database, cards(), utc_now())
    assert await told(owner, made["reference"]) == []
    await fall(service, owner, desk)
    assert await watch(service.database, cards(), utc_now()) >= 2
    await watch(service.database, cards(), utc_now())
    (tier, first), (label, second) = await told(owner, made["reference"])
    assert (tier, first["from_tier"], first["to_tier"]) == ("tier.fallen", "deep_green", "medium_green")
    assert (label, second["from_colour"], second["to_colour"]) == ("label.fallen", "dark_green", "yellow")
    assert ("reasons" in first) == ("reasons" in second) == (scope == "score")
    assert desk.person.holder_id not in str((first, second))
    assert [each["what"] for each in await desk.log()] == ["monitoring"] * 3


async def test_a_bank_with_an_api_of_its_own_is_told_there_too(
    service: Services, desk: Counter, owner: asyncpg.Connection
) -> None:
    bank_id = parse_public_id("org", desk.bank.organisation_id)
    assert bank_id is not None
    connection = BankConnection(
        bank_id=bank_id,
        url="https://bank.example",
        token_url="https://bank.example/token",
        client_id="tanpuhui",
        sealed_secret=b"x",
        jwks="{}",
        files_from=utc_now().date(),
        created_at=utc_now(),
    )
    async with service.database.driver_transaction() as driver:
        await exchange_repository.connect(driver, connection)
    made = await desk.grant("score", MONITORING)
    await begin(desk, made["reference"])
    await fall(service, owner, desk)
    await watch(service.database, cards(), utc_now())
    async with service.database.driver_transaction() as driver:
        await exchange_repository.disconnect(driver, bank_id, utc_now())
    rows = await owner.fetch("SELECT * FROM bank_messages WHERE bank_id = $1 ORDER BY id", bank_id)
    messages = [(row["kind"], orjson.loads(row["data"])) for row in rows]
    assert messages == await told(owner, made["reference"])
    assert [kind for kind, _ in messages] == ["tier.fallen", "label.fallen"]
    assert {row["subject"] for row in rows} == {made["reference"]}
    grant_id = parse_public_id("bgr", made["grant_id"])
    assert {(row["grant_id"], row["state"]) for row in rows} == {(grant_id, "pending")}


async def test_a_rise_is_not_told_and_a_fall_after_it_is(
    service: Services, desk: Counter, owner: asyncpg.Connection
) -> None:
    made = await desk.grant("score", MONITORING)
    await begin(desk, made["reference"])
    holder = parse_public_id("hld", desk.person.holder_id)
    await owner.execute(
        "UPDATE bank_monitors SET tier = 'light_green', label = 'red' WHERE holder_id = $1", holder
    )
    await watch(service.database, cards(), utc_now())
    assert await told(owner, made["reference"]) == []
    await fall(service, owner, desk)
    await watch(service.database, cards(), utc_now())
    assert len(await told(owner, made["reference"])) == 2


async def test_nothing_is_told_after_a_withdrawal_and_what_waited_is_gone(
    service: Services, desk: Counter, owner: asyncpg.Connection
) -> None:
    made = await desk.grant("score", MONITORING)
    await begin(desk, made["reference"])
    await fall(service, owner, desk)
    await watch(service.database, cards(), utc_now())
    assert len(await told(owner, made["reference"])) == 2
    assert len((await desk.bank.get("/v1/bank/monitors")).json()["items"]) == 1
    assert (await desk.withdraw(made["grant_id"])).status_code == 200
    assert await told(owner, made["reference"]) == []
    assert (await desk.bank.get("/v1/bank/monitors")).json()["items"] == []
    await labelled(owner, desk.person.holder_id, 2026, "red")
    await watch(service.database, cards(), utc_now())
    assert await told(owner, made["reference"]) == []
    assert (await begin(desk, made["reference"])).json()["code"] == "bank.access_refused"


async def test_an_expired_grant_ends_it_and_a_new_one_keeps_it(
    service: Services, desk: Counter, owner: asyncpg.Connection
) -> None:
    made = await desk.grant("tier", MONITORING)
    await begin(desk, made["reference"])
    await desk.grant("score", MONITORING)
    await watch(service.database, cards(), utc_now())
    assert len((await desk.bank.get("/v1/bank/monitors")).json()["items"]) == 1
    await fall(service, owner, desk)
    await watch(service.database, cards(), utc_now() + dt.timedelta(days=301))
    assert await told(owner, made["reference"]) == []
    assert (await desk.bank.get("/v1/bank/monitors")).json()["items"] == []


async def test_only_a_monitored_customer_is_ended(desk: Counter, city: City) -> None:
    made = await desk.grant("tier", MONITORING, valid_until=until(100))
    path = f"/v1/bank/monitors/{made['reference']}"
    assert (await desk.bank.request("DELETE", path)).json()["code"] == "bank.not_monitored"
    await begin(desk, made["reference"])
    assert (await (await city.client("bank")).request("DELETE", path)).json()["code"] == "bank.not_monitored"
    assert (await desk.bank.request("DELETE", path)).json() == {"ended": True}
    # Another purpose does not do.
    await desk.withdraw(made["grant_id"])
    await desk.grant("report", "loan_application")
    assert (await begin(desk, made["reference"])).status_code == 403
