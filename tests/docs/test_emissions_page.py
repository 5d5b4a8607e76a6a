"""The examples of docs/emissions.md run, in their order, and are answered as the page says."""

import datetime
from pathlib import Path

from emissions.factory import every_day, fill
from enterprises.plant import made_plant
from helpers import Caller, City
from pages import Reader, read_through

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "emissions.md").read_text(encoding="utf-8")
METERS = ({"number": "E-IN", "carrier": "electricity", "flow": "import"},)


async def test_the_page_of_emissions_is_true(city: City) -> None:
    operator, second = [await city.client("operator", "330000") for _ in range(2)]
    plant = await made_plant(city, operator, METERS)
    june = every_day(datetime.date(2025, 6, 1), datetime.date(2025, 6, 30), 1000)
    assert await fill(plant, "E-IN", june) == 2_880_000
    callers: dict[str, Caller] = {"enterprise": plant.client, "operator": operator, "second": second}
    known = {
        "sit_01a1fc693a86700e9ae525ac545ac6cd": plant.site_id,
        "mtr_01a1fc693a86700e9ae525ac545ac6cd": plant.meters["E-IN"],
        "cli_one": operator.client_id,
        "cli_two": second.client_id,
        "cli_own": plant.client.client_id,
    }
    await read_through(city, PAGE, callers, Reader(known))
