"""Grants to banks: what they let through, what they refuse, and that the holder sees both."""

import asyncio
import uuid
from typing import Any

import asyncpg
import jwt
import pytest
from agreements.people import count, signed_in
from banking.bench_of_bank import Counter, ask, counter, customer, until
from helpers import City

from accounts.ids import parse_public_id
from app.banking.errors import AccessRefused
from app.banking.grants import Ask, Customer, require
from app.banking.terms import Purpose, Scope
from app.database import driver_of
from app.my_data import erasure
from app.wiring import Services, utc_now


@pytest.fixture
async def desk(city: City, phone: str) -> Counter:
    return await counter(city, phone)


async def refused(service: Services, desk: Counter, whom: Customer, **kwargs: Any) -> str:
    """Why a query is refused, as the holder reads it; and that it left one line, and no other."""
    before = await desk.log()
    with pytest.raises(AccessRefused) as error:
        await ask(service, kwargs.pop("bank", desk.bank), whom, **kwargs)
    assert not error.value.faults
    after = await desk.log()
    assert after[1:] == before
    assert after[0]["target"] == ""
    return str(after[0]["refused"])


async def test_a_grant_lets_through_what_it_says(service: Services, desk: Counter) -> None:
    made = await desk.grant("score")
    whom = customer(made["reference"])
    for scope in (Scope.TIER, Scope.SCORE):
        given = await ask(service, desk.bank, whom, scope)
        assert given.scope is Scope.SCORE
        assert (await desk.log())[0] == {
            "what": "tier",
            "purpose": "loan_application",
            "refused": None,
            "target": made["grant_id"],
        }
    token = service.hasher.token("phone", desk.person.phone)
    assert (await ask(service, desk.bank, Customer(identity=uuid.UUID(bytes=token)))).id == given.id


async def test_what_was_not_granted_is_refused_and_seen(
    service: Services, city: City, desk: Counter, owner: asyncpg.Connection
) -> None:
    token = Customer(identity=uuid.UUID(bytes=service.hasher.token("phone", desk.person.phone)))
    assert await refused(service, desk, token) == "no_consent"
    made = await desk.grant("tier")
    whom = customer(made["reference"])
    assert await refused(service, desk, whom, scope=Scope.SCORE) == "wider_scope"
    assert await refused(service, desk, whom, scope=Scope.REPORT) == "wider_scope"
    assert await refused(service, desk, whom, purpose=Purpose.PRE_SCREENING) == "wrong_purpose"
    other = await city.client("bank")
    assert await refused(service, desk, whom, bank=other) == "other_bank"
    assert await refused(service, desk, token, bank=other) == "no_consent"
    await owner.execute(
        "UPDATE bank_grants SET granted_at = granted_at - interval '2 days', valid_until = now() - interval '1 second'"
        " WHERE holder_id = $1",
        parse_public_id("hld", desk.person.holder_id),
    )
    assert await refused(service, desk, whom) == "expired"
    again = await desk.grant("tier")
    assert again["reference"] == made["reference"]
    assert (await desk.withdraw(again["grant_id"])).status_code == 200
    assert await refused(service, desk, whom) == "withdrawn"
    # A reference that is none's leaves its line too, where nobody reads it.
    nobody = "SELECT count(*) FROM access_records WHERE holder_id = $1"
    before = await owner.fetchval(nobody, uuid.UUID(int=0))
    with pytest.raises(AccessRefused):
        await ask(service, desk.bank, Customer(reference=uuid.uuid4()))
    assert await owner.fetchval(nobody, uuid.UUID(int=0)) == before + 1


async def test_each_bank_has_a_name_of_its_own(service: Services, city: City, desk: Counter) -> None:
    other = Counter(city, await city.client("bank"), desk.person)
    mine, theirs = await desk.grant("tier"), await other.grant("tier")
    assert mine["reference"] != theirs["reference"]
    assert (await desk.grant("tier", "pre_screening"))["reference"] == mine["reference"]
    for bank, names in ((desk.bank, {mine["reference"]}), (other.bank, {theirs["reference"]})):
        items = (await bank.get("/v1/bank/grants")).json()["items"]
        assert {item["reference"] for item in items} == names
    assert (await ask(service, other.bank, customer(theirs["reference"]))).purpose is Purpose.LOAN_APPLICATION


async def test_a_new_grant_takes_the_place_of_the_one_before(service: Services, desk: Counter) -> None:
    first = await desk.grant("report")
    second = await desk.grant("tier")
    states = {
        item["grant_id"]: item["state"]
        for item in (await desk.person.get("/v1/me/bank-grants")).json()["items"]
    }
    assert states == {first["grant_id"]: "replaced", second["grant_id"]: "live"}
    assert await refused(service, desk, customer(first["reference"]), scope=Scope.SCORE) == "wider_scope"
    assert (await desk.withdraw(first["grant_id"])).json()["code"] == "bank_grant.ended"


async def test_the_receipt_says_what_was_agreed(base_url: str, city: City, desk: Counter) -> None:
    made = await desk.grant("score")
    ended = (await desk.withdraw(made["grant_id"])).json()["receipt_id"]
    for receipt, kind in ((made["receipt_id"], "bank_access_granted"), (ended, "bank_access_withdrawn")):
        signed = (await desk.person.get(f"/v1/me/receipts/{receipt}")).json()["signed"]
        keys = (await city.http.get("/v1/consent-texts/keys")).json()["keys"]
        kid = jwt.get_unverified_header(signed)["kid"]
        key = jwt.PyJWK(next(each for each in keys if each["kid"] == kid), "EdDSA")
        told = jwt.decode(signed, key, algorithms=["EdDSA"], audience="tanpuhui-receipt")
        assert (told["kind"], told["sub"]) == (kind, desk.person.holder_id)
        assert told["content"]["grant_id"] == made["grant_id"]
        assert told["content"]["purpose"] == "loan_application"
        # What the bank calls the customer is no part of what others may be shown.
        assert made["reference"] not in str(told)


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"text_version": "1999"}, "consent.text_unknown"),
        ({"valid_until": "2020-01-01T00:00:00Z"}, "bank_grant.period"),
        ({"valid_until": until(5 * 366 + 1)}, "bank_grant.period"),
        ({"bank_id": "org_" + "1" * 32}, "bank.unknown"),
        ({"scope": "all"}, "request.invalid"),
        ({"purpose": "curiosity"}, "request.invalid"),
    ],
)
async def test_a_grant_that_is_none(desk: Counter, over: dict[str, str], code: str) -> None:
    answer = await desk.person.post("/v1/me/bank-grants", json=desk.wish(**over))
    assert answer.json()["code"] == code


async def test_a_child_grants_nothing(city: City, desk: Counter) -> None:
    guardian = await city.signed_in(desk.person.holder_id)
    made = await guardian.post("/v1/me/children", json={"birth_month": "2020-01", "label": "x"})
    child = signed_in(city, made.json()["holder_id"])
    answer = await child.post("/v1/me/bank-grants", json=desk.wish())
    assert (answer.status_code, answer.json()["code"]) == (409, "holder.minor")


async def test_nobody_withdraws_anothers(city: City, desk: Counter, phones: Any) -> None:
    made = await desk.grant()
    stranger = await counter(city, phones(), desk.bank)
    assert (await stranger.withdraw(made["grant_id"])).json()["code"] == "bank_grant.not_found"
    platform = await city.client("platform")
    wrong = await desk.person.post("/v1/me/bank-grants", json=desk.wish(bank_id=platform.organisation_id))
    assert wrong.json()["code"] == "bank.unknown"


async def test_erasure_ends_grants_and_names(
    service: Services, desk: Counter, owner: asyncpg.Connection
) -> None:
    made = await desk.grant("report")
    holder = parse_public_id("hld", desk.person.holder_id)
    assert holder is not None
    wish = (await desk.person.post("/v1/me/erasure")).json()["erasure_id"]
    wished = parse_public_id("ers", wish)
    assert wished is not None
    async with service.database.transaction() as session:
        assert await erasure.erase(service, session, holder, wished, utc_now())
    assert await count(owner, "bank_references", desk.person.holder_id) == 0
    assert (await desk.bank.get("/v1/bank/grants")).json()["items"] == []
    with pytest.raises(AccessRefused):
        await ask(service, desk.bank, customer(made["reference"]))


async def test_no_answer_after_a_withdrawal_was_acknowledged(service: Services, desk: Counter) -> None:
    """Queries and withdrawals at once: whoever begins to ask after the acknowledgement is refused."""
    for _ in range(6):
        made = await desk.grant("score")
        whom, acknowledged = customer(made["reference"]), asyncio.Event()
        late: list[bool] = []

        async def query(whom: Customer, acknowledged: asyncio.Event, late: list[bool]) -> None:
            for _ in range(12):
                after = acknowledged.is_set()
                try:
                    await ask(service, desk.bank, whom)
                except AccessRefused:
                    return
                late.append(after)

        asking = [asyncio.create_task(query(whom, acknowledged, late)) for _ in range(4)]
        await asyncio.sleep(0)
        assert (await desk.withdraw(made["grant_id"])).status_code == 200
        acknowledged.set()
        await asyncio.gather(*asking)
        assert not any(late)


async def test_a_withdrawal_waits_for_the_answer_that_is_under_way(
    service: Services, desk: Counter, owner: asyncpg.Connection
) -> None:
    made = await desk.grant("score")
    bank = parse_public_id("org", desk.bank.organisation_id)
    assert bank is not None
    asked = Ask(bank, "a bank", Purpose.LOAN_APPLICATION, Scope.TIER, "tier")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with service.database.transaction() as session:
        await require(await driver_of(session), asked, customer(made["reference"]), utc_now())
        withdrawal = asyncio.create_task(desk.withdraw(made["grant_id"]))
        async with asyncio.timeout(10):
            while not await owner.fetchval(waiting):  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.01)
        assert not withdrawal.done()
    assert (await withdrawal).status_code == 200


async def test_the_bank_is_told_of_grants_by_its_own_name(service: Services, desk: Counter) -> None:
    hook = {"url": "http://127.0.0.1:9/", "event_types": ["bank_grant.given", "bank_grant.withdrawn"]}
    webhook = (await desk.bank.post("/v1/webhooks", json=hook)).json()["webhook_id"]
    made = await desk.grant("tier")
    await desk.withdraw(made["grant_id"])
    told = (await desk.bank.get(f"/v1/webhooks/{webhook}/deliveries")).json()["items"]
    assert [each["type"] for each in told] == ["bank_grant.withdrawn", "bank_grant.given"]
    assert {each["subject"] for each in told} == {made["reference"]}
