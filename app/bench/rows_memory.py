"""Row of the service's memory."""

from collections import Counter

from app.bench.lab import BATCH, BATCH_CONNECTIONS, Lab
from app.bench.load import credited, drive, outcomes
from app.bench.meter import peak_memory_mib
from app.bench.registry import Measured, row


@row("replay_memory_mb", unit="MiB", floor=400, aim=250)
async def replay_memory_mb(lab: Lab) -> Measured:
    """The most memory that a fresh service has resident while a replay runs; the client does not count."""
    activities = 100_000 if lab.quick else 1_000_000
    counted: Counter[str] = Counter()
    async with lab.service() as service:
        before = peak_memory_mib(service.pid)
        lab.say(f"  replaying {activities:,} activities in batches of {BATCH:,}")
        run = await drive(
            service.url,
            lab.batch_requests(service, activities // BATCH),
            connections=BATCH_CONNECTIONS,
            on_body=lambda body: counted.update(outcomes([body])),
        )
        peak = peak_memory_mib(service.pid)
    grew = (
        f"the replay added {peak - before:.0f} MiB to it"
        if peak > before
        else "start and sign-in (argon2) took the most, not the replay"
    )
    return Measured(
        peak,
        f"VmHWM of the service's process in MiB; {before:.0f} MiB before the first report; {activities:,} "
        f"activities ({credited(counted):,} credited) in {run.seconds:.0f} s, {BATCH_CONNECTIONS} batches of "
        f"{BATCH:,} under way; {grew}",
    )
