"""Rows of scores: the monthly snapshot of all holders, and scores asked for at a fixed rate.

They come last, since their world is more holders than the others', with a year of monthly deeds.
"""

import datetime as dt
import json
import random
import time
from typing import Final

import asyncpg

from accounts.ids import epoch_ms, uuid7, uuid7_batch
from accounts.scores.cards import load_cards
from app.bench.history import take_constraints
from app.bench.lab import Lab
from app.bench.registry import Also, BenchError, Measured, row
from app.bench.rows_account import PER_S, paced, requests_of
from app.database import Database, engine_for
from app.scoring.in_force import CardsInForce, ScoreCards
from app.scoring.snapshots import WORKERS, snapshot_all
from app.wiring import utc_now
from dedup.periods import LOCAL

HOLDERS: Final = 2_334_000
QUICK_HOLDERS: Final = 200_000
MONTHS: Final = 12
_CHUNK: Final = 50_000
_WARM_UP_S: Final = 5
_CARD: Final = "resident"
_SET: Final = {"region": "100000", "from": "2024-01-01", "cards": [{"card": _CARD, "version": "1"}]}
_SCENES: Final = ("trip.metro", "trip.bus", "payment.e_bill", "green.own_bag", "recycling.clothes")
# Of five scenes, a holder has some in a month: one in five of them, of one grade each.
_MONTH_OF_DEEDS: Final = """
INSERT INTO monthly_deeds (holder_id, month, scene, grade, acts, co2e_mg)
SELECT holder_id, $1::date, ($2::varchar[])[slot], 1 + (h & 64) / 64 - (h & 384) / 384, 1 + (h & 15),
    (1 + (h & 15))::bigint * (5000 + (h & 1023) * 400)
FROM (
    SELECT b.id AS holder_id, slot, hashint8(b.n::bigint * 1000 + slot * 100 + $3::integer) & 2147483647 AS h
    FROM bench_scored b, generate_series(1, 5) AS slot) d
WHERE (h >> 12) % 5 = 0
"""


def last_month_end() -> dt.date:
    """The last day of the month before this one."""
    return utc_now().astimezone(LOCAL).date().replace(day=1) - dt.timedelta(days=1)


@row("snapshot_s", unit="s", floor=120, aim=25)
async def snapshot_s(lab: Lab) -> Measured:
    """All holders by the card for residents, from nothing, into a table that has last month's."""
    await _world(lab)
    as_of = last_month_end()
    cards = CardsInForce(load_cards()).with_sets([ScoreCards.model_validate_json(json.dumps(_SET))])
    await _snapshot(lab, cards, as_of.replace(day=1) - dt.timedelta(days=1))
    await lab.checkpoint()
    took = await _snapshot(lab, cards, as_of)
    async with lab.database() as driver:
        scored, enough, deeds = await driver.fetchrow(
            """
            SELECT count(*), count(points), (SELECT count(*) FROM monthly_deeds WHERE month > $1::date - 366)
            FROM scores WHERE as_of = $1
            """,
            as_of,
        )
    if scored != _holders(lab):
        raise BenchError(f"{scored} holders of {_holders(lab)} have a score")
    return Measured(
        took,
        f"{scored:,} holders, {enough:,} with enough data, over {deeds:,} monthly deeds of {MONTHS} months; "
        f"{WORKERS} workers, durable commits, slices that can be resumed",
    )


@row("score_p99_ms", unit="ms", floor=20, aim=5, also=("score_latest_p99_ms",))
async def score_p99_ms(lab: Lab) -> Measured:
    """A score computed on demand with its reasons and data, each of another holder; and the latest snapshot's."""
    await _world(lab)
    as_of = last_month_end()
    cards = CardsInForce(load_cards()).with_sets([ScoreCards.model_validate_json(json.dumps(_SET))])
    await _snapshot(lab, cards, as_of)
    seconds = 10 if lab.quick else 45
    count = PER_S * (_WARM_UP_S + seconds)
    async with lab.database() as driver:
        drawn = random.Random(6).sample(range(_holders(lab)), 2 * count)
        ids = [
            found[0]
            for found in await driver.fetch("SELECT id FROM bench_scored WHERE n = ANY($1::int[])", drawn)
        ]
    random.Random(7).shuffle(ids)
    found: list[tuple[float, float, str]] = []
    async with lab.service() as service:
        for path, whose in ((f"/v1/me/scores/{_CARD}", ids[:count]), ("/v1/me/scores", ids[count:])):
            requests = await requests_of(lab, path, whose)
            await lab.checkpoint()
            await paced(service.url, requests[: PER_S * _WARM_UP_S])
            meter = lab.meter(service)
            latencies = sorted(await paced(service.url, requests[PER_S * _WARM_UP_S :]))
            p50, p99 = (1000 * latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
            found.append((p50, p99, meter.told()))
    (p50, p99, told), (latest_p50, latest_p99, latest_told) = found
    return Measured(
        p99,
        f"GET /v1/me/scores/{_CARD} computed on demand with reasons and data, {PER_S} requests/s for {seconds} s from "
        f"their due times, {_holders(lab):,} accounts with {MONTHS} months, each asked once with a new token; "
        f"p50 {p50:.1f} ms; {told}",
        (
            Also(
                "score_latest_p99_ms",
                "ms",
                latest_p99,
                f"GET /v1/me/scores, the latest snapshot explained; p50 {latest_p50:.1f} ms; {latest_told}",
            ),
        ),
    )


def _holders(lab: Lab) -> int:
    return QUICK_HOLDERS if lab.quick else HOLDERS


async def _snapshot(lab: Lab, cards: CardsInForce, as_of: dt.date) -> float:
    database = Database(engine_for(lab.stack.database_url, pool_size=WORKERS))
    try:
        began = time.perf_counter()
        if not await snapshot_all(database, cards, as_of, utc_now):
            raise BenchError("the snapshot did not come to its end")
        return time.perf_counter() - began
    finally:
        await database.close()


async def _world(lab: Lab) -> None:
    """Holders beside those that are there, deeds of a year, the card in force everywhere; once for both rows."""
    async with lab.database() as driver:
        if await driver.fetchval("SELECT to_regclass('bench_scored') IS NOT NULL"):
            return
        await driver.execute("SET maintenance_work_mem = '1GB'")
        await _more_holders(driver, lab)
        await driver.execute(
            """
            INSERT INTO points_texts (id, kind, region, content, counts_from, authors, created_at, updated_at,
                approved_at, approved_by, etag)
            VALUES ($1, 'score_cards', '100000', $2, '2023-12-31T16:00:00Z', '{bench}', now(), now(), now(), 'other', 2)
            """,
            uuid7(utc_now()),
            json.dumps(_SET),
        )
        await driver.execute(
            "INSERT INTO deed_counts VALUES (1, now()) ON CONFLICT (id) DO UPDATE SET counted_until = now()"
        )
        back = await take_constraints(driver, "monthly_deeds")
        last = last_month_end().replace(day=1)
        for ago in range(MONTHS, -1, -1):
            number = last.year * 12 + last.month - 1 - ago
            month = dt.date(number // 12, number % 12 + 1, 1)
            await driver.execute(_MONTH_OF_DEEDS, month, _SCENES, number % 12)
        lab.say("  indexing them")
        for statement in back:
            await driver.execute(statement)
        for table in ("monthly_deeds", "holders", "balances", "bench_scored"):
            await driver.execute(f"VACUUM (ANALYZE) {table}")


async def _more_holders(driver: asyncpg.Connection, lab: Lab) -> None:
    wanted, there = _holders(lab), lab.holders
    lab.say(f"  writing {wanted - there:,} more holders and their monthly deeds")
    for start in range(there, wanted, _CHUNK):
        ids = uuid7_batch(epoch_ms(utc_now()), min(_CHUNK, wanted - start))
        now = utc_now()
        await driver.copy_records_to_table(
            "holders",
            records=[(id_, "person", "330800", id_.bytes * 2, now) for id_ in ids],
            columns=["id", "kind", "region", "person_key", "created_at"],
        )
        await driver.copy_records_to_table(
            "balances",
            records=[(id_, 1, 0, 0) for id_ in ids],
            columns=["holder_id", "status", "open_mg", "points"],
        )
    await driver.execute(
        """
        CREATE UNLOGGED TABLE bench_scored AS
        SELECT (row_number() OVER (ORDER BY id) - 1)::integer AS n, id FROM holders WHERE kind = 'person'
        """
    )
    await driver.execute("ALTER TABLE bench_scored ADD PRIMARY KEY (n)")
