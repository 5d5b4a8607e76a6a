"""Row of transfers between registry accounts."""

import asyncio
import random
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

from accounts.ids import epoch_ms, uuid7_batch
from accounts.registry import transfers
from accounts.units import service as units
from accounts.units import verification
from accounts.units.errors import InsufficientUnits
from accounts.units.serials import Origin, OriginKind
from app.bench.lab import Lab
from app.bench.registry import BenchError, Measured, row
from app.bench.world import NATION
from app.database import Database, engine_for
from app.wiring import utc_now

if TYPE_CHECKING:
    import asyncpg

ACCOUNTS: Final = 1_000
ORIGINS: Final = 20
WORKERS: Final = 12
_EACH: Final = 1_000_000
_MOST: Final = 5_000


@dataclass
class _Done:
    transfers: int = 0
    short: int = 0
    waits: list[float] = field(default_factory=list)


@row("transfers_per_s", unit="transfers/s", floor=500, aim=2_000)
async def transfers_per_s(lab: Lab) -> Measured:
    """Offer and acceptance between a thousand accounts, each a transaction; ranges are split ever further."""
    seconds = 4.0 if lab.quick else 20.0
    async with lab.database() as driver:
        accounts = await _accounts(driver)
    database = Database(engine_for(lab.stack.database_url, pool_size=WORKERS))
    try:
        await _run(database, accounts, 2.0)
        await lab.checkpoint()
        began = time.perf_counter()
        done = await _run(database, accounts, seconds)
        took = time.perf_counter() - began
    finally:
        await database.close()
    async with lab.database() as driver:
        live = await driver.fetchval("SELECT count(*) FROM unit_holdings WHERE ended_at IS NULL")
        for rule, (meaning, query) in verification.QUERIES.items():
            if await driver.fetchval(query) is not None:
                raise BenchError(f"{rule} does not hold after the transfers: {meaning}")
    waits = sorted(done.waits)
    return Measured(
        done.transfers / took,
        f"{WORKERS} callers, each transfer an offer and an acceptance of 1 to {_MOST:,} kg in two durable commits, "
        f"by the functions behind the doors, without HTTP; p99 of both {waits[len(waits) * 99 // 100] * 1000:.0f} ms; "
        f"{ACCOUNTS:,} accounts with {live:,} ranges of {ORIGINS} origins at the end, all rules of units hold",
    )


async def _accounts(driver: "asyncpg.Connection") -> list[UUID]:
    """Accounts with ranges of several origins each; made anew for each run."""
    now = utc_now()
    accounts: list[UUID] = uuid7_batch(epoch_ms(now), ACCOUNTS)
    owners = [uuid.uuid4() for _ in accounts]
    await driver.execute(
        "INSERT INTO organisations (id, kind, name, region, created_at)"
        " SELECT id, 'participant', id::text, $2, $3 FROM unnest($1::uuid[]) AS id",
        owners,
        NATION,
        now,
    )
    await driver.execute(
        "INSERT INTO registry_accounts (id, organisation_id, region, opened_at)"
        " SELECT a, o, $3, $4 FROM unnest($1::uuid[], $2::uuid[]) AS t (a, o)",
        accounts,
        owners,
        NATION,
        now,
    )
    for number, account in enumerate(accounts[:ORIGINS]):
        origin = Origin(
            uuid.uuid4(), OriginKind.ISSUANCE, uuid.uuid4(), NATION, f"BENCH-{number}", 2026, "bench"
        )
        await units.issue(driver, origin, account, _EACH * ACCOUNTS // ORIGINS, now)
        lock = await units.lock(
            driver, account, origin.id, _EACH * (ACCOUNTS // ORIGINS - 1), "bench", uuid.uuid4(), now
        )
        for other in range(ORIGINS, ACCOUNTS):
            if other % ORIGINS == number:
                await units.deliver(driver, lock.id, accounts[other], now, quantity_kg=_EACH)
    return accounts


async def _run(database: Database, accounts: list[UUID], seconds: float) -> _Done:
    done, until = _Done(), time.perf_counter() + seconds
    await asyncio.gather(*(_work(database, accounts, done, until, seed) for seed in range(WORKERS)))
    return done


async def _work(database: Database, accounts: list[UUID], done: _Done, until: float, seed: int) -> None:
    chance = random.Random(seed)
    while (began := time.perf_counter()) < until:
        sender, recipient = chance.sample(accounts, 2)
        quantity_kg = chance.randint(1, _MOST)
        try:
            async with database.driver_transaction() as driver:
                offered = await transfers.propose(
                    driver, sender, recipient, None, quantity_kg, "", "cli_bench", utc_now()
                )
        except InsufficientUnits:
            done.short += 1
            continue
        async with database.driver_transaction() as driver:
            await transfers.accept(driver, recipient, offered["id"], "cli_bench", utc_now())
        done.transfers += 1
        done.waits.append(time.perf_counter() - began)
