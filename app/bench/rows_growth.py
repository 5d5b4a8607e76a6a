"""Row of growth: the same load on empty tables and on a year of earlier activities."""

import time

from app.bench import history, world
from app.bench.lab import Lab
from app.bench.registry import Also, Measured, row

_GB = 1_000_000_000


@row(
    "growth_20m",
    unit="credited/s ÷ credited/s",
    floor=0.6,
    aim=0.9,
    also=("empty_per_s", "grown_per_s", "history_gb"),
)
async def growth_20m(lab: Lab) -> Measured:
    """Batches with 20 million earlier activities against batches with none, of the same holders."""
    wanted = 500_000 if lab.quick else 20_000_000
    count = 60 if lab.quick else 300
    async with lab.database() as driver:
        await world.forget_history(driver)
    async with lab.service() as service:
        lab.say("  on empty tables")
        empty = await lab.batches(service, count=count, warm_up=count)
    lab.say(f"  writing {wanted:,} earlier activities")
    began = time.perf_counter()
    async with lab.database() as driver:
        made = await history.write(lab.database, wanted, lab.holders, lab.say)
        sizes = await history.sizes(driver)
    took = time.perf_counter() - began
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        lab.say(f"    {name:<16} {size / _GB:6.2f} GB")
    lab.say(f"  written in {took:.0f} s; {sum(sizes.values()) / _GB:.1f} GB")
    async with lab.service() as service:
        grown = await lab.batches(service, count=count, warm_up=count)
    return Measured(
        grown.credited_per_s / empty.credited_per_s,
        f"{made:,} earlier activities over 12 months, {sum(sizes.values()) / _GB:.1f} GB, balances and lots are their "
        f"sums, indexes {history.FULL} % full; with them {grown.told}; on empty tables {empty.told}",
        (
            Also("empty_per_s", "credited/s", empty.credited_per_s, "on empty tables"),
            Also("grown_per_s", "credited/s", grown.credited_per_s, f"with {made:,} earlier activities"),
            Also(
                "history_gb", "GB", sum(sizes.values()) / _GB, f"tables and indexes, written in {took:.0f} s"
            ),
        ),
    )
