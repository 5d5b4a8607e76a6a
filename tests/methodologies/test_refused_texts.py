"""What an author gets wrong most often, and where the refusal says that it is: units, sign, place, example."""

import copy
import json
from typing import Any

import pytest

from methodologies import PackError, load_catalogue
from methodologies.checking import build, check
from methodologies.engine import Methodology
from methodologies.errors import FormulaError
from methodologies.units import read_unit

Text = dict[str, Any]


def parameter(name: str, value: str, unit: str) -> Text:
    return {"name": name, "value": value, "unit": unit, "source": "来源", "confidence": "quoted"}


def text(inputs: Text, parameters: list[Text], formula: str, given: dict[str, Any], co2e_g: str) -> Text:
    return {
        "region": "440300",
        "scene": "trip.metro",
        "code": "TEST.slips",
        "version": "1",
        "title": {"zh": "测试", "en": "Test"},
        "authority": None,
        "document": {"title": "测试文本"},
        "filing_no": None,
        "in_force": {"from": "2024-01-01", "to": None},
        "status": "unverified",
        "confidence": "quoted",
        "inputs": [inputs],
        "parameters": parameters,
        "formula": formula,
        "claims": [{"rule": "body", "of": "person", "period": "act", "required": True}],
        "examples": [{"inputs": given, "co2e_g": co2e_g, "basis": "来源"}],
    }


METRO = text(
    {"name": "distance_m", "unit": "m", "min": 0, "max": 100_000},
    [parameter("baseline", "0.104", "kgCO2/pkm"), parameter("project", "0.032", "kgCO2/pkm")],
    "distance_m * (baseline - project)",
    {"distance_m": 10_000},
    "720",
)
CLOTHES = text(
    {"name": "mass_g", "unit": "g", "min": 0, "max": 100_000},
    [parameter("factor", "1280", "gCO2e/kg")],
    "mass_g * factor",
    {"mass_g": 2_500},
    "3200",
)
CHARGE = text(
    {"name": "energy_wh", "unit": "Wh", "min": 0, "max": 100_000},
    [
        parameter("use", "15", "kWh/(100 km)"),
        parameter("car", "0.25", "kgCO2/km"),
        parameter("grid", "0.4419", "kgCO2/kWh"),
    ],
    "energy_wh / use * (car - use * grid)",
    {"energy_wh": 15_000},
    "18371.5",
)


@pytest.mark.parametrize("given", [METRO, CLOTHES, CHARGE])
def test_as_they_should_be_they_hold(given: Text) -> None:
    assert check(given) == []


# name → text, what is put where, the place of the refusal, places that the sentence names, what it says
SLIPS: dict[str, tuple[Text, dict[str, Any], str, tuple[str, ...], str, str]] = {
    "kg for g in the input": (
        CLOTHES,
        {"/inputs/0/unit": "kg"},
        "/inputs/0/unit",
        (),
        "应为 g|单位是 g",
        "is g",
    ),
    "kg for g in the factor": (
        CLOTHES,
        {"/parameters/0/unit": "gCO2e/g"},
        "/examples/0/co2e_g",
        ("/parameters/0/unit",),
        "1000 倍",
        "kg for g",
    ),
    "kg of CO2e for g": (
        CLOTHES,
        {"/parameters/0/unit": "kgCO2e/kg"},
        "/examples/0/co2e_g",
        ("/parameters/0/unit",),
        "1000 倍",
        "1000 times off",
    ),
    "kg for g in the example": (
        CLOTHES,
        {"/examples/0/inputs/mass_g": 25, "/examples/0/co2e_g": "32000"},
        "/examples/0/co2e_g",
        ("/examples/0/inputs/mass_g",),
        "1000 倍",
        "1000 times off",
    ),
    "km for m in the input": (METRO, {"/inputs/0/unit": "km"}, "/inputs/0/unit", (), "单位是 m", "is m"),
    "km for m in the example": (
        METRO,
        {"/examples/0/inputs/distance_m": 10},
        "/examples/0/co2e_g",
        ("/examples/0/inputs/distance_m",),
        "1000 倍",
        "km for m",
    ),
    "per m for per km in one of two": (
        METRO,
        {"/parameters/0/unit": "kgCO2/m"},
        "/examples/0/co2e_g",
        ("/parameters/0/unit",),
        "1000 倍",
        "km for m",
    ),
    "per km for per 100 km": (
        CHARGE,
        {"/parameters/0/unit": "kWh/km"},
        "/formula",
        ("/parameters/0/unit",),
        "每 100 km",
        "per 100 km",
    ),
    "per 100 km for per km": (
        CHARGE,
        {"/parameters/1/unit": "kgCO2/(100 km)"},
        "/formula",
        ("/parameters/1/unit",),
        "每 100 km",
        "per 100 km",
    ),
    "per 100 km without brackets": (
        CHARGE,
        {"/parameters/0/unit": "kWh/100 km"},
        "/parameters/0/unit",
        (),
        "请写作 kWh/(100 km)",
        "write kWh/(100 km)",
    ),
    "kWh for Wh in the factor": (
        CHARGE,
        {"/parameters/2/unit": "kgCO2/Wh"},
        "/formula",
        ("/parameters/2/unit",),
        "kWh 与 Wh",
        "kWh for Wh",
    ),
    "a factor by mass on a distance": (
        METRO,
        {"/parameters/0/unit": "kgCO2/kg"},
        "/formula",
        (),
        "应为 gCO2e/g",
        "wanted gCO2e/g",
    ),
    "baseline and project swapped in the formula": (
        METRO,
        {"/formula": "distance_m * (project - baseline)"},
        "/formula",
        ("/parameters/0/value", "/parameters/1/value"),
        "写反",
        "swapped",
    ),
    "baseline and project swapped in the values": (
        METRO,
        {"/parameters/0/value": "0.032", "/parameters/1/value": "0.104"},
        "/formula",
        ("/parameters/0/value", "/parameters/1/value"),
        "写反",
        "swapped",
    ),
    "an example that no longer holds": (
        METRO,
        {"/parameters/1/value": "0.033"},
        "/examples/0/co2e_g",
        (),
        "得 710 g，应为 720 g",
        "found 710 g, wanted 720 g",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_refused_at_its_place_in_both_languages(slip: str) -> None:
    given, put, pointer, named, zh, en = SLIPS[slip]
    wrong = copy.deepcopy(given)
    for place, value in put.items():
        *keys, last = place.strip("/").split("/")
        at: Any = wrong
        for key in keys:
            at = at[int(key)] if isinstance(at, list) else at[key]
        at[last] = value
    first = check(wrong)[0]
    assert first.pointer == pointer
    assert en in first.message_en
    assert any(each in first.message_zh for each in zh.split("|"))
    for place in named:
        assert place in first.message_en
        assert place in first.message_zh
    with pytest.raises(PackError) as refused:
        build(wrong)
    assert (refused.value.pointer, refused.value.message_en) == (first.pointer, first.message_en)


def test_an_example_off_by_nothing_known_is_told_without_a_guess() -> None:
    wrong = copy.deepcopy(METRO)
    wrong["examples"][0]["co2e_g"] = "721"
    (found,) = check(wrong)
    assert found.message_en == "the example does not hold: found 720 g, wanted 721 g"


@pytest.mark.parametrize("unit", ["kWh/100 km", "kWh/100km", "kWh / 100 km", "kgCO2e/1000m"])
def test_a_count_below_a_stroke_takes_brackets(unit: str) -> None:
    with pytest.raises(FormulaError, match=r"write \w+/\(\d+ k?m\)"):
        read_unit(unit)


def by_kind(name: str, **values: str) -> Text:
    rows = [{"key": [kind], "value": value} for kind, value in values.items()]
    whole = {"name": name, "unit": "gCO2/pkm", "keys": ["kind"], "source": "来源", "confidence": "quoted"}
    return whole | {"rows": rows}


def test_one_row_with_its_values_swapped_is_told() -> None:
    """What is true of a whole formula has to be true of each kind, or one kind never earns anything."""
    wrong = copy.deepcopy(METRO) | {"parameters": [], "formula": "distance_m * (was[kind] - is_now[kind])"}
    wrong["examples"][0] |= {"inputs": {"distance_m": 10_000, "kind": "rail"}, "co2e_g": "720"}
    wrong["tables"] = [by_kind("was", rail="104", bus="52"), by_kind("is_now", rail="32", bus="104")]
    (found,) = check(wrong)
    assert found.pointer == "/tables/0/rows/1"
    assert "for bus the reduction is never above zero" in found.message_en
    assert "/tables/1/rows/1" in found.message_en
    assert "取 bus 时" in found.message_zh
    wrong["tables"][1]["rows"][1]["value"] = "51"
    assert check(wrong) == []
    # What is cut off at zero on purpose is no mistake.
    wrong["tables"][1]["rows"][1]["value"] = "104"
    wrong["formula"] = "distance_m * max(was[kind] - is_now[kind], 0)"
    assert check(wrong) == []


def by_province(*provinces: str) -> Text:
    wrong = copy.deepcopy(CHARGE) | {"formula": "energy_wh * grid[province, year]", "parameters": []}
    wrong["tables"] = [{"name": "grid", "shared": "grid_cn", "provinces": [*provinces], "years": [2025]}]
    wrong["examples"] = [
        {
            "inputs": {"energy_wh": 100_000, "province": int(provinces[0]), "year": 2025},
            "co2e_g": "44190" if provinces[0] == "440000" else "57370",
            "basis": "100 kWh",
        }
    ]
    return wrong


def test_a_table_without_the_own_province_is_refused() -> None:
    assert check(by_province("440000")) == []
    (found,) = check(by_province("310000"))
    assert found.pointer == "/tables/0/rows"
    assert "no value for 440000, the region's own province" in found.message_en
    assert "缺少本地区所在省 440000" in found.message_zh
    # Of a national rule other provinces read their own rows.
    national = by_province("310000") | {"region": "100000"}
    (found,) = check(national)
    assert (found.pointer, "says in covers" in found.message_en) == ("/tables/0/covers", True)
    national["tables"][0]["covers"] = {"province": ["310000"]}
    assert check(national) == []
    national["tables"][0]["covers"]["province"].append("540000")  # Tibet is not in the notices
    (found,) = check(national)
    assert found.pointer == "/tables/0/covers/province/1"
    assert "no value for 540000" in found.message_en
    assert "缺少 540000" in found.message_zh


def test_a_default_serves_the_own_province_too() -> None:
    given = by_province("310000")
    given["tables"][0]["default"] = "0.5306"
    assert check(given) == []


def test_a_trip_claims_the_body_or_it_would_count_in_two_modes() -> None:
    wrong = copy.deepcopy(METRO)
    wrong["claims"] = [{"rule": "order", "of": "order_no", "period": "forever", "required": True}]
    (found,) = check(wrong)
    assert found.pointer == "/claims"
    assert "counts in two modes" in found.message_en
    assert "按两种方式入账" in found.message_zh
    assert check(wrong | {"scene": "charging.ev"}) == []
    # Where a report may come without a period, the body is claimed of those that have one.
    wrong["claims"].append({"rule": "body", "of": "person", "period": "act", "required": False})
    assert check(wrong) == []


@pytest.mark.parametrize("rule", load_catalogue(demonstration=True).methodologies, ids=repr)
def test_a_draft_from_any_shipped_text_begins_without_a_problem(rule: Methodology) -> None:
    assert check(json.loads(rule.content)) == []


def test_what_is_always_zero_is_points_only() -> None:
    nothing = copy.deepcopy(METRO) | {"formula": "0", "parameters": []}
    nothing["examples"][0]["co2e_g"] = "0"
    assert [each.pointer for each in check(nothing)] == ["/formula", "/examples"]
    assert check(nothing | {"points_only": True}) == []


def test_examples_of_nothing_prove_nothing() -> None:
    """With 0 m every unit fits."""
    wrong = copy.deepcopy(METRO)
    wrong["parameters"][0]["unit"] = "kgCO2/m"
    wrong["examples"] = [{"inputs": {"distance_m": 0}, "co2e_g": "0", "basis": "无"}]
    (found,) = check(wrong)
    assert found.pointer == "/examples"
    assert "one example at least must be above 0 g" in found.message_en
    assert "至少一个算例须大于 0 g" in found.message_zh


@pytest.mark.parametrize(
    ("place", "value", "zh", "en"),
    [
        (("parameters", 0, "value"), "0,104", "非负十进制数", "must be a decimal number"),
        (("parameters", 0, "value"), "-0.104", "非负十进制数", "without sign, comma or exponent"),
        (("parameters", 0, "name"), "Baseline", "小写字母开头", "a name of lower-case letters"),
        (("region",), "4403", "六位行政区划代码", "six digits"),
        (("scene",), "metro", "场景名", "such as trip.metro"),
        (("code",), "深圳", "字母、数字", "must be a code of letters"),
        (("version",), "v 1", "版本号", "must be a version of letters"),
        (("inputs", 0, "name"), "distance_km", "已知的输入名", "a known input, such as distance_m"),
        (("claims", 0, "of"), "phone", "用 + 相连", "must join person"),
        (("rule",), "refill", "module:function", "module:function"),
        (("status",), "active", " 或 'demonstration'", " or 'demonstration'"),
        (("examples", 0, "inputs"), {"distance_m": 200_000}, "distance_m 不是整数或超出", "from min to max"),
        (("examples", 0, "inputs"), {}, "缺少 distance_m", "distance_m is missing"),
    ],
)
def test_the_sentences_are_for_people(place: tuple[str | int, ...], value: object, zh: str, en: str) -> None:
    wrong: Any = copy.deepcopy(METRO)
    at = wrong
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    first = check(wrong)[0]
    assert first.pointer == "".join(f"/{part}" for part in place)[: len(first.pointer)]
    assert zh in first.message_zh
    assert en in first.message_en
    assert "^" not in first.message_en + first.message_zh
