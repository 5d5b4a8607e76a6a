"""Rows of blind evaluation, without HTTP and database: the work of one request, on one core."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from typing import Final

from app.bench.lab import Lab
from app.bench.registry import Measured, row
from dedup.oprf import Mode, blind
from dedup.person_key import PersonKeys, identity_input

_BATCH: Final = 5_000
_REPEATS: Final = 5


@row("oprf_per_s", unit="evaluations/s", floor=5_000, aim=20_000, served=False)
async def oprf_per_s(lab: Lab) -> Measured:
    """Evaluate batches of blinded elements as the door does, without proof; the best of five repeats."""
    return await _measured(lab, PersonKeys(os.urandom(32)).evaluate_unproven, "no proof")


@row("voprf_per_s", unit="evaluations/s", floor=4_000, aim=8_000, served=False)
async def voprf_per_s(lab: Lab) -> Measured:
    """The same with one proof for each batch, whose folding costs another multiplication for each element."""
    return await _measured(lab, PersonKeys(os.urandom(32)).evaluate_blinded, "one DLEQ proof a batch")


async def _measured(lab: Lab, evaluate: Callable[[Sequence[bytes]], object], what: str) -> Measured:
    count = 1_000 if lab.quick else _BATCH
    elements = [_blinded(number) for number in range(count)]
    rates: list[float] = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        await asyncio.to_thread(evaluate, elements)
        rates.append(count / (time.perf_counter() - began))
    return Measured(
        max(rates),
        f"one thread, libsodium's ristretto255 by rbcl, {what}; best of {_REPEATS} (worst {min(rates):,.0f}), "
        f"batches of {count:,} different elements, each checked",
    )


def _blinded(number: int) -> bytes:
    return blind(identity_input("phone", f"139{number:08d}"), Mode.VOPRF).element
