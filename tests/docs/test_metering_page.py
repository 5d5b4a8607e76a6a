"""docs/metering.md: its readings are ones that the door takes, its outcomes, reasons and steps those of the code."""

import re
from pathlib import Path

from pydantic import TypeAdapter

from accounts.metering.marks import MAX_REVISION, Outcome
from accounts.metering.queries import Step
from accounts.metering.schemas import UNSTORED, ReadingInput
from app.api.enterprise_readings import MOST
from app.metering.door import AHEAD

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "metering.md").read_text(encoding="utf-8")


def test_the_readings_of_the_page() -> None:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert len(TypeAdapter(list[ReadingInput]).validate_json(text)) == 4


def test_the_words_of_the_page() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))
    assert told.keys() == {*Outcome, *UNSTORED}
    assert {reason: told[reason] for reason in UNSTORED} == UNSTORED
    assert ", ".join(f"`{step}`" for step in Step) in PAGE


def test_the_numbers_of_the_page() -> None:
    assert f"up to {MOST:,} readings" in PAGE
    assert f"(1 to {MAX_REVISION}, 1 where none is stated)" in PAGE
    assert AHEAD.total_seconds() == 60
