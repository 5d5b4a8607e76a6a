"""The job: a statement for each month with anything in it, also for months that were missed, and once only."""

import asyncio
import datetime
from typing import Any

import asyncpg
import pytest
from settling.books import Books, at

from app.settling import job
from points.settlement_states import LATE, month_start, next_end, next_month, starts_at

SINCE = at("2026-05-20 00:00")


async def run(books: Books, now: str, **more: Any) -> int:
    async with books.service.database.transaction() as lease:
        return await job.settle_months(books.service.database, lease, at(now), **more)


async def periods(books: Books, trader: Any) -> list[tuple[str, str, int]]:
    day = lambda moment: str(moment.astimezone(SINCE.tzinfo).date())  # noqa: E731
    return [(day(r["starts_at"]), day(r["ends_at"]), r["redeemed"]) for r in await books.statements(trader)]


async def test_months_that_were_missed_are_caught_up_with(books: Books) -> None:
    trader, other, holder = await books.trader(SINCE), await books.trader(SINCE), await books.holder()
    for month, times in ((6, 1), (7, 2), (9, 3)):
        await books.redeem(trader, holder, f"2026-{month:02d}-15 12:00", times=times)
    await books.redeem(other, holder, "2026-10-02 12:00")
    assert await run(books, "2026-10-01 00:10") == 3
    expected = [
        ("2026-06-01", "2026-07-01", 1),
        ("2026-07-01", "2026-08-01", 2),
        ("2026-09-01", "2026-10-01", 3),
    ]
    assert await periods(books, trader) == expected
    assert await periods(books, other) == []
    # Again, at once, by many: nothing more.
    assert sum(await asyncio.gather(*(run(books, "2026-10-01 00:20") for _ in range(4)))) == 0
    assert await periods(books, trader) == expected
    assert sum(await asyncio.gather(*(run(books, "2026-11-01 00:00") for _ in range(4)))) == 1
    assert await periods(books, other) == [("2026-10-01", "2026-11-01", 1)]
    assert await books.breaches() == []


async def test_an_operators_statement_in_between_shortens_the_month(books: Books) -> None:
    trader, holder = await books.trader(SINCE), await books.holder()
    await books.redeem(trader, holder, "2026-09-05 12:00")
    await books.issue(trader, "2026-09-16 00:00", now="2026-09-17 00:00")
    await books.redeem(trader, holder, "2026-09-20 12:00")
    await run(books, "2026-10-01 00:10")
    assert await periods(books, trader) == [("2026-09-01", "2026-09-16", 1), ("2026-09-16", "2026-10-01", 1)]


async def test_one_that_fails_does_not_keep_the_others(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, holder = await books.trader(SINCE), await books.trader(SINCE), await books.holder()
    for each in (first, second):
        await books.redeem(each, holder, "2026-09-05 12:00")
    whole = job.office.issue

    async def failing(session: Any, account: Any, *rest: Any) -> Any:
        if account.merchant_id == first.id:
            raise asyncpg.DataError("broken")
        return await whole(session, account, *rest)

    monkeypatch.setattr(job.office, "issue", failing)
    with pytest.raises(job.StatementsFailed):
        await run(books, "2026-10-01 00:10")
    assert await periods(books, second) == [("2026-09-01", "2026-10-01", 1)]
    monkeypatch.undo()
    assert await run(books, "2026-10-01 00:11") == 1
    assert await periods(books, first) == [("2026-09-01", "2026-10-01", 1)]


async def test_a_run_ends_in_time_and_the_next_goes_on(books: Books) -> None:
    traders, holder = [await books.trader(SINCE) for _ in range(3)], await books.holder()
    for each in traders:
        await books.redeem(each, holder, "2026-09-05 12:00")
    clock = iter(range(0, 10_000, 20))
    done = 0
    for _ in range(40):
        done += await run(books, "2026-10-01 00:10", elapsed_s=lambda: float(next(clock)))
    assert done == 3
    assert [len(await books.statements(each)) for each in traders] == [1, 1, 1]


def test_periods() -> None:
    assert month_start(at("2026-03-01 00:00")) == at("2026-03-01 00:00")
    assert month_start(at("2026-02-28 23:59").astimezone(datetime.UTC)) == at("2026-02-01 00:00")
    assert next_month(at("2026-12-31 23:59")) == at("2027-01-01 00:00")
    assert next_month(at("2028-01-31 00:00")) == at("2028-02-01 00:00")
    november = at("2026-11-01 00:00")
    assert starts_at(None, at("2026-10-05 01:00"), november) == at("2026-10-01 00:00")
    assert starts_at(at("2026-10-10 00:00"), at("2026-10-15 00:00"), november) == at("2026-10-10 00:00")
    assert starts_at(at("2026-08-10 00:00"), at("2026-10-15 00:00"), november) == at("2026-10-01 00:00")
    # Booked late, before the period.
    assert starts_at(at("2026-10-01 00:00"), at("2026-09-30 23:59"), november) == at("2026-10-01 00:00")
    assert next_end(at("2026-10-01 00:00"), at("2026-09-30 23:59")) == november
    assert next_end(None, at("2026-12-31 23:59")) == at("2027-01-01 00:00")
    assert datetime.timedelta(minutes=10) < LATE
