"""Row of proofs: one entry out of ten million, out of the tree's file, without HTTP; see docs/proofs.md."""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from uuid import UUID

import numpy as np

from accounts.proofs.checker import check
from accounts.proofs.schemas import proof_view
from app.bench.lab import Lab
from app.bench.registry import Also, BenchError, Measured, row
from app.proving.building import EntryBatch, build_tree
from app.proving.files import path_of
from app.proving.serving import prove

ISSUANCE: Final = UUID(int=1)
_BATCH: Final = 50_000
_ASKED: Final = 1_000
_MIB: Final = 1 << 20


@row("proof_ms", unit="ms", floor=50, aim=5, also=("proof_tree_s",), served=False)
async def proof_ms(lab: Lab) -> Measured:
    """Open the file, find the entry, make its path, check it and write it as JSON; the median of a thousand."""
    count = 200_000 if lab.quick else 10_000_000
    folder = lab.settings.data_dir / "trees"
    secret = random.Random(lab.trips.seed).randbytes(32)
    began = time.perf_counter()
    root = await build_tree(folder, ISSUANCE, _entries(count, lab.trips.seed), secret)
    built_s = time.perf_counter() - began
    file_mib = await asyncio.to_thread(_size, folder) / _MIB
    try:
        took = await asyncio.to_thread(_ask, folder, lab.trips.seed, secret, root.hash.hex())
    finally:
        await asyncio.to_thread(path_of(folder, ISSUANCE).unlink)
    return Measured(
        statistics.median(took),
        f"of {_ASKED:,} entries out of {count:,}, each by itself, one core; 99 of 100 within "
        f"{statistics.quantiles(took, n=100)[-1]:.2f} ms; a file of {file_mib:,.0f} MiB, in the page cache",
        [
            Also(
                "proof_tree_s",
                "s",
                built_s,
                f"building the tree of {count:,} entries, made-up entries included",
            )
        ],
    )


def _batch(number: int, count: int, seed: int) -> EntryBatch:
    chance = np.random.default_rng((seed, number))
    return EntryBatch(
        chance.bytes(16 * count), chance.integers(1, 5_000_000, count), np.zeros(count, np.int64)
    )


async def _entries(count: int, seed: int) -> AsyncIterator[EntryBatch]:
    for number in range(count // _BATCH):
        yield _batch(number, _BATCH, seed)


def _size(folder: Path) -> int:
    return path_of(folder, ISSUANCE).stat().st_size


def _ask(folder: Path, seed: int, secret: bytes, root: str) -> list[float]:
    ids = _batch(0, _BATCH, seed).ids
    took = []
    for place in random.Random(seed).sample(range(_BATCH), _ASKED):
        entry = UUID(bytes=bytes(ids[16 * place : 16 * place + 16]))
        began = time.perf_counter()
        proof = prove(folder, ISSUANCE, entry, secret)
        if proof is None:
            raise BenchError("an entry of the tree has no proof")
        shown = proof_view(proof)
        shown.model_dump_json()
        took.append((time.perf_counter() - began) * 1000)
        check(shown.model_dump(), root)
    return took
