"""Registry accounts over HTTP: offers, acceptance, limits, four eyes, orders that freeze, pledges, statements."""

import asyncio
import datetime
import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from helpers import Caller, City
from units.made import Book, an_origin

from accounts.ids import parse_public_id
from accounts.registry import transfers
from accounts.units import service as units
from accounts.units.serials import parse_serial
from app.wiring import Services, utc_now

CALLERS = 50
TRANSFERS = "/v1/market/transfers"
OPERATOR = "/v1/operator/registry-accounts"


@dataclass
class Trader:
    """A participant with two clients."""

    caller: Caller
    second: Caller
    account_id: str

    @property
    def id(self) -> UUID:
        found = parse_public_id("rac", self.account_id)
        assert found is not None
        return found

    async def held(self) -> int:
        account = (await self.caller.get("/v1/market/account")).json()
        return sum(each["quantity_kg"] for each in account["held"])


@dataclass
class Floor:
    """Participants, a bank and operators at a running service."""

    city: City
    book: Book
    operator: Caller

    async def trader(self, quantity_kg: int = 0) -> Trader:
        name = uuid.uuid4().hex
        caller = await self.city.client("participant", "440300", name=name)
        second = await self.city.client("participant", "440300", name=name)
        account = (await caller.get("/v1/market/account")).json()["account_id"]
        made = Trader(caller, second, account)
        if quantity_kg:
            await self.book.step(lambda d: units.issue(d, an_origin(), made.id, quantity_kg, utc_now()))
        return made

    async def offer(self, sender: Trader, to: Trader, quantity_kg: Any, **more: Any) -> httpx.Response:
        body = {"to_account_id": to.account_id, "quantity_kg": quantity_kg, **more}
        return await sender.caller.post(TRANSFERS, json=body)

    async def limit(self, trader: Trader, **limits: int | None) -> httpx.Response:
        account = (await self.operator.get(f"{OPERATOR}/{trader.account_id}")).json()
        body = {
            name: limits.get(name, account[name])
            for name in ("transfer_limit_kg", "daily_limit_kg", "approval_above_kg")
        }
        return await self.operator.request(
            "PUT",
            f"{OPERATOR}/{trader.account_id}/limits",
            json=body | {"reason": "x"},
            headers={"If-Match": str(account["version"])},
        )


@pytest_asyncio.fixture(loop_scope="session")
async def floor(city: City, service: Services) -> Floor:
    return Floor(city, Book(service), await city.client("operator", "440000"))


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def test_what_is_offered_is_held_back_and_accepted(floor: Floor) -> None:
    sender, to, stranger = await floor.trader(5_000), await floor.trader(), await floor.trader()
    offered = (await floor.offer(sender, to, 3_000, note="T-1")).json()
    assert (offered["state"], offered["direction"]) == ("offered", "out")
    assert (await sender.held(), await to.held()) == (2_000, 0)
    address = f"{TRANSFERS}/{offered['transfer_id']}"
    for way in ("acceptance", "rejection", "withdrawal", "approval"):
        assert code(await stranger.caller.post(f"{address}/{way}")) == (404, "unit_transfer.not_found")
    assert code(await sender.caller.post(f"{address}/acceptance")) == (404, "unit_transfer.not_found")
    seen = (await to.caller.get(TRANSFERS)).json()["items"]
    assert [each["transfer_id"] for each in seen] == [offered["transfer_id"]]
    accepted = await to.caller.post(f"{address}/acceptance")
    assert (accepted.status_code, accepted.json()["state"]) == (200, "accepted")
    assert (await sender.held(), await to.held()) == (2_000, 3_000)
    assert code(await sender.caller.post(f"{address}/withdrawal")) == (409, "unit_transfer.decided")


@pytest.mark.parametrize(
    ("who", "way", "state"), [("to", "rejection", "declined"), ("sender", "withdrawal", "withdrawn")]
)
async def test_what_nobody_takes_comes_back(floor: Floor, who: str, way: str, state: str) -> None:
    traders = {"sender": await floor.trader(1_000), "to": await floor.trader()}
    offered = (await floor.offer(traders["sender"], traders["to"], 1_000)).json()
    answer = await traders[who].caller.post(f"{TRANSFERS}/{offered['transfer_id']}/{way}")
    assert answer.json()["state"] == state
    assert await traders["sender"].held() == 1_000
    late = await traders["to"].caller.post(f"{TRANSFERS}/{offered['transfer_id']}/acceptance")
    assert code(late) == (409, "unit_transfer.decided")


async def test_an_offer_ends_by_itself(floor: Floor) -> None:
    sender, to = await floor.trader(1_000), await floor.trader()
    offered = (await floor.offer(sender, to, 1_000)).json()
    later = datetime.datetime.fromisoformat(offered["expires_at"])
    known = parse_public_id("utr", offered["transfer_id"])
    assert known is not None
    with pytest.raises(transfers.TransferDecided):
        await floor.book.step(lambda d: transfers.accept(d, to.id, known, "cli_x", later))
    assert await floor.book.step(lambda d: transfers.expire(d, later, 500)) == 1
    assert await floor.book.step(lambda d: transfers.expire(d, later, 500)) == 0
    assert await sender.held() == 1_000


async def test_large_transfers_need_a_second_client(floor: Floor) -> None:
    sender, to = await floor.trader(1_000_001), await floor.trader()
    proposed = (await floor.offer(sender, to, 1_000_001)).json()
    assert proposed["state"] == "proposed"
    address = f"{TRANSFERS}/{proposed['transfer_id']}"
    # The recipient does not see it before it is offered.
    assert code(await to.caller.post(f"{address}/acceptance")) == (404, "unit_transfer.not_found")
    assert code(await to.caller.get(address)) == (404, "unit_transfer.not_found")
    assert code(await sender.caller.post(f"{address}/approval")) == (403, "unit_transfer.approve_own")
    assert (await sender.second.post(f"{address}/approval")).json()["state"] == "offered"
    assert code(await sender.second.post(f"{address}/approval")) == (409, "unit_transfer.decided")
    assert (await to.caller.post(f"{address}/acceptance")).json()["state"] == "accepted"


async def test_limits_hold_for_one_transfer_and_for_a_day(floor: Floor) -> None:
    sender, to = await floor.trader(10_000), await floor.trader()
    assert (await floor.limit(sender, transfer_limit_kg=400, daily_limit_kg=1_000)).status_code == 200
    assert code(await floor.offer(sender, to, 401)) == (409, "unit_transfer.over_limit")
    answers = await asyncio.gather(*(floor.offer(sender, to, 300) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 7
    assert await sender.held() == 9_100
    one = next(answer.json() for answer in answers if answer.status_code == 200)
    await sender.caller.post(f"{TRANSFERS}/{one['transfer_id']}/withdrawal")
    # What was taken back does not count.
    assert (await floor.offer(sender, to, 400)).status_code == 200


async def test_limits_are_changed_by_who_saw_them(floor: Floor) -> None:
    trader = await floor.trader()
    path = f"{OPERATOR}/{trader.account_id}/limits"
    body = {"transfer_limit_kg": None, "daily_limit_kg": None, "approval_above_kg": 1, "reason": "x"}
    assert code(await floor.operator.request("PUT", path, json=body)) == (
        428,
        "registry_account.if_match_missing",
    )
    changed = [
        await floor.operator.request("PUT", path, json=body, headers={"If-Match": "1"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in changed] == [200, 412]
    elsewhere = await floor.city.client("operator", "310000")
    assert code(await elsewhere.get(f"{OPERATOR}/{trader.account_id}")) == (404, "registry_account.not_found")


async def test_an_order_freezes_what_leaves(floor: Floor) -> None:
    sender, to = await floor.trader(1_000), await floor.trader(100)
    offered = (await floor.offer(sender, to, 400)).json()
    order = {"document": "(2026)粤03执保118号", "reason": "court order"}
    frozen = await floor.operator.post(f"{OPERATOR}/{sender.account_id}/freeze", json=order)
    assert frozen.json()["frozen"] is True
    assert code(await floor.offer(sender, to, 1)) == (409, "registry_account.frozen")
    accepted = await to.caller.post(f"{TRANSFERS}/{offered['transfer_id']}/acceptance")
    assert code(accepted) == (409, "registry_account.frozen")
    # What comes in stays.
    back = (await floor.offer(to, sender, 100)).json()
    assert (await sender.caller.post(f"{TRANSFERS}/{back['transfer_id']}/acceptance")).status_code == 200
    lift = f"{OPERATOR}/{sender.account_id}/unfreezing"
    lifted = await floor.operator.post(lift, json={"document": "118-1"})
    assert lifted.json()["frozen"] is False
    assert lifted.json()["freezes"][0]["lift_document"] == "118-1"
    assert code(await floor.operator.post(lift, json={"document": "x"})) == (
        409,
        "registry_account.not_frozen",
    )
    assert (await to.caller.post(f"{TRANSFERS}/{offered['transfer_id']}/acceptance")).status_code == 200


async def test_of_fifty_acceptances_one_takes_it(floor: Floor) -> None:
    sender, to = await floor.trader(1_000), await floor.trader()
    offered = (await floor.offer(sender, to, 1_000)).json()
    address = f"{TRANSFERS}/{offered['transfer_id']}"
    steps = [
        to.caller.post(f"{address}/acceptance") if n % 2 else sender.caller.post(f"{address}/withdrawal")
        for n in range(CALLERS)
    ]
    answers = await asyncio.gather(*steps)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (CALLERS - 1)
    assert {await sender.held(), await to.held()} == {0, 1_000}


async def test_the_same_key_offers_once(floor: Floor) -> None:
    sender, to = await floor.trader(1_000), await floor.trader()
    body = {"to_account_id": to.account_id, "quantity_kg": 600}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    answers = await asyncio.gather(
        *(sender.caller.post(TRANSFERS, json=body, headers=headers) for _ in range(5))
    )
    assert len({answer.text for answer in answers}) == 1
    assert await sender.held() == 400
    other = await sender.caller.post(TRANSFERS, json=body | {"quantity_kg": 1}, headers=headers)
    assert code(other) == (409, "request.idempotency_conflict")


async def test_refusals(floor: Floor) -> None:
    sender, to = await floor.trader(1_000), await floor.trader()
    nobody = Trader(sender.caller, sender.caller, "rac_" + "0" * 32)
    assert code(await floor.offer(sender, sender, 1)) == (409, "unit_transfer.to_self")
    assert code(await floor.offer(sender, nobody, 1)) == (404, "registry_account.not_found")
    assert code(await floor.offer(sender, to, 1_001)) == (409, "units.insufficient")
    assert code(await floor.offer(sender, to, 1, origin_id="uor_" + "0" * 32)) == (409, "units.insufficient")
    for quantity in (0, 1.5, "1", None):
        assert (await floor.offer(sender, to, quantity)).status_code == 422
    assert (await floor.offer(sender, to, 1, more=1)).status_code == 422


async def test_only_the_bank_gives_pledged_units_free(floor: Floor) -> None:
    trader, bank = await floor.trader(1_000), await floor.city.client("bank")
    body = {"bank_id": bank.organisation_id, "quantity_kg": 800, "contract": "18"}
    pledged = (await trader.caller.post("/v1/market/pledges", json=body)).json()
    assert (pledged["state"], pledged["left_kg"]) == ("pledged", 800)
    assert await trader.held() == 200
    to = await floor.trader()
    assert code(await floor.offer(trader, to, 201)) == (409, "units.insufficient")
    path = f"/v1/bank/pledges/{pledged['pledge_id']}/release"
    other = await floor.city.client("bank")
    assert code(await other.post(path, json={})) == (404, "unit_pledge.not_found")
    part = (await bank.post(path, json={"quantity_kg": 300})).json()
    assert (part["state"], part["left_kg"]) == ("pledged", 500)
    assert code(await bank.post(path, json={"quantity_kg": 501})) == (409, "units.insufficient")
    rest = (await bank.post(path, json={})).json()
    assert (rest["state"], rest["left_kg"]) == ("released", 0)
    assert await trader.held() == 1_000
    for caller, list_ in ((trader.caller, "/v1/market/pledges"), (bank, "/v1/bank/pledges")):
        assert [each["pledge_id"] for each in (await caller.get(list_)).json()["items"]] == [
            pledged["pledge_id"]
        ]
    no_bank = body | {"bank_id": trader.caller.organisation_id, "quantity_kg": 1}
    assert code(await trader.caller.post("/v1/market/pledges", json=no_bank)) == (
        404,
        "unit_pledge.bank_not_found",
    )


async def test_the_statement_tells_every_movement_once(floor: Floor) -> None:
    sender, to = await floor.trader(1_000), await floor.trader()
    for _ in range(3):
        offered = (await floor.offer(sender, to, 100)).json()
        await to.caller.post(f"{TRANSFERS}/{offered['transfer_id']}/acceptance")
    lines, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await sender.caller.get("/v1/market/account/statement", params=query)).json()
        lines += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    kinds = [(line["kind"], line["direction"], line["quantity_kg"]) for line in lines]
    assert kinds == [("transferred", "out", 100), ("locked", "within", 100)] * 3 + [("issued", "in", 1_000)]
    assert len({line["movement_id"] for line in lines}) == len(lines)
    for line in lines:
        assert sum(parse_serial(text).units.quantity_kg for text in line["serials"]) == line["quantity_kg"]
    received = (await to.caller.get("/v1/market/account/statement")).json()["items"]
    assert [line["direction"] for line in received] == ["in"] * 3
    ranges = (await to.caller.get("/v1/market/account/holdings", params={"limit": 2})).json()
    more = (
        await to.caller.get(
            "/v1/market/account/holdings", params={"limit": 2, "cursor": ranges["next_cursor"]}
        )
    ).json()
    assert more["next_cursor"] is None
    first, second, third = (*ranges["items"], *more["items"])
    assert (first["last_number"] + 1, second["last_number"] + 1) == (
        second["first_number"],
        third["first_number"],
    )


async def test_a_resident_sees_what_is_kept_in_trust(floor: Floor, phone: str) -> None:
    holder = await floor.city.holder(floor.operator, phone)
    resident = await floor.city.resident(floor.operator, holder)
    assert (await resident.get("/v1/me/units")).json() == {"account_id": None, "held": []}
    known = parse_public_id("hld", holder)
    assert known is not None
    account = await floor.book.trust(known)
    await floor.book.issue(account, 7)
    shown = (await resident.get("/v1/me/units")).json()
    assert [each["quantity_kg"] for each in shown["held"]] == [7]
    trader = await floor.trader(10)
    sent = await trader.caller.post(TRANSFERS, json={"to_account_id": shown["account_id"], "quantity_kg": 1})
    assert code(sent) == (404, "registry_account.not_found")
