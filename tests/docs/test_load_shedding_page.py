"""The examples of docs/load-shedding.md run, in their order, and are answered as the page says."""

import datetime as dt
from pathlib import Path

from enterprises.plant import made_plant
from helpers import City
from pages import Reader, read_through

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "load-shedding.md").read_text(encoding="utf-8")


async def test_the_page_of_load_shedding_is_true(city: City) -> None:
    plant = await made_plant(city, meters=())
    line = "lin_01a1fc693a8670119ae525ac545ac601"
    entered = PAGE.partition('If-Match: "0"\n\n')[2].partition("\n")[0]
    answer = await plant.client.request(
        "PUT",
        f"/v1/enterprises/load-shedding/lines/{plant.line_id}",
        content=entered,
        headers={"If-Match": '"0"', "Content-Type": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    now = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
    times = {
        f"2026-11-21T{16 + hours}:00:00+08:00": (now + dt.timedelta(hours=1 + hours)).isoformat()
        for hours in (0, 2)
    }
    await read_through(city, PAGE, {"enterprise": plant.client}, Reader({line: plant.line_id, **times}))
