"""docs/labels.md: its rules and figures are ones that the doors take, its names and numbers those of the code."""

import re
from fractions import Fraction
from pathlib import Path

from accounts.labels.measures import MEASURE_OF, UNITS, Indicator, Measure
from accounts.labels.percentiles import windows
from accounts.labels.reasons import MISSING
from accounts.labels.rules import LEAST_ENTERPRISES, LabelRules, Scale
from accounts.labels.scoring import Facts, assess
from app.labels.schemas import FiguresInput

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "labels.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    return re.findall(rf"<!-- {name} -->\n```json\n(.*?)```", PAGE, re.DOTALL)[0]


def test_the_figures_of_the_page_are_taken() -> None:
    assert len(FiguresInput.model_validate_json(example("figures")).figures) == 2


def test_the_worked_example_of_the_page() -> None:
    (scale,) = LabelRules.model_validate_json(example("rules")).scales
    # 0.925 of 45,000 g/m², and 0.95 of the year before.
    now = Facts(2025, 41_625_000, {"floor_area": 100})
    past = Facts(2024, 41_625_000 * 100 // 95 + 1, {"floor_area": 100})
    found = assess(scale, now, past, {})
    assert found.points is not None
    assert abs(found.points - Fraction("71.5")) < Fraction(1, 1000)
    assert [round(each.points) for each in found.views] == [70, 75]
    assert found.colour == "light_green"


def test_the_tables_of_the_page() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]*\| ([^|]*)\| `(\w+)` \|$", PAGE, re.MULTILINE)
    assert [Measure(row[0]) for row in rows] == list(Measure)
    for measure, units, indicator in rows:
        assert set(re.findall(r"`(\w+)`", units)) == {unit.value for unit in UNITS[Measure(measure)]}
        assert MEASURE_OF[Indicator(indicator)] == measure
    reasons = PAGE.split("| reason |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", reasons, re.MULTILINE)) == set(MISSING)
    for name in (*LabelRules.model_fields, *Scale.model_fields):
        if name not in ("first_day", "domain", "industry"):
            assert f"`{name}`" in PAGE, name


def test_the_numbers_of_the_page() -> None:
    assert f"(k, at least {LEAST_ENTERPRISES})" in PAGE
    assert 10 not in windows(16)
    assert 10 in windows(17)
    assert "with 17 and more also 10 and 90" in PAGE
