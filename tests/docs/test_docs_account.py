"""docs/account.md is called from top to bottom, and answered as it says."""

import datetime
import json
import re
from pathlib import Path
from typing import Any

from account.people import LOCAL, ago, signed_in
from helpers import City, metro

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "account.md").read_text(encoding="utf-8")
CALL = re.compile(
    r"^`(GET|POST|PUT) (/\S+)`\n\n(?:<!-- request -->\n```json\n(.*?)```\n\n)?"
    r"<!-- answer(?: (\d+))? -->\n```json\n(.*?)```",
    re.MULTILINE | re.DOTALL,
)


def part(told: Any, found: Any) -> Any:
    """Of what was answered, what the page shows of it."""
    if isinstance(told, dict) and isinstance(found, dict):
        return {name: part(each, found.get(name)) for name, each in told.items()}
    if isinstance(told, list) and isinstance(found, list) and len(told) == len(found):
        return [part(*each) for each in zip(told, found, strict=True)]
    return found


async def test_every_call_is_answered_as_the_page_says(city: City, phone: str) -> None:
    operator, source = await city.client("operator", "440000"), await city.client("platform")
    resident = signed_in(city, await city.holder(operator, phone, source))
    start = ago(1)
    times = {
        "started_at": start.isoformat(),
        "ended_at": (start + datetime.timedelta(minutes=25)).isoformat(),
    }
    assert start.date() < datetime.datetime.now(LOCAL).date()
    reported = await source.post("/v1/activities", json=metro("docs-" + phone, phone, **times))
    assert reported.json()["outcome"] == "credited"
    calls = CALL.findall(PAGE)
    assert len(calls) == PAGE.count("<!-- answer") == 8
    for method, path, body, status, answer in calls:
        made = {"json": json.loads(body)} if body else {}
        found = await resident.request(method, path, headers={"Accept-Language": "en"}, **made)
        assert found.status_code == int(status or 200), found.text
        told = json.loads(answer)
        assert part(told, found.json()) == told
