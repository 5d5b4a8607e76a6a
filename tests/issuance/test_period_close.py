"""A quarter from its entries to units: preview, exclusions, close, statement, notice, approval."""

import asyncio
import csv
import datetime
import hashlib
import io
import json
from collections.abc import Callable

import asyncpg
import pytest
from issuance.bureau import TRIP_MG, Bureau, Quarter
from versions.office import Office, refusal

from accounts.ids import parse_public_id
from accounts.models import AccountKind, EntryKind
from accounts.postings import Posting, post
from app.issuing.closing import folder_of
from app.verification import verify
from dedup.writes import Writes


async def balances(owner: asyncpg.Connection, holder: object) -> tuple[int, int, int]:
    row = await owner.fetchrow(
        "SELECT open_mg, issued_mg, excluded_mg FROM balances WHERE holder_id = $1", holder
    )
    assert row is not None
    return tuple(row)


async def sound(bureau: Bureau) -> bool:
    async with bureau.services.database.snapshot() as driver:
        return [f.rule async for f in verify(driver) if f.breach] == []


async def test_a_period_is_previewed_and_closed(
    bureau: Bureau, quarter: Quarter, owner: asyncpg.Connection
) -> None:
    preview, closed = quarter.previewed["preview"], quarter.closed
    assert quarter.previewed["status"] == "previewed"
    assert (preview["credits_co2e_g"], preview["reversals_co2e_g"], preview["entries"]) == ("2335", "467", 6)
    assert {each["reason"]: each["net_co2e_g"] for each in preview["left_out"]} == {"no_mandate": "467"}
    assert await balances(owner, quarter.second) == (0, 0, TRIP_MG)
    # 1,401 g of the first, nothing of the second: 1 kg, and 401 g are carried.
    assert (closed["quantity_kg"], closed["carried_co2e_g"], closed["entries"]) == (1, "401", 5)
    assert (closed["credits_co2e_g"], closed["reversals_co2e_g"]) == ("1868", "467")
    assert await balances(owner, quarter.holder) == (0, 3 * TRIP_MG, 0)
    assert await sound(bureau)


async def test_evidence_tells_of_nobody(bureau: Bureau, quarter: Quarter) -> None:
    closed, read = quarter.closed, {}
    files = {each["name"]: each["sha256"] for each in closed["evidence"]}
    for name in ("entries.csv", "entries.parquet", "methodology.json", "issuance.json"):
        path = f"/v1/verifier/issuances/{closed['issuance_id']}/evidence/{name}"
        answer = await bureau.verifier.get(path)
        assert answer.status_code == 200, answer.text
        read[name] = answer.content
    assert {name: hashlib.sha256(read[name]).hexdigest() for name in files} == files
    assert hashlib.sha256(read["issuance.json"]).hexdigest() == closed["evidence_sha256"]
    assert json.loads(read["issuance.json"])["root"] == closed["root"]
    rows = list(csv.DictReader(io.StringIO(read["entries.csv"].decode())))
    assert set(rows[0]) == {"holder", "booked_on", "kind", "co2e_mg"}
    assert len({row["holder"] for row in rows}) == 2
    signs = {"credit": 1, "reversal": -1}
    assert sum(signs[row["kind"]] * int(row["co2e_mg"]) for row in rows) == 3 * TRIP_MG
    everything = b"".join(read.values())
    for secret in (quarter.holder.hex, str(quarter.holder), quarter.first, *quarter.kept):
        assert secret.encode() not in everything
    package = parse_public_id("iss", closed["issuance_id"])
    assert package is not None
    assert {each.name for each in folder_of(bureau.folder, package).iterdir()} == set(read)


async def test_what_is_signed_and_noticed_is_issued_by_a_second_operator(
    bureau: Bureau, quarter: Quarter, office: Office, owner: asyncpg.Connection
) -> None:
    closed = quarter.closed
    assert (await bureau.signed(closed))["status"] == "signed"
    noticed = await bureau.step(closed, "notice")
    public = await office.city.http.get(f"/v1/issuances/{closed['issuance_id']}")
    assert (public.json()["status"], public.json()["notice_ends_on"]) == (
        "noticed",
        noticed["notice_ends_on"],
    )
    early = await bureau.ask(closed, "approval", office.second)
    assert refusal(early) == (409, "issuance.notice_runs")
    came = {"objector": "张先生", "text": "不属实", "received_at": office.clock.now.isoformat()}
    await bureau.step(closed, "objections", **came)
    office.clock.forward(days=15)
    assert refusal(await bureau.ask(closed, "approval", office.second)) == (409, "issuance.objections_open")
    listed = await office.author.get(f"/v1/operator/issuances/{closed['issuance_id']}/objections")
    (objection,) = listed.json()["items"]
    await bureau.step(closed, f"objections/{objection['objection_id']}/answer", upheld=False, answer="属实")
    assert refusal(await bureau.ask(closed, "approval")) == (403, "issuance.second_operator")
    answers = await asyncio.gather(*(bureau.ask(closed, "approval", office.second) for _ in range(8)))
    assert [answer.status_code for answer in answers].count(200) == 1
    issued = await bureau.read(closed)
    assert issued["last_unit"] - issued["first_unit"] + 1 == issued["quantity_kg"] == 1
    found = await owner.fetchval("SELECT count(*) FROM unit_origins WHERE region = $1", bureau.region)
    assert found == 1
    assert await sound(bureau)


async def test_what_is_returned_is_reopened_and_closed_anew(
    bureau: Bureau, quarter: Quarter, owner: asyncpg.Connection
) -> None:
    returned = await bureau.signed(quarter.closed, "returned")
    assert (returned["status"], returned["remarks"]) == ("returned", "核查报告")
    await bureau.step(returned, "reopening")
    await bureau.work()
    assert await balances(owner, quarter.holder) == (3 * TRIP_MG, 0, 0)
    why = {"reason": "evidence", "note": "凭证不全"}
    await bureau.step(returned, "exclusions", activity_ids=[quarter.kept[0]], **why)
    closed = await bureau.closed(returned)
    assert (closed["quantity_kg"], closed["carried_co2e_g"]) == (0, "934")
    assert await balances(owner, quarter.holder) == (0, 2 * TRIP_MG, TRIP_MG)
    assert await sound(bureau)


async def test_nothing_slips_into_a_closed_period_and_the_next_carries(
    bureau: Bureau, quarter: Quarter, office: Office, owner: asyncpg.Connection
) -> None:
    """A reversal of what was issued comes back out of it, and lowers the next period."""
    await bureau.signed(quarter.closed)
    await bureau.step(quarter.closed, "notice")
    office.clock.forward(days=15)
    issued = await bureau.step(quarter.closed, "approval", office.second)
    # Dated into the closed period: the database refuses it.
    asset = await owner.fetchval(
        "SELECT asset_id FROM entries WHERE holder_id = $1 AND credit = 10 LIMIT 1", quarter.holder
    )
    until = datetime.datetime.fromisoformat(issued["booked_until"])
    accounts = (AccountKind.ISSUANCE_SIDE, AccountKind.HOLDER_OPEN)
    writes = Writes()
    late = Posting(quarter.holder, quarter.holder, asset, EntryKind.CREDIT, *accounts, 1)
    post(writes, [late], until - datetime.timedelta(seconds=1))
    with pytest.raises(asyncpg.SerializationError):
        async with bureau.services.database.driver_transaction() as driver:
            await writes.execute(driver)
    await bureau.reverse(quarter.kept[0])
    assert await balances(owner, quarter.holder) == (0, 2 * TRIP_MG, 0)
    office.clock.forward(seconds=1)
    following = await bureau.closed(await bureau.opened(None))
    assert following["booked_from"] == issued["booked_until"]
    assert (following["brought_co2e_g"], following["reversals_co2e_g"]) == ("401", "467")
    assert (following["quantity_kg"], following["carried_co2e_g"]) == (0, "-66")
    assert await sound(bureau)


async def test_fifty_applicants_open_at_once_and_each_has_its_number(
    bureau: Bureau, office: Office, phones: Callable[[], str]
) -> None:
    """Numbers run through a region, whoever applies."""
    phone = phones()
    await bureau.resident(phone)
    await bureau.trip(phone)
    begins = office.clock.now - datetime.timedelta(hours=1)
    applicants = [(await office.city.client("platform")).organisation_id for _ in range(50)]
    answers = await asyncio.gather(*(bureau.open(begins, applicant_id=each) for each in applicants))
    assert {answer.status_code for answer in answers} == {200}
    numbers = sorted(answer.json()["number"] for answer in answers)
    assert [int(number.rpartition("-")[2]) for number in numbers] == list(range(1, 51))
