"""docs/review.md: its policy is one that the doors take, and its signals and numbers are those of the code."""

import re
from pathlib import Path

from app.review.policy import MAX_DAYS, MUNICIPALITIES, ReviewPolicy, city_of
from app.review.schemas import SignalView

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "review.md").read_text(encoding="utf-8")


def test_the_policy_of_the_page_is_one() -> None:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    policy = ReviewPolicy.model_validate_json(text)
    way = policy.impossible_travel
    assert way is not None
    assert (way.least_minutes("4403", "4401"), way.least_minutes("4403", "4419")) == (40, 30)
    assert [way.action(score) for score in (49, 50, 94, 95)] == ["pass", "hold", "hold", "reject"]
    assert policy.repeated_trip is not None
    assert policy.repeated_trip.action(100) == "pass"


def test_the_signals_of_the_page() -> None:
    told = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    known = SignalView.model_json_schema()["properties"]["signal"]["enum"]
    assert told == known
    assert set(known) <= ReviewPolicy.model_fields.keys()


def test_the_numbers_of_the_page() -> None:
    assert f"at most {MAX_DAYS} days" in PAGE
    assert {city_of(code + "0000") for code in MUNICIPALITIES} == MUNICIPALITIES
    assert (city_of("440305"), city_of("440000")) == ("4403", "")
