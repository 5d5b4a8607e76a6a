"""The shipped grid and fuel tables against the facts, value by value."""

import csv
import datetime as dt
import re
from fractions import Fraction
from pathlib import Path

import pytest

from methodologies.factor_tables import read_factor_tables
from methodologies.units import read_unit

FACTS = Path(__file__).resolve().parents[3] / "shared" / "facts" / "factors.csv"
with_facts = pytest.mark.skipif(not FACTS.exists(), reason="the facts are not beside the repository")

# accounting year: (data year, published, notice)
NOTICES = {
    2023: (2021, dt.date(2024, 4, 12), "公告2024年第12号"),
    2024: (2022, dt.date(2024, 12, 26), "公告2024年第33号"),
    2025: (2023, dt.date(2025, 12, 31), "公告2025年第47号"),
}
PROVINCES = {
    "北京": "110000",
    "天津": "120000",
    "河北": "130000",
    "山西": "140000",
    "内蒙古": "150000",
    "辽宁": "210000",
    "吉林": "220000",
    "黑龙江": "230000",
    "上海": "310000",
    "江苏": "320000",
    "浙江": "330000",
    "安徽": "340000",
    "福建": "350000",
    "江西": "360000",
    "山东": "370000",
    "河南": "410000",
    "湖北": "420000",
    "湖南": "430000",
    "广东": "440000",
    "广西": "450000",
    "海南": "460000",
    "重庆": "500000",
    "四川": "510000",
    "贵州": "520000",
    "云南": "530000",
    "陕西": "610000",
    "甘肃": "620000",
    "青海": "630000",
    "宁夏": "640000",
    "新疆": "650000",
}
REGIONS = {
    "华北": "north",
    "东北": "northeast",
    "华东": "east",
    "华中": "central",
    "西北": "northwest",
    "南方": "south",
    "西南": "southwest",
}
CALIBRES = {
    "EF_grid_avg(national)": "average",
    "EF_grid_avg excl. market-traded non-fossil": "without_traded_non_fossil",
    "EF_fossil_power(national)": "fossil_power",
}
FUELS = {
    "无烟煤": "anthracite",
    "褐煤": "lignite",
    "煤矸石": "coal_gangue",
    "煤泥": "coal_slime",
    "焦炭": "coke",
    "石油焦": "petroleum_coke",
    "原油": "crude_oil",
    "燃料油": "fuel_oil",
    "汽油": "petrol",
    "柴油": "diesel",
    "煤油": "kerosene",
    "液化天然气": "lng",
    "液化石油气": "lpg",
    "炼厂干气": "refinery_gas",
    "天然气": "natural_gas",
    "焦炉煤气": "coke_oven_gas",
    "高炉煤气": "blast_furnace_gas",
    "转炉煤气": "converter_gas",
}


@pytest.fixture(scope="module")
def tables():
    return read_factor_tables()


@pytest.fixture(scope="module")
def facts():
    with FACTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def values(table):
    return {row.key: row.value for row in table.rows}


def confidences(table):
    return {row.key: row.confidence or table.confidence for row in table.rows}


@with_facts
@pytest.mark.parametrize(
    ("name", "parameter"),
    [("grid_cn", "province"), ("grid_cn_regions", "regional"), ("grid_cn_nation", "national")],
)
def test_grid_factors_are_those_of_the_facts(tables, facts, name, parameter):
    wanted, known = {}, {}
    for row in facts:
        if not row["methodology_code"].startswith("MEE-GRID-"):
            continue
        region = row["region"].removeprefix("CN").removeprefix("-").removeprefix("grid-")
        kind = PROVINCES.get(region) or REGIONS.get(region) or CALIBRES.get(row["parameter"])
        level = "province" if region in PROVINCES else "regional" if region in REGIONS else "national"
        if level == parameter:
            key = (kind, int(row["methodology_code"][-4:]) + 2)
            wanted[key], known[key] = row["value"], row["confidence"]
    assert values(tables[name]) == wanted
    assert confidences(tables[name]) == known


def test_every_province_has_every_year(tables):
    assert set(values(tables["grid_cn"])) == {(code, year) for code in PROVINCES.values() for year in NOTICES}


def test_every_region_has_every_year_but_the_southwest_its_last(tables):
    wanted = {(kind, year) for kind in REGIONS.values() for year in NOTICES}
    assert set(values(tables["grid_cn_regions"])) == wanted - {("southwest", 2025)}
    assert set(values(tables["grid_cn_nation"])) == {(k, year) for k in CALIBRES.values() for year in NOTICES}


@pytest.mark.parametrize("name", ["grid_cn", "grid_cn_regions", "grid_cn_nation"])
def test_accounting_year_data_year_publication_and_notice_stand_apart(tables, name):
    assert tables[name].requires_notice
    for row in tables[name].rows:
        assert (row.data_year, row.published, row.notice_no) == NOTICES[row.key[1]]
        assert row.notice_no in row.source
        assert row.url.startswith("https://www.mee.gov.cn/")


def test_number_13_100_kwh_in_guangdong(tables):
    guangdong = {year: value for (code, year), value in values(tables["grid_cn"]).items() if code == "440000"}
    assert tables["grid_cn"].unit == "kgCO2/kWh"
    shown = {year: 100 * Fraction(value) for year, value in guangdong.items()}
    assert shown == {2023: Fraction("47.15"), 2024: Fraction("44.03"), 2025: Fraction("44.19")}


def test_number_14_gas_and_road_diesel_of_the_second_edition(tables):
    gas, diesel = tables["fuels_cn_v2_gas"], tables["fuels_cn_v2"]
    assert read_unit(gas.unit) == read_unit("kgCO2/(m*m*m)")
    assert read_unit(diesel.unit) == read_unit("tCO2/t")
    assert values(gas) == {("natural_gas",): "2.154"}
    assert values(diesel) == {("road_diesel",): "3.171"}
    # NCV × carbon × oxidised share × 44/12
    burnt = [
        Fraction(ncv) * Fraction(carbon) / 1000 * Fraction("0.99") * 44 / 12
        for ncv, carbon in (("38.931", "15.242055"), ("42.652", "20.480956"))
    ]
    assert [round(each, 6) for each in burnt] == [Fraction("2.154"), Fraction("3.171")]


@with_facts
def test_fuel_parameters_are_those_of_the_facts(tables, facts):
    wanted = {"NCV": {}, "carbon content per energy": {}, "oxidation rate": {}}
    for row in facts:
        if row["methodology_code"] == "CN-24IND":
            wanted[row["parameter"]][FUELS[row["activity"]],] = row["value"]
    gbt = {row["parameter"]: row["value"] for row in facts if row["methodology_code"] == "GB/T 32151.34-2024"}
    other = ("natural_gas_gbt_32151",)
    heat_values = values(tables["fuels_cn_ncv"]) | values(tables["fuels_cn_gas_ncv"])
    carbon, oxidised = values(tables["fuels_cn_carbon"]), values(tables["fuels_cn_oxidation"])
    assert heat_values.pop(other) == gbt["NCV"]
    assert carbon.pop(other) == gbt["carbon content"]
    assert Fraction(oxidised.pop(other)) / 100 == Fraction(gbt["oxidation rate"])
    assert heat_values == wanted["NCV"]
    assert carbon == wanted["carbon content per energy"]
    # That of coal depends on the furnace and has no one value.
    assert oxidised == {key: value for key, value in wanted["oxidation rate"].items() if value.isdigit()}


def test_the_units_of_the_fuel_parameters(tables):
    # as the guidelines write them: GJ/t, GJ/10⁴Nm³, tC/GJ, %
    assert read_unit(tables["fuels_cn_ncv"].unit) == read_unit("1000*MJ/t")
    assert read_unit(tables["fuels_cn_gas_ncv"].unit) == read_unit("1000*MJ/(10000*m*m*m)")
    assert read_unit(tables["fuels_cn_carbon"].unit) == read_unit("t/(1000*MJ)")
    assert read_unit(tables["fuels_cn_oxidation"].unit) == read_unit("g/(100*g)")


def test_combustion_factors_follow_from_their_parameters(tables):
    heat_values = values(tables["fuels_cn_ncv"]) | values(tables["fuels_cn_gas_ncv"])
    carbon, oxidised = values(tables["fuels_cn_carbon"]), values(tables["fuels_cn_oxidation"])
    burnt = values(tables["fuels_cn"]) | values(tables["fuels_cn_gas"])
    assert burnt.keys() == oxidised.keys()
    for key, value in burnt.items():
        exact = Fraction(heat_values[key]) * Fraction(carbon[key]) * Fraction(oxidised[key]) / 100 * 44 / 12
        assert abs(Fraction(value) - exact) <= Fraction(1, 200_000), key
    found = [burnt[(kind,)] for kind in ("petrol", "diesel", "natural_gas_gbt_32151")]
    assert found == ["2.92506", "3.09591", "21.62189"]


@with_facts
def test_vehicle_fuels_and_heat_are_those_of_the_facts(tables, facts):
    by_activity = {(row["methodology_code"], row["activity"]): row["value"] for row in facts}
    assert values(tables["vehicle_fuels_cn"]) == {
        (fuel,): by_activity["EV method (何大海 2023)", fuel] for fuel in ("petrol", "diesel")
    }
    assert values(tables["heat_cn"]) == {
        ("database_v2",): by_activity["NGHGEF-DB-v2", "热力"],
        ("gbt_32150_2025",): by_activity["GB/T 32150-2025", "purchased heat"],
    }


# What the table of the hub calls by longer names; a kind is a material and what is done with it.
WASTE = {
    "magazinesAndThirdClassMail": "magazines",
    "mixedMswMunicipalSolidWaste": "mixed_msw",
    "mixedPaperPrimarilyFromOffices": "mixed_paper_offices",
    "mixedPaperPrimarilyResidential": "mixed_paper_residential",
}
TREATMENTS = {"anaerobicallyDigestedDry": "digested_dry", "anaerobicallyDigestedWet": "digested_wet"}
AVOIDED = {"film": "plastic_film", "mixed plastic": "mixed_plastic", "ferrous metal": "ferrous_metal"}


@with_facts
def test_waste_factors_are_those_of_the_facts(tables, facts):
    hub = {
        (f"{_kind(row['activity'])}_{TREATMENTS.get(row['parameter'], row['parameter'])}",): row["value"]
        for row in facts
        if row["methodology_code"] == "EPA-EF-Hub-Table9"
    }
    assert len(hub) == 175
    assert values(tables["waste_us_epa"]) == hub
    warm = {
        (AVOIDED.get(row["activity"], row["activity"].lower().replace("-", "_")),): row["value"]
        for row in facts
        if row["methodology_code"].startswith("EPA-WARM v16")
    }
    assert values(tables["recycling_us_warm"]) == warm


def _kind(activity):
    return WASTE.get(activity) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", activity).lower()


# material and treatment, amount handed in, its unit, and kg as the fixtures of the source have it
NUMBER_15 = [
    ("aluminum_cans_recycled", 100_000, "g", "6.612"),
    ("hdpe_landfilled", 100_000, "g", "2.204"),
    ("aluminum_ingot_recycled", 10_000, "kg", "440.8"),
    ("glass_recycled", 10_000, "short_ton", "500000"),
]


@pytest.mark.parametrize(("kind", "amount", "unit", "published_kg"), NUMBER_15)
def test_number_15_waste_of_the_united_states(tables, kind, amount, unit, published_kg):
    """The fixtures take a kilogram as 0.001102 short tons; the exact result is 0.03 % above theirs."""
    table = tables["waste_us_epa"]
    short_tons = amount * read_unit(unit).scale / read_unit("short_ton").scale
    theirs = {"g": Fraction("0.001102") / 1000, "kg": Fraction("0.001102"), "short_ton": Fraction(1)}[unit]
    factor = Fraction(values(table)[(kind,)])
    assert factor * amount * theirs * 1000 == Fraction(published_kg)
    exact_kg = factor * read_unit(table.unit).scale * amount * read_unit(unit).scale / 1000
    assert exact_kg == factor * short_tons * 1000
    assert 0 <= exact_kg / Fraction(published_kg) - 1 < Fraction(3, 10_000)


def test_a_short_ton_is_2000_pounds(tables):
    assert read_unit("short_ton").scale == 2000 * Fraction("453.59237")
    per_kg = read_unit("tCO2e/short_ton").scale / read_unit("kgCO2e/kg").scale
    assert round(per_kg, 4) == Fraction("1.1023")


@with_facts
def test_hydrogen_is_that_of_the_facts(tables, facts):
    (row,) = [each for each in facts if each["parameter"] == "EF_H2"]
    assert values(tables["hydrogen_cn"]) == {("hydrogen",): row["value"]}
    assert tables["hydrogen_cn"].url == row["source_url"]


def test_what_the_facts_do_not_grade_is_provisional(tables):
    graded = {"grid_cn", "grid_cn_regions", "grid_cn_nation", "vehicle_fuels_cn", "waste_us_epa"}
    for name, table in tables.items():
        known = set(confidences(table).values())
        assert known <= ({"quoted", "derived"} if name in graded else {"provisional"}), name
