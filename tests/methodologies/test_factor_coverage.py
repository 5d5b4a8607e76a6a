"""Every Chinese act row of the facts is used by a shipped rule, or listed with the reason why not."""

import csv
import datetime as dt
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest
import yaml

from methodologies import Catalogue, load_catalogue
from methodologies.engine import Methodology
from methodologies.units import read_unit
from points.programmes import load_programmes

FACTS = Path(__file__).resolve().parents[3] / "shared" / "facts" / "factors.csv"
NOT_USED = Path(__file__).with_name("factor_rows_not_used.yaml")

TODAY = dt.date(2026, 1, 15)

pytestmark = pytest.mark.skipif(not FACTS.exists(), reason="the facts are not beside the repository")

# Grid and fuel factors credit nothing by themselves: test_factor_tables.py compares those.
GRID_AND_FUEL = re.compile(r"MEE-(GRID|ETS)-|CN-24IND$|GB/T 3215|NGHGEF-DB-|EV method ")

REGIONS = {
    "CN": ["100000"],
    "CN-北京": ["110000"],
    "CN-北京/京津冀": ["110000", "120000", "130000"],
    "CN-上海": ["310000"],
    "CN-抚州": ["361000"],
    "CN-日照": ["371100"],
    "CN-郑州": ["410100"],
    "CN-湖北": ["420000"],
    "CN-武汉": ["420100"],
    "CN-广州": ["440100"],
    "CN-深圳": ["440300"],
    "CN-泸州": ["510500"],
}
SCENES = {
    "bus (公共汽电车)": ["trip.bus"],
    "urban rail": ["trip.metro"],
    "cycling": ["trip.shared_bike", "trip.bike"],
    "walking": ["trip.walk", "trip.steps"],
    "petrol car replaced by BEV": ["trip.electric_car"],
    "commute 22 km": ["trip.metro"],
    "car": ["trip.walk"],
    "battery electric bus": ["trip.bus"],
    "battery electric car": ["trip.electric_car"],
    "metro": ["trip.metro"],
    "metro trip": ["trip.metro"],
    "ground bus": ["trip.bus"],
    "shared bicycle": ["trip.shared_bike"],
    "battery-electric ride-hail": ["trip.ev_ride"],
    "battery-electric ride-hail 24 km": ["trip.ev_ride"],
    "bus ride": ["trip.bus"],
    "own shopping bag": ["green.own_bag"],
    "bus, evidence upload": ["trip.bus"],
    "bus, self check-in": ["trip.bus"],
    "metro, evidence upload": ["trip.metro"],
    "metro, self check-in": ["trip.metro"],
    "old clothes recycling": ["recycling.clothes"],
    "bus, QR scan": ["trip.bus"],
    "clean-plate check-in": ["green.clean_plate"],
    "walk 2000 steps": ["trip.steps"],
    "shared bicycle 10 min": ["trip.shared_bike"],
    "waste sorting, morning and evening each": ["recycling.sorting"],
    "apply e-credit-card": ["payment.e_card"],
    "pay water/power/gas bill online": ["payment.e_bill"],
    "view e-statement": ["payment.e_statement"],
    "utility payment": ["payment.e_bill"],
    "heating payment": ["payment.e_bill"],
    "shared e-bike": ["trip.e_bike"],
    "both (51.68万t / 96.83亿km)": ["trip.shared_two_wheeler"],
    "shared two-wheelers (194万t/416亿km)": ["trip.shared_two_wheeler"],
    "carpool 顺风车 (400万t/202亿km)": ["trip.carpool"],
}
POINTS = re.compile(r"points|碳币|碳积分")
# The units of the table, as formulas write them; a step is an act.
UNITS = {"g": "gCO2e", "kg": "kgCO2e", "g/step": "gCO2e/act"}

Row = dict[str, str]


def name(row: Row) -> str:
    return " | ".join(row[key] for key in ("region", "methodology_code", "activity", "parameter"))


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    with FACTS.open(encoding="utf-8", newline="") as file:
        found = [
            row
            for row in csv.DictReader(file)
            if row["region"].split("-")[0] == "CN" and not GRID_AND_FUEL.match(row["methodology_code"])
        ]
    by_name = {name(row): row for row in found}
    assert len(by_name) == len(found)
    return by_name


@pytest.fixture(scope="module")
def not_used() -> dict[str, str]:
    listed = yaml.safe_load(NOT_USED.read_text(encoding="utf-8"))
    assert len({each["row"] for each in listed}) == len(listed)
    return {each["row"]: each["why"] for each in listed}


@pytest.fixture(scope="module")
def used(rows: dict[str, Row]) -> set[str]:
    return {key for key, row in rows.items() if uses(row)}


def test_every_row_is_used_or_listed(rows, used, not_used):
    assert sorted(rows.keys() - used - not_used.keys()) == []


def test_what_is_listed_is_not_used(used, not_used):
    assert sorted(used & not_used.keys()) == []


def test_what_is_listed_is_there_and_says_why(rows, not_used):
    assert sorted(not_used.keys() - rows.keys()) == []
    assert all(not_used.values())


def test_what_is_recalled_is_never_shipped(rows, not_used):
    recalled = {key for key, row in rows.items() if row["confidence"] == "recalled"}
    assert recalled == {key for key, why in not_used.items() if why == "recalled"}


def uses(row: Row) -> bool:
    """Whether a rule of each region that the row speaks for holds the row's value, from the row's source."""
    value = row["value"]
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return False
    if POINTS.search(row["unit"]):
        return all(_points(region, row) for region in REGIONS[row["region"]])
    unit = row["unit"].split(" ")[0]
    unit = UNITS.get(unit) or (f"gCO2e{unit[1:]}" if unit.startswith("g/") else unit)
    return all(
        any(_holds(rule, row, unit) for rule in _rules(region, row)) for region in REGIONS[row["region"]]
    )


def _rules(region: str, row: Row) -> Iterator[Methodology]:
    for rule in shipped().methodologies:
        if rule.region == region and rule.scene in SCENES.get(row["activity"], ()):
            yield rule


@cache
def shipped() -> Catalogue:
    return load_catalogue()


def _holds(rule: Methodology, row: Row, unit_text: str) -> bool:
    value, unit = Fraction(row["value"]), read_unit(unit_text)
    for each in rule.text.parameters:
        held = read_unit(each.unit)
        same = held.dimension == unit.dimension and Fraction(each.value) * held.scale == value * unit.scale
        if same and each.url == row["source_url"]:
            return True
    if row["activity"].endswith("self check-in"):
        # points, whole: 52 is the half of 105
        return rule.share(rule.quantify({"count": 1}), "self_report") // 1000 == value
    if any(Fraction(example.co2e_g) == value * unit.scale for example in rule.text.examples):
        return True
    if row["confidence"] != "derived":
        return False
    one = {"distance_m": 1000, "mass_g": 1000, "count": 1}
    act = {each.name: one[each.name] for each in rule.text.inputs if each.required}
    (amount,) = act.values()
    found = Fraction(rule.explain(act).exact_g) / (unit.scale * amount)
    decimals = len(row["value"].partition(".")[2])
    return abs(found - value) <= Fraction(1, 2 * 10**decimals)


def _points(region: str, row: Row) -> bool:
    programme = load_programmes().of(region, TODAY)
    return any(
        rule.points == int(row["value"]) and programme.region == region
        for scene, rule in programme.scenes.items()
        if scene in SCENES.get(row["activity"], ())
    )
