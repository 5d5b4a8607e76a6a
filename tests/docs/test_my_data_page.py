"""The examples of docs/my-data.md run, in their order, and are answered as the page says."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import jwt
import pytest
from agreements.people import signed_in
from helpers import Caller, City

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "my-data.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"```http\n(GET|POST) (\S+) HTTP/1\.1\n(?:Authorization: Bearer <(\w+)>\n)?(?:\n(.*?)\n)?```\n"
    r"(?:\n```json\n(.*?)\n```)?",
    PAGE,
    re.DOTALL,
)
SOURCE = "org_01a1fc693a86700e9ae525ac545ac6cd"
OPAQUE = {
    "id": re.compile(r"[a-z]{3}_[0-9a-f]{32}"),
    "time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*"),
    "hash": re.compile(r"[0-9a-f]{64}"),
    "signed": re.compile(r"eyJ.+"),
    "cursor": re.compile(r"[A-Za-z0-9_-]{40,}"),
}


def test_every_block_is_an_example() -> None:
    assert len(EXAMPLES) == PAGE.count("```http") > 15
    assert sum(bool(told) for *_, told in EXAMPLES) == PAGE.count("```json")


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


async def test_the_page_is_true(city: City, phone: str) -> None:
    platform = await city.client("platform", name="Metro")
    operator = await city.client("operator", "440000", name="City office")
    holder = await city.holder(operator, phone)
    person = signed_in(city, holder, phone)
    callers: dict[str, Caller] = {"resident": person, "platform": platform, "operator": operator}
    reader = Reader({SOURCE: platform.organisation_id})
    for method, path, who, body, told in EXAMPLES:
        kwargs = {"json": json.loads(reader.real(body))} if body else {}
        place = f"{method} {path}"
        caller = callers[who] if who else None
        request = city.http.request if caller is None else caller.request
        answer = await request(method, reader.real(path), **kwargs)
        assert answer.status_code == 200, (place, answer.text)
        if told:
            # Each link token is one of its own, however it is shown.
            reader.known = {s: f for s, f in reader.known.items() if not s.startswith("eyJ") or s in body}
            reader.compare(json.loads(told), answer.json(), place)
    assert reader.known["hld_01a1fc693a8670169ae525ac545ac610"] == holder


async def test_the_receipt_is_verified_as_the_page_shows(city: City, base_url: str, phone: str) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    platform, operator = await city.client("platform"), await city.client("operator", "440000")
    person = signed_in(city, await city.holder(operator, phone), phone)
    receipt = await person.agree(platform, "trip")
    signed = (await person.get(f"/v1/me/receipts/{receipt}")).json()["signed"]
    names: dict[str, Any] = {}
    exec(compile(code, "my-data.md", "exec"), names)  # noqa: S102 - the page's own example
    verified = names["what_was_agreed"]
    told = await asyncio.to_thread(verified, base_url, signed)
    assert (told["jti"], told["sub"]) == (receipt, person.holder_id)
    head, body, signature = signed.split(".")
    with pytest.raises(jwt.InvalidSignatureError):
        await asyncio.to_thread(verified, base_url, f"{head}.{body[:-4]}AAAA.{signature}")
