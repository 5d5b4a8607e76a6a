"""The real plant: tCO2 of its half year is that of the total, and why its file's own column says less."""

import csv
import datetime
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

from emissions.factory import METERS, fill, grid_factor, put_in_force
from enterprises.plant import made_plant
from helpers import City

from accounts.emissions.rounding import to_mg
from accounts.quantities import grams

FILES_FACTOR = "0.4585"
"""KgCO2/kWh: the one with which the most rows of the file are what they say, found by trying."""


def rows_of(data: Path) -> list[tuple[datetime.date, int, Decimal, Decimal]]:
    """Day, place within it, kWh and tCO2; the 00:00 reading has the date of the day that it closes."""
    found = []
    with (data / "energy" / "steel_plant_2018_h1.csv").open(encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            day = datetime.datetime.strptime(row["date"][:10], "%d/%m/%Y").date()  # noqa: DTZ007 - a date alone
            hour, minute = int(row["date"][11:13]), int(row["date"][14:16])
            place = (hour * 4 + minute // 15 - 1) % 96
            found.append((day, place, Decimal(row["Usage_kWh"]), Decimal(row["CO2(tCO2)"])))
    return found


def rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def test_the_files_column_is_its_rows_rounded_and_some_that_are_missing(data: Path) -> None:
    """Every row but 47 is its kWh at 0.4585 kg, rounded to 0.01 t; the 47 say 0, whatever they used."""
    factor = Decimal(FILES_FACTOR) / 1000
    rows = rows_of(data)
    off = [(kwh, told) for _, _, kwh, told in rows if rounded(kwh * factor) != told]
    assert len(rows) == 17_520
    assert len(off) == 47
    assert {told for _, told in off} == {Decimal(0)}
    whole = sum((kwh for _, _, kwh, _ in rows), Decimal(0)) * factor
    column = sum((told for *_, told in rows), Decimal(0))
    missing = sum((rounded(kwh * factor) for kwh, _ in off), Decimal(0))
    by_rounding = whole - sum((rounded(kwh * factor) for _, _, kwh, _ in rows), Decimal(0))
    assert (rounded(whole), column) == (Decimal("239.56"), Decimal("221.24"))
    assert missing == Decimal("1.74")
    assert whole - column == missing + by_rounding
    # Rows of some 4 kWh are 0.002 t, which a row rounds to nothing: most of the difference.
    small = sum((kwh for _, _, kwh, _ in rows if kwh * factor < Decimal("0.005")), Decimal(0)) * factor
    assert rounded(small) == Decimal("18.05")


async def test_the_half_year_of_the_real_plant(city: City, data: Path) -> None:
    first, second = [await city.client("operator", "330000") for _ in range(2)]
    plant = await made_plant(city, first, METERS)
    days: dict[datetime.date, list[int]] = defaultdict(lambda: [0] * 96)
    for day, place, kwh, _ in rows_of(data):
        days[day][place] = int(kwh * 1000)
    read = await fill(plant, "E-IN", sorted(days.items()))
    assert read == 522_487_940
    path = "/v1/enterprises/emissions?from=2018-01-01&to=2018-07-02"
    before = (await plant.client.get(path)).json()
    assert (before["co2e_g"], before["complete"]) == ("0", False)
    assert {gap["reason"] for gap in before["gaps"]} == {"factor_missing"}
    file_says = grid_factor(2018, FILES_FACTOR, confidence="derived", source="按文件自身列推得，仅供核对")
    await put_in_force(first, second, file_says)
    found = (await plant.client.get(path)).json()
    exact = read * Fraction(FILES_FACTOR) * 1000
    assert found["co2e_g"] == grams(to_mg(exact)) == "239560720.49"
    months = [Fraction(item["co2e_g"]) for item in found["items"]]
    assert len(months) == 7
    assert sum(months) * 1000 == exact
    january = (await plant.client.get("/v1/enterprises/reports/2018-01")).json()
    power = next(each for each in january["activities"] if each["carrier"] == "electricity")
    in_january = sum(amount for day, amounts in days.items() if day.month == 1 for amount in amounts)
    assert power["energy_wh"] == in_january
