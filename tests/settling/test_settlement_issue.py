"""What statements take: every entry once, whatever comes at once or late; what is below zero is carried."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest
from settling.books import Books, at

from app.database import driver_of
from points import settlement_errors as errors
from points import settlement_queries as queries
from points import settlement_repository as repository
from points import settlements
from points.settlements import Correction, Objection

SINCE = at("2026-06-20 00:00")


def said(row: Any) -> tuple[int, int, int, int, int]:
    return (
        row["opening_fen"],
        row["spent_fen"],
        row["refunded_fen"],
        row["adjusted_fen"],
        row["carried_fen"],
    )


async def settled_twice(owner: asyncpg.Connection) -> int:
    return int(
        await owner.fetchval("SELECT count(*) - count(DISTINCT (holder_id, entry_id)) FROM settled_entries")
    )


async def test_a_month_of_two_offers_at_two_shops(books: Books) -> None:
    trader = await books.trader(SINCE, (500, 1200), shops=("福田店", "南山店"))
    holder = await books.holder()
    await books.redeem(trader, holder, "2026-09-01 00:00", times=2, shop=0)
    (refunded,) = await books.redeem(trader, holder, "2026-09-15 12:00", offer=1, shop=1)
    await books.redeem(trader, holder, "2026-09-30 23:59", offer=1, shop=0)
    await books.refund(trader, refunded, "2026-09-16 09:00")
    await books.redeem(trader, holder, "2026-10-01 00:00", times=5)
    issued = await books.issue(trader, "2026-10-01 00:00")
    assert (issued.starts_at, issued.ends_at) == (at("2026-09-01 00:00"), at("2026-10-01 00:00"))
    assert (issued.redeemed, issued.refunded, issued.points) == (4, 1, 30)
    assert (issued.spent_fen, issued.refunded_fen, issued.total_fen) == (3400, 1200, 2200)
    async with books.service.database.driver_transaction() as driver:
        lines = await queries.page_of_lines(driver, issued.id, 0, 100)
        by_shop = await queries.grouped(driver, issued.id, "shop", 10)
    assert [
        (str(x.day), x.title_zh, x.shop, x.redeemed, x.refunded, x.spent_fen, x.refunded_fen) for x in lines
    ] == [
        ("2026-09-01", "咖啡立减 5 元", "福田店", 2, 0, 1000, 0),
        ("2026-09-15", "图书券", "南山店", 1, 0, 1200, 0),
        ("2026-09-16", "图书券", "南山店", 0, 1, 0, 1200),
        ("2026-09-30", "图书券", "福田店", 1, 0, 1200, 0),
    ]
    assert [x.line for x in lines] == [1, 2, 3, 4]
    assert [(x.name, x.spent_fen, x.refunded_fen) for x in by_shop] == [
        ("福田店", 2200, 0),
        ("南山店", 1200, 1200),
    ]
    assert await books.breaches() == []


async def test_a_period_is_over_and_settled_once(books: Books) -> None:
    trader, holder = await books.trader(SINCE), await books.holder()
    await books.redeem(trader, holder, "2026-09-15 12:00")
    with pytest.raises(errors.PeriodNotOver):
        await books.issue(trader, "2026-10-01 00:00", now="2026-09-30 23:59")
    first = await books.issue(trader, "2026-10-01 00:00")
    for again in ("2026-10-01 00:00", "2026-09-20 00:00"):
        with pytest.raises(errors.AlreadyIssued):
            await books.issue(trader, again, now="2026-10-02 00:00")
    with pytest.raises(errors.NothingDue):
        await books.issue(trader, "2026-11-01 00:00")
    await books.redeem(trader, holder, "2026-11-02 12:00")
    second = await books.issue(trader, "2026-11-03 00:00")
    # An empty month ahead is not part of the period.
    assert second.starts_at == at("2026-11-01 00:00")
    year, region = first.issued_at.year, first.region
    assert first.number.startswith(f"{region}-{year}-")
    assert int(second.number[-6:]) == int(first.number[-6:]) + 1
    assert await books.breaches() == []


async def test_what_is_booked_late_is_in_the_next_one(books: Books) -> None:
    trader, holder = await books.trader(SINCE), await books.holder()
    await books.redeem(trader, holder, "2026-09-15 12:00")
    await books.issue(trader, "2026-10-01 00:00")
    # A transaction that began before midnight and was committed after the statement.
    await books.redeem(trader, holder, "2026-09-30 23:59")
    await books.redeem(trader, holder, "2026-10-10 12:00")
    following = await books.issue(trader, "2026-11-01 00:00")
    assert following.starts_at == at("2026-10-01 00:00")
    assert (following.redeemed, following.spent_fen) == (2, 1000)
    async with books.service.database.driver_transaction() as driver:
        lines = await queries.page_of_lines(driver, following.id, 0, 100)
    assert [str(line.day) for line in lines] == ["2026-09-30", "2026-10-10"]
    assert await books.breaches() == []


async def test_money_of_another_region_is_another_statement(books: Books) -> None:
    trader = await books.trader(SINCE)
    other = await books.trader(SINCE, region="310000")
    holder = await books.holder()
    for each in (trader, other):
        await books.redeem(each, holder, "2026-09-15 12:00")
    assert (await books.issue(trader, "2026-10-01 00:00")).redeemed == 1
    assert (await books.issue(other, "2026-10-01 00:00")).region == "310000"


async def test_refunds_after_a_statement_are_carried_until_they_are_earned_back(books: Books) -> None:
    trader, holder = await books.trader(SINCE, (1000,)), await books.holder()
    ids = await books.redeem(trader, holder, "2026-07-15 12:00", times=3)
    assert (await books.issue(trader, "2026-08-01 00:00")).payable_fen == 3000
    for each in ids:
        await books.refund(trader, each, "2026-08-10 12:00")
    await books.redeem(trader, holder, "2026-08-20 12:00")
    august = await books.issue(trader, "2026-09-01 00:00")
    assert (august.total_fen, august.payable_fen, august.carry_fen) == (-2000, 0, -2000)
    await books.redeem(trader, holder, "2026-09-20 12:00")
    september = await books.issue(trader, "2026-10-01 00:00")
    assert (september.opening_fen, september.total_fen) == (-2000, -1000)
    await books.redeem(trader, holder, "2026-10-20 12:00", times=4)
    october = await books.issue(trader, "2026-11-01 00:00")
    assert (october.opening_fen, october.payable_fen, october.carry_fen) == (-1000, 3000, 0)
    rows = await books.statements(trader)
    assert [row["carried_fen"] for row in rows] == [0, -2000, -1000, 0]
    # 9 were taken, 3 given back: what is paid in all is 6.
    assert sum(max(sum(said(row)[:2]) - row["refunded_fen"], 0) for row in rows) == 6000
    assert await books.breaches() == []


async def corrected(books: Books, statement: Any, fen: int, now: str) -> None:
    """A dispute and its correction, as the doors do it."""
    async with books.service.database.transaction() as session:
        driver = await driver_of(session)
        account = repository.Account(
            statement["merchant_id"], statement["asset_id"], statement["region"], SINCE
        )
        await repository.lock_account(driver, account)
        locked = await queries.lock(session, statement["id"])
        assert locked is not None
        await settlements.dispute(session, locked, [Objection("no")], "cli_m", at(now))
        await settlements.resolve(session, locked, [Correction(fen, "found")], "found", "cli_o", at(now))


async def test_a_correction_after_the_carry_was_taken_flows_into_the_next_one(books: Books) -> None:
    trader, holder = await books.trader(SINCE, (1000,)), await books.holder()
    (first,) = await books.redeem(trader, holder, "2026-07-15 12:00")
    await books.issue(trader, "2026-08-01 00:00")
    await books.refund(trader, first, "2026-08-10 12:00")
    await books.issue(trader, "2026-09-01 00:00")
    await books.redeem(trader, holder, "2026-09-20 12:00")
    september = await books.issue(trader, "2026-10-01 00:00")
    assert (september.opening_fen, september.payable_fen) == (-1000, 0)
    august = (await books.statements(trader))[1]
    assert said(august) == (0, 0, 1000, 0, -1000)
    await corrected(books, august, 1500, "2026-10-02 00:00")
    # August pays 500 now; September had taken 1,000 off, which comes back though nothing else is due.
    following = await books.issue(trader, "2026-11-01 00:00")
    assert (following.opening_fen, following.spent_fen, following.payable_fen) == (1000, 0, 1000)
    rows = await books.statements(trader)
    assert [said(row) for row in rows] == [
        (0, 1000, 0, 0, 0),
        (0, 0, 1000, 1500, 0),
        (-1000, 1000, 0, 0, 0),
        (1000, 0, 0, 0, 0),
    ]
    totals = [sum(said(row)[:2]) - row["refunded_fen"] + row["adjusted_fen"] for row in rows]
    # All that is paid: entries 1000 - 1000 + 1000, corrections 1500.
    assert sum(max(total, 0) for total in totals) == 2500
    assert await books.breaches() == []
    with pytest.raises(errors.NothingDue):
        await books.issue(trader, "2026-11-10 00:00")


async def test_twenty_at_once_make_one_statement(books: Books, owner: asyncpg.Connection) -> None:
    trader, holder = await books.trader(SINCE), await books.holder()
    await books.redeem(trader, holder, "2026-09-15 12:00", times=40)
    answers = await asyncio.gather(
        *(books.issue(trader, "2026-10-01 00:00") for _ in range(20)), return_exceptions=True
    )
    kinds = Counter(type(each).__name__ for each in answers)
    assert kinds == {"Settlement": 1, "AlreadyIssued": 19}
    (row,) = await books.statements(trader)
    assert (row["redeemed"], row["spent_fen"]) == (40, 20_000)
    count = "SELECT count(*) FROM settled_entries WHERE settlement_id = $1"
    assert await owner.fetchval(count, row["id"]) == 40
    assert await books.breaches() == []


async def test_different_ends_at_once_share_no_entry(books: Books, owner: asyncpg.Connection) -> None:
    trader, holder = await books.trader(SINCE), await books.holder()
    for day in range(1, 21):
        await books.redeem(trader, holder, f"2026-09-{day:02d} 12:00", times=2)
    ends = [f"2026-09-{day:02d} 00:00" for day in range(2, 22)]
    answers = await asyncio.gather(
        *(books.issue(trader, end, now="2026-10-01 00:00") for end in ends), return_exceptions=True
    )
    assert {type(each).__name__ for each in answers} <= {"Settlement", "AlreadyIssued"}
    rows = await books.statements(trader)
    # The last end is never refused, so everything is in some statement.
    assert sum(row["redeemed"] for row in rows) == 40
    assert sum(row["spent_fen"] for row in rows) == 20_000
    assert await settled_twice(owner) == 0
    assert await books.breaches() == []


async def test_redemptions_that_are_taken_meanwhile_are_in_this_one_or_the_next(books: Books) -> None:
    trader, holder = await books.trader(SINCE), await books.holder()
    await books.redeem(trader, holder, "2026-09-10 12:00", times=5)

    async def more(number: int) -> None:
        await books.redeem(trader, holder, f"2026-09-30 23:{number:02d}", times=2)

    await asyncio.gather(books.issue(trader, "2026-10-01 00:00"), *(more(n) for n in range(10, 30)))
    await books.redeem(trader, holder, "2026-10-05 12:00")
    await books.issue(trader, "2026-11-01 00:00")
    assert sum(row["redeemed"] for row in await books.statements(trader)) == 46
    assert await books.breaches() == []


async def test_the_database_itself_refuses_to_settle_twice(books: Books, owner: asyncpg.Connection) -> None:
    trader, holder = await books.trader(SINCE), await books.holder()
    await books.redeem(trader, holder, "2026-09-15 12:00")
    issued = await books.issue(trader, "2026-10-01 00:00")
    again = (
        "INSERT INTO settled_entries SELECT holder_id, entry_id, gen_random_uuid(), redemption_id, day, fen"
    )
    with pytest.raises(asyncpg.UniqueViolationError):
        await owner.execute(f"{again} FROM settled_entries WHERE settlement_id = $1", issued.id)
    for statement in (
        "DELETE FROM settled_entries",
        "UPDATE settled_entries SET fen = 1",
        "UPDATE settlements SET spent_fen = 1",
        "DELETE FROM settlements",
        "UPDATE settlement_lines SET spent_fen = 1",
        "DELETE FROM settlement_adjustments",
    ):
        async with books.service.database.driver_transaction() as driver:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with driver.transaction():
                    await driver.execute(statement)


async def test_what_is_paid_does_not_change(books: Books, owner: asyncpg.Connection) -> None:
    trader, holder = await books.trader(SINCE), await books.holder()
    await books.redeem(trader, holder, "2026-09-15 12:00")
    issued = await books.issue(trader, "2026-10-01 00:00")
    now = at("2026-10-02 00:00")
    async with books.service.database.transaction() as session:
        row = await queries.lock(session, issued.id)
        assert row is not None
        with pytest.raises(errors.SettlementWrongState):
            await settlements.propose_payment(session, row, "B-1", now.date(), "cli_a", now)
        await settlements.agree(session, row, "cli_m", now)
        await settlements.propose_payment(session, row, "B-1", now.date(), "cli_a", now)
        with pytest.raises(errors.ApproveOwn):
            await settlements.approve_payment(session, row, "cli_a", now)
        await settlements.approve_payment(session, row, "cli_b", now)
    for change in (
        "adjusted_fen = 5",
        "state = 'issued', paid_by = NULL, paid_at = NULL",
        "bank_reference = 'x'",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await owner.execute(f"UPDATE settlements SET {change} WHERE id = $1", issued.id)
    # Nor is anything marked as paid by one person alone, whoever writes it.
    other = await books.trader(SINCE)
    await books.redeem(other, holder, "2026-09-15 12:00")
    second = await books.issue(other, "2026-10-01 00:00")
    paid = """
        UPDATE settlements SET state = 'paid', agreed_at = now(), bank_reference = 'x', paid_on = now(),
            proposed_at = now(), proposed_by = 'cli_a', paid_at = now(), paid_by = 'cli_a' WHERE id = $1
    """
    with pytest.raises(asyncpg.CheckViolationError):
        await owner.execute(paid, second.id)


async def test_the_turn_of_the_year_is_local(books: Books) -> None:
    trader, holder = await books.trader(at("2025-12-01 00:00")), await books.holder()
    await books.redeem(trader, holder, "2025-12-31 23:59")
    await books.redeem(trader, holder, "2026-01-01 00:00")
    first = await books.issue(trader, "2026-01-01 00:00")
    second = await books.issue(trader, "2026-02-01 00:00")
    assert (first.redeemed, second.redeemed) == (1, 1)
    assert (first.starts_at, second.starts_at) == (at("2025-12-01 00:00"), at("2026-01-01 00:00"))


async def test_a_preview_writes_nothing(books: Books) -> None:
    trader, holder = await books.trader(SINCE), await books.holder()
    (first,) = await books.redeem(trader, holder, "2026-09-15 12:00")
    await books.refund(trader, first, "2026-09-16 12:00")
    await books.redeem(trader, holder, "2026-09-17 12:00", times=2)
    async with books.service.database.driver_transaction() as driver:
        account = await repository.find_account(driver, trader.id, trader.region)
        assert account is not None
        found = await settlements.preview(driver, account, at("2027-01-01 00:00"))
    sums = found.sums
    assert (sums.redeemed, sums.refunded, sums.points, sums.spent_fen, sums.refunded_fen) == (
        3,
        1,
        20,
        1500,
        500,
    )
    assert found.starts_at == at("2026-09-01 00:00")
    assert await books.statements(trader) == []
