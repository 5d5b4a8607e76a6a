"""Rows of the claims of platforms with their own accounts: how many a second, and with a year of claims before."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

import orjson

from accounts.ids import parse_public_id
from app.bench import claims, history, world
from app.bench.lab import Lab, Service
from app.bench.load import drive, request
from app.bench.registry import Also, BenchError, Measured, row

_CONNECTIONS: Final = 4
_GB: Final = 1_000_000_000


@dataclass(frozen=True)
class _Rate:
    per_s: float
    told: str


@row("claims_per_s", unit="claimed/s", floor=12_000, aim=30_000)
async def claims_per_s(lab: Lab) -> Measured:
    """Batches of 5,000 claims over HTTP; only those that were won count."""
    async with lab.database() as driver:
        await world.forget_history(driver)
    async with lab.service() as service:
        rate = await _rate(lab, service, 20 if lab.quick else 100)
    return Measured(rate.per_s, rate.told)


@row(
    "claims_growth_50m",
    unit="claimed/s ÷ claimed/s",
    floor=0.7,
    aim=0.9,
    also=("claims_empty_per_s", "claims_grown_per_s"),
)
async def claims_growth_50m(lab: Lab) -> Measured:
    """The same with 50 million claims of a year in the index, against none, after as many that are not measured.

    A server that runs has its indexes in memory, and their pages in the WAL since the last checkpoint.
    """
    wanted = 500_000 if lab.quick else 50_000_000
    count = 20 if lab.quick else 100
    async with lab.database() as driver:
        await world.forget_history(driver)
    async with lab.service() as service:
        empty = await _rate(lab, service, count, warm_up=count)
        organisation = parse_public_id("org", lab.platforms[0])
    if organisation is None:
        raise BenchError("the platforms have no organisation")
    async with lab.database() as driver:
        await world.forget_history(driver)
    lab.say(f"  writing {wanted:,} earlier claims")
    began = time.perf_counter()
    made = await claims.write(lab.database, wanted, organisation, lab.say)
    async with lab.database() as driver:
        size = sum((await history.sizes(driver, claims.TABLES)).values())
    took = time.perf_counter() - began
    async with lab.service() as service:
        grown = await _rate(lab, service, count, warm_up=count)
    return Measured(
        grown.per_s / empty.per_s,
        f"{made:,} earlier claims over 12 months, {size / _GB:.1f} GB, written in {took:.0f} s; with them "
        f"{grown.told}; on empty tables {empty.told}",
        (
            Also("claims_empty_per_s", "claimed/s", empty.per_s, "on empty tables"),
            Also("claims_grown_per_s", "claimed/s", grown.per_s, f"with {made:,} earlier claims"),
        ),
    )


async def _rate(lab: Lab, service: Service, count: int, warm_up: int = _CONNECTIONS) -> _Rate:
    lab.say(f"  building {warm_up + count} batches of {claims.BATCH:,} claims")
    requests = [
        request("/v1/claims/batch", service.tokens[platform], body)
        for platform, body in claims.bodies(lab.reports, warm_up + count)
    ]
    await lab.checkpoint()
    await drive(service.url, iter(requests[:warm_up]), connections=_CONNECTIONS)
    meter = lab.meter(service)
    run = await drive(service.url, iter(requests[warm_up:]), connections=_CONNECTIONS)
    used = meter.told()
    outcomes = Counter(item["outcome"] for body in run.bodies for item in orjson.loads(body)["items"])
    shown = ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.most_common())
    rate = outcomes["claimed"] / run.seconds
    lab.say(f"  {rate:,.0f} claimed/s in {run.seconds:.1f} s ({shown}); {used}")
    p50, p99 = run.latency_ms(0.5), run.latency_ms(0.99)
    told = f"{used}; {shown}, {_CONNECTIONS} connections, p50 {p50:.0f} ms and p99 {p99:.0f} ms a batch"
    return _Rate(rate, told)
