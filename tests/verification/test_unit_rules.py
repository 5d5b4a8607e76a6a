"""Every rule about units finds the row that breaks it, and finds nothing wrong with sound books."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from units.made import NOW, Book
from verification.breakages import breaches

from accounts.ids import public_id
from accounts.registry import pledges, transfers
from accounts.units import service as units
from accounts.units import verification as unit_verification
from accounts.units.service import Purpose
from app.wiring import Services


@dataclass
class Kept:
    """Units that went every way: an origin that was split, a lock that has some left, a retirement."""

    account: UUID
    origin: UUID
    other_origin: UUID
    lock: UUID
    retirement: UUID
    transfer: UUID
    pledge: UUID


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def kept(service: Services) -> Kept:
    book = Book(service)
    account, buyer = await book.account(), await book.account()
    origin, _ = await book.issue(account, 1_000)
    other, _ = await book.issue(account, 10)
    lock = await book.step(lambda d: units.lock(d, account, origin.id, 600, "offer", uuid.uuid4(), NOW))
    await book.step(lambda d: units.deliver(d, lock.id, buyer, NOW, quantity_kg=200))
    await book.step(lambda d: units.release(d, lock.id, NOW, quantity_kg=100))
    made = await book.step(
        lambda d: units.retire(d, account, origin.id, 50, Purpose.EVENT, "年会", uuid.uuid4(), NOW)
    )
    await book.step(lambda d: units.cancel(d, buyer, origin.id, 30, "in error", uuid.uuid4(), NOW))
    sent = await book.step(lambda d: transfers.propose(d, account, buyer, origin.id, 20, "", "cli_a", NOW))
    await book.step(lambda d: transfers.accept(d, buyer, sent["id"], "cli_b", NOW))
    await book.step(lambda d: transfers.propose(d, account, buyer, origin.id, 10, "", "cli_a", NOW))
    bank = await book.organisation("bank")
    pledge = await book.step(lambda d: pledges.pledge(d, account, bank, origin.id, 40, "18", "cli_a", NOW))
    await book.step(lambda d: pledges.release(d, bank, pledge["id"], 15, "cli_c", NOW))
    return Kept(account, origin.id, other.id, lock.id, made.id, sent["id"], pledge["id"])


@dataclass
class Case:
    name: str
    rule: str
    found: Callable[[Kept], str]
    statements: tuple[str, ...]
    broken: str
    also: frozenset[str] = frozenset()


def of_origin(kept: Kept) -> str:
    return public_id("uor", kept.origin)


def of_retirement(kept: Kept) -> str:
    return public_id("umv", kept.retirement)


LOOSE = "ALTER TABLE unit_holdings DROP CONSTRAINT unit_holdings_disjoint"
RETIRED = "begun_by = $1 AND status = 'retired'"
CASES = [
    Case(
        "a unit that stands twice",
        "units_disjoint",
        of_origin,
        (
            LOOSE,
            f"UPDATE unit_holdings SET units = int8range(lower(units), upper(units) + 1) WHERE {RETIRED}",
        ),
        "retirement",
        frozenset({"units_whole", "unit_splits", "unit_movements"}),
    ),
    Case(
        "units that are gone",
        "units_whole",
        lambda kept: public_id("uor", kept.other_origin),
        ("DELETE FROM unit_holdings WHERE origin_id = $1",),
        "other_origin",
        frozenset({"unit_movements"}),
    ),
    Case(
        "an origin that was given more",
        "unit_numbers",
        lambda kept: public_id("uor", kept.other_origin),
        ("UPDATE unit_origins SET units = int8range(lower(units), upper(units) + 1) WHERE id = $1",),
        "other_origin",
        frozenset({"units_whole"}),
    ),
    Case(
        "a number that nobody has",
        "unit_numbers",
        lambda kept: public_id("uor", kept.other_origin),
        ("UPDATE unit_numbers SET next_number = next_number + 1",),
        "",
    ),
    Case(
        "a split that left something out",
        "unit_splits",
        of_origin,
        (f"UPDATE unit_holdings SET units = int8range(lower(units), upper(units) - 1) WHERE {RETIRED}",),
        "retirement",
        frozenset({"units_whole", "unit_movements"}),
    ),
    Case(
        "a child of another origin",
        "unit_splits",
        of_origin,
        (f"UPDATE unit_holdings SET origin_id = gen_random_uuid() WHERE {RETIRED}",),
        "retirement",
        frozenset({"units_whole"}),
    ),
    Case(
        "what is left of a split in another account",
        "unit_splits",
        of_origin,
        (
            """
            UPDATE unit_holdings SET account_id = (SELECT id FROM registry_accounts WHERE id <> account_id LIMIT 1)
            WHERE id = (SELECT id FROM unit_holdings
                        WHERE origin_id = $1 AND rest AND status = 'held' AND ended_at IS NULL LIMIT 1)
            """,
        ),
        "origin",
    ),
    Case(
        "a movement that says more than it moved",
        "unit_movements",
        of_retirement,
        (
            "UPDATE unit_movements SET units = units + int8multirange(int8range(900000000, 900000001)) WHERE id = $1",
        ),
        "retirement",
    ),
    Case(
        "a movement of another account",
        "unit_movements",
        of_retirement,
        ("UPDATE unit_movements SET account_id = gen_random_uuid() WHERE id = $1",),
        "retirement",
        frozenset({"unit_records"}),
    ),
    Case(
        "a movement without holdings",
        "unit_movements",
        of_retirement,
        (f"UPDATE unit_holdings SET rest = true WHERE {RETIRED}",),
        "retirement",
        frozenset({"unit_splits"}),
    ),
    Case(
        "a retirement of which nothing is on record",
        "unit_records",
        of_retirement,
        ("DELETE FROM unit_retirements WHERE id = $1",),
        "retirement",
    ),
    Case(
        "a retirement of another account",
        "unit_records",
        of_retirement,
        ("UPDATE unit_retirements SET account_id = gen_random_uuid() WHERE id = $1",),
        "retirement",
    ),
    Case(
        "units that no lock of this account holds back",
        "unit_locks",
        lambda kept: public_id("ulk", kept.lock),
        ("UPDATE unit_locks SET account_id = gen_random_uuid() WHERE id = $1",),
        "lock",
        frozenset({"unit_records"}),
    ),
    Case(
        "an account that is not there",
        "unit_accounts",
        lambda kept: public_id("rac", kept.account),
        ("DELETE FROM registry_accounts WHERE id = $1",),
        "account",
    ),
    Case(
        "a transfer that is accepted and moved nothing",
        "unit_transfers",
        lambda kept: public_id("utr", kept.transfer),
        ("UPDATE unit_transfers SET quantity_kg = quantity_kg + 1 WHERE id = $1",),
        "transfer",
    ),
    Case(
        "a transfer that is open and holds nothing back",
        "unit_transfers",
        lambda kept: public_id("utr", kept.transfer),
        ("UPDATE unit_transfers SET state = 'offered', decided_at = NULL WHERE id = $1",),
        "transfer",
    ),
    Case(
        "a pledge that is over and has units",
        "unit_pledges",
        lambda kept: public_id("upl", kept.pledge),
        ("UPDATE unit_pledges SET released_at = now(), released_by = 'cli_c' WHERE id = $1",),
        "pledge",
    ),
    Case(
        "a frozen account without an order",
        "account_freezes",
        lambda kept: public_id("rac", kept.account),
        ("UPDATE registry_accounts SET frozen_at = now() WHERE id = $1",),
        "account",
    ),
    Case(
        "the service may take a retirement back",
        "rights",
        lambda _: "DELETE on unit_retirements",
        ("GRANT DELETE ON unit_retirements TO tanpuhui_service",),
        "",
    ),
]


async def test_sound_books_have_no_breach(root: asyncpg.Connection, kept: Kept) -> None:
    assert await breaches(root) == {}


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == {*unit_verification.QUERIES, "rights"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
async def test_a_broken_row_is_named(root: asyncpg.Connection, kept: Kept, case: Case) -> None:
    for statement in case.statements:
        arguments = (getattr(kept, case.broken),) if "$1" in statement else ()
        done = await root.execute(statement, *arguments)
        assert not done.endswith(" 0"), statement
    found = await breaches(root)
    assert found.get(case.rule) == case.found(kept), found
    assert found.keys() == {case.rule} | case.also
