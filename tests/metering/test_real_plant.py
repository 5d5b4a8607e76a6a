"""The real plant: all of its kWh, midnight on the right day, and the same whatever the order."""

import asyncio
import csv
import datetime as dt
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from enterprises.plant import Plant, made_plant
from helpers import City
from typer.testing import CliRunner

from accounts.ids import parse_public_id
from accounts.metering import queries
from accounts.metering.quarters import begins_at, first_of
from accounts.metering.queries import Step, Use
from app.cli import app as command_line
from app.metering.files import FileRefused, read_plant
from app.wiring import Services

BATCH = "/v1/enterprises/readings/batch"
SINCE, UNTIL = (begins_at(first_of(dt.date(2018, month, 1))) for month in (1, 8))
NUMBERS = ("FILE", "SHUFFLED")


@pytest.fixture(scope="module")
def half_year(data: Path) -> Path:
    return data / "energy" / "steel_plant_2018_h1.csv"


@pytest.fixture
def two_days(half_year: Path, tmp_path: Path) -> Path:
    """The first 199 readings."""
    found = tmp_path / "some.csv"
    lines = half_year.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    found.write_text("".join(lines[:200]), encoding="utf-8")
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plant(city: City) -> Plant:
    meters = tuple({"number": number, "carrier": "electricity", "flow": "import"} for number in NUMBERS)
    return await made_plant(city, meters=meters)


async def rolled_up(service: Services, plant: Plant, number: str, step: Step) -> list[tuple[Any, ...]]:
    meter_id = parse_public_id("mtr", plant.meters[number])
    assert meter_id is not None
    async with service.database.snapshot() as driver:
        found: list[Use] = await queries.uses(driver, [meter_id], step, SINCE, UNTIL)
    return [(use.starts_at, use.amount, use.measured, use.estimated, use.missing) for use in found]


async def send(plant: Plant, items: list[dict[str, Any]]) -> list[str]:
    outcomes = []
    for start in range(0, len(items), 10_000):
        answer = await plant.client.post(BATCH, json=items[start : start + 10_000])
        assert answer.status_code == 200, answer.text
        outcomes += [each["outcome"] for each in answer.json()["items"]]
    return outcomes


async def test_the_half_year_is_all_there_and_the_same_in_any_order(
    service: Services, plant: Plant, half_year: Path
) -> None:
    with half_year.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    total_wh = sum(Decimal(row["Usage_kWh"]) for row in rows) * 1000
    ordered = list(read_plant(half_year, "FILE"))
    assert await send(plant, ordered) == ["stored"] * len(rows)
    by_step = {step: await rolled_up(service, plant, "FILE", step) for step in Step}
    for uses in by_step.values():
        assert sum(use[1] for use in uses) == total_wh
        assert sum(use[2] for use in uses) == len(rows)
    # The row of 00:00 has the date of the day that it closes.
    first_day = sum(Decimal(row["Usage_kWh"]) for row in rows if row["date"].startswith("01/01/2018 "))
    assert by_step[Step.DAY][0] == (SINCE, first_day * 1000, 96, 0, 0)
    assert by_step[Step.QUARTER][95][0].isoformat() == "2018-01-01T23:45:00+08:00"
    midnight = next(row for row in rows if row["date"] == "01/01/2018 00:00")
    assert by_step[Step.QUARTER][95][1] == Decimal(midnight["Usage_kWh"]) * 1000

    # Again, for another meter: in random order, with repeats, estimates, and values that were wrong at first.
    chance = random.Random(2018)
    shuffled = []
    for item in read_plant(half_year, "SHUFFLED"):
        wrong = {"energy_wh": item["energy_wh"] + 7}
        kind = chance.random()
        if kind < 0.05:
            shuffled += [item | wrong, item | {"revision": 2}, item | {"revision": 2}]
        elif kind < 0.1:
            shuffled += [item | wrong | {"estimated": True}, item]
        else:
            shuffled += [item] * chance.choice((1, 1, 1, 2))
    chance.shuffle(shuffled)
    outcomes = await send(plant, shuffled)
    assert set(outcomes) == {"stored", "known", "corrected", "superseded"}
    for step, uses in by_step.items():
        assert await rolled_up(service, plant, "SHUFFLED", step) == uses


async def test_the_command_sends_the_file_and_adds_nothing_twice(
    plant: Plant, base_url: str, two_days: Path
) -> None:
    arguments = ["readings", str(two_days), "--meter", "FILE", "--url", base_url, "--json"]
    environment = {
        "TANPUHUI_CLIENT_ID": plant.client.client_id,
        "TANPUHUI_CLIENT_SECRET": plant.client.secret,
    }

    def command(*more: str) -> Any:
        return CliRunner().invoke(command_line, [*arguments, *more], env=environment)

    for moved, outcome in (("2025-03-03", "stored"), ("2025-03-05", "known")):
        done = await asyncio.to_thread(command, "--move-to", moved)
        assert done.exit_code == 0, done.output
        assert f'"{outcome}":199' in done.output.replace(" ", "")
    done = await asyncio.to_thread(command, "--meter", "nobody's")
    assert done.exit_code == 1


@pytest.mark.parametrize(
    "text",
    [
        "date,Usage\n01/01/2018 00:15,3",
        "date,Usage_kWh\n2018-01-01 00:15,3",
        "date,Usage_kWh\n01/01/2018 00:15,3.00001",
        "date,Usage_kWh\n01/01/2018 00:15,NaN",
        "date,Usage_kWh\n01/01/2018 00:15",
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.csv"
    file.write_text(text)
    with pytest.raises(FileRefused):
        list(read_plant(file, "E"))
