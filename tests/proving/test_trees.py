"""The tree on disk is the tree of the checker, whatever its size, its order of arrival and its runs."""

import random
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from accounts.proofs.checker import Node, leaf
from accounts.proofs.pseudonyms import Pseudonyms
from accounts.proofs.tree import levels
from app.proving import building
from app.proving.building import EntryBatch, TreeRefused, build_tree

SECRET = bytes(range(32))
ISSUANCE = uuid.UUID(int=7)

Rows = list[tuple[bytes, int, int]]


def some_rows(count: int) -> Rows:
    chance = random.Random(count)
    return [(chance.randbytes(16), chance.randrange(10**9), chance.randrange(10**6)) for _ in range(count)]


async def in_batches(rows: Rows, size: int) -> AsyncIterator[EntryBatch]:
    for start in range(0, len(rows), size):
        ids, credits_mg, reversals_mg = zip(*rows[start : start + size], strict=True)
        yield EntryBatch(b"".join(ids), credits_mg, reversals_mg)


def suffixes(folder: Path) -> list[str]:
    return [path.suffix for path in folder.iterdir()]


def by_checker(rows: Rows) -> Node:
    names = Pseudonyms(SECRET, ISSUANCE)
    leaves = [leaf(ISSUANCE.bytes, names.keys(row[0]), names.salts(row[0]), *row) for row in rows]
    return levels(sorted(leaves, key=lambda node: node.least))[-1][0]


@pytest.mark.parametrize("count", [1, 2, 3, 31, 32, 33, 64, 65, 100, 257, 1000])
async def test_the_root_is_the_checkers(tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if count > 250:
        monkeypatch.setattr(building, "_RUN", 64)
        monkeypatch.setattr(building, "_BUCKET_ROWS", 64)
    rows = some_rows(count)
    root = await build_tree(tmp_path, ISSUANCE, in_batches(rows, 37), SECRET)
    assert root == by_checker(rows)
    assert (root.count, root.credits_mg) == (count, sum(row[1] for row in rows))
    again = await build_tree(tmp_path, ISSUANCE, in_batches(rows[::-1], 50), SECRET)
    assert again == root
    assert suffixes(tmp_path) == [".tree"]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(b"a" * 16, 1, 0), (b"b" * 16, 1, 0), (b"a" * 16, 2, 0)],
        [(b"a" * 16, -1, 0)],
        [(b"a" * 16, 0.5, 0)],
        [(b"a" * 15, 1, 0)],
        [(b"a" * 16, 2**62, 0), (b"b" * 16, 2**62, 0)],
    ],
    ids=["none", "twice", "negative", "fraction", "short", "beyond"],
)
async def test_what_is_no_tree_leaves_no_file(tmp_path: Path, rows: Any) -> None:
    with pytest.raises(TreeRefused):
        await build_tree(tmp_path, ISSUANCE, in_batches(rows, 10), SECRET)
    assert not suffixes(tmp_path)


def test_pseudonyms_are_of_one_issuance() -> None:
    names, others = Pseudonyms(SECRET, ISSUANCE), Pseudonyms(SECRET, uuid.UUID(int=8))
    ids = b"".join(row[0] for row in some_rows(50))
    assert names.ids(names.keys(ids)) == ids
    for made in (names.keys, names.salts, others.keys, others.salts):
        pieces = {made(ids)[start : start + 16] for start in range(0, len(ids), 16)}
        assert len(pieces) == 50
    assert len({names.keys(ids), names.salts(ids), others.keys(ids), others.salts(ids)}) == 4
