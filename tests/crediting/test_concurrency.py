"""Callers at the same time, over connections of their own, committing: everything counts once."""

import asyncio
import contextlib
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from crediting.desk import Desk, bag, charge, clothes, count_of, metro, processes, waits
from helpers import City
from helpers import metro as metro_over_http

import dedup.repository as claims
from accounts import repository as ledger
from app import groups
from app.crediting.errors import AlreadyReversed
from app.crediting.intake import Intake
from app.crediting.prepare import Prepared
from app.crediting.service import Result
from app.wiring import Services, utc_now

PROCESSES = 20


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def intakes(service: Services, database_urls: tuple[str, str]) -> AsyncIterator[list[Intake]]:
    """As many processes of the service on one database, each with one connection."""
    async with processes(service, database_urls[0], PROCESSES) as made:
        yield made


async def report_all(intakes: Sequence[Intake], reports: Sequence[Prepared]) -> list[Result]:
    async with asyncio.timeout(60):
        return list(
            await asyncio.gather(
                *(intakes[index % len(intakes)].report(report) for index, report in enumerate(reports))
            )
        )


async def test_overlapping_trips_of_a_person_are_credited_once(
    desk: Desk, intakes: list[Intake], owner: asyncpg.Connection
) -> None:
    sources = [await desk.source() for _ in range(3)]
    for _ in range(3):
        phone, holder = await desk.person(*sources)
        reports = [
            desk.prepare(sources[i % 3], metro(phone, 480 + i / 10, 500 + i / 5, distance_m=10_000 + i))
            for i in range(50)
        ]
        results = await report_all(intakes, reports)

        winner = next(result for result in results if result.outcome == "credited")
        losers = [result for result in results if result is not winner]
        assert {(r.outcome, r.reason, r.winner_id) for r in losers} == {
            ("duplicate", "claimed_body", winner.activity_id)
        }
        assert len({r.activity_id for r in results}) == 50
        entries = await owner.fetch("SELECT cause_id, amount FROM entries WHERE holder_id = $1", holder)
        assert {row["cause_id"] for row in entries} == {winner.activity_id}
        balance = await owner.fetchrow("SELECT open_mg, points FROM balances WHERE holder_id = $1", holder)
        assert balance is not None
        assert tuple(balance) == (winner.co2e_mg, winner.points)
        assert sorted(row["amount"] for row in entries) == sorted((winner.co2e_mg, winner.points))


async def test_overlapping_trips_over_http_are_credited_once(city: City, phone: str) -> None:
    operator = await city.client("operator")
    first, second = await city.client("platform"), await city.client("platform")
    await city.holder(operator, phone, first, second)
    answers = await asyncio.gather(
        *(
            (first, second)[i % 2].post(
                "/v1/activities", json=metro_over_http(f"o{i}", phone, distance_m=10_000 + i)
            )
            for i in range(50)
        )
    )
    outcomes = [answer.json() for answer in answers]
    assert {answer.status_code for answer in answers} == {200}
    (winner,) = [item for item in outcomes if item["outcome"] == "credited"]
    assert {(i["outcome"], i["winner_id"]) for i in outcomes if i is not winner} == {
        ("duplicate", winner["activity_id"])
    }


async def test_one_event_from_twenty_connections_is_one_activity(
    desk: Desk, intakes: list[Intake], owner: asyncpg.Connection
) -> None:
    source = await desk.source()
    for _ in range(5):
        phone, holder = await desk.person(source)
        report = metro(phone)
        results = await report_all(intakes, [desk.prepare(source, report) for _ in range(20)])
        assert sum(not result.replayed for result in results) == 1
        for result in results:
            result.replayed = False
        assert results.count(results[0]) == 20
        assert results[0].outcome == "credited"
        assert await owner.fetchval("SELECT count(*) FROM activities WHERE holder_id = $1", holder) == 1
        assert await owner.fetchval("SELECT count(*) FROM entries WHERE holder_id = $1", holder) == 2


async def test_one_event_with_different_bodies_is_one_activity(desk: Desk, intakes: list[Intake]) -> None:
    source = await desk.source()
    phone, _ = await desk.person(source)
    report = metro(phone)
    results = await report_all(
        intakes, [desk.prepare(source, report | {"distance_m": 9000 + i}) for i in range(20)]
    )
    assert Counter((r.outcome, r.reason) for r in results) == {
        ("credited", None): 1,
        ("rejected", "event_id_conflict"): 19,
    }


@pytest.mark.parametrize(("people", "rounds"), [(2, 10), (20, 3)])
async def test_an_order_of_several_people_is_credited_once(
    desk: Desk, intakes: list[Intake], people: int, rounds: int
) -> None:
    source = await desk.source()
    for _ in range(rounds):
        order = uuid.uuid4().hex
        crowd = await desk.people(people, source)
        results = await report_all(intakes, [desk.prepare(source, clothes(p, order)) for p, _ in crowd])
        (winner,) = [result for result in results if result.outcome == "credited"]
        losers = [result for result in results if result is not winner]
        assert {(r.outcome, r.reason, r.winner_id) for r in losers} == {
            ("duplicate", "claimed_order", winner.activity_id)
        }


@pytest.mark.parametrize(("scene", "cap"), [(bag, 3), (clothes, 5)])
async def test_a_daily_cap_is_used_up_and_never_exceeded(
    desk: Desk, intakes: list[Intake], owner: asyncpg.Connection, scene: Any, cap: int
) -> None:
    source = await desk.source()
    phone, holder = await desk.person(source)
    reports = [desk.prepare(source, scene(phone, uuid.uuid4().hex)) for _ in range(50)]
    results = await report_all(intakes, reports)
    assert Counter((r.outcome, r.reason) for r in results) == {
        ("credited", None): cap,
        ("rejected", "cap_reached"): 50 - cap,
    }
    used = await owner.fetch("SELECT used, cap FROM cap_usage WHERE holder_id = $1", holder)
    assert [tuple(row) for row in used] == [(cap, cap)]
    # What the cap refused claims nothing, and a reversal makes room for one more.
    refused = next(i for i, r in enumerate(results) if r.outcome == "rejected")
    held = next(r.activity_id for r in results if r.outcome == "credited")
    await desk.reverse(source, held)
    order = reports[refused].numbers["order_no"]
    again = await report_all(intakes, [desk.prepare(source, scene(phone, order)) for _ in range(20)])
    assert count_of(again, "credited") == 1


async def test_batches_that_share_their_tokens_in_any_order_do_not_deadlock(
    desk: Desk, intakes: list[Intake], monkeypatch: pytest.MonkeyPatch
) -> None:
    """People differ and orders are the same, so that what meets are the tokens; a deadlock is not retried here."""
    monkeypatch.setattr(groups, "RETRIES", 1)
    chance = random.Random(1)
    source = await desk.source()
    for _ in range(3):
        orders = [uuid.uuid4().hex for _ in range(60)]
        piles = [uuid.uuid4().hex for _ in range(20)]
        batches = []
        for _ in range(8):
            crowd = await desk.people(60, source)
            batch = [clothes(phone, order) for (phone, _), order in zip(crowd, orders, strict=True)]
            batch += [charge(phone, pile, 60, 90) for (phone, _), pile in zip(crowd, piles, strict=False)]
            chance.shuffle(batch)
            batches.append([desk.prepare(source, report) for report in batch])
        async with asyncio.timeout(60):
            answers = await asyncio.gather(
                *(intake.report_batch(batch) for intake, batch in zip(intakes, batches, strict=False))
            )
        credited = Counter(
            next(iter(report.numbers.values()))
            for batch, results in zip(batches, answers, strict=True)
            for report, result in zip(batch, results, strict=True)
            if isinstance(result, Result) and result.outcome == "credited"
        )
        assert credited == Counter([*orders, *piles])


async def take_whole(driver: asyncpg.Connection, tokens: list[UUID]) -> object:
    return await claims.acquire(driver, (), dict.fromkeys(tokens, tokens[0]), ())


async def take_intervals(driver: asyncpg.Connection, tokens: list[UUID]) -> object:
    return await claims.acquire(driver, (), {}, [(token, date(2026, 11, 16)) for token in tokens])


async def take_receipts(driver: asyncpg.Connection, tokens: list[UUID]) -> object:
    return await claims.acquire(driver, [(token, b"m", token, token) for token in tokens], {}, ())


@pytest.mark.parametrize("take", [take_whole, take_intervals, take_receipts])
async def test_tokens_are_taken_in_one_order_whatever_order_they_come_in(
    service: Services, take: Callable[[asyncpg.Connection, list[UUID]], Awaitable[object]]
) -> None:
    """So many at once that the statements overlap: unsorted, one of them would be a deadlock's victim."""
    chance = random.Random(3)
    tokens = [uuid.uuid4() for _ in range(5_000)]

    async def caller(shuffled: list[UUID]) -> None:
        async with service.database.driver_transaction() as driver, asyncio.timeout(30):
            await take(driver, shuffled)
            await driver.execute("ROLLBACK")
            await driver.execute("BEGIN")

    await asyncio.gather(*(caller(chance.sample(tokens, len(tokens))) for _ in range(4)))


async def test_batches_that_share_people_and_tokens_are_all_answered(
    desk: Desk, intakes: list[Intake]
) -> None:
    """The same people and the same orders, crosswise: whatever waits for whatever, each order counts once."""
    chance = random.Random(2)
    source = await desk.source()
    for _ in range(3):
        crowd = await desk.people(30, source)
        orders = [uuid.uuid4().hex for _ in range(30)]
        batches = []
        for _ in range(8):
            chance.shuffle(crowd)
            batch = [clothes(phone, order) for (phone, _), order in zip(crowd, orders, strict=True)]
            chance.shuffle(batch)
            batches.append([desk.prepare(source, report) for report in batch])
        async with asyncio.timeout(60):
            answers = await asyncio.gather(
                *(intake.report_batch(batch) for intake, batch in zip(intakes, batches, strict=False))
            )
        outcomes = Counter(r.outcome for results in answers for r in results if isinstance(r, Result))
        assert outcomes.total() == 240
        credited = Counter(
            report.numbers["order_no"]
            for batch, results in zip(batches, answers, strict=True)
            for report, result in zip(batch, results, strict=True)
            if isinstance(result, Result) and result.outcome == "credited"
        )
        assert max(credited.values()) == 1
        # At most five a person and day; whoever met the cap left the order to others or to nobody.
        assert outcomes["credited"] == len(credited)


async def test_a_deadlock_of_two_batches_is_answered_all_the_same(
    desk: Desk, intakes: list[Intake], owner: asyncpg.Connection
) -> None:
    """One batch holds an order's token and waits for a holder, whom the other holds while it waits for the token."""
    source = await desk.source()
    (one, _), (two, holder) = await desk.people(2, source)
    shared, own = uuid.uuid4().hex, uuid.uuid4().hex
    first = [desk.prepare(source, clothes(one, shared)), desk.prepare(source, clothes(two, own))]
    second = desk.prepare(source, clothes(two, shared))
    await known(desk, second)

    async def waiting(number: int) -> None:
        async with asyncio.timeout(10):
            while (  # noqa: ASYNC110 - the server's state
                await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < number
            ):
                await asyncio.sleep(0.01)

    async with desk.service.database.driver_transaction() as gate:
        await claims.acquire(gate, [(second.receipt_token, b"m", holder, uuid.uuid4())], {}, ())
        late = asyncio.create_task(intakes[0].report(second))
        await waiting(1)  # it holds its holder and waits for its receipt
        early = asyncio.create_task(intakes[1].report_batch(first))
        await waiting(2)  # it holds the order's token and waits for the holder
        await gate.execute("ROLLBACK")
        await gate.execute("BEGIN")
    async with asyncio.timeout(20):
        results = [*await early, await late]
    assert [isinstance(result, Result) for result in results] == [True] * 3
    assert [getattr(results[1], "outcome", None)] == ["credited"]
    assert sorted(getattr(results[i], "outcome", "") for i in (0, 2)) == ["credited", "duplicate"]


async def test_a_reversal_called_twenty_times_happens_once(desk: Desk, owner: asyncpg.Connection) -> None:
    source = await desk.source()
    phone, holder = await desk.person(source)
    kept = await desk.intake.report(desk.prepare(source, metro(phone, 700, 720)))
    result = await desk.intake.report(desk.prepare(source, metro(phone)))
    assert result.activity_id is not None
    done = await asyncio.gather(
        *(desk.reverse(source, result.activity_id) for _ in range(20)), return_exceptions=True
    )
    assert Counter(type(each) for each in done) == {type(None): 1, AlreadyReversed: 19}
    balance = await owner.fetchrow("SELECT open_mg, points FROM balances WHERE holder_id = $1", holder)
    assert balance is not None
    assert tuple(balance) == (kept.co2e_mg, kept.points)
    assert await owner.fetchval("SELECT count(*) FROM entries WHERE cause_id = $1", result.activity_id) == 4


async def test_what_a_reversal_frees_is_claimed_once(desk: Desk, intakes: list[Intake]) -> None:
    source = await desk.source()
    for _ in range(5):
        order = uuid.uuid4().hex
        crowd = await desk.people(12, source)
        first = await desk.intake.report(desk.prepare(source, clothes(crowd[0][0], order)))
        assert first.activity_id is not None
        reports = [desk.prepare(source, clothes(phone, order)) for phone, _ in crowd]
        _, results = await asyncio.gather(
            desk.reverse(source, first.activity_id), report_all(intakes, reports)
        )
        # Before the reversal's commit they are duplicates of the first; after it one of them wins.
        assert count_of(results, "credited") <= 1
        winners = {r.activity_id for r in results if r.outcome == "credited"} | {first.activity_id}
        assert {r.winner_id for r in results if r.outcome == "duplicate"} <= winners


async def test_nothing_is_credited_after_a_withdrawal(
    desk: Desk, intakes: list[Intake], owner: asyncpg.Connection
) -> None:
    source = await desk.source()
    for patience in (0, 0.005, 0.01, 0.02, 0.03):
        phone, holder = await desk.person(source)
        reports = [desk.prepare(source, metro(phone, 10 * i, 10 * i + 9)) for i in range(60)]

        async def withdraw(wait_s: float = patience, holder: UUID = holder) -> int:
            await asyncio.sleep(wait_s)
            async with desk.service.database.driver_transaction() as driver:
                await ledger.lock_holders(driver, [holder])
                assert await ledger.withdraw_consents(driver, holder, None, None, utc_now())
                return await driver.fetchval("SELECT count(*) FROM activities WHERE holder_id = $1", holder)

        async def stream(part: int, reports: list[Prepared] = reports) -> list[Result]:
            return [await intakes[part].report(report) for report in reports[part::6]]

        before, *answers = await asyncio.gather(withdraw(), *(stream(part) for part in range(6)))
        results = [result for answer in answers for result in answer]  # type: ignore[union-attr]
        after = await owner.fetchval("SELECT count(*) FROM activities WHERE holder_id = $1", holder)
        assert after == before == len(results) - sum(r.reason == "no_consent" for r in results)


async def test_a_credit_that_waited_for_a_withdrawal_heeds_it(
    desk: Desk, service: Services, owner: asyncpg.Connection
) -> None:
    """The credit's clock was read before the withdrawal's; the order of the commits counts."""
    source = await desk.source()
    phone, holder = await desk.person(source)
    async with service.database.driver_transaction() as withdrawing:
        await ledger.lock_holders(withdrawing, [holder])
        async with service.database.driver_transaction() as crediting:
            task = asyncio.create_task(
                desk.credit(crediting, await known(desk, desk.prepare(source, metro(phone))))
            )
            await waits(owner, crediting.get_server_pid())
            await ledger.withdraw_consents(withdrawing, holder, source, None, utc_now())
            await withdrawing.execute("COMMIT")
            assert [r.reason for r in await task] == ["no_consent"]
        await withdrawing.execute("BEGIN")


async def known(desk: Desk, report: Prepared) -> Prepared:
    """The report, after its assets are made known as the intake does before it credits."""
    rules = desk.service.preparer.rules
    if missing := rules.missing_assets({report.asset_key, report.points_key}):
        async with desk.service.database.driver_transaction() as driver:
            rules.learn_assets(await ledger.know_assets(driver, sorted(missing)))
    return report


# -- Lock in one statement, check in the next ------------------------------------------------------------------

TAKE = claims.acquire


async def lock_and_check(
    driver: asyncpg.Connection,
    receipts: Sequence[claims.ReceiptRow],
    whole: Mapping[UUID, UUID],
    intervals: Collection[tuple[UUID, date]],
) -> tuple[set[UUID], set[UUID], list[claims.ClaimRow]]:
    """The unsound way: one statement takes the locks and reads the claims, by the snapshot from before it waited."""
    rows = await driver.fetch(
        """
        WITH locked AS (
            INSERT INTO interval_tokens AS t (token, day, claimed)
            SELECT token, day, 1 FROM unnest($1::uuid[], $2::date[]) AS k (token, day) ORDER BY token, day
            ON CONFLICT (token, day) DO UPDATE SET claimed = t.claimed + 1
            RETURNING token, day)
        SELECT c.token, c.starts_at, c.ends_at, c.activity_id, c.raw_starts_at, c.raw_ends_at
        FROM locked k JOIN interval_claims c ON c.token = k.token AND c.day = k.day
        """,
        [token for token, _ in intervals],
        [day for _, day in intervals],
    )
    new, free, _ = await TAKE(driver, receipts, whole, ())
    return new, free, [(*row, claims.NOTHING_SEEN) for row in rows]


async def overlapping_charges(desk: Desk, watcher: asyncpg.Connection) -> tuple[list[Result], str]:
    """Two people's charges at one pile. The second transaction waits for the token that the first one holds.

    Answers both results and the pile, whose claims are on nobody's holder lock: only the token guards them.
    """
    source = await desk.source()
    (one, _), (other, _) = await desk.people(2, source)
    pile = uuid.uuid4().hex
    first = await known(desk, desk.prepare(source, charge(one, pile, 60, 120)))
    second = desk.prepare(source, charge(other, pile, 90, 150))
    database = desk.service.database
    async with contextlib.AsyncExitStack() as later, database.driver_transaction() as early:
        results = await desk.credit(early, first)
        late = await later.enter_async_context(database.driver_transaction())
        task = asyncio.create_task(desk.credit(late, second))
        await waits(watcher, late.get_server_pid())
        await early.execute("COMMIT")
        results += await task
        await early.execute("BEGIN")
    return results, pile


async def test_lock_then_check_credits_one_of_two_that_overlap(desk: Desk, owner: asyncpg.Connection) -> None:
    (first, second), _ = await overlapping_charges(desk, owner)
    assert first.outcome == "credited"
    assert (second.outcome, second.reason, second.winner_id) == (
        "duplicate",
        "claimed_asset",
        first.activity_id,
    )


async def test_lock_and_check_in_one_statement_credits_both(
    desk: Desk, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why the two statements are two: the same interleaving, with the statements made one."""
    monkeypatch.setattr(claims, "acquire", lock_and_check)
    (first, second), _ = await overlapping_charges(desk, owner)
    assert (first.outcome, second.outcome) == ("credited", "credited")

    # The fault is real and `verify` sees it. Reversed, so that this database is sound again for the last test.
    assert "claims_overlap" in {rule for rule, _ in await desk.breaches()}
    source = await owner.fetchval("SELECT source_id FROM activities WHERE id = $1", second.activity_id)
    assert second.activity_id is not None
    await desk.reverse(source, second.activity_id)


async def test_the_database_is_sound_after_all_this(desk: Desk) -> None:
    assert await desk.breaches() == []
