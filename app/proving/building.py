"""Builds the tree of an issuance, however many entries it has, in little memory, and keeps it in a file."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from accounts.proofs.checker import LEAF_TAG, LIMIT, NODE_TAG, Node
from accounts.proofs.pseudonyms import Pseudonyms
from app.proving.files import BLOCK, BLOCK_LEVEL, HASH_BYTES, HEADER, MAGIC, path_of, unpacked

if TYPE_CHECKING:
    from uuid import UUID

    from numpy.typing import ArrayLike, NDArray

    Bytes = NDArray[np.uint8]
    Rows = NDArray[np.uint64]

Root = Node
_ID_BYTES = 16
_NODE_BYTES = 88
_ROW_BYTES = 32
_NUMBER = ">u8"
_RUN = 1 << 19
"""Rows that are sorted in memory; longer trees are put together from runs in a file."""
_BUCKETS = 256
_BUCKET_ROWS = 1 << 16


class TreeRefused(ValueError):
    """No tree can be made of such entries."""


class EntryBatch(NamedTuple):
    """Some entries, in any order: ids of 16 bytes one after the other, and mg CO2e of each, both ≥ 0."""

    ids: bytes
    credits_mg: "ArrayLike"
    reversals_mg: "ArrayLike"


async def build_tree(
    folder: Path, issuance_id: "UUID", entries: AsyncIterator[EntryBatch], secret: bytes
) -> Root:
    """The root of all entries; the tree is on disk when this answers, in place of an earlier one.

    The same entries have the same root. Raises `TreeRefused` where there are none, or one comes twice.
    """
    with await asyncio.to_thread(_spool, folder) as spool:
        sorter = _Sorter(spool, Pseudonyms(secret, issuance_id))
        async for batch in entries:
            await asyncio.to_thread(sorter.add, batch)
        return await asyncio.to_thread(_write, folder, issuance_id, sorter)


def _spool(folder: Path) -> IO[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


class _Sorter:
    """Puts rows (key, credits, reversals) in order of their keys: sorted runs on disk, read bucket by bucket."""

    def __init__(self, spool: IO[bytes], names: Pseudonyms) -> None:
        self.names = names
        self.count = 0
        self._spool = spool
        self._pending: list[Rows] = []
        self._waiting = 0
        self._runs: list[tuple[int, list[int]]] = []

    def add(self, batch: EntryBatch) -> None:
        """Take some entries."""
        count, rest = divmod(len(batch.ids), _ID_BYTES)
        columns = [np.asarray(column) for column in (batch.credits_mg, batch.reversals_mg)]
        if rest or any(column.shape != (count,) for column in columns):
            raise TreeRefused("ids have 16 bytes, and each has one amount of credits and one of reversals")
        if not count:
            return
        if any(column.dtype.kind not in "iu" or int(column.min()) < 0 for column in columns):
            raise TreeRefused("amounts are whole mg and not negative")
        rows = np.empty((count, 4), _NUMBER)
        rows[:, :2] = np.frombuffer(self.names.keys(batch.ids), _NUMBER).reshape(count, 2)
        for place, column in enumerate(columns, 2):
            rows[:, place] = column
        self._pending.append(rows)
        self._waiting += count
        self.count += count
        if self._waiting >= _RUN:
            self._spill()

    def in_order(self) -> Iterator["Rows"]:
        """All rows by key, some ten thousand at a time."""
        self._spill()
        wanted = min(_BUCKETS, 1 << (self.count // _BUCKET_ROWS).bit_length())
        step = _BUCKETS // wanted
        for bucket in range(0, _BUCKETS, step):
            parts = [self._read(start + bounds[bucket], bounds[bucket + step] - bounds[bucket])
                     for start, bounds in self._runs]  # fmt: skip
            yield _sorted(_stacked(parts))

    def _spill(self) -> None:
        if not self._pending:
            return
        rows = _stacked(self._pending)
        rows = rows[np.argsort(rows[:, 0].astype(np.uint64))]
        edges = np.arange(1, _BUCKETS, dtype=np.uint64) << np.uint64(56)
        inner = np.searchsorted(rows[:, 0].astype(np.uint64), edges).tolist()
        self._runs.append((self.count - self._waiting, [0, *inner, len(rows)]))
        self._spool.write(rows.tobytes())
        self._pending.clear()
        self._waiting = 0

    def _read(self, first: int, count: int) -> "Rows":
        self._spool.seek(first * _ROW_BYTES)
        return np.frombuffer(self._spool.read(count * _ROW_BYTES), _NUMBER).reshape(count, 4)


def _stacked(parts: "list[Rows]") -> "Rows":
    # Said once more, since numpy would answer in the machine's own order of bytes.
    return np.concatenate(parts, dtype=_NUMBER)


def _sorted(rows: "Rows") -> "Rows":
    high = rows[:, 0].astype(np.uint64)
    rows = rows[np.argsort(high)]
    high.sort()
    if bool((high[1:] == high[:-1]).any()):
        rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
        if bool((rows[1:, :2] == rows[:-1, :2]).all(axis=1).any()):
            raise TreeRefused("an entry comes twice")
    return rows


def _write(folder: Path, issuance_id: "UUID", sorter: _Sorter) -> Root:
    if not sorter.count:
        raise TreeRefused("no entries")
    descriptor, written = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(HEADER.size))
            nodes = _write_leaves(file, issuance_id, sorter)
            file.write(nodes[:, :HASH_BYTES].tobytes())
            while len(nodes) > 1:
                nodes = _parents(nodes)
                file.write(nodes[:, :HASH_BYTES].tobytes())
            packed = nodes.tobytes()
            file.seek(0)
            file.write(HEADER.pack(MAGIC, issuance_id.bytes, sorter.count, packed))
            file.flush()
            os.fsync(file.fileno())
        Path(written).replace(path_of(folder, issuance_id))
    except BaseException:
        with contextlib.suppress(OSError):
            Path(written).unlink()
        raise
    _keep_name(folder)
    return unpacked(packed)


def _write_leaves(file: IO[bytes], issuance_id: "UUID", sorter: _Sorter) -> "Bytes":
    """Write all leaves, and answer the nodes of the lowest level that is kept."""
    blocks: list[Bytes] = []
    rest: Rows = np.empty((0, 4), _NUMBER)
    totals = [0, 0]
    for found in sorter.in_order():
        rows = _stacked([rest, found])
        whole = len(rows) - len(rows) % BLOCK
        blocks.append(_blocks(rows[:whole], issuance_id, sorter.names))
        rest = rows[whole:]
        running = found.copy()
        for place in (0, 1):
            amounts = found[:, 2 + place].astype(np.uint64)
            before = totals[place]
            totals[place] += sum(amounts.tolist())
            if totals[place] >= LIMIT:
                raise TreeRefused("a sum is beyond 2^63 mg")
            running[:, 2 + place] = np.cumsum(amounts) + np.uint64(before)
        file.write(running.tobytes())
    blocks.append(_blocks(rest, issuance_id, sorter.names))
    return np.concatenate(blocks)


def _blocks(rows: "Rows", issuance_id: "UUID", names: Pseudonyms) -> "Bytes":
    """The nodes of level 5 over rows, of which the first of each is the first of a block."""
    nodes = _leaves(rows, issuance_id, names)
    for _ in range(BLOCK_LEVEL):
        nodes = _parents(nodes)
    return nodes


def _leaves(rows: "Rows", issuance_id: "UUID", names: Pseudonyms) -> "Bytes":
    """Leaves as nodes of 88 bytes, in the order of the rows; `leaf` of the checker, many at a time."""
    count = len(rows)
    plain = rows.view(np.uint8).reshape(count, _ROW_BYTES)
    keys, amounts = plain[:, :16], plain[:, 16:]
    ids = names.ids(keys.tobytes())
    message = np.empty((count, len(LEAF_TAG) + 80), np.uint8)
    message[:, :23] = np.frombuffer(LEAF_TAG + issuance_id.bytes, np.uint8)
    message[:, 23:39] = keys
    message[:, 39:55] = np.frombuffer(names.salts(ids), np.uint8).reshape(count, 16)
    message[:, 55:71] = np.frombuffer(ids, np.uint8).reshape(count, 16)
    message[:, 71:] = amounts
    nodes = np.empty((count, _NODE_BYTES), np.uint8)
    nodes[:, :32] = _hashes(message)
    nodes[:, 32:48] = amounts
    nodes[:, 48:56] = np.frombuffer((1).to_bytes(8, "big"), np.uint8)
    nodes[:, 56:72] = keys
    nodes[:, 72:] = keys
    return nodes


def _parents(nodes: "Bytes") -> "Bytes":
    """The level above; `join` of the checker, many at a time. The last of an odd number moves up as it is."""
    pairs = len(nodes) // 2
    joined = nodes[: 2 * pairs].reshape(pairs, 2 * _NODE_BYTES)
    message = np.empty((pairs, len(NODE_TAG) + 2 * _NODE_BYTES), np.uint8)
    message[:, :7] = np.frombuffer(NODE_TAG, np.uint8)
    message[:, 7:] = joined
    above = np.empty((len(nodes) - pairs, _NODE_BYTES), np.uint8)
    above[:pairs, :32] = _hashes(message)
    left, right = (
        np.ascontiguousarray(joined[:, start : start + 24]).view(_NUMBER) for start in (32, 32 + _NODE_BYTES)
    )
    above[:pairs, 32:56] = (left + right).astype(_NUMBER).view(np.uint8)
    above[:pairs, 56:72] = joined[:, 56:72]
    above[:pairs, 72:] = joined[:, _NODE_BYTES + 72 :]
    if len(nodes) % 2:
        above[-1] = nodes[-1]
    return above


def _hashes(messages: "Bytes") -> "Bytes":
    """SHA-256 of each row."""
    count, width = messages.shape
    data = memoryview(messages.tobytes())
    digests = [sha256(data[start : start + width]).digest() for start in range(0, count * width, width)]
    return np.frombuffer(b"".join(digests), np.uint8).reshape(count, HASH_BYTES)


def _keep_name(folder: Path) -> None:
    """A name that was changed survives a crash once its folder is written."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
