"""docs/units.md: its examples are answered as it says, and its serials say what it says."""

import re
from pathlib import Path

from helpers import City
from pages import Reader, read_through
from units.made import Book, an_origin

from accounts.ids import parse_public_id
from accounts.registry.transfers import LIFE
from accounts.units import service as units
from accounts.units.foreign_serials import parse_gold_standard, parse_verra
from accounts.units.serials import parse_serial
from app.wiring import Services, utc_now

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "units.md").read_text(encoding="utf-8")


async def test_the_page_of_units_is_true(city: City, service: Services) -> None:
    callers = {
        "seller": await city.client("participant", "440300"),
        "buyer": await city.client("participant", "440300"),
        "bank": await city.client("bank"),
        "operator": await city.client("operator", "440000"),
    }
    accounts = {
        who: (await callers[who].get("/v1/market/account")).json()["account_id"]
        for who in ("seller", "buyer")
    }
    seller = parse_public_id("rac", accounts["seller"])
    assert seller is not None
    await Book(service).step(lambda d: units.issue(d, an_origin(), seller, 5_000, utc_now()))
    known = {
        "rac_01a1fc693a86700e9ae525ac545ac603": accounts["buyer"],
        "org_01a1fc693a86700e9ae525ac545ac606": callers["bank"].organisation_id,
    }
    await read_through(city, PAGE, callers, Reader(known))


def test_the_serials_of_the_page() -> None:
    for text in re.findall(r"TPH-[\w.-]+", PAGE):
        parse_serial(text)
    told = dict(re.findall(r"^\| .* \| `(\S+)` \| ([\d,]+) \|$", PAGE, re.MULTILINE))
    assert len(told) == 4
    for text, quantity in told.items():
        if len(text) > 10:
            serial = parse_gold_standard(text) if text.startswith("GS") else parse_verra(text)
            assert f"{serial.units.quantity_kg:,}" == quantity
    assert LIFE.days == 7
    assert "within seven days" in PAGE
