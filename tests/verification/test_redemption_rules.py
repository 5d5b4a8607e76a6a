"""Every rule about redemptions finds the row that breaks it, and finds nothing wrong with sound books."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from redeeming.ledgers import Accounts, Sold
from verification.breakages import breaches

from accounts.ids import public_id
from app.wiring import Services, utc_now
from points import redemption_verification, redemptions
from points.redemption_states import Act, Order, Redemption, Step


@dataclass
class Books:
    """A redemption of each kind, and the offers they are of."""

    held: UUID
    taken: UUID
    refunded: UUID
    pooled: UUID
    offer: UUID
    pool: UUID


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def books(service: Services) -> Books:
    accounts, now = Accounts(service), utc_now()
    merchant, (offer, pool) = await accounts.offers(
        (Sold(30, "qr", stock=9, in_all=5, on_a_day=4), Sold(10, "pool", stock=3)), now
    )
    (holder,) = await accounts.holders(1)
    await accounts.earn(holder, 200, now.date().replace(year=now.year + 1), now)
    orders = [
        *(Order(holder, offer), Order(holder, offer, confirm=True), Order(holder, offer, confirm=True)),
        Order(holder, pool, confirm=True),
    ]
    async with service.database.driver_transaction() as driver:
        placed = await redemptions.carry_out(driver, orders, service.redemptions.policy, now)
    ids = [each.id for each in placed if isinstance(each, Redemption)]
    steps = [Step(Act.VERIFY, ids[1], merchant_id=merchant), Step(Act.REFUND, ids[2], merchant_id=merchant)]
    async with service.database.driver_transaction() as driver:
        done = await redemptions.carry_out(driver, steps, service.redemptions.policy, now)
    assert [each.state for each in done if isinstance(each, Redemption)] == ["fulfilled", "refunded"]
    return Books(*ids, offer, pool)


@dataclass
class Case:
    name: str
    rule: str
    found: Callable[[Books], str]
    statements: tuple[str, ...]
    broken: str
    also: frozenset[str] = frozenset()


def red(name: str) -> Callable[[Books], str]:
    return lambda books: public_id("red", getattr(books, name))


def ofr(name: str) -> Callable[[Books], str]:
    return lambda books: public_id("ofr", getattr(books, name))


MORE = """
    INSERT INTO entries SELECT holder_id, gen_random_uuid(), cause_id, asset_id, kind, debit, credit, 1, booked_at,
        party_id FROM entries WHERE cause_id = $1 AND {} LIMIT 1
"""
OF_THE_HOLDER = "holder_id = (SELECT holder_id FROM redemptions WHERE id = $1)"
SAME_MONTH = "(left(id::text, 24) || substr(md5(random()::text), 1, 12))::uuid"

CASES = [
    Case(
        "a hold became a point larger, and the balance with it",
        "redemption_entries",
        red("held"),
        (
            MORE.format("kind = 3").replace("gen_random_uuid()", SAME_MONTH),
            "UPDATE balances SET points = points - 1, held_points = held_points + 1 WHERE " + OF_THE_HOLDER,
            "UPDATE lots SET remaining = remaining - 1 WHERE " + OF_THE_HOLDER,
        ),
        "held",
    ),
    Case(
        "what was taken reads as if it were still to be taken",
        "redemption_entries",
        red("taken"),
        ("UPDATE redemptions SET state = 'confirmed' WHERE id = $1",),
        "taken",
    ),
    Case(
        "the programme owes a fen more",
        "redemption_entries",
        red("taken"),
        (MORE.format("credit = 4 AND debit = 2").replace("gen_random_uuid()", SAME_MONTH),),
        "taken",
    ),
    Case(
        "another merchant got the points",
        "redemption_entries",
        red("taken"),
        ("UPDATE entries SET party_id = gen_random_uuid() WHERE cause_id = $1 AND credit = 4",),
        "taken",
    ),
    Case(
        "a refund that came back to nobody",
        "redemption_entries",
        red("refunded"),
        ("UPDATE redemptions SET state = 'fulfilled' WHERE id = $1",),
        "refunded",
    ),
    Case(
        "points that came from no lot",
        "redemption_lots",
        red("held"),
        ("UPDATE redemption_lots SET points = points - 1 WHERE redemption_id = $1",),
        "held",
    ),
    Case(
        "points of another programme",
        "redemption_lots",
        red("taken"),
        ("UPDATE redemption_lots SET asset_id = asset_id + 1000 WHERE redemption_id = $1",),
        "taken",
    ),
    Case(
        "a piece of the stock is gone",
        "offer_stock",
        ofr("offer"),
        ("UPDATE offer_stock SET remaining = remaining - 1 WHERE offer_id = $1",),
        "offer",
    ),
    Case(
        "a code of the pool is gone",
        "offer_stock",
        ofr("pool"),
        (
            """
            DELETE FROM offer_codes WHERE code = (SELECT min(code) FROM offer_codes WHERE offer_id = $1
                AND redemption_id IS NULL)
            """,
        ),
        "pool",
    ),
    Case(
        "a person's limit forgets a piece",
        "redemption_limits",
        ofr("offer"),
        ("UPDATE redemption_limits SET used = used - 1 WHERE offer_id = $1 AND day = '1970-01-01'",),
        "offer",
    ),
    Case(
        "a person's day forgets everything",
        "redemption_limits",
        ofr("offer"),
        ("DELETE FROM redemption_limits WHERE offer_id = $1 AND day > '1970-01-01'",),
        "offer",
    ),
    Case(
        "a code was given without being told",
        "redemption_codes",
        red("pooled"),
        ("DELETE FROM offer_codes WHERE redemption_id = $1",),
        "pooled",
    ),
    Case(
        "two codes for one redemption",
        "redemption_codes",
        red("pooled"),
        (
            """
            INSERT INTO offer_codes SELECT merchant_id, code || 'x', offer_id, holder_id, redemption_id
            FROM offer_codes WHERE redemption_id = $1
            """,
        ),
        "pooled",
    ),
    Case(
        "the service may rewrite where points came from",
        "rights",
        lambda _: "UPDATE on redemption_lots",
        ("GRANT UPDATE ON redemption_lots TO tanpuhui_service",),
        "",
    ),
]


async def test_sound_books_have_no_breach(root: asyncpg.Connection, books: Books) -> None:
    assert await breaches(root) == {}


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == {*redemption_verification.QUERIES, "rights"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
async def test_a_broken_row_is_named(root: asyncpg.Connection, books: Books, case: Case) -> None:
    for statement in case.statements:
        arguments = (getattr(books, case.broken),) if "$1" in statement else ()
        done = await root.execute(statement, *arguments)
        assert not done.endswith(" 0"), statement
    found = await breaches(root)
    assert found.get(case.rule) == case.found(books), found
    assert found.keys() == {case.rule} | case.also
