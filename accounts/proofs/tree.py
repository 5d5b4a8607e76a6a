"""The Merkle sum tree in plain Python: what few leaves come to, and what a large tree is compared with. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from accounts.proofs.checker import Node, join


class Step(NamedTuple):
    """One node beside a path: on the left of it, or on the right."""

    left: bool
    sibling: Node


@dataclass(frozen=True)
class EntryProof:
    """One entry, the nodes beside its way up, from the leaf on, and the root."""

    issuance_id: UUID
    entry_id: UUID
    key: bytes
    salt: bytes
    credits_mg: int
    reversals_mg: int
    path: list[Step]
    root: Node


def levels(leaves: Sequence[Node]) -> list[list[Node]]:
    """All nodes, the leaves first and the root last; what has no partner moves up as it is.

    Raises `ProofBroken` where the leaves' keys do not ascend.
    """
    found = [list(leaves)]
    while len(found[-1]) > 1:
        below = found[-1]
        above = [join(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        found.append(above + below[len(above) * 2 :])
    return found


def path(nodes: Sequence[Sequence[Node]], place: int) -> list[Step]:
    """The nodes beside the way from a leaf up to the root."""
    steps = []
    for level in nodes:
        beside = place ^ 1
        if beside < len(level):
            steps.append(Step(beside < place, level[beside]))
        place >>= 1
    return steps
