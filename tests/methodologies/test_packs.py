"""Packs of one's own: what loads, and what is refused with its exact place."""

import copy
import datetime as dt
from typing import Any

import pytest
import yaml

from methodologies import PackError, load_catalogue
from methodologies.errors import FormulaError
from methodologies.units import read_unit, spell

BASE: dict[str, Any] = {
    "region": "330100",
    "scene": "recycling.clothes",
    "code": "TEST.clothes",
    "version": "1",
    "title": {"zh": "测试", "en": "Test"},
    "authority": None,
    "document": {"title": "测试文本"},
    "filing_no": None,
    "in_force": {"from": dt.date(2024, 1, 1), "to": None},
    "status": "unverified",
    "confidence": "quoted",
    "inputs": [{"name": "mass_g", "unit": "g", "min": 0, "max": 100_000}],
    "parameters": [
        {"name": "factor", "value": "1280", "unit": "gCO2e/kg", "source": "来源", "confidence": "quoted"}
    ],
    "formula": "mass_g * factor",
    "claims": [{"rule": "order", "of": "order_no", "period": "forever", "required": True}],
    "examples": [{"inputs": {"mass_g": 2_500}, "co2e_g": "3200", "basis": "2.5 kg"}],
}


@pytest.fixture
def base():
    return copy.deepcopy(BASE)


@pytest.fixture
def load(tmp_path):
    def write(*texts, adopts=(), regions=("330100",), demonstration=False):
        folder = tmp_path / "330100_test"
        folder.mkdir(exist_ok=True)
        places = [{"region": code, "name": {"zh": code, "en": code}} for code in regions]
        pack = {"regions": places, "adopts_national": list(adopts)}
        (folder / "pack.yaml").write_text(yaml.safe_dump(pack))
        for number, text in enumerate(texts):
            shown = text if isinstance(text, str) else yaml.safe_dump(text, allow_unicode=True)
            (folder / f"m{number}.yaml").write_text(shown)
        return load_catalogue(tmp_path, demonstration=demonstration)

    return write


def refused(load, *texts, **options):
    with pytest.raises(PackError) as error:
        load(*texts, **options)
    assert error.value.message_zh
    assert error.value.message_en in str(error.value)
    return error.value


def test_the_base_loads_and_counts(load, base):
    rule = load(base).select("330106", "recycling.clothes", dt.date(2024, 5, 1))
    assert rule.quantify({"mass_g": 2_500}) == 3_200_000
    assert rule.caps == ()
    assert rule.claims[0].rule == "order"


@pytest.mark.parametrize(
    ("unit", "found"),
    [
        ("gCO2e/km", "gCO2e*g/m"),  # a distance factor on a mass
        ("g/kg", "g"),  # clothes, not CO2e
        ("gCO2e", "gCO2e*g"),
    ],
)
def test_a_formula_that_is_no_co2e_is_refused_with_both_units(load, base, unit, found):
    base["parameters"][0]["unit"] = unit
    error = refused(load, base)
    assert error.pointer == "/formula"
    assert error.path.name == "m0.yaml"
    assert f"the unit is {found}, wanted gCO2e" in error.message_en
    assert found in error.message_zh


def test_mass_of_clothes_is_not_mass_of_co2e(load, base):
    base |= {"formula": "mass_g", "parameters": []}
    assert "the unit is g, wanted gCO2e" in refused(load, base).message_en


def test_unlike_things_are_not_added(load, base):
    base["formula"] = "mass_g * factor + mass_g"
    error = refused(load, base)
    assert "the unit is g, wanted gCO2e" in error.message_en
    assert "`mass_g`" in error.message_en


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("gCO2e/kg", "1280"),
        ("kgCO2e/kg", "1.28"),
        ("tCO2e/t", "1.28"),
        ("mgCO2e/g", "1280"),
        ("gCO2/g", "1.28"),
    ],
)
def test_units_scale_exactly(load, base, unit, value):
    base["parameters"][0] |= {"unit": unit, "value": value}
    rule = load(base).methodologies[0]
    assert rule.quantify({"mass_g": 1}) == 1_280


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("kgCO2e/kWh", "1 gCO2e/Wh"),
        ("kWh/(100 km)", "1/100 Wh/m"),
        ("gCO2/pkm", "1/1000 gCO2e/m"),
        ("MJ", "2500/9 Wh"),
        ("km/h", "5/18 m/s"),
        ("yuan", "100 fen"),
        ("ml", "1/1000000 m*m*m"),
        ("1", "1 1"),
    ],
)
def test_known_units(text, shown):
    unit = read_unit(text)
    assert f"{unit.scale} {spell(unit.dimension)}" == shown


@pytest.mark.parametrize(
    "text", ["", "foo", "kg**9999", "0.5 km", "1e9 m", "m^99", "__import__", "(" * 39, "m/", "9" * 9]
)
def test_unknown_units(text):
    with pytest.raises(FormulaError):
        read_unit(text)


def put(path, value):
    def change(text):
        *keys, last = path
        for key in keys:
            text = text[key]
        text[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (put(["parameters", 0, "value"], 1280.5), "/parameters/0/value"),  # a YAML float
        (put(["parameters", 0, "value"], 1280), "/parameters/0/value"),
        (put(["parameters", 0, "value"], "1E+3000000"), "/parameters/0/value"),
        (put(["parameters", 0, "unit"], "stone"), "/parameters/0/unit"),
        (put(["inputs", 0, "unit"], "kg"), "/inputs/0/unit"),
        (put(["inputs", 0, "max"], -1), "/inputs/0/max"),
        (put(["inputs", 0, "name"], "heat_j"), "/inputs/0/name"),
        (put(["formula"], "mass_g * factor * other"), "/formula"),
        (put(["formula"], "mass_g * factor ** 2"), "/formula"),
        (put(["formula"], "mass_g * 0"), "/parameters/0"),  # a parameter that does nothing
        (put(["examples", 0, "co2e_g"], "3200.001"), "/examples/0/co2e_g"),
        (put(["examples", 0, "inputs"], {"mass_g": 10**6}), "/examples/0"),
        (put(["examples"], []), "/examples"),
        (put(["region"], "440300"), "/region"),
        (put(["region"], 330100), "/region"),
        (put(["scene"], "no.such_scene"), "/scene"),
        (put(["surprise"], 1), "/surprise"),
        (put(["points_only"], True), "/formula"),
        (put(["issuable"], True), "/authority"),
        (put(["confidence"], "example"), "/demonstration_only"),
        (put(["parameters", 0, "confidence"], "provisional"), "/provisional"),
        (put(["claims", 0, "required"], False), "/claims"),
        (put(["claims", 0, "of"], "phone"), "/claims/0/of"),
        (put(["caps"], [{"id": "a", "per": "day", "basis": "programme", "source": "x"}]), "/caps/0"),
        (put(["plausibility"], {"max_speed_kmh": 30, "source": "x"}), "/plausibility"),
        (put(["in_force", "to"], dt.date(2023, 1, 1)), "/in_force/to"),
    ],
)
def test_a_wrong_key_is_refused_at_its_place(load, base, change, pointer):
    change(base)
    assert refused(load, base).pointer == pointer


@pytest.mark.parametrize(
    "text", ["", "- a", "a: [", "a: 1\na: 2", "1: 2", "a: !!python/object:os.system {}", "\x00"]
)
def test_what_is_no_mapping_is_refused(load, text):
    assert refused(load, text).path.name == "m0.yaml"


def test_issuable_needs_authority_filing_number_and_text(load, base):
    base |= {"issuable": True, "status": "in_force", "authority": "某局", "filing_no": "备〔2024〕1号"}
    assert "issuable needs" in (error := refused(load, base)).message_en
    assert error.pointer == "/document/url"
    base["document"]["url"] = "https://example.org/text"
    assert load(base).methodologies[0].issuable


def test_overlapping_periods_are_refused(load, base):
    other = copy.deepcopy(base) | {"version": "2", "in_force": {"from": dt.date(2025, 1, 1), "to": None}}
    error = refused(load, base, other)
    assert "overlap from 2025-01-01 on" in error.message_en
    assert "自 2025-01-01 起重叠" in error.message_zh
    assert (error.path.name, error.pointer) == ("m1.yaml", "/in_force")
    base["in_force"]["to"] = dt.date(2025, 1, 1)
    assert "overlap" in refused(load, base, other).message_en
    base["in_force"]["to"] = dt.date(2024, 12, 31)
    catalogue = load(base, other)
    days = (dt.date(2023, 12, 31), dt.date(2024, 1, 1), dt.date(2024, 12, 31), dt.date(2025, 1, 1))
    found = [catalogue.select("330100", "recycling.clothes", day) for day in days]
    assert [each and each.version for each in found] == [None, "1", "1", "2"]


def test_the_same_code_and_version_twice_is_refused(load, base):
    other = copy.deepcopy(base) | {"scene": "green.own_bag"}
    assert "stand twice" in refused(load, base, other).message_en


def test_versions_are_laid_over_the_common_keys_and_errors_point_into_them(load, base):
    own: list[dict[str, Any]] = [
        {"version": "1", "in_force": {"from": dt.date(2024, 1, 1), "to": dt.date(2024, 12, 31)}},
        {
            "version": "2",
            "in_force": {"from": dt.date(2025, 1, 1), "to": None},
            "formula": "mass_g * factor / 2",
            "examples": [{"inputs": {"mass_g": 2_500}, "co2e_g": "1600", "basis": "half"}],
        },
    ]
    text = {key: value for key, value in base.items() if key not in {"version", "in_force"}} | {
        "versions": own
    }
    assert len(load(text).methodologies) == 2
    own[1]["in_force"]["from"] = dt.date(2024, 12, 31)
    assert refused(load, text).pointer == "/versions/1/in_force"
    own[1]["in_force"]["from"] = dt.date(2025, 1, 1)
    own[1]["examples"][0]["co2e_g"] = "1601"
    assert refused(load, text).pointer == "/versions/1/examples/0/co2e_g"


def test_one_text_serves_several_regions_with_values_by_region(load, base):
    text = {key: value for key, value in base.items() if key != "region"} | {"regions": ["330100", "330200"]}
    text["parameters"][0]["value"] = {"330100": "1280", "330200": "1000"}
    text["examples"][0]["co2e_g"] = {"330100": "3200", "330200": "2500"}
    first, second = load(text, regions=("330100", "330200")).methodologies
    assert (first.region, second.region) == ("330100", "330200")
    assert (first.quantify({"mass_g": 1}), second.quantify({"mass_g": 1})) == (1_280, 1_000)
    del text["parameters"][0]["value"]["330200"]
    assert refused(load, text, regions=("330100", "330200")).pointer == "/parameters/0/value"


def test_example_values_stay_out_of_the_real_catalogue(load, base):
    base |= {"confidence": "example", "demonstration_only": True}
    assert load(base).methodologies == ()
    assert len(load(base, demonstration=True).methodologies) == 1


def test_a_negative_reduction_is_refused_when_it_occurs(load, base):
    base["parameters"].append(
        {"name": "own", "value": "1", "unit": "kgCO2e", "source": "来源", "confidence": "quoted"}
    )
    base |= {"formula": "mass_g * factor - own"}
    base["examples"][0]["co2e_g"] = "2200"
    rule = load(base).methodologies[0]
    with pytest.raises(Exception, match="negative_reduction"):
        rule.quantify({"mass_g": 781})
    assert rule.quantify({"mass_g": 782}) == 960
