"""What shipped rules give and refuse; the worked examples of the facts are in test_shipped_section7.py."""

import datetime as dt

import pytest

from methodologies import Catalogue, Refused, load_catalogue

NOW = dt.date(2026, 1, 15)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(demonstration=True)


def test_a_points_only_rule_is_worth_nothing_and_never_issued(catalogue):
    rule = catalogue.select("410100", "trip.bus", NOW)
    assert rule.points_only
    assert not rule.issuable
    assert rule.quantify({"count": 1}) == 0


def test_none_of_the_packs_claims_to_be_issuable(catalogue):
    assert not [each for each in catalogue.methodologies if each.issuable]


def test_a_charge_is_credited_at_the_baseline_less_its_grid_emission(catalogue):
    # 30 kWh at 15 kWh/100 km are 200 km: 200 × 0.250 kg of petrol car less 30 × 0.4419 kg of grid.
    rule = catalogue.select("440305", "charging.ev", NOW)
    assert rule.quantify({"energy_wh": 30_000}) == 50_000_000 - 13_257_000
    assert rule.demonstration_only


def test_a_charge_follows_the_grid_factor_of_its_day(catalogue):
    days = (dt.date(2024, 12, 25), dt.date(2024, 12, 26), dt.date(2025, 12, 31))
    found = [catalogue.select("440300", "charging.ev", day).quantify({"energy_wh": 15_000}) for day in days]
    assert found == [17_927_500, 18_395_500, 18_371_500]


@pytest.mark.parametrize("region", ["440300", "310000", "420100"])
def test_each_demonstration_city_has_seven_scenes_without_example_values(region):
    usable = load_catalogue()
    assert len([scene for scene in usable.scenes() if usable.select(region, scene, NOW)]) >= 7


@pytest.mark.parametrize(
    ("act", "code", "field"),
    [
        ({}, "missing_input", "distance_m"),
        ({"distance_m": None}, "missing_input", "distance_m"),
        ({"distance_m": 0}, "input_out_of_range", "distance_m"),
        ({"distance_m": 10**9}, "input_out_of_range", "distance_m"),
        ({"distance_m": 1000.0}, "input_out_of_range", "distance_m"),
        ({"distance_m": True}, "input_out_of_range", "distance_m"),
        ({"distance_m": 1000, "duration_s": -1}, "input_out_of_range", "duration_s"),
        ({"distance_m": 1000, "duration_s": 21_601}, "implausible_duration", "duration_s"),
        ({"distance_m": 10_001, "duration_s": 1_200}, "implausible_speed", "duration_s"),
        ({"distance_m": 1, "duration_s": 0}, "implausible_speed", "duration_s"),
    ],
)
def test_refusals_name_code_and_field(catalogue, act, code, field):
    with pytest.raises(Refused) as refused:
        catalogue.select("420100", "trip.shared_bike", NOW).quantify(act)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert str(refused.value) == f"{code}: {field}"


def test_the_bounds_of_plausibility_are_themselves_plausible(catalogue):
    ride = catalogue.select("420100", "trip.shared_bike", NOW)
    assert ride.quantify({"distance_m": 10_000, "duration_s": 1_200}) == 400_000  # exactly 30 km/h
    assert ride.quantify({"distance_m": 10_000, "duration_s": 21_600}) == 400_000
