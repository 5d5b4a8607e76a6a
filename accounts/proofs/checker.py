"""Checks that one ledger entry stands once in an issuance. Python's own library only: this file may be copied.

    python checker.py proof.json issuance.json      (or the root's 64 hexadecimal digits)

An issuance publishes the root of a Merkle sum tree. A leaf is one entry, and its hash hides the entry behind a salt.
A node carries hash, sum of credits, sum of reversals, count, least and greatest key, and its hash commits to all of
that of both children, not to their totals only: a sum of a total would let a prover tell each holder another split.
Keys ascend from left to right, so that no entry can stand twice. Numbers are 8 bytes, unsigned, big-endian.

    leaf = SHA-256("tph1:l:" issuance(16) key(16) salt(16) entry(16) credits(8) reversals(8))
    node = SHA-256("tph1:n:" left(88) right(88))
    left, right = hash(32) credits(8) reversals(8) count(8) least(16) greatest(16)
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

FORMAT = "tanpuhui-proof-1"
LEAF_TAG = b"tph1:l:"
NODE_TAG = b"tph1:n:"
LIMIT = 2**63
HASH_BYTES = 32
KEY_BYTES = 16
LONGEST_PATH = 64
_MG_PER_G = 1_000
_MG_PER_KG = 1_000_000
_GRAMS = re.compile(r"(-?)(0|[1-9][0-9]{0,15})(?:\.([0-9]{1,3}))?")
_HASH = re.compile("[0-9a-f]{64}")


class ProofBroken(Exception):
    """A proof proves nothing. `reason` is a word for programs, the message a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Node:
    """A node, or the whole tree's root: sums in mg CO2e, keys of the first and the last entry under it."""

    hash: bytes
    credits_mg: int
    reversals_mg: int
    count: int
    least: bytes
    greatest: bytes

    @property
    def net_mg(self) -> int:
        """Credits less reversals."""
        return self.credits_mg - self.reversals_mg

    def packed(self) -> bytes:
        """The 88 bytes that a parent's hash commits to."""
        numbers = b"".join(n.to_bytes(8, "big") for n in (self.credits_mg, self.reversals_mg, self.count))
        return self.hash + numbers + self.least + self.greatest


def sound(node: Node) -> Node:
    """The node itself; raises `ProofBroken` where no tree has such a one."""
    if len(node.hash) != HASH_BYTES or {len(node.least), len(node.greatest)} != {KEY_BYTES}:
        raise ProofBroken("malformed", "a hash has 32 bytes and a key 16")
    if not (0 <= node.credits_mg < LIMIT and 0 <= node.reversals_mg < LIMIT and 0 < node.count < LIMIT):
        raise ProofBroken("sum", "a sum is negative or beyond 2^63, or a count is not above zero")
    if node.least > node.greatest or (node.count == 1) != (node.least == node.greatest):
        raise ProofBroken("order", "the keys of a node are out of order")
    return node


def leaf(issuance: bytes, key: bytes, salt: bytes, entry: bytes, credits_mg: int, reversals_mg: int) -> Node:
    """The leaf of one entry."""
    if {len(issuance), len(key), len(salt), len(entry)} != {KEY_BYTES}:
        raise ProofBroken("malformed", "ids, keys and salts have 16 bytes")
    node = sound(Node(bytes(HASH_BYTES), credits_mg, reversals_mg, 1, key, key))
    amounts = credits_mg.to_bytes(8, "big") + reversals_mg.to_bytes(8, "big")
    return replace(node, hash=sha256(LEAF_TAG + issuance + key + salt + entry + amounts).digest())


def join(left: Node, right: Node) -> Node:
    """The parent of two nodes; raises `ProofBroken` where the left does not end before the right begins."""
    if left.greatest >= right.least:
        raise ProofBroken("order", "keys do not ascend: an entry could stand twice")
    return sound(
        Node(
            sha256(NODE_TAG + left.packed() + right.packed()).digest(),
            left.credits_mg + right.credits_mg,
            left.reversals_mg + right.reversals_mg,
            left.count + right.count,
            left.least,
            right.greatest,
        )
    )


def check(proof: Mapping[str, Any], root: Mapping[str, Any] | str | None = None) -> Node:
    """The root that a proof leads to; raises `ProofBroken` where it is none, or not the published `root`.

    `root` is the issuance as it is published, or the hash of its root, hexadecimal. Without it a proof is compared
    with the root that it names itself: whoever made the one could make the other.
    """
    if proof.get("format") != FORMAT:
        raise ProofBroken("malformed", f"format is not {FORMAT}")
    steps = proof.get("path")
    if not isinstance(steps, list) or len(steps) > LONGEST_PATH:
        raise ProofBroken("malformed", "path is no list, or too long")
    node = leaf(
        _id(proof, "issuance_id", "iss_"),
        _bytes(proof, "key"),
        _bytes(proof, "salt"),
        _id(proof, "entry_id", "ent_"),
        _mg(proof, "credits_co2e_g"),
        _mg(proof, "reversals_co2e_g"),
    )
    for step in steps:
        sibling = sound(node_of(step))
        side = step.get("side")
        if side not in ("left", "right"):
            raise ProofBroken("malformed", "side is neither left nor right")
        node = join(sibling, node) if side == "left" else join(node, sibling)
    if root is None:
        if node_of(proof.get("root")) != node:
            raise _other_root()
    elif isinstance(root, str):
        if root != node.hash.hex():
            raise _other_root()
    else:
        _compare(node, proof, root)
    return node


def _other_root() -> ProofBroken:
    return ProofBroken("root", "the path does not lead to the root")


def _compare(node: Node, proof: Mapping[str, Any], issuance: Mapping[str, Any]) -> None:
    """An issuance publishes root, sums and count, and its quantity is the difference."""
    if issuance.get("issuance_id") != proof["issuance_id"]:
        raise ProofBroken("other_issuance", "the root is another issuance's")
    sums = (_mg(issuance, "credits_co2e_g"), _mg(issuance, "reversals_co2e_g"))
    if (_bytes(issuance, "root"), *sums, issuance.get("entries")) != (
        node.hash,
        node.credits_mg,
        node.reversals_mg,
        node.count,
    ):
        raise _other_root()
    quantity_kg = issuance.get("quantity_kg")
    if type(quantity_kg) is not int or quantity_kg < 0:
        raise ProofBroken("malformed", "quantity_kg is no whole number")
    brought_mg, carried_mg = (_mg(issuance, name) for name in ("brought_co2e_g", "carried_co2e_g"))
    if node.net_mg + brought_mg != quantity_kg * _MG_PER_KG + carried_mg:
        raise ProofBroken("quantity", "the quantity is not what the sums come to")


def node_of(written: Any) -> Node:
    """A node out of its JSON."""
    if not isinstance(written, Mapping):
        raise ProofBroken("malformed", "a node is no object")
    count = written.get("count")
    if type(count) is not int:
        raise ProofBroken("malformed", "count is no whole number")
    return Node(
        _bytes(written, "hash"),
        _mg(written, "credits_co2e_g"),
        _mg(written, "reversals_co2e_g"),
        count,
        _bytes(written, "least"),
        _bytes(written, "greatest"),
    )


def _bytes(written: Mapping[str, Any], name: str) -> bytes:
    text = written.get(name)
    if not isinstance(text, str) or not re.fullmatch("(?:[0-9a-f]{2})*", text):
        raise ProofBroken("malformed", f"{name} is not hexadecimal")
    return bytes.fromhex(text)


def _id(written: Mapping[str, Any], name: str, prefix: str) -> bytes:
    text = written.get(name)
    if not isinstance(text, str) or not re.fullmatch(prefix + "[0-9a-f]{32}", text):
        raise ProofBroken("malformed", f"{name} is no id")
    return bytes.fromhex(text.removeprefix(prefix))


def _mg(written: Mapping[str, Any], name: str) -> int:
    """Milligrams out of a decimal string in grams."""
    text = written.get(name)
    found = _GRAMS.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ProofBroken("malformed", f"{name} is no decimal amount of grams")
    amount = int(found[2]) * _MG_PER_G + int((found[3] or "").ljust(3, "0"))
    return -amount if found[1] else amount


def read(proof_file: str, root: str) -> tuple[Any, Any]:
    """A proof, and the root that is a file or a hash. Raises `OSError` or `ValueError` where one cannot be read."""
    proof = json.loads(Path(proof_file).read_text(encoding="utf-8"))
    published = root if _HASH.fullmatch(root) else json.loads(Path(root).read_text(encoding="utf-8"))
    if not isinstance(proof, dict) or not isinstance(published, dict | str):
        raise ValueError("no JSON object")  # noqa: TRY004 - as for what is no JSON at all
    return proof, published


def _main(arguments: list[str]) -> int:
    try:
        proof, root = read(*arguments)
        found = check(proof, root)
    except ProofBroken as error:
        print(f"broken ({error.reason}): {error}")  # noqa: T201 - a program of its own
        return 1
    except (OSError, TypeError, ValueError) as error:
        print(f"cannot read: {error}\nuse: checker.py proof.json issuance.json")  # noqa: T201 - as above
        return 2
    print(f"stands: {proof['entry_id']} is one of {found.count} entries under {found.hash.hex()}")  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
