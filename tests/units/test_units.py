"""Units are numbered once, split, held back, handed on and used up, and none is lost or made by it."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio
from units.made import NOW, Book, an_origin

from accounts.ids import uuid7
from accounts.registry.errors import AccountFrozen, AccountNotFound
from accounts.units import service as units
from accounts.units.errors import AlreadyIssued, InsufficientUnits, LockNotFound, SubjectUsed
from accounts.units.ranges import UnitRange
from accounts.units.serials import format_serial
from accounts.units.service import Lock, LockKind, Purpose
from app.wiring import Services

if TYPE_CHECKING:
    from accounts.errors import DomainError

CALLERS = 50


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def book(service: Services) -> Book:
    return Book(service)


async def test_numbers_run_on_from_one_issue_to_the_next(book: Book) -> None:
    account = await book.account()
    (_, first), (_, second) = await book.issue(account, 1_234), await book.issue(account, 7)
    assert second == UnitRange(first.end, first.end + 7)
    assert await book.held(account) == 1_241


async def test_one_issuance_has_its_units_once(book: Book) -> None:
    account, origin = await book.account(), an_origin()
    outcomes = await asyncio.gather(
        *(
            book.step(lambda driver: units.issue(driver, origin, account, 10, NOW))
            for _ in range(CALLERS // 5)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(each, UnitRange) for each in outcomes) == 1
    assert all(isinstance(each, UnitRange | AlreadyIssued) for each in outcomes), outcomes
    assert await book.held(account, origin) == 10
    # Those that were refused have taken no number.
    one = next(each for each in outcomes if isinstance(each, UnitRange))
    assert (await book.issue(account, 1))[1].first == one.end


async def test_units_go_the_whole_way(book: Book) -> None:
    seller, buyer = await book.account(), await book.account()
    origin, issued = await book.issue(seller, 5_000)
    subject = uuid.uuid4()

    async def hold(driver: asyncpg.Connection) -> Lock:
        return await units.lock(driver, seller, origin.id, 3_000, "offer", subject, NOW)

    lock = await book.step(hold)
    assert lock.ranges == (UnitRange(issued.first, issued.first + 3_000),)
    assert await book.step(hold) == lock, "the same subject is the same lock"
    assert await book.held(seller) == 2_000
    sold = await book.step(lambda driver: units.deliver(driver, lock.id, buyer, NOW, quantity_kg=1_000))
    assert sold == (UnitRange(issued.first, issued.first + 1_000),)
    assert (await book.step(lambda driver: units.get_lock(driver, lock.id))).quantity_kg == 2_000
    retirement = await book.step(
        lambda driver: units.retire(
            driver, lock, None, 500, Purpose.OBLIGATION, "深圳某厂", uuid.uuid4(), NOW, "2026"
        )
    )
    assert retirement.serials == (
        format_serial(origin, UnitRange(issued.first + 1_000, issued.first + 1_500)),
    )
    await book.step(lambda driver: units.release(driver, lock.id, NOW))
    assert await book.step(lambda driver: units.release(driver, lock.id, NOW)) == ()
    assert (await book.held(seller), await book.held(buyer)) == (3_500, 1_000)
    cancelled = await book.step(
        lambda driver: units.cancel(driver, buyer, None, 400, "issued in error", uuid.uuid4(), NOW)
    )
    assert cancelled.ranges == (UnitRange(issued.first, issued.first + 400),)
    assert await book.held(buyer) == 600


Step = Callable[[asyncpg.Connection], Awaitable[Any]]


async def test_a_refusal_leaves_nothing_behind(book: Book) -> None:
    account, other = await book.account(), await book.account()
    origin, _ = await book.issue(account, 100)
    subject = uuid.uuid4()

    async def tried(driver: asyncpg.Connection) -> None:
        steps: list[tuple[type[DomainError], Step]] = [
            (InsufficientUnits, lambda d: units.lock(d, account, None, 101, "offer", subject, NOW)),
            (InsufficientUnits, lambda d: units.lock(d, other, origin.id, 1, "offer", subject, NOW)),
            (AccountNotFound, lambda d: units.lock(d, uuid.uuid4(), None, 1, "offer", subject, NOW)),
            (LockNotFound, lambda d: units.release(d, uuid.uuid4(), NOW)),
            (
                InsufficientUnits,
                lambda d: units.retire(d, account, None, 101, Purpose.EVENT, "x", subject, NOW),
            ),
            (InsufficientUnits, lambda d: units.cancel(d, account, None, 101, "x", subject, NOW)),
        ]
        for error, step in steps:
            with pytest.raises(error):
                await step(driver)

    await book.step(tried)
    # Nothing stands for the subject, so that it may be used.
    lock = await book.step(lambda d: units.lock(d, account, None, 100, "offer", subject, NOW))
    assert lock.quantity_kg == 100
    with pytest.raises(SubjectUsed):
        await book.step(lambda d: units.lock(d, account, None, 100, "bid", subject, NOW))
    with pytest.raises(InsufficientUnits):
        await book.step(lambda d: units.deliver(d, lock.id, other, NOW, quantity_kg=101))
    with pytest.raises(AccountNotFound):
        await book.step(lambda d: units.deliver(d, lock.id, uuid.uuid4(), NOW))


async def test_a_subject_is_retired_once(book: Book) -> None:
    account, subject = await book.account(), uuid.uuid4()
    await book.issue(account, 100)

    async def retire(quantity_kg: int) -> units.Retirement:
        return await book.step(
            lambda d: units.retire(d, account, None, quantity_kg, Purpose.EVENT, "年会", subject, NOW)
        )

    all_of_them = await asyncio.gather(*(retire(30) for _ in range(10)))
    assert len(set(all_of_them)) == 1
    assert await book.held(account) == 70
    with pytest.raises(SubjectUsed):
        await retire(31)


@pytest.mark.parametrize("way", ["lock", "retire", "cancel"])
async def test_of_fifty_callers_one_has_the_range(book: Book, way: str) -> None:
    account = await book.account()
    await book.issue(account, 1_000)
    steps: dict[str, Step] = {
        "lock": lambda d: units.lock(d, account, None, 1_000, "bid", uuid.uuid4(), NOW, LockKind.LOCKED),
        "retire": lambda d: units.retire(d, account, None, 1_000, Purpose.VOLUNTARY, "x", uuid.uuid4(), NOW),
        "cancel": lambda d: units.cancel(d, account, None, 1_000, "x", uuid.uuid4(), NOW),
    }
    outcomes = await asyncio.gather(*(book.step(steps[way]) for _ in range(CALLERS)), return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, BaseException)]
    assert len(refused) == CALLERS - 1
    assert all(isinstance(each, InsufficientUnits) for each in refused), refused
    assert await book.held(account) == 0


async def test_nothing_leaves_a_frozen_account(book: Book, owner: asyncpg.Connection) -> None:
    account, other = await book.account(), await book.account()
    origin, _ = await book.issue(account, 100)
    lock = await book.step(lambda d: units.lock(d, account, None, 10, "offer", uuid.uuid4(), NOW))
    await owner.execute("UPDATE registry_accounts SET frozen_at = now() WHERE id = $1", account)
    refused: list[Step] = [
        lambda d: units.lock(d, account, None, 1, "x", uuid.uuid4(), NOW),
        lambda d: units.deliver(d, lock.id, other, NOW),
        lambda d: units.retire(d, account, origin.id, 1, Purpose.EVENT, "x", uuid.uuid4(), NOW),
    ]
    for step in refused:
        with pytest.raises(AccountFrozen):
            await book.step(step)
    # What was held back comes back, and a decision may make units void.
    await book.step(lambda d: units.release(d, lock.id, NOW))
    await book.step(lambda d: units.cancel(d, account, None, 1, "x", uuid.uuid4(), NOW))
    assert await book.held(account) == 99


async def test_the_database_refuses_what_the_code_never_asks_for(
    book: Book, owner: asyncpg.Connection
) -> None:
    account = await book.account()
    origin, issued = await book.issue(account, 100)
    overlapping = """
        INSERT INTO unit_holdings (units, origin_id, account_id, status, rest, begun_by, begun_at)
        VALUES (int8range($1, $2), $3, $4, 'held', false, $5, $6)
    """
    with pytest.raises(asyncpg.ExclusionViolationError):
        await owner.execute(overlapping, issued.last, issued.end + 5, origin.id, account, uuid7(NOW), NOW)
    retired = await book.step(
        lambda d: units.retire(d, account, None, 1, Purpose.EVENT, "x", uuid.uuid4(), NOW)
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await owner.execute(
            "UPDATE unit_holdings SET ended_at = now(), ended_by = $1 WHERE begun_by = $1 AND status = 'retired'",
            retired.id,
        )
    with pytest.raises(asyncpg.RaiseError):
        await owner.execute(
            "UPDATE unit_holdings SET ended_at = NULL, ended_by = NULL WHERE ended_by = $1", retired.id
        )
