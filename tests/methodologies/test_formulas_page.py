"""The examples of docs/formulas.md, run as written."""

import re
from pathlib import Path

import pytest
import yaml

from methodologies import Refused
from methodologies.engine import Methodology
from methodologies.errors import Findings, MisplacedError
from methodologies.model import INPUT_UNITS
from methodologies.model import Methodology as Text
from methodologies.proving import prove

PAGE = (Path(__file__).parents[2] / "docs" / "formulas.md").read_text(encoding="utf-8")
LINES, TABLE_LINES = (block.split("```")[0].splitlines() for block in PAGE.split("```text\n")[1:])
SHOWN = yaml.safe_load(PAGE.split("```yaml\n")[1].split("```")[0])
CONTEXT = {"province", "year", "month", "kind"}


def text(act, parameters, formula):
    used = {
        "tables": [each for each in SHOWN["tables"] if f"{each['name']}[" in formula],
        "steps": [each for each in SHOWN["steps"] if f", {each['name']})" in formula],
    }
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
                {"name": name, "unit": INPUT_UNITS.get(name, "trip"), "min": 0, "max": 10**6}
                for name in act
                if name not in CONTEXT
            ],
            "parameters": [
                {"name": name, "value": value, "unit": unit, "source": "page", "confidence": "quoted"}
                for name, value, unit in parameters
            ],
            "formula": formula,
            "claims": [{"rule": "order", "of": "order_no", "period": "forever", "required": True}],
            "examples": [{"inputs": {}, "co2e_g": "0", "basis": "none"}],
            **used,
        }
    )


def read(line):
    inputs, parameters, formula, result = (part.strip() for part in line.split("|"))
    pairs = [item.split("=") for item in inputs.split(", ")]
    act = {name: int(value) if value.isdigit() else value for name, value in pairs}
    found = re.findall(r"(\w+)=(\S+) ([^,]+)", parameters)
    return act, found, formula, result


@pytest.mark.parametrize("line", [*LINES, *TABLE_LINES])
def test_example(line):
    act, parameters, formula, result = read(line)
    if result.isdigit():
        rule = Methodology(text(act, parameters, formula))
        assert rule.quantify(act) == int(result)
        assert rule.explain(act).co2e_mg == int(result)
        return
    with pytest.raises((Refused, MisplacedError, ValueError), match=re.escape(result)):
        Methodology(text(act, parameters, formula)).quantify(act)


@pytest.mark.parametrize(("position", "ending"), [(2, "return n"), (0, "return n // 10")])
def test_the_code_that_the_page_shows(position, ending):
    act, parameters, formula, _ = read(LINES[position])
    source = Methodology(text(act, parameters, formula)).source
    assert source.rstrip().endswith(ending)
    assert ("n = 72*i0" in source) == (position == 2)


def test_a_formula_that_is_never_above_zero_is_refused_at_load():
    (line,) = [each for each in LINES if each.endswith("| negative_reduction")]
    act, parameters, formula, _ = read(line)
    with pytest.raises(MisplacedError, match="swapped") as refused:
        prove(Methodology(text(act, parameters, formula)), Findings())
    assert refused.value.pointer == "/formula"


def test_the_page_shows_at_least_a_dozen_examples():
    assert len(LINES) >= 12
    assert len(TABLE_LINES) >= 12
