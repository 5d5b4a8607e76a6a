"""Exchanges are told what two operators wanted, once, by API and by files; their statements are compared."""

import asyncio
import datetime
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from exchanges.town import DOOR, REASON, Town
from helpers import City
from starlette.responses import Response

from accounts.units.foreign_serials import parse_cad_trust
from accounts.units.serials import parse_serial
from app.exchanges.desk import total_fen
from app.exchanges.reconciliation import compare
from app.verification import verify
from dedup.periods import LOCAL
from integrations.carbon_market.ports import Statement, StatementLine

LATER = datetime.timedelta(seconds=15)
MORNING = datetime.timedelta(days=1, hours=8)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(city: City) -> AsyncIterator[Town]:
    made = await Town.made(city, "cbgex")
    server, listener = made.system.server()
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.02)
    await made.connect()
    await made.opened()
    yield made
    await made.http.aclose()
    server.should_exit = True
    await task


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def courier(city: City, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    made = await Town.made(city, "hbets", tmp_path_factory.mktemp("exchange"))
    await made.connect()
    yield made
    await made.http.aclose()


async def test_nothing_leaves_before_a_second_operator_approves(town: Town) -> None:
    origin = await town.firm.units(3_000)
    made = await town.staged(
        "deliver_units", account_id=await town.account_id(), origin_id=origin, quantity_kg=3_000
    )
    assert await town.firm.free_kg() == 0
    before = town.system.told
    await town.run()
    assert town.system.told == before
    own = await town.firm.one.post(f"{DOOR}/{made}/approval", **REASON)
    assert (own.status_code, own.json()["code"]) == (403, "exchange_instruction.approve_own")
    withdrawn = await town.firm.one.post(f"{DOOR}/{made}/withdrawal", **REASON)
    assert withdrawn.json()["state"] == "withdrawn"
    late = await town.firm.two.post(f"{DOOR}/{made}/approval", **REASON)
    assert late.json()["code"] == "exchange_instruction.wrong_state"
    await town.run()
    assert town.system.told == before
    assert await town.firm.free_kg() == 3_000


async def test_delivered_traded_retired(town: Town) -> None:
    delivery = await town.delivered(5_000)
    told = town.system.taken[delivery]["order"]
    assert told["quantity_kg"] == 5_000
    assert sum(parse_serial(each).units.quantity_kg for each in told["serials"]) == 5_000
    buyer = await town.city.client("participant", "440300")
    await town.opened(buyer)
    trade = {
        "trade": "T-1",
        "seller_id": await town.account_id(),
        "buyer_id": await town.account_id(buyer),
        "quantity_kg": 5_000,
        "price_fen_per_t": 3_621,
        "settled_at": "2026-11-22T10:00:00+08:00",
    }
    reported = await town.done("report_trade", **trade)
    assert town.system.taken[reported]["order"]["total_fen"] == 18_105
    assert (await town.stage("report_trade", **trade)).json()["code"] == "exchange_instruction.exists"
    order = {"delivery_id": delivery, "purpose": "voluntary", "beneficiary": "示范会议"}
    retired = await town.done("retire", **order)
    again = await town.stage("retire", **order)
    assert again.json()["code"] == "exchange_instruction.exists"
    async with town.city.service.database.driver_transaction() as driver:
        row = await driver.fetchrow(
            "SELECT purpose, beneficiary FROM unit_retirements WHERE subject_id = $1::text::uuid",
            retired.removeprefix("exi_"),
        )
        assert {found.breach async for found in verify(driver) if found.rule.startswith("exchange")} == {None}
    assert dict(row or {}) == {"purpose": "voluntary", "beneficiary": "示范会议"}


async def test_told_once_by_any_number_of_processes_and_again_after_trouble(town: Town) -> None:
    origin, account = await town.firm.units(4_000), await town.account_id()
    made = [
        await town.approved("deliver_units", account_id=account, origin_id=origin, quantity_kg=1_000)
        for _ in range(4)
    ]
    # It takes the first, and its answer is lost.
    town.system.faults.append(lambda _s, _r: Response(status_code=500))
    before = town.system.told
    await asyncio.gather(*(town.exchanges.run() for _ in range(3)))
    states = [(await town.state(each))["state"] for each in made]
    assert sorted(states) == ["approved", "done", "done", "done"]
    await town.run(LATER)
    assert [(await town.state(each))["state"] for each in made] == ["done"] * 4
    assert town.system.told == before + 4
    assert set(made) <= town.system.taken.keys()


async def test_an_answer_that_was_lost_is_given_again(town: Town) -> None:
    origin = await town.firm.units(1_000)
    made = await town.approved(
        "deliver_units", account_id=await town.account_id(), origin_id=origin, quantity_kg=1_000
    )

    async def taken_and_lost(system: Any, request: Any) -> Response:
        system.answer(system.opened((await request.body()).decode()))
        return Response(status_code=502)

    town.system.faults.append(taken_and_lost)
    await town.run()
    found = await town.state(made)
    assert (found["state"], found["attempts"], found["last_error"]) == ("approved", 1, "status 502")
    await town.run(LATER)
    found = await town.state(made)
    assert (found["state"], found["reference"]) == ("done", f"X-{list(town.system.taken).index(made)}")


async def test_a_refusal_is_final_and_frees_the_units(town: Town) -> None:
    origin = await town.firm.units(1_000)
    free = await town.firm.free_kg()
    made = await town.approved(
        "deliver_units", account_id=await town.account_id(), origin_id=origin, quantity_kg=1_000
    )
    town.system.refuses.add("deliver_units")
    await town.run()
    town.system.refuses.clear()
    assert (await town.state(made))["state"] == "refused"
    assert await town.firm.free_kg() == free
    order = {"delivery_id": made, "purpose": "voluntary", "beneficiary": "x"}
    assert (await town.stage("retire", **order)).json()["code"] == "exchange_instruction.no_delivery"


async def test_what_cannot_be_staged(town: Town) -> None:
    account, origin = await town.account_id(), await town.firm.units(1_000)
    stranger = await town.city.client("participant", "440300")
    theirs = await town.account_id(stranger)
    delivery = {"account_id": account, "origin_id": origin, "quantity_kg": 1_000}
    for order, code in (
        (delivery | {"account_id": theirs}, "exchange_instruction.no_account"),
        (delivery | {"quantity_kg": 2_000}, "units.insufficient"),
        (delivery | {"origin_id": "uor_" + "1" * 32}, "units.insufficient"),
        (delivery | {"account_id": "rac_" + "1" * 32}, "registry_account.not_found"),
        (delivery | {"exchange": "nowhere"}, "exchange.not_found"),
        (delivery | {"quantity_kg": 1_500}, "request.invalid"),
    ):
        assert (await town.stage("deliver_units", **order)).json()["code"] == code
    again = await town.stage("open_account", account_id=account)
    assert again.json()["code"] == "exchange_instruction.exists"
    elsewhere = await town.city.client("operator", "110000")
    made = await town.staged("deliver_units", **delivery)
    assert (await elsewhere.get(f"{DOOR}/{made}")).status_code == 404
    assert (await elsewhere.post(f"{DOOR}/{made}/approval", **REASON)).status_code == 404


async def test_by_signed_files(courier: Town) -> None:
    made = await courier.approved("open_account", account_id=await courier.account_id())
    await courier.run()
    assert (await courier.state(made))["last_error"] == "no answer yet"
    folder = courier.folder or Path()
    first = (folder / "out" / f"{made}.jws").read_bytes()
    courier.answer_files(forged=True)
    await courier.run(LATER)
    assert (await courier.state(made))["state"] == "approved"
    assert (folder / "out" / f"{made}.jws").read_bytes() == first
    assert [told["kind"] for told in courier.answer_files()] == ["open_account"]
    await courier.run(datetime.timedelta(minutes=2))
    found = await courier.state(made)
    assert (found["state"], found["reference"]) == ("done", "X-0")
    assert [each.name for each in (folder / "out").iterdir()] == [f"{made}.jws"]
    # An answer to another instruction, under this one's name, is not taken.
    origin = await courier.firm.units(1_000)
    delivery = await courier.approved(
        "deliver_units", account_id=await courier.account_id(), origin_id=origin, quantity_kg=1_000
    )
    courier.write(f"{delivery}.jws", {"in_reply_to": made, "status": "accepted", "reference": "X-9"})
    await courier.run()
    assert (await courier.state(delivery))["last_error"] == "an answer to something else"


async def test_a_statement_of_files_is_compared(courier: Town) -> None:
    today = courier.clock().astimezone(LOCAL).date().isoformat()
    courier.write(f"statement-{today}.jws", {"day": today, "lines": courier.system.lines(), "holdings_kg": 0})
    await courier.run(MORNING)
    listed = (await courier.firm.one.get("/v1/operator/exchanges")).json()["items"]
    assert {each["exchange"]: each["compared_to"] for each in listed}["hbets"] == today
    found = (await courier.firm.one.get("/v1/operator/exchange-differences", params={"limit": 200})).json()
    assert [each for each in found["items"] if each["exchange"] == "hbets"] == []


async def test_the_statement_of_a_day_is_compared_once(town: Town) -> None:
    await town.delivered(1_000)
    lines = town.system.lines()
    by_kind = {line["kind"]: line for line in lines}
    assert set(by_kind) == {"open_account", "deliver_units", "report_trade", "retire"}
    by_kind["deliver_units"]["quantity_kg"] += 1_000
    by_kind["report_trade"]["price_fen_per_t"] += 1
    by_kind["retire"]["reference"] = "X-999"
    lines.remove(by_kind["open_account"])
    lines.append(by_kind["deliver_units"] | {"instruction": "exi_" + "1" * 32, "quantity_kg": 7})
    today = town.clock().astimezone(LOCAL).date().isoformat()
    town.system.statements[today] = {"day": today, "lines": lines, "holdings_kg": 1}
    town.system.faults.append(lambda _s, _r: Response(status_code=500))
    await town.run(MORNING)
    door = "/v1/operator/exchange-differences"
    mine = {"exchange": "cbgex"}
    assert [e for e in (await town.firm.one.get(door)).json()["items"] if e["exchange"] == "cbgex"] == []
    await town.run(MORNING + datetime.timedelta(hours=1))
    await town.run(MORNING + datetime.timedelta(hours=2))
    items = (await town.firm.one.get(door, params={"limit": 200})).json()["items"]
    found = [each for each in items if each["exchange"] == mine["exchange"]]
    assert sorted(each["kind"] for each in found) == [
        "holdings_differ",
        "missing",
        "price_differs",
        "quantity_differs",
        "reference_differs",
        "unknown",
    ]
    price = next(each for each in found if each["kind"] == "price_differs")
    assert (price["ours"], price["theirs"]) == ("3621", "3622")
    elsewhere = await town.city.client("operator", "110000")
    assert (await elsewhere.get(door)).json()["items"] == []


async def test_units_as_cad_trust_has_them(town: Town, owner: asyncpg.Connection) -> None:
    nation = await town.city.client("operator")
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await nation.get("/v1/operator/cad-trust-units", params=params)).json()
        rows += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    issued = await owner.fetchval("SELECT sum(upper(units) - lower(units)) FROM unit_origins")
    assert sum(row["unitCount"] for row in rows) == issued
    assert len({row["serialNumberBlock"] for row in rows}) == len(rows)
    assert {"Held", "Retired"} <= {row["unitStatus"] for row in rows}
    for row in rows:
        # CCER are of many kinds, so their type is not told; the rest of the row is CAD Trust's.
        assert row["unitType"] is None
        parsed = parse_cad_trust(row | {"unitType": "Reduction - technical"})
        assert parsed.units == parse_serial(row["serial"]).units


def line(number: str, **over: Any) -> StatementLine:
    shape = {"kind": "retire", "reference": "r", "quantity_kg": 1, "price_fen_per_t": None} | over
    return StatementLine(number, **shape)


def ours(**over: Any) -> dict[str, Any]:
    shape = {
        "kind": "retire",
        "reference": "r",
        "quantity_kg": 1,
        "price_fen_per_t": None,
        "region": "440300",
    }
    return shape | over


DAY = datetime.date(2026, 11, 21)


@pytest.mark.parametrize(
    ("lines", "books", "of_day", "kinds"),
    [
        ((), {}, [], []),
        ((line("a"),), {"a": ours()}, ["a"], []),
        ((line("a"),), {"a": ours()}, [], []),
        ((line("a"),), {}, [], ["unknown"]),
        ((), {"a": ours()}, ["a"], ["missing"]),
        (
            (line("a", quantity_kg=2, kind="deliver_units"),),
            {"a": ours()},
            ["a"],
            ["kind_differs", "quantity_differs"],
        ),
        ((line("a", price_fen_per_t=0),), {"a": ours()}, ["a"], ["price_differs"]),
    ],
)
def test_what_differs(
    lines: tuple[StatementLine, ...], books: dict[str, Any], of_day: list[str], kinds: list[str]
) -> None:
    assert [each.kind for each in compare(Statement(DAY, lines, 5), books, of_day, 5)] == kinds
    more = compare(Statement(DAY, lines, 5), books, of_day, 6)
    assert [each.kind for each in more] == ["holdings_differ", *kinds]


@pytest.mark.parametrize(
    ("kg", "price", "fen"), [(1_000, 3_621, 3_621), (2_000, 5_000, 10_000), (1_000, 0, 0), (1, 1, 1)]
)
def test_a_total_is_rounded_once_and_up(kg: int, price: int, fen: int) -> None:
    assert total_fen(kg, price) == fen
