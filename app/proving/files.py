"""The file of a tree: what is in it, and where. Big-endian throughout.

    header    128 bytes: magic, issuance id, number of leaves, the root's 88 bytes
    leaves    32 bytes each, by key: key, credits and reversals of it and of all before it
    hashes    32 bytes each, of the nodes of level 5 (which have up to 32 leaves), then of each level above

Sums of any run of leaves are a difference of two rows, and the lowest five levels are computed anew where they are
asked for: a leaf's key leads to its entry and salt. So ten million entries take 340 MB.
"""

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from accounts.proofs.checker import Node

if TYPE_CHECKING:
    from uuid import UUID

MAGIC = b"TPHTREE1"
HEADER = struct.Struct(">8s16sQ88s8x")
LEAF = struct.Struct(">16sQQ")
HASH_BYTES = 32
BLOCK_LEVEL = 5
BLOCK = 1 << BLOCK_LEVEL
"""Leaves of one node of the lowest level that is kept."""


def path_of(folder: Path, issuance_id: "UUID") -> Path:
    """Where the tree of an issuance lies."""
    return folder / f"{issuance_id.hex}.tree"


def sizes(count: int) -> list[int]:
    """How many hashes each level has that is kept, from level 5 to the root."""
    found = [-(-count // BLOCK)]
    while found[-1] > 1:
        found.append(-(-found[-1] // 2))
    return found


def unpacked(node: bytes) -> Node:
    """A node out of its 88 bytes."""
    credits_mg, reversals_mg, count = (
        int.from_bytes(node[start : start + 8], "big") for start in (32, 40, 48)
    )
    return Node(node[:32], credits_mg, reversals_mg, count, node[56:72], node[72:])
