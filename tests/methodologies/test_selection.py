"""Which methodology counts: the city, its province, the nation where adopted, on that day."""

import datetime as dt
import subprocess
import sys

import pytest

from methodologies import PackError, load_catalogue, rebuild

NOW = dt.date(2026, 1, 15)


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue(demonstration=True)


@pytest.mark.parametrize(
    ("region", "scene", "found"),
    [
        ("440300", "trip.metro", "440300"),
        ("440305", "trip.metro", "440300"),  # a district
        ("310115", "trip.metro", "310000"),  # a district of a municipality
        ("440300", "charging.ev", "440000"),  # the province
        ("440300", "trip.shared_bike", "100000"),  # adopted
        ("440305", "trip.shared_bike", "100000"),  # adopted by the district's city
        ("420100", "trip.shared_bike", "420100"),  # the city's own comes first
        ("110000", "trip.e_bike", None),  # not adopted
        ("440000", "trip.shared_bike", None),  # adopted by the city, not by the province
        ("440100", "trip.metro", None),  # a neighbour
        ("100000", "payment.e_bill", "100000"),
        ("100100", "payment.e_bill", None),
        ("999999", "trip.metro", None),
        ("", "trip.metro", None),
        ("440300", "no.such", None),
    ],
)
def test_select(catalogue, region, scene, found):
    for _ in range(2):  # the second time from the cache
        chosen = catalogue.select(region, scene, NOW)
        assert (chosen.region if chosen else None) == found


def test_before_its_first_day_nothing_counts(catalogue):
    assert catalogue.select("440300", "trip.metro", dt.date(2021, 11, 30)) is None
    assert catalogue.select("440300", "trip.metro", dt.date(2021, 12, 1)) is not None


def test_the_switch_of_a_standard_is_a_matter_of_the_day(catalogue):
    old = catalogue.select("110000", "trip.metro", dt.date(2024, 9, 30))
    new = catalogue.select("110000", "trip.metro", dt.date(2024, 10, 1))
    assert (old.version, new.version) == ("2020", "2024")
    assert old.in_force == (dt.date(2020, 9, 8), dt.date(2024, 9, 30))
    assert new.in_force.last_day is None


def test_demonstration_rules_are_left_out_by_default():
    assert load_catalogue().select("440300", "charging.ev", NOW) is None


def test_trips_of_every_mode_share_the_rule_body(catalogue):
    for each in catalogue.methodologies:
        body = [claim for claim in each.claims if claim.rule == "body"]
        assert bool(body) == catalogue.scenes()[each.scene].movement
        assert all((claim.of, claim.period) == ("person", "act") for claim in body)


def test_scenes_and_regions_are_named_in_both_languages(catalogue):
    assert catalogue.scenes()["trip.metro"].title.zh == "轨道交通出行"
    assert not catalogue.scenes()["payment.e_bill"].movement
    assert catalogue.regions()["440300"].en == "Shenzhen"
    assert {each.scene for each in catalogue.methodologies} <= set(catalogue.scenes())


def test_every_methodology_is_rebuilt_from_its_content(catalogue):
    for each in catalogue.methodologies:
        again = rebuild(each.content)
        assert (again.content, again.content_hash) == (each.content, each.content_hash)
        assert again.source == each.source
        assert catalogue.by_hash(again.content_hash) is each
        for example in each.text.examples:
            assert again.quantify(example.inputs) == each.quantify(example.inputs)


def test_hashes_tell_versions_and_regions_apart(catalogue):
    assert len({each.content_hash for each in catalogue.methodologies}) == len(catalogue.methodologies)


def test_content_with_another_value_has_another_hash(catalogue):
    rule = catalogue.select("440300", "trip.metro", NOW)
    assert rebuild(rule.content.replace('"46.7"', '"46.70"')).content_hash != rule.content_hash


@pytest.mark.parametrize(
    "change", [('"version"', '"surprise"'), ("{", " {"), ("* r", "** r"), ("/pkm", "/kg")]
)
def test_content_that_is_not_what_was_stored_is_refused(catalogue, change):
    content = catalogue.select("440300", "trip.metro", NOW).content.replace(*change)
    with pytest.raises(PackError) as refused:
        rebuild(content)
    assert refused.value.path == "content"


def test_pint_is_not_imported_until_a_pack_loads():
    code = "import sys, methodologies; print('pint' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_explanation_names_everything(catalogue):
    rule = catalogue.select("110000", "trip.metro", dt.date(2024, 9, 30))
    told = rule.explain({"distance_m": 1_000, "duration_s": 600})
    assert told.formula == "distance_m × (car_emission − metro_emission) ÷ daily_distance"
    assert told.formula_with_numbers == "1000 m × (5.98 kgCO2 − 1.35 kgCO2) ÷ 22 km"
    assert [(each.name, each.value, each.unit) for each in told.inputs] == [
        ("distance_m", "1000", "m"),
        ("duration_s", "600", "s"),
    ]
    assert [(each.name, each.value, each.unit, each.confidence) for each in told.parameters] == [
        ("car_emission", "5.98", "kgCO2", "quoted"),
        ("metro_emission", "1.35", "kgCO2", "quoted"),
        ("daily_distance", "22", "km", "quoted"),
    ]
    assert all("新京报" in each.source and each.url for each in told.parameters)
    assert [(each.numeric, each.value, each.unit) for each in told.steps] == [
        ("5.98 kgCO2 − 1.35 kgCO2", "4630", "gCO2e"),
        ("1000 m × (4630 gCO2e)", "4630000", "gCO2e*m"),
        ("(4630000 gCO2e*m) ÷ 22 km", "2315/11", "gCO2e"),
    ]
    assert (told.exact_g, told.exact_mg) == ("2315/11", "2315000/11")
    assert told.rounding == "floor"
    assert told.rounding_text.zh
    assert told.co2e_mg == 210_454 == rule.quantify({"distance_m": 1_000})
    assert (told.content_hash, told.version, told.issuable) == (rule.content_hash, "2020", False)


def test_every_explanation_agrees_with_its_number(catalogue):
    for each in catalogue.methodologies:
        for example in each.text.examples:
            assert each.explain(example.inputs).co2e_mg == each.quantify(example.inputs)
