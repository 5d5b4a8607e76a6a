"""The examples of docs/banks.md run, in their order, and are answered as the page says."""

from pathlib import Path

from agreements.people import signed_in
from helpers import Caller, City
from pages import Reader, read_through

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "banks.md").read_text(encoding="utf-8")


async def test_the_page_of_banks_is_true(city: City, phone: str) -> None:
    bank = await city.client("bank", name="County bank")
    operator = await city.client("operator", "440000", name="City office")
    person = signed_in(city, await city.holder(operator, phone), phone)
    callers: dict[str, Caller] = {"resident": person, "bank": bank, "operator": operator}
    reader = Reader({"org_01a1fc693a86700e9ae525ac545ac6cd": bank.organisation_id})
    await read_through(city, PAGE, callers, reader)
