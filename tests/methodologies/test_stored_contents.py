"""Contents as the main job stored them: each is still read, and still has the hash that its file is named by."""

import json
from pathlib import Path

import pytest

from methodologies import rebuild
from methodologies.checking import build, check

STORED = sorted((Path(__file__).parent / "stored").glob("*.json"))


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem[:8])
def test_a_stored_content_keeps_its_hash(path):
    content = path.read_text(encoding="utf-8")
    methodology = rebuild(content)
    assert methodology.content_hash == path.stem
    assert methodology.context == frozenset()
    for example in methodology.text.examples:
        assert methodology.quantify(example.inputs) == methodology.explain(example.inputs).co2e_mg
    again = json.loads(content)
    assert check(again) == []
    assert build(again).content_hash == path.stem


def test_there_are_some():
    assert len(STORED) >= 2
