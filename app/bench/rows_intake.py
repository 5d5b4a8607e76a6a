"""Rows of the intake: batches against pgbench, single reports against doing nothing."""

import asyncio
from collections.abc import Iterator
from statistics import median
from typing import Final

import orjson

from app.bench.lab import Lab, Service
from app.bench.load import Run, credited, drive, outcomes, request
from app.bench.pgbench import Pgbench
from app.bench.registry import Also, BenchError, Measured, row
from app.bench.server import NOOP

SINGLE_CONNECTIONS: Final = 64
_PER_S: Final = 8_000
"""More single reports than a second can take: so many are built for each."""
_SEEDED: Final = "person keys are random: onboarding is not measured"


@row(
    "batch_vs_pgbench",
    unit="credited/s ÷ tps",
    floor=1.0,
    aim=2.0,
    also=("batch_per_s", "pgbench_tps"),
)
async def batch_vs_pgbench(lab: Lab) -> Measured:
    """Batches of 1,000 over HTTP between two runs of pgbench, whose mean counts: machines have moods."""
    if lab.stack.postgres is None:
        raise BenchError("pgbench needs the embedded PostgreSQL")
    pgbench = Pgbench(lab.stack.postgres)
    seconds = 10 if lab.quick else 60
    lab.say("  filling pgbench's database")
    await pgbench.create()
    tps: list[float] = []

    async def run_pgbench() -> None:
        await lab.checkpoint()
        lab.say(f"  pgbench for {seconds} s")
        tps.append(await pgbench.tps(seconds))
        lab.say(f"  {tps[-1]:,.0f} tps")

    await run_pgbench()
    async with lab.service() as service:
        batches = await lab.batches(service, count=60 if lab.quick else 300, warm_up=10)
    await run_pgbench()
    await pgbench.drop()
    mean = sum(tps) / len(tps)
    p50, p99 = batches.run.latency_ms(0.5), batches.run.latency_ms(0.99)
    size = f"{lab.holders:,} holders, {batches.run.answered} batches"
    return Measured(
        batches.credited_per_s / mean,
        f"{batches.told}; {size}, {_SEEDED}",
        (
            Also(
                "batch_per_s",
                "credited/s",
                batches.credited_per_s,
                f"p50 {p50:.0f} ms, p99 {p99:.0f} ms a batch",
            ),
            Also("pgbench_tps", "tps", mean, f"{tps[0]:,.0f} before, {tps[1]:,.0f} after; -T {seconds} each"),
        ),
    )


@row(
    "single_vs_noop",
    unit="requests/s ÷ requests/s",
    floor=0.5,
    aim=0.75,
    also=("single_per_s", "noop_per_s"),
)
async def single_vs_noop(lab: Lab) -> Measured:
    """Single reports and no-ops in turns, over 64 connections, the same bodies."""
    seconds, turns = (4.0, 2) if lab.quick else (10.0, 3)
    singles: list[float] = []
    noops: list[float] = []
    told = ""
    p99 = 0.0
    async with lab.service() as service:
        await lab.checkpoint()
        await _reports(lab, service, seconds)
        for turn in range(turns):
            bodies = _bodies(lab, int(seconds * _PER_S))
            meter = lab.meter(service)
            run = await _send(service, "/v1/activities", bodies, seconds)
            told = meter.told()
            share = credited(outcomes(run.bodies)) / run.answered
            singles.append(run.per_s)
            p99 = run.latency_ms(0.99)
            noops.append((await _send(service, NOOP, bodies, seconds)).per_s)
            lab.say(
                f"  turn {turn + 1} of {turns}: {singles[-1]:,.0f} reports/s ({share:.0%} credited), "
                f"{noops[-1]:,.0f} no-ops/s; {told}"
            )
    ratios = [single / noop for single, noop in zip(singles, noops, strict=True)]
    return Measured(
        median(ratios),
        f"with reports, {told}; {turns} turns of {seconds:.0f} s",
        (
            Also(
                "single_per_s",
                "requests/s",
                median(singles),
                f"p99 {p99:.0f} ms, {SINGLE_CONNECTIONS} connections",
            ),
            Also("noop_per_s", "requests/s", median(noops), "the same sign-in, validation and body"),
        ),
    )


async def _reports(lab: Lab, service: Service, seconds: float) -> None:
    """Warm both routes up."""
    bodies = _bodies(lab, int(seconds * _PER_S))
    await _send(service, "/v1/activities", bodies, seconds)
    await _send(service, NOOP, bodies, seconds / 2)


def _bodies(lab: Lab, count: int) -> list[tuple[int, bytes]]:
    return [(platform, orjson.dumps(report)) for platform, report in lab.reports.take(count)]


async def _send(service: Service, path: str, bodies: list[tuple[int, bytes]], seconds: float) -> Run:
    requests = [request(path, service.tokens[platform], body) for platform, body in bodies]
    await asyncio.sleep(0.5)  # what the building left behind ends

    def endless() -> Iterator[bytes]:
        while True:
            yield from requests

    source = endless() if path == NOOP else iter(requests)
    return await drive(service.url, source, connections=SINGLE_CONNECTIONS, seconds=seconds)
