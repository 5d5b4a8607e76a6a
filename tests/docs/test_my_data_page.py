"""The examples of docs/my-data.md run, in their order, and are answered as the page says."""

import asyncio
import re
from pathlib import Path
from typing import Any

import jwt
import pytest
from agreements.people import signed_in
from helpers import Caller, City
from pages import Reader, examples_of, read_through

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "my-data.md").read_text(encoding="utf-8")
SOURCE = "org_01a1fc693a86700e9ae525ac545ac6cd"


def test_every_block_is_an_example() -> None:
    assert len(examples_of(PAGE)) > 15


async def test_the_page_is_true(city: City, phone: str) -> None:
    platform = await city.client("platform", name="Metro")
    operator = await city.client("operator", "440000", name="City office")
    holder = await city.holder(operator, phone)
    person = signed_in(city, holder, phone)
    callers: dict[str, Caller] = {"resident": person, "platform": platform, "operator": operator}
    reader = Reader({SOURCE: platform.organisation_id})
    await read_through(city, PAGE, callers, reader)
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
