"""Pages whose examples run in their order, and are answered as the page says."""

import json
import re
from typing import Any

from helpers import Caller, City

EXAMPLE = re.compile(
    r"```http\n(GET|POST|PUT|DELETE) (\S+) HTTP/1\.1\n(?:Authorization: Bearer <(\w+)>\n)?(?:\n(.*?)\n)?```\n"
    r"(?:\n```json\n(.*?)\n```)?",
    re.DOTALL,
)
OPAQUE = {
    "id": re.compile(r"[a-z]{3}_[0-9a-f]{32}"),
    "time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*"),
    "hash": re.compile(r"[0-9a-f]{64}"),
    "signed": re.compile(r"eyJ.+"),
    "cursor": re.compile(r"[A-Za-z0-9_-]{40,}"),
}


def examples_of(page: str) -> list[tuple[str, str, str, str, str]]:
    """(method, path, who, body, answer) of a page's examples: every block is one."""
    found = EXAMPLE.findall(page)
    assert len(found) == page.count("```http")
    assert sum(bool(told) for *_, told in found) == page.count("```json")
    return found


class Reader:
    """Goes through the page, and learns which real value stands for which shown one."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known

    def real(self, text: str) -> str:
        for shown, found in self.known.items():
            text = text.replace(shown, found)
        return text

    def compare(self, shown: Any, found: Any, place: str) -> None:
        if isinstance(shown, dict):
            assert isinstance(found, dict), place
            assert shown.keys() == found.keys(), place
            for name in shown:
                self.compare(shown[name], found[name], f"{place}/{name}")
        elif isinstance(shown, list):
            assert len(shown) == len(found), place
            for index, pair in enumerate(zip(shown, found, strict=True)):
                self.compare(*pair, f"{place}/{index}")
        elif isinstance(shown, str) and isinstance(found, str) and shown not in self.known:
            kinds = [kind for kind, pattern in OPAQUE.items() if pattern.fullmatch(shown)]
            if not kinds:
                assert shown == found, place
                return
            assert OPAQUE[kinds[0]].fullmatch(found), (place, found)
            if kinds[0] in ("id", "signed"):
                self.known[shown] = found
        else:
            assert found == self.known.get(shown, shown), place


async def read_through(city: City, page: str, callers: dict[str, Caller], reader: Reader) -> None:
    """Run a page's examples, in their order."""
    for method, path, who, body, told in examples_of(page):
        kwargs = {"json": json.loads(reader.real(body))} if body else {}
        place = f"{method} {path}"
        request = callers[who].request if who else city.http.request
        answer = await request(method, reader.real(path), **kwargs)
        assert answer.status_code == 200, (place, answer.text)
        if told:
            # Each link token is one of its own, however it is shown.
            reader.known = {s: f for s, f in reader.known.items() if not s.startswith("eyJ") or s in body}
            reader.compare(json.loads(told), answer.json(), place)
