"""Every rule about mandates, bindings and erased holders finds the row that breaks it."""

import datetime
import uuid
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from crediting.desk import Desk
from verification.breakages import breaches

from accounts import bindings, consents, mandates
from accounts.ids import public_id
from accounts.verification import QUERIES
from app.my_data import erasure, exports
from app.wiring import Services, utc_now

DAY = datetime.timedelta(days=1)


@dataclass
class Books:
    """One who gave two mandates in turn and has a binding, and one who is erased and had all of that."""

    holder: UUID
    erased: UUID


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def books(service: Services) -> Books:
    desk = Desk(service)
    source, applicant = await desk.source(), await desk.source()
    (_, holder), (_, erased) = await desk.people(2, source)
    now = utc_now()
    async with service.database.driver_transaction() as driver:
        terms = await mandates.publish_terms(driver, applicant, mandates.NewTerms("1", 1, "x", "x"), now)
    for each in (holder, erased):
        async with service.database.driver_transaction() as driver:
            await consents.lock_active(driver, each)
            await mandates.grant(driver, lambda _: "x", each, terms, (None, now + DAY), now)
            await mandates.grant(driver, lambda _: "x", each, terms, (now + DAY, None), now)
            made, _ = await bindings.start(driver, each, source, [], now, DAY)
            link = (made, source)
            await bindings.redeem(driver, lambda _: "x", service.consent_texts, link, uuid.uuid4(), now)
            await exports.request(driver, each, now)
    async with service.database.driver_transaction() as driver:
        wish = await erasure.request(driver, erased, now, datetime.timedelta())
    async with service.database.transaction() as session:
        assert await erasure.erase(service, session, erased, wish["id"], now)
    return Books(holder, erased)


CASES = {
    "two mandates at one time": (
        "mandates_overlap",
        "holder",
        """
        UPDATE mandates SET valid_from = valid_from - interval '1 second'
        WHERE holder_id = $1 AND valid_until IS NULL
        """,
    ),
    "a mandate without end and another one": (
        "mandates_overlap",
        "holder",
        "UPDATE mandates SET valid_until = NULL WHERE holder_id = $1",
    ),
    "a bound user that is nobody": (
        "bindings",
        "holder",
        "DELETE FROM identities WHERE holder_id = $1 AND scheme = 'source_user'",
    ),
    "an erased account is open": (
        "erased",
        "erased",
        "UPDATE balances SET status = 1 WHERE holder_id = $1",
    ),
    "an identifier leads to an erased holder": (
        "erased",
        "erased",
        "INSERT INTO identities VALUES (gen_random_uuid(), $1, 'phone', now())",
    ),
    "an erased holder's consent lives": (
        "erased",
        "erased",
        "UPDATE consents SET withdrawn_at = NULL WHERE holder_id = $1",
    ),
    "an erased holder's mandate lives": (
        "erased",
        "erased",
        "DELETE FROM mandate_withdrawals WHERE holder_id = $1",
    ),
    "an erased holder's binding can be redeemed": (
        "erased",
        "erased",
        "UPDATE bindings SET ended_at = NULL, redeemed_at = NULL WHERE holder_id = $1",
    ),
    "an erased holder's export is there": (
        "erased",
        "erased",
        "UPDATE exports SET state = 'ready' WHERE holder_id = $1",
    ),
}


async def test_sound_books_have_no_breach(root: asyncpg.Connection, books: Books) -> None:
    assert await breaches(root) == {}


def test_every_rule_has_a_case() -> None:
    assert {rule for rule, _, _ in CASES.values()} == QUERIES.keys()


@pytest.mark.parametrize("case", CASES)
async def test_a_broken_row_is_named(root: asyncpg.Connection, books: Books, case: str) -> None:
    rule, name, statement = CASES[case]
    holder = getattr(books, name)
    assert not (await root.execute(statement, holder)).endswith(" 0")
    assert await breaches(root) == {rule: public_id("hld", holder)}
