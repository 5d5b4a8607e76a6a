"""A proof of every entry holds, and nothing about it can be changed unnoticed: properties of the checker."""

import copy
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from accounts.ids import public_id
from accounts.proofs import checker
from accounts.proofs.checker import NODE_TAG, Node, ProofBroken, check, join, leaf
from accounts.proofs.pseudonyms import Pseudonyms
from accounts.proofs.schemas import proof_view
from accounts.proofs.tree import EntryProof, Step, levels, path
from accounts.quantities import grams
from app.cli import app

ISSUANCE = uuid.UUID(int=11)
NAMES = Pseudonyms(b"s" * 32, ISSUANCE)
Amounts = list[tuple[int, int]]
amounts = st.tuples(st.integers(0, 10**12), st.integers(0, 10**12))
trees = st.lists(amounts, min_size=1, max_size=40)


def leaves_of(found: Amounts) -> list[Node]:
    """In order of the tree, of entries 0, 1, 2, …"""
    return sorted((leaf_of(number, *own) for number, own in enumerate(found)), key=lambda node: node.least)


def leaf_of(number: int, credits_mg: int, reversals_mg: int) -> Node:
    entry = uuid.UUID(int=number).bytes
    return leaf(ISSUANCE.bytes, NAMES.keys(entry), NAMES.salts(entry), entry, credits_mg, reversals_mg)


def written(leaves: list[Node], place: int, steps: list[Step], root: Node) -> dict[str, Any]:
    own = leaves[place]
    entry = NAMES.ids(own.least)
    proof = EntryProof(
        ISSUANCE,
        uuid.UUID(bytes=entry),
        own.least,
        NAMES.salts(entry),
        own.credits_mg,
        own.reversals_mg,
        steps,
        root,
    )
    return json.loads(proof_view(proof).model_dump_json())


def published(root: Node) -> dict[str, Any]:
    """An issuance as anybody sees it, that was brought nothing."""
    quantity_kg = max(0, root.net_mg // 1_000_000)
    return {
        "issuance_id": public_id("iss", ISSUANCE),
        "root": root.hash.hex(),
        "credits_co2e_g": grams(root.credits_mg),
        "reversals_co2e_g": grams(root.reversals_mg),
        "entries": root.count,
        "brought_co2e_g": "0",
        "quantity_kg": quantity_kg,
        "carried_co2e_g": grams(root.net_mg - quantity_kg * 1_000_000),
    }


def proofs(found: Amounts) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    leaves = leaves_of(found)
    nodes = levels(leaves)
    root = nodes[-1][0]
    every = [written(leaves, place, path(nodes, place), root) for place in range(len(leaves))]
    return every, published(root)


@given(trees)
def test_every_entry_is_proven_and_the_sums_are_those_of_all(found: Amounts) -> None:
    every, root = proofs(found)
    for proof in every:
        node = check(proof, root)
        assert check(proof, root["root"]) == check(proof) == node
        assert node.net_mg == sum(credits_mg - reversals_mg for credits_mg, reversals_mg in found)
    assert len({proof["entry_id"] for proof in every}) == len(found) == root["entries"]


def places(proof: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every value of a proof that a check has to depend on."""
    for part in (proof, proof["root"], *proof["path"]):
        for name in part:
            if name not in ("path", "root", "reveals", "format"):
                yield part, name


def changed(value: Any, by: int) -> Any:
    if isinstance(value, int):
        return value + by
    if value in ("left", "right"):
        return "left" if value == "right" else "right"
    if value[:4] in ("ent_", "iss_"):
        return value[:4] + changed(value[4:], by)
    if len(value) in (32, 64) and "." not in value:
        return f"{(int(value, 16) + by) % 16 ** len(value):0{len(value)}x}"
    return str(int(float(value)) + by)


@given(trees, st.data(), st.integers(1, 1_000))
def test_no_value_of_a_proof_can_be_changed(found: Amounts, data: st.DataObject, by: int) -> None:
    every, root = proofs(found)
    proof = data.draw(st.sampled_from(every))
    part, name = data.draw(st.sampled_from(list(places(proof))))
    before, part[name] = part[name], changed(part[name], by)
    assert part[name] != before
    with pytest.raises(ProofBroken):
        check(proof, None if part is proof["root"] else root)


@given(st.lists(amounts, min_size=2, max_size=40), st.data())
def test_no_step_can_be_left_out_or_doubled(found: Amounts, data: st.DataObject) -> None:
    every, root = proofs(found)
    proof = data.draw(st.sampled_from(every))
    place = data.draw(st.integers(0, len(proof["path"]) - 1))
    shorter, longer = copy.deepcopy(proof), copy.deepcopy(proof)
    del shorter["path"][place]
    longer["path"].insert(place, proof["path"][place])
    for each in (shorter, longer):
        with pytest.raises(ProofBroken):
            check(each, root)


@given(st.lists(amounts, min_size=2, max_size=40), st.data())
def test_a_changed_or_dropped_entry_has_another_root(found: Amounts, data: st.DataObject) -> None:
    every, root = proofs(found)
    place = data.draw(st.integers(0, len(found) - 1))
    more = [*found[:place], (found[place][0] + 1, found[place][1]), *found[place + 1 :]]
    nodes = levels([node for number, node in enumerate(leaves_of(found)) if number != place])
    for other in (proofs(more)[1], published(nodes[-1][0])):
        assert other["root"] != root["root"]
        for proof in every:
            with pytest.raises(ProofBroken) as broken:
                check(proof, other)
            assert broken.value.reason == "root"


def forged(nodes: list[Node], also: Callable[[Node], Node] = lambda node: node) -> list[list[Node]]:
    """A tree as somebody makes it who looks at nothing and changes what they like of each node."""
    found = [nodes]
    while len(found[-1]) > 1:
        below = found[-1]
        above = [
            also(
                Node(
                    sha256(NODE_TAG + left.packed() + right.packed()).digest(),
                    left.credits_mg + right.credits_mg,
                    left.reversals_mg + right.reversals_mg,
                    left.count + right.count,
                    left.least,
                    right.greatest,
                )
            )
            for left, right in zip(below[::2], below[1::2], strict=False)
        ]
        found.append(above + below[len(above) * 2 :])
    return found


@given(trees, st.data())
def test_an_entry_that_stands_twice_is_found_by_its_own_proof(found: Amounts, data: st.DataObject) -> None:
    leaves = leaves_of(found)
    twice = data.draw(st.integers(0, len(leaves) - 1))
    at = data.draw(st.integers(0, len(leaves)))
    doubled = [*leaves[:at], leaves[twice], *leaves[at:]]
    with pytest.raises(ProofBroken, match="ascend"):
        levels(doubled)
    nodes = forged(doubled)
    reasons = set()
    for place in (place for place, node in enumerate(doubled) if node == leaves[twice]):
        try:
            check(written(doubled, place, path(nodes, place), nodes[-1][0]))
        except ProofBroken as broken:
            reasons.add(broken.reason)
    assert "order" in reasons


@given(st.lists(amounts, min_size=2, max_size=40), st.data())
def test_keys_out_of_order_are_found(found: Amounts, data: st.DataObject) -> None:
    leaves = leaves_of(found)
    place = data.draw(st.integers(0, len(leaves) - 2))
    leaves[place], leaves[place + 1] = leaves[place + 1], leaves[place]
    nodes = forged(leaves)
    broken = []
    for at in (place, place + 1):
        with pytest.raises(ProofBroken) as error:
            check(written(leaves, at, path(nodes, at), nodes[-1][0]))
        broken.append(error.value.reason)
    assert set(broken) == {"order"}


@given(st.lists(amounts, min_size=3, max_size=40), st.integers(1, 1_000), st.data())
def test_a_sum_that_is_less_than_its_parts_is_found_by_all_under_it(
    found: Amounts, more: int, data: st.DataObject
) -> None:
    """The root is too large or too small: whoever stands under the node that lies finds it."""
    leaves = leaves_of(found)
    honest = levels(leaves)
    level = data.draw(st.integers(1, len(honest) - 1))
    places_made = range(len(honest[level - 1]) // 2)
    liar = honest[level][data.draw(st.sampled_from(places_made))]
    nodes = forged(
        leaves,
        lambda node: (
            Node(node.hash, node.credits_mg + more, node.reversals_mg, node.count, node.least, node.greatest)
            if node == liar
            else node
        ),
    )
    root = nodes[-1][0]
    assert root.credits_mg == honest[-1][0].credits_mg + more
    for place, own in enumerate(leaves):
        proof = written(leaves, place, path(nodes, place), root)
        if liar.least <= own.least <= liar.greatest:
            with pytest.raises(ProofBroken):
                check(proof)


def test_two_holders_cannot_be_shown_two_splits_of_one_total() -> None:
    """A node whose hash had the total only would let each be shown the other one's amount at will."""
    left, right = leaves_of([(500, 0), (700, 0)])
    root = join(left, right)
    moved = Node(right.hash, right.credits_mg - 100, 0, 1, right.least, right.greatest)
    first = Node(left.hash, left.credits_mg + 100, 0, 1, left.least, left.greatest)
    assert join(first, moved).credits_mg == root.credits_mg
    assert join(first, moved).hash != root.hash


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"quantity_kg": 1, "brought_co2e_g": "0", "carried_co2e_g": "200"}, None),
        ({"quantity_kg": 1, "brought_co2e_g": "-200", "carried_co2e_g": "0"}, None),
        ({"quantity_kg": 2, "brought_co2e_g": "0", "carried_co2e_g": "200"}, "quantity"),
        ({"quantity_kg": 0, "brought_co2e_g": "-1500.5", "carried_co2e_g": "-300.5"}, None),
        ({"quantity_kg": 1, "brought_co2e_g": "0", "carried_co2e_g": "0.2e3"}, "malformed"),
        ({"quantity_kg": None}, "malformed"),
        ({"issuance_id": "iss_" + "0" * 32}, "other_issuance"),
        ({"issuance_id": None}, "other_issuance"),
        ({"entries": 3}, "root"),
        ({"credits_co2e_g": "1250.001"}, "root"),
        ({"reversals_co2e_g": "0"}, "root"),
        ({"root": None}, "malformed"),
    ],
)
def test_the_quantity_is_the_difference(over: dict[str, Any], reason: str | None) -> None:
    every, root = proofs([(1_000_000, 0), (250_000, 50_000)])
    if reason is None:
        check(every[0], root | over)
    else:
        with pytest.raises(ProofBroken) as broken:
            check(every[0], root | over)
        assert broken.value.reason == reason


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5), st.data())
def test_whatever_a_file_holds_the_answer_is_a_reason(value: Any, data: st.DataObject) -> None:
    every, root = proofs([(5, 0), (7, 1), (9, 0)])
    part, name = data.draw(st.sampled_from(list(places(every[0]))))
    part[name] = value
    with pytest.raises(ProofBroken):
        check(every[0], None if part is every[0]["root"] else root)
    every[1][data.draw(st.sampled_from(["path", "root", "format"]))] = value
    with pytest.raises(ProofBroken):
        check(every[1])


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str, str, str]:
    """A proof, its root, the proof with another amount, and no proof at all."""
    every, root = proofs([(467_280, 0), (12_000, 0), (0, 3_000)])
    other = every[0] | {"credits_co2e_g": "999"}
    contents = [json.dumps(every[0]), json.dumps(root), json.dumps(other), "no JSON"]
    paths = [tmp_path / f"{number}.json" for number in range(4)]
    for place, content in zip(paths, contents, strict=True):
        place.write_text(content, encoding="utf-8")
    proof, published, forgery, nothing = map(str, paths)
    return proof, published, forgery, nothing


@pytest.mark.parametrize("way", ["command", "json", "alone"])
def test_programs_tell_by_exit_codes(files: tuple[str, str, str, str], way: str) -> None:
    proof, root, forgery, nothing = files
    digits = json.loads(Path(root).read_text(encoding="utf-8"))["root"]

    def run(*given_files: str) -> tuple[int, str]:
        if way == "alone":
            alone = [sys.executable, "-I", checker.__file__, *given_files]
            done = subprocess.run(alone, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout
        found = CliRunner().invoke(
            app, ["prove", given_files[0], "--root", given_files[1], *(["--json"] if way == "json" else [])]
        )
        return found.exit_code, found.output

    for published in (root, digits):
        code, said = run(proof, published)
        assert (code, digits in said) == (0, True)
    for broken in (run(forgery, root), run(forgery, digits), run(proof, "0" * 64)):
        assert broken[0] == 1
        assert "root" in broken[1]
    for unreadable in (run(nothing, root), run(proof, nothing), run(proof + "x", root)):
        assert unreadable[0] == 2
