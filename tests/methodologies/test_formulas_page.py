"""The examples of docs/formulas.md, run as written."""

import re
from pathlib import Path

import pytest

from methodologies import Refused
from methodologies.engine import Methodology, MisplacedError
from methodologies.model import INPUT_UNITS
from methodologies.model import Methodology as Text

PAGE = Path(__file__).parents[2] / "docs" / "formulas.md"
LINES = PAGE.read_text(encoding="utf-8").split("```text\n")[1].split("```")[0].splitlines()


def text(inputs, parameters, formula, low=0):
    return Text.model_validate(
        {
            "region": "330100",
            "scene": "trip.metro",
            "code": "PAGE.example",
            "version": "1",
            "title": {"zh": "例", "en": "Example"},
            "authority": None,
            "document": {"title": "docs/formulas.md"},
            "filing_no": None,
            "in_force": {"from": "2024-01-01", "to": None},
            "status": "unverified",
            "confidence": "quoted",
            "inputs": [
                {"name": name, "unit": INPUT_UNITS.get(name, "trip"), "min": low, "max": 10**6}
                for name in inputs
            ],
            "parameters": [
                {"name": name, "value": value, "unit": unit, "source": "page", "confidence": "quoted"}
                for name, value, unit in parameters
            ],
            "formula": formula,
            "claims": [{"rule": "order", "of": "order_no", "period": "forever", "required": True}],
            "examples": [{"inputs": {}, "co2e_g": "0", "basis": "none"}],
        }
    )


def read(line):
    inputs, parameters, formula, result = (part.strip() for part in line.split("|"))
    act = {name: int(value) for name, value in (item.split("=") for item in inputs.split(", "))}
    found = re.findall(r"(\w+)=(\S+) ([^,]+)", parameters)
    return act, found, formula, result


@pytest.mark.parametrize("line", LINES)
def test_example(line):
    act, parameters, formula, result = read(line)
    if result.isdigit():
        assert Methodology(text(act, parameters, formula)).quantify(act) == int(result)
        return
    with pytest.raises((Refused, MisplacedError, ValueError), match=re.escape(result)):
        Methodology(text(act, parameters, formula)).quantify(act)


@pytest.mark.parametrize(("position", "ending"), [(2, "return n"), (0, "return n // 10")])
def test_the_code_that_the_page_shows(position, ending):
    act, parameters, formula, _ = read(LINES[position])
    source = Methodology(text(act, parameters, formula)).source
    assert source.rstrip().endswith(ending)
    assert ("n = 72*i0" in source) == (position == 2)


def test_the_page_shows_at_least_a_dozen_examples():
    assert len(LINES) >= 12
