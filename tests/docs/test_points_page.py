"""What docs/points.md shows is run: its programme and its campaign are drafted, approved and read back."""

import json
import re
from pathlib import Path

import pytest
from helpers import City

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "points.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- (programme|campaign) -->\n```json\n(.*?)```", PAGE, re.DOTALL)


def test_every_example_says_what_it_is() -> None:
    assert len(EXAMPLES) == PAGE.count("```json") == 2


@pytest.mark.parametrize(("noun", "text"), EXAMPLES, ids=[noun for noun, _ in EXAMPLES])
async def test_an_example_goes_its_way(city: City, noun: str, text: str) -> None:
    author, second = await city.client("operator", "440000"), await city.client("operator", "440000")
    body = json.loads(text)
    drafted = await author.post(f"/v1/operator/{noun}s", json=body)
    assert drafted.status_code == 200, drafted.text
    made = drafted.json()
    path, etag = f"/v1/operator/{noun}s/{made['id']}", {"If-Match": str(made["etag"])}
    approved = await second.post(f"{path}/approval", json={"reason": "page"}, headers=etag)
    assert approved.status_code == 200, approved.text
    read = (await author.get(path)).json()
    assert read["state"] == "approved"
    assert {name: read["text"][name] for name in body} == body
    if noun == "campaign":
        assert read["budget_left"] == body["budget"]
