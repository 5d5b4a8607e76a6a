"""docs/scores.md: its set is one that the doors take, its score is computed so, its cards and keys are there."""

import datetime as dt
import json
import re
from pathlib import Path

from accounts.scores.cards import load_cards
from accounts.scores.engine import score
from accounts.scores.model import Deed, Facts
from accounts.scores.text import READINGS, CardText, DeedDimension
from app.scoring.in_force import ScoreCards
from app.scoring.schemas import score_view

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "scores.md").read_text(encoding="utf-8")
CARDS = {card.name: card for card in load_cards()}


def test_the_set_of_the_page_is_one() -> None:
    chosen = ScoreCards.model_validate_json(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
    assert all(CARDS[each.card].version == each.version for each in chosen.cards)


def test_the_score_of_the_page_is_computed_so() -> None:
    (told,) = re.findall(r"<!-- score -->\n```json\n(.*?)```", PAGE, re.DOTALL)
    saved = Deed(dt.date(2026, 9, 1), "energy.water", 1, 3, 104_700_000)
    found = score_view(score(CARDS["wendeng"], Facts((saved,)), dt.date(2026, 10, 31)))
    shown = json.loads(told)
    assert {name: found[name] for name in shown} == shown


def test_cards_and_keys_of_the_page() -> None:
    first = re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \|", PAGE, re.MULTILINE)
    named = {name for pair in first for name in pair if name}
    assert CARDS.keys() <= named
    assert named - CARDS.keys() <= CardText.model_fields.keys() | DeedDimension.model_fields.keys()
    row = next(line for line in PAGE.splitlines() if line.startswith("| `reads`"))
    assert set(re.findall(r"`(\w+)`", row)) - {"reads"} == READINGS
    volume, diversity, persistence, quality = (each.at_most for each in CARDS["resident"].text.dimensions)
    assert (
        f"volume {volume}, diversity {diversity}, persistence {persistence}, data quality {quality}" in PAGE
    )
