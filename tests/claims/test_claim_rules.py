"""Every rule of verify about platforms' claims and quotas finds the row that breaks it."""

from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from claims.made import person_key, ride
from helpers import City, metro
from sqlalchemy.engine import make_url

from app.embedded.stack import Stack
from app.verification import verify
from app.wiring import Services
from dedup import verification

LATER = {"started_at": "2026-11-16T18:00:00+08:00", "ended_at": "2026-11-16T18:25:00+08:00"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def books(city: City, service: Services) -> dict[str, str]:
    """A claim that holds a number and a time, one that was lost, one that was released, and an activity."""
    phone = "13710000001"
    key = person_key(service, phone)
    operator, platform = await city.client("operator", "440000"), await city.client("platform")
    await city.holder(operator, phone, platform)
    claims = [ride("a", key, order_no="A"), ride("b", key), ride("c", key, order_no="C", **LATER)]
    items = (await platform.post("/v1/claims/batch", json=claims)).json()["items"]
    assert [each["outcome"] for each in items] == ["claimed", "duplicate", "claimed"]
    released = await platform.post(f"/v1/claims/{items[2]['id']}/release", json={"reason": "x"})
    assert released.status_code == 200
    credited = await platform.post("/v1/activities", json=metro("act", phone, **LATER))
    assert credited.json()["outcome"] == "credited"
    blinded = {"elements": ["hj8zDMGhJZ7VpZmKI6z9N_tDUaeTpbPAkLZC3cQ5uUU"]}
    assert (await platform.post("/v1/tokens/evaluate", json=blinded)).status_code == 200
    return {
        "held": items[0]["id"],
        "lost": items[1]["id"],
        "released": items[2]["id"],
        "platform": platform.organisation_id,
    }


@pytest_asyncio.fixture(loop_scope="session")
async def root(stack: Stack, database_urls: tuple[str, str]) -> Any:
    assert stack.postgres is not None
    name = make_url(database_urls[0]).database
    connection = await asyncpg.connect(stack.postgres.url("postgres", str(name)))
    await connection.execute("SET session_replication_role = replica")
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


OF = "activity_id = (SELECT id FROM platform_claims WHERE replace(id::text, '-', '') = substr($1, 5))"
IS = "replace(id::text, '-', '') = substr($1, 5)"
MORE_USED = """
    UPDATE quota_days SET used = used + 1
    WHERE kind = 'evaluations' AND replace(organisation_id::text, '-', '') = substr($1, 5)
"""
# Name → (what is broken, by which statement, which rules find it).
CASES = {
    "a number is lost": ("held", f"DELETE FROM whole_claims WHERE {OF}", {"claims_of_platforms"}),
    "a time is lost": ("held", f"DELETE FROM interval_claims WHERE {OF}", {"claims_of_platforms"}),
    "a claim is gone": ("held", f"DELETE FROM platform_claims WHERE {IS}", {"claims_without_credit"}),
    "released, and held": (
        "held",
        f"UPDATE platform_claims SET released_at = now() WHERE {IS}",
        {"claims_without_credit"},
    ),
    "it knows of none": (
        "held",
        f"UPDATE platform_claims SET claim_tokens = '' WHERE {IS}",
        {"claims_of_platforms", "claims_without_credit"},
    ),
    "lost, and knows of one": (
        "lost",
        f"UPDATE platform_claims SET claim_tokens = uuid_send(gen_random_uuid()) WHERE {IS}",
        {"claims_of_platforms"},
    ),
    "live again without its tokens": (
        "released",
        f"UPDATE platform_claims SET released_at = NULL WHERE {IS}",
        {"claims_of_platforms"},
    ),
    "more than all used": (
        "platform",
        MORE_USED,
        {"quotas"},
    ),
}


async def found(driver: asyncpg.Connection) -> dict[str, str]:
    return {each.rule: each.breach async for each in verify(driver) if each.breach is not None}


async def test_sound_books_have_no_breach(root: asyncpg.Connection, books: dict[str, str]):
    assert await found(root) == {"rights": "the role has rights of an owner"}


def test_every_rule_has_a_case():
    assert set(verification.QUERIES) <= {rule for _, _, rules in CASES.values() for rule in rules}


@pytest.mark.parametrize("case", CASES)
async def test_a_broken_row_is_named(root: asyncpg.Connection, books: dict[str, str], case: str):
    broken, statement, rules = CASES[case]
    assert int((await root.execute(statement, books[broken])).split()[-1]) > 0
    breaches = await found(root)
    assert breaches.keys() - {"rights"} == rules
    assert {breaches[rule] for rule in rules} == {books[broken]}
