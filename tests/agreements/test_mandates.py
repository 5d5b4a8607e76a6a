"""归集授权: one applicant at a time, on its terms, ended for what is not yet booked; nothing is rewritten."""

import asyncio
import datetime
import json
from uuid import UUID

import asyncpg
import jwt
import pytest
from agreements.people import Resident, breaches, resident, signed_in
from crediting.desk import Desk, clothes
from helpers import Caller, City

from accounts import mandated, mandates
from accounts.agreement_errors import MandateOverlaps
from accounts.ids import parse_public_id, public_id
from accounts.models import AccountKind, EntryKind
from accounts.postings import Posting, post
from app.crediting.service import credit
from app.wiring import Services, utc_now
from dedup.writes import Writes

TERMS = {"version": "1", "holder_percent": 70, "text_zh": "七成归您。", "text_en": "70 % are yours."}
MINUTE = datetime.timedelta(minutes=1)


async def offered(applicant: Caller, version: str = "1", percent: int = 70) -> str:
    answer = await applicant.post(
        "/v1/mandate-terms", json=TERMS | {"version": version, "holder_percent": percent}
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["terms_id"])


async def given(person: Resident, terms: str, **period: str) -> str:
    answer = await person.post("/v1/me/mandates", json={"terms_id": terms, **period})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["mandate_id"])


async def test_a_mandate_is_given_on_terms_and_withdrawn(city: City, phone: str) -> None:
    applicant, person = await city.client("platform"), await resident(city, phone)
    terms = await offered(applicant)
    mandate = await given(person, terms)
    (shown,) = (await person.get("/v1/me/mandates")).json()["items"]
    assert (shown["mandate_id"], shown["holder_percent"], shown["withdrawn_at"]) == (mandate, 70, None)
    assert shown["applicant_id"] == applicant.organisation_id

    signed = (await person.get(f"/v1/me/receipts/{shown['receipt_id']}")).json()["signed"]
    content = jwt.decode(signed, options={"verify_signature": False})["content"]
    published = (await city.http.get("/v1/mandate-terms")).json()["items"]
    (mine,) = [t for t in published if t["terms_id"] == terms]
    assert (content["terms_sha256"], content["holder_percent"]) == (mine["sha256"], 70)

    ended = await person.post(f"/v1/me/mandates/{mandate}/withdrawal")
    assert ended.status_code == 200
    (after,) = (await person.get("/v1/me/mandates")).json()["items"]
    assert after["withdrawal_receipt_id"] == ended.json()["receipt_id"]
    assert after["granted_at"] == shown["granted_at"]
    again = await person.post(f"/v1/me/mandates/{mandate}/withdrawal")
    assert again.json()["code"] == "mandate.ended"
    # The history stays, and a new mandate is another one.
    await given(person, terms)
    assert len((await person.get("/v1/me/mandates")).json()["items"]) == 2
    assert await breaches(city) == []


async def test_only_the_newest_terms_are_offered(city: City, phone: str) -> None:
    applicant, person = await city.client("platform"), await resident(city, phone)
    old = await offered(applicant)
    new = await offered(applicant, "2", 60)
    refused = await person.post("/v1/me/mandates", json={"terms_id": old})
    assert refused.json()["code"] == "mandate.terms_not_offered"
    again = await applicant.post("/v1/mandate-terms", json=TERMS)
    assert again.json()["code"] == "mandate.terms_exist"
    states = {t["terms_id"]: t["offered"] for t in (await city.http.get("/v1/mandate-terms")).json()["items"]}
    assert (states[old], states[new]) == (False, True)
    for body in ({"terms_id": "mtm_1"}, {"terms_id": "mtm_" + "1" * 32}):
        answer = await person.post("/v1/me/mandates", json=body)
        assert answer.json()["code"] == "mandate.terms_not_offered"
    for wrong in (
        {"valid_until": "2020-01-01T00:00:00Z"},
        {"valid_from": "2030-01-01T00:00:00Z", "valid_until": "2030-01-01T00:00:00Z"},
        {"valid_from": "9999-12-31T23:59:59Z"},
    ):
        answer = await person.post("/v1/me/mandates", json={"terms_id": new, **wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


async def test_two_mandates_never_overlap(city: City, phone: str) -> None:
    person = await resident(city, phone)
    one, two = [await offered(await city.client("platform")) for _ in range(2)]
    later = {"valid_from": "2031-01-01T00:00:00+08:00", "valid_until": "2032-01-01T00:00:00+08:00"}
    await given(person, one, **later)
    for period in (
        {},
        {"valid_until": "2031-06-01T00:00:00+08:00"},
        {"valid_from": "2031-12-31T00:00:00+08:00"},
        {"valid_from": "2031-02-01T00:00:00+08:00", "valid_until": "2031-03-01T00:00:00+08:00"},
    ):
        answer = await person.post("/v1/me/mandates", json={"terms_id": two, **period})
        assert answer.json()["code"] == "mandate.overlaps", period
    await given(person, two, valid_until="2031-01-01T00:00:00+08:00")
    await given(person, two, valid_from="2032-01-01T00:00:00+08:00")
    assert await breaches(city) == []


async def test_fifty_mandates_at_once_make_one(city: City, phone: str) -> None:
    person = await resident(city, phone)
    terms = [await offered(await city.client("platform")) for _ in range(5)]
    answers = await asyncio.gather(
        *(person.post("/v1/me/mandates", json={"terms_id": terms[i % 5]}) for i in range(50))
    )
    assert sorted(a.status_code for a in answers) == [200] + [409] * 49
    (mandate,) = (await person.get("/v1/me/mandates")).json()["items"]
    answers = await asyncio.gather(
        *(person.post(f"/v1/me/mandates/{mandate['mandate_id']}/withdrawal") for _ in range(50))
    )
    assert sorted(a.status_code for a in answers) == [200] + [409] * 49
    assert await breaches(city) == []


async def test_terms_and_history_are_only_appended_to(service: Services, city: City, phone: str) -> None:
    person, applicant = await resident(city, phone), await city.client("platform")
    mandate = await given(person, await offered(applicant))
    await person.post(f"/v1/me/mandates/{mandate}/withdrawal")
    for table in ("mandates", "mandate_withdrawals", "mandate_terms", "agreement_receipts"):
        for statement in (f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with service.database.driver_transaction() as driver:
                    await driver.execute(statement)
    for statement in (
        "UPDATE mandates SET valid_until = NULL",
        "UPDATE mandate_withdrawals SET ends_at = withdrawn_at",
        "UPDATE mandate_terms SET holder_percent = 0",
        "UPDATE agreement_receipts SET signed = ''",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with service.database.driver_transaction() as driver:
                await driver.execute(statement)


async def test_a_strangers_mandate_is_not_there(city: City, phone: str, phones) -> None:
    person, stranger = await resident(city, phone), await resident(city, phones())
    mandate = await given(person, await offered(await city.client("platform")))
    answer = await stranger.post(f"/v1/me/mandates/{mandate}/withdrawal")
    assert (answer.status_code, answer.json()["code"]) == (404, "mandate.not_found")
    assert (await stranger.get("/v1/me/mandates")).json()["items"] == []


class Books:
    """Entries of one person under mandates that begin and end at chosen times."""

    def __init__(self, service: Services, desk: Desk) -> None:
        self.service, self.desk = service, desk
        self.applicant = self.source = UUID(int=0)
        self.phone, self.holder = "", UUID(int=0)
        self.terms = UUID(int=0)

    async def begin(self) -> None:
        self.applicant, self.source = await self.desk.source(), await self.desk.source()
        self.phone, self.holder = await self.desk.person(self.source)
        async with self.service.database.driver_transaction() as driver:
            self.terms = await mandates.publish_terms(
                driver, self.applicant, mandates.NewTerms("1", 50, "x", "x"), utc_now()
            )

    async def grant(self, at: datetime.datetime, until: datetime.datetime | None = None) -> UUID:
        async with self.service.database.driver_transaction() as driver:
            return await mandates.grant(driver, lambda _: "x", self.holder, self.terms, (None, until), at)

    async def withdraw(self, mandate: UUID, at: datetime.datetime) -> None:
        async with self.service.database.driver_transaction() as driver:
            await mandates.withdraw(driver, lambda _: "x", self.holder, mandate, at)

    async def credit(self, number: str) -> tuple[UUID, int]:
        result = await self.desk.intake.report(
            self.desk.prepare(self.source, clothes(self.phone, f"{self.phone}-{number}"))
        )
        assert result.outcome == "credited"
        assert result.activity_id is not None
        return result.activity_id, result.co2e_mg

    async def read(self, page: int = 100) -> list[int]:
        now = utc_now()
        found: list[int] = []
        after = None
        async with self.service.database.driver_transaction() as driver:
            while True:
                rows = await mandated.mandated_entries(
                    driver, self.applicant, (now - 60 * MINUTE, now + 60 * MINUTE), after, page
                )
                found += [row["net_mg"] for row in rows]
                if len(rows) < page:
                    return found
                after = (rows[-1]["holder_id"], rows[-1]["id"])


@pytest.fixture
async def books(service: Services) -> Books:
    made = Books(service, Desk(service))
    await made.begin()
    return made


async def test_entries_count_under_the_mandate_that_was_live_at_booking(books: Books) -> None:
    now = utc_now()
    _, before = await books.credit("before")
    assert await books.read() == []
    first = await books.grant(utc_now())
    kept, mg = await books.credit("under")
    assert before == mg
    assert await books.read() == [mg]
    # A withdrawal ends it for what is not yet booked, and for what may have been booked while it waited.
    await books.withdraw(first, utc_now() + 2 * mandates.BOOKING_TAKES)
    assert await books.read() == [mg]
    async with books.service.database.driver_transaction() as driver:
        with pytest.raises(MandateOverlaps):
            await mandates.grant(driver, lambda _: "x", books.holder, books.terms, (now, None), utc_now())
    # A reversal follows its credit, though no mandate is live.
    await books.desk.reverse(books.source, kept)
    assert sorted(await books.read()) == [-mg, mg]
    assert sorted(await books.read(page=1)) == [-mg, mg]
    assert await books.desk.breaches() == []


async def test_what_was_booked_after_the_end_is_not_under_it(books: Books) -> None:
    ends = utc_now() + datetime.timedelta(milliseconds=300)
    await books.grant(utc_now(), ends)
    _, mg = await books.credit("in time")
    await asyncio.sleep(0.35)
    late, _ = await books.credit("late")
    assert await books.read() == [mg]
    await books.desk.reverse(books.source, late)
    assert await books.read() == [mg]


async def test_a_reversal_follows_the_last_credit_before_it(books: Books, owner: asyncpg.Connection) -> None:
    """As a recalculation books it: the credit taken back and given anew, twice, after the mandate ended."""
    await books.grant(utc_now(), utc_now() + MINUTE)
    activity, mg = await books.credit("recalculated")
    asset = await owner.fetchval("SELECT asset_id FROM entries WHERE cause_id = $1 AND credit = 10", activity)
    side, own = AccountKind.ISSUANCE_SIDE, AccountKind.HOLDER_OPEN
    for minutes in (10, 20):
        writes = Writes()
        changes = [(EntryKind.REVERSAL, own, side), (EntryKind.CREDIT, side, own)]
        postings = [Posting(books.holder, activity, asset, *change, mg) for change in changes]
        post(writes, postings, utc_now() + minutes * MINUTE)
        async with books.service.database.driver_transaction() as driver:
            await writes.execute(driver)
    assert await books.read() == [mg, -mg]
    assert await books.desk.breaches() == []


async def test_a_booking_that_waited_for_the_withdrawal_is_not_under_the_mandate(books: Books) -> None:
    """It is dated before the withdrawal, and committed after: a race that its time alone would lose."""
    mandate = await books.grant(utc_now() - 10 * MINUTE)
    dated = utc_now()
    prepared = books.desk.prepare(books.source, clothes(books.phone, "waited"))
    await books.withdraw(mandate, utc_now())
    async with books.service.database.driver_transaction() as driver:
        (result,) = await credit(driver, books.service.preparer, [prepared], dated, None)
    assert result is not None
    assert result.outcome == "credited"
    assert await books.read() == []


async def test_applicants_see_sums_of_many_only(
    city: City, service: Services, owner: asyncpg.Connection, phones
) -> None:
    applicant, source = await city.client("platform"), await city.client("platform")
    terms = await offered(applicant)
    desk = Desk(service)
    organisation = parse_public_id("org", source.organisation_id)
    assert organisation is not None
    people = await desk.people(mandated.LEAST_HOLDERS, organisation)
    callers = [signed_in(city, public_id("hld", holder), phone) for phone, holder in people]

    async def totals() -> dict[str, object]:
        async with service.database.driver_transaction() as driver:
            await mandated.count(driver, utc_now() + datetime.timedelta(seconds=1), page=3)
        (item,) = (await applicant.get("/v1/mandate-terms/totals")).json()["items"]
        return {name: item[name] for name in ("holders", "co2e_g")}

    for person in callers[:-1]:
        await given(person, terms)
        report = clothes(person.phone, f"t-{person.phone}")
        assert (await source.post("/v1/activities", json=report)).json()["co2e_g"] == "1280"
    assert await totals() == {"holders": None, "co2e_g": None}
    await given(callers[-1], terms)
    assert await totals() == {"holders": 10, "co2e_g": "11520"}
    other = await city.client("platform")
    assert (await other.get("/v1/mandate-terms/totals")).json()["items"] == []
    text = json.dumps((await applicant.get("/v1/mandate-terms/totals")).json())
    assert "hld_" not in text
