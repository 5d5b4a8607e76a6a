"""Proofs out of the file: each entry's holds, and a file that is not what it was serves none."""

import random
import uuid
from pathlib import Path

import pytest
from proving.test_trees import ISSUANCE, SECRET, in_batches, some_rows

from accounts.proofs.checker import check
from accounts.proofs.errors import TreeUnavailable
from accounts.proofs.schemas import proof_view
from app.proving.building import build_tree
from app.proving.files import HEADER, LEAF, path_of
from app.proving.serving import prove, read_root


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 65, 97, 1000, 3000])
async def test_each_entry_is_proven(tmp_path: Path, count: int) -> None:
    rows = some_rows(count)
    root = await build_tree(tmp_path, ISSUANCE, in_batches(rows, 1000), SECRET)
    assert read_root(tmp_path, ISSUANCE) == root
    for entry, credits_mg, reversals_mg in random.Random(1).sample(rows, min(count, 100)):
        proof = prove(tmp_path, ISSUANCE, uuid.UUID(bytes=entry), SECRET)
        assert proof is not None
        assert (proof.credits_mg, proof.reversals_mg) == (credits_mg, reversals_mg)
        assert len(proof.path) <= 12
        assert check(proof_view(proof).model_dump(), root.hash.hex()) == root
    assert prove(tmp_path, ISSUANCE, uuid.UUID(int=1), SECRET) is None


async def test_keys_that_are_uneven_are_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for made in ("keys", "ids", "salts"):
        monkeypatch.setattr(f"accounts.proofs.pseudonyms.Pseudonyms.{made}", lambda _self, given: given)
    rows = [(uuid.UUID(int=number).bytes, number, 0) for number in range(2000)]
    await build_tree(tmp_path, ISSUANCE, in_batches(rows, 1000), SECRET)
    for entry, _, _ in rows[::97]:
        assert prove(tmp_path, ISSUANCE, uuid.UUID(bytes=entry), SECRET) is not None
    assert prove(tmp_path, ISSUANCE, uuid.UUID(int=5000), SECRET) is None


async def test_a_changed_file_serves_no_proof(tmp_path: Path) -> None:
    rows = some_rows(100)
    entry = uuid.UUID(bytes=rows[3][0])
    await build_tree(tmp_path, ISSUANCE, in_batches(rows, 1000), SECRET)
    path = path_of(tmp_path, ISSUANCE)
    whole = path.read_bytes()
    leaves_end = HEADER.size + 100 * LEAF.size
    for content in (
        b"",
        whole[:50],
        whole[:-1],
        b"x" + whole[1:],
        whole[:40] + b"x" + whole[41:],
        whole[: leaves_end - 1] + bytes([whole[leaves_end - 1] ^ 1]) + whole[leaves_end:],
        whole[:leaves_end] + bytes(byte ^ 1 for byte in whole[leaves_end:]),
    ):
        path.write_bytes(content)
        with pytest.raises(TreeUnavailable):
            prove(tmp_path, ISSUANCE, entry, SECRET)
    path.write_bytes(whole)
    assert prove(tmp_path, ISSUANCE, entry, SECRET) is not None
    # Of another issuance, or under another secret, it says nothing.
    other = uuid.UUID(int=8)
    path.rename(path_of(tmp_path, other))
    for issuance in (ISSUANCE, other):
        with pytest.raises(TreeUnavailable):
            prove(tmp_path, issuance, entry, SECRET)
