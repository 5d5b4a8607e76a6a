"""Every rule about settlement finds the row that breaks it, and finds nothing wrong with sound books."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from settling.books import Books, at
from verification.breakages import breaches

from accounts.ids import public_id
from app.wiring import Services
from points import settlement_queries as queries
from points import settlement_verification, settlements
from points.settlements import Correction, Objection


@dataclass
class Kept:
    """A statement of each kind of one merchant, and the redemptions in them."""

    paid: UUID
    below: UUID
    corrected: UUID
    taken: UUID
    later: UUID


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def kept(service: Services) -> Kept:
    books = Books(service)
    trader, holder = await books.trader(at("2026-05-20 00:00"), (1000,)), await books.holder()
    taken, given_back = await books.redeem(trader, holder, "2026-06-15 12:00", times=2)
    paid = await books.issue(trader, "2026-07-01 00:00")
    now = at("2026-07-02 00:00")
    async with service.database.transaction() as session:
        row = await queries.lock(session, paid.id)
        assert row is not None
        await settlements.agree(session, row, "cli_m", now)
        await settlements.propose_payment(session, row, "B", now.date(), "cli_a", now)
        await settlements.approve_payment(session, row, "cli_b", now)
    await books.refund(trader, given_back, "2026-07-10 12:00")
    below = await books.issue(trader, "2026-08-01 00:00")
    (later,) = await books.redeem(trader, holder, "2026-08-10 12:00")
    corrected = await books.issue(trader, "2026-09-01 00:00")
    async with service.database.transaction() as session:
        row = await queries.lock(session, corrected.id)
        assert row is not None
        await settlements.dispute(session, row, [Objection("no", 1)], "cli_m", now)
        await settlements.resolve(session, row, [Correction(250, "found", 1)], "found", "cli_a", now)
    return Kept(paid.id, below.id, corrected.id, taken, later)


@dataclass
class Case:
    name: str
    rule: str
    found: Callable[[Kept], str]
    statements: tuple[str, ...]
    broken: str
    also: frozenset[str] = frozenset()


def stl(name: str) -> Callable[[Kept], str]:
    return lambda kept: public_id("stl", getattr(kept, name))


def first_of_all(kept: Kept) -> str:
    return public_id("stl", min(kept.paid, kept.below, kept.corrected))


OF = "settlement_id = $1"
ITS = "merchant_id = (SELECT merchant_id FROM settlements WHERE id = $1)"
FREE = "ALTER TABLE settlements DISABLE TRIGGER settlements_fixed"
LOOSE = "ALTER TABLE settlements DROP CONSTRAINT settlements_four_eyes, DROP CONSTRAINT settlements_payment"

CASES = [
    Case(
        "an entry of another merchant",
        "settled_entries",
        stl("corrected"),
        (FREE, "UPDATE settlements SET merchant_id = gen_random_uuid() WHERE id = $1"),
        "corrected",
        # The account, the carry and what comes before are another's then.
        frozenset({"settlement_carry", "settlement_periods"}),
    ),
    Case(
        "an entry that does not exist",
        "settled_entries",
        stl("corrected"),
        (f"UPDATE settled_entries SET entry_id = gen_random_uuid() WHERE {OF}",),
        "corrected",
        frozenset({"settlement_left_out"}),
    ),
    Case(
        "an entry that counts for less",
        "settled_entries",
        stl("corrected"),
        (
            f"UPDATE settled_entries SET fen = fen - 1 WHERE {OF}",
            f"UPDATE settlement_lines SET spent_fen = spent_fen - 1 WHERE {OF}",
            "UPDATE settlements SET spent_fen = spent_fen - 1 WHERE id = $1",
        ),
        "corrected",
        frozenset(),
    ),
    Case(
        "an entry of another redemption",
        "settled_entries",
        stl("corrected"),
        (f"UPDATE settled_entries SET redemption_id = gen_random_uuid() WHERE {OF}",),
        "corrected",
    ),
    Case(
        "an entry that was booked after the period",
        "settled_entries",
        stl("corrected"),
        (
            "UPDATE settlements SET ends_at = '2026-08-10 00:00+08' WHERE id = $1",
            f"UPDATE settlement_accounts SET settled_until = '2026-08-10 00:00+08' WHERE {ITS}",
        ),
        "corrected",
    ),
    Case(
        "an entry that was forgotten",
        "settlement_left_out",
        lambda kept: public_id("red", kept.taken),
        (
            FREE,
            "DELETE FROM settled_entries WHERE redemption_id = $1",
        ),
        "taken",
        frozenset({"settlement_sums"}),
    ),
    Case(
        "a statement that says more than its entries",
        "settlement_sums",
        stl("corrected"),
        ("UPDATE settlements SET spent_fen = spent_fen + 1 WHERE id = $1",),
        "corrected",
    ),
    Case(
        "a line that says more than the entries",
        "settlement_sums",
        stl("below"),
        (f"UPDATE settlement_lines SET refunded_fen = refunded_fen + 1 WHERE {OF}",),
        "below",
    ),
    Case(
        "points that nobody spent",
        "settlement_sums",
        stl("corrected"),
        ("UPDATE settlements SET points = points + 1 WHERE id = $1",),
        "corrected",
    ),
    Case(
        "a correction that nobody made",
        "settlement_sums",
        stl("corrected"),
        ("UPDATE settlements SET adjusted_fen = adjusted_fen + 1 WHERE id = $1",),
        "corrected",
    ),
    Case(
        "a debt that was forgiven",
        "settlement_carry",
        first_of_all,
        ("UPDATE settlements SET opening_fen = opening_fen + 1 WHERE id = $1",),
        "corrected",
    ),
    Case(
        "a debt that is taken off twice",
        "settlement_carry",
        first_of_all,
        ("UPDATE settlements SET carried_fen = 0 WHERE id = $1",),
        "below",
    ),
    Case(
        "periods that overlap",
        "settlement_periods",
        stl("corrected"),
        ("UPDATE settlements SET starts_at = starts_at - interval '1 day' WHERE id = $1",),
        "corrected",
    ),
    Case(
        "an account that knows of another end",
        "settlement_periods",
        stl("corrected"),
        (f"UPDATE settlement_accounts SET settled_until = settled_until + interval '1 hour' WHERE {ITS}",),
        "corrected",
    ),
    Case(
        "paid on the word of one",
        "settlement_payments",
        stl("paid"),
        (FREE, LOOSE, "UPDATE settlements SET paid_by = proposed_by WHERE id = $1"),
        "paid",
    ),
    Case(
        "paid, though nobody agreed",
        "settlement_payments",
        stl("paid"),
        (FREE, LOOSE, "UPDATE settlements SET agreed_at = NULL WHERE id = $1"),
        "paid",
    ),
    Case(
        "corrected without a dispute",
        "settlement_payments",
        stl("corrected"),
        (f"DELETE FROM settlement_disputes WHERE {OF}",),
        "corrected",
    ),
    Case(
        "the service may take an entry out of its statement",
        "rights",
        lambda _: "DELETE on settled_entries",
        ("GRANT DELETE ON settled_entries TO tanpuhui_service",),
        "",
    ),
]


async def test_sound_books_have_no_breach(root: asyncpg.Connection, kept: Kept) -> None:
    assert await breaches(root) == {}


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == {*settlement_verification.QUERIES, "rights"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
async def test_a_broken_row_is_named(root: asyncpg.Connection, kept: Kept, case: Case) -> None:
    for statement in case.statements:
        arguments = (getattr(kept, case.broken),) if "$1" in statement else ()
        done = await root.execute(statement, *arguments)
        assert not done.endswith(" 0"), statement
    found = await breaches(root)
    assert found.get(case.rule) == case.found(kept), found
    assert found.keys() == {case.rule} | case.also
