"""Proofs out of a tree's file, by whichever process is asked: it is opened, read at a few places and closed."""

import contextlib
import mmap
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from accounts.proofs.checker import Node, ProofBroken, join, leaf
from accounts.proofs.errors import TreeUnavailable
from accounts.proofs.pseudonyms import Pseudonyms
from accounts.proofs.tree import EntryProof, Step, levels, path
from app.proving.files import BLOCK, BLOCK_LEVEL, HASH_BYTES, HEADER, LEAF, MAGIC, path_of, sizes, unpacked

if TYPE_CHECKING:
    from uuid import UUID

_KEY_BYTES = 16


def read_root(folder: Path, issuance_id: "UUID") -> Node:
    """The root of an issuance's tree; raises `TreeUnavailable` where its file cannot be read here."""
    with _opened(folder, issuance_id) as tree:
        return tree.root


def prove(folder: Path, issuance_id: "UUID", entry_id: "UUID", secret: bytes) -> EntryProof | None:
    """The proof of an entry, None where it is not in the issuance; checked before it is handed out.

    Raises `TreeUnavailable` where the tree's file cannot be read here, or does not lead to its root.
    """
    names = Pseudonyms(secret, issuance_id)
    key = names.keys(entry_id.bytes)
    with _opened(folder, issuance_id) as tree:
        place = tree.place(key)
        if place is None:
            return None
        block = tree.leaves(place >> BLOCK_LEVEL, names)
        own = block[place % BLOCK]
        try:
            lower = levels(block)
            steps = path(lower, place % BLOCK) + tree.upper_path(place >> BLOCK_LEVEL)
            found = own
            for step in steps:
                found = join(step.sibling, found) if step.left else join(found, step.sibling)
        except ProofBroken as error:
            raise TreeUnavailable from error
        if found != tree.root:
            raise TreeUnavailable
        salt = names.salts(entry_id.bytes)
        return EntryProof(
            issuance_id, entry_id, key, salt, own.credits_mg, own.reversals_mg, steps, tree.root
        )


@contextlib.contextmanager
def _opened(folder: Path, issuance_id: "UUID") -> Iterator["_Tree"]:
    try:
        with (
            path_of(folder, issuance_id).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            yield _Tree(data, issuance_id)
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        raise TreeUnavailable from error


class _Tree:
    """The file of a tree, mapped into memory: only the pages that are looked at are read."""

    def __init__(self, data: mmap.mmap, issuance_id: "UUID") -> None:
        if len(data) < HEADER.size:
            raise TreeUnavailable
        magic, issuance, self.count, root = HEADER.unpack_from(data)
        self.root = unpacked(root)
        self._data = data
        self._issuance = issuance
        self._sizes = sizes(self.count)
        hashes_at = HEADER.size + self.count * LEAF.size
        whole = hashes_at + sum(self._sizes) * HASH_BYTES
        if magic != MAGIC or issuance != issuance_id.bytes or not self.count or len(data) != whole:
            raise TreeUnavailable
        self._levels_at = [
            hashes_at + sum(self._sizes[:level]) * HASH_BYTES for level in range(len(self._sizes))
        ]

    def place(self, key: bytes) -> int | None:
        """The place of a key among the leaves. Keys are even all over, so that it is near where it should be."""
        expected = int.from_bytes(key, "big") * self.count >> 8 * _KEY_BYTES
        reach = 8 * int(self.count**0.5) + BLOCK
        low, high = max(0, expected - reach), min(self.count, expected + reach)
        if (low and self._key(low) > key) or (high < self.count and self._key(high) < key):
            low, high = 0, self.count
        found = bisect_left(range(self.count), key, low, high, key=self._key)
        return found if found < self.count and self._key(found) == key else None

    def leaves(self, block: int, names: Pseudonyms) -> list[Node]:
        """The leaves of a block, made anew."""
        first, until = self._run(block, BLOCK_LEVEL)
        keys = b"".join(self._key(place) for place in range(first, until))
        ids = names.ids(keys)
        salts = names.salts(ids)
        made = []
        for number, place in enumerate(range(first, until)):
            own = slice(number * _KEY_BYTES, (number + 1) * _KEY_BYTES)
            sums = self._sums(place, place + 1)
            made.append(leaf(self._issuance, keys[own], salts[own], ids[own], *sums))
        return made

    def upper_path(self, place: int) -> list[Step]:
        """The nodes beside the way up from a node of the lowest level that is kept."""
        steps = []
        for level, size in enumerate(self._sizes):
            beside = place ^ 1
            if beside < size:
                steps.append(Step(beside < place, self._node(level, beside)))
            place >>= 1
        return steps

    def _node(self, level: int, place: int) -> Node:
        first, until = self._run(place, BLOCK_LEVEL + level)
        at = self._levels_at[level] + place * HASH_BYTES
        return Node(
            self._data[at : at + HASH_BYTES],
            *self._sums(first, until),
            until - first,
            self._key(first),
            self._key(until - 1),
        )

    def _run(self, place: int, level: int) -> tuple[int, int]:
        """The leaves under a node, `[first, until)`."""
        return place << level, min(place + 1 << level, self.count)

    def _key(self, place: int) -> bytes:
        at = HEADER.size + place * LEAF.size
        return self._data[at : at + _KEY_BYTES]

    def _sums(self, first: int, until: int) -> tuple[int, int]:
        """Credits and reversals of a run of leaves."""
        credits_mg, reversals_mg = self._running(until - 1)
        if first:
            credits_before, reversals_before = self._running(first - 1)
            credits_mg, reversals_mg = credits_mg - credits_before, reversals_mg - reversals_before
        return credits_mg, reversals_mg

    def _running(self, place: int) -> tuple[int, int]:
        _, credits_mg, reversals_mg = LEAF.unpack_from(self._data, HEADER.size + place * LEAF.size)
        return credits_mg, reversals_mg
