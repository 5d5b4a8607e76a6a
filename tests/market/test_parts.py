"""Many deliveries at once leave what so many single ones would leave."""

import uuid

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from units.made import NOW, Book

from accounts.registry.errors import AccountFrozen
from accounts.units import service as units
from accounts.units import verification
from accounts.units.errors import InsufficientUnits
from app.wiring import Services

HELD = """
    SELECT units, account_id, status FROM unit_holdings WHERE ended_at IS NULL AND origin_id = ANY($1) ORDER BY units
"""


@given(
    stocks=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    parts=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 20)), min_size=1, max_size=8),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_parts_are_the_lowest_numbers_one_after_the_other(
    service: Services, owner: asyncpg.Connection, stocks: list[int], parts: list[tuple[int, int]]
) -> None:
    book = Book(service)
    seller, *buyers = [await book.account() for _ in range(4)]
    issued = [await book.issue(seller, kg) for kg in stocks]
    origins = [origin.id for origin, _ in issued]
    total = sum(stocks)
    lock = await book.step(lambda d: units.lock(d, seller, None, total, "parts", uuid.uuid4(), NOW))
    before = await owner.fetch(HELD, origins)
    wanted = [(buyers[buyer], kg, uuid.uuid4()) for buyer, kg in parts]
    if sum(kg for _, kg, _ in wanted) > total:
        with pytest.raises(InsufficientUnits):
            await book.step(lambda d: units.deliver_parts(d, lock.id, wanted, NOW))
        assert await owner.fetch(HELD, origins) == before
        return
    await book.step(lambda d: units.deliver_parts(d, lock.id, wanted, NOW))
    numbers = [number for _, units_ in issued for number in range(units_.first, units_.end)]
    whose = [account for account, kg, _ in wanted for _ in range(kg)]
    expected = dict(zip(numbers, [*whose, *([seller] * (total - len(whose)))], strict=True))
    rows = await owner.fetch(HELD, origins)
    found = {n: row["account_id"] for row in rows for n in range(row["units"].lower, row["units"].upper)}
    assert found == expected
    assert {row["status"] for row in rows if row["account_id"] != seller} <= {"held"}
    assert {row["status"] for row in rows if row["account_id"] == seller} <= {"locked"}
    for account, kg, subject in wanted:
        moved = await owner.fetchrow("SELECT * FROM unit_movements WHERE subject_id = $1", subject)
        assert (moved["kind"], moved["to_account_id"]) == ("transferred", account)
        assert sum(each.upper - each.lower for each in moved["units"]) == kg
    for _, query in verification.QUERIES.values():
        assert await owner.fetchval(query) is None


async def test_nothing_leaves_a_frozen_account(service: Services, owner: asyncpg.Connection) -> None:
    book = Book(service)
    seller, buyer = await book.account(), await book.account()
    await book.issue(seller, 5)
    lock = await book.step(lambda d: units.lock(d, seller, None, 5, "parts", uuid.uuid4(), NOW))
    await owner.execute("UPDATE registry_accounts SET frozen_at = now() WHERE id = $1", seller)
    with pytest.raises(AccountFrozen):
        await book.step(lambda d: units.deliver_parts(d, lock.id, [(buyer, 1, uuid.uuid4())], NOW))
