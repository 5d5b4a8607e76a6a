"""What holds for every shipped pack, whatever its values."""

import datetime as dt
import re

import pytest

from methodologies import load_catalogue

NOW = dt.date(2026, 1, 15)
FAMILIES = """
    trip.walk trip.bike trip.shared_bike trip.e_bike trip.bus trip.metro trip.rail trip.ferry trip.carpool
    trip.electric_car trip.hydrogen_car trip.no_driving
    charging.ev
    recycling.clothes recycling.phone recycling.appliance recycling.cans recycling.paper recycling.plastic
    recycling.glass recycling.kitchen_waste
    payment.e_bill payment.e_statement payment.e_card payment.e_ticket payment.e_invoice payment.online_service
    green.no_cutlery green.own_bag green.own_cup green.clean_plate green.second_hand
    energy.electricity energy.gas energy.water energy.demand_response energy.rooftop_solar energy.heat_pump
    energy.efficient_ac
    meeting.low_carbon
"""


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue(demonstration=True)


def test_every_scene_family_is_known(catalogue):
    assert set(FAMILIES.split()) <= set(catalogue.scenes())


def test_every_scene_has_a_rule_or_a_placeholder(catalogue):
    served = {each.scene for each in (*catalogue.methodologies, *catalogue.placeholders)}
    assert served == set(catalogue.scenes())


def test_a_placeholder_says_where_to_look_and_never_counts(catalogue):
    identities = {(each.region, each.code) for each in catalogue.placeholders}
    assert len(identities) == len(catalogue.placeholders)
    codes = {(each.region, each.code) for each in catalogue.methodologies}
    assert not identities & codes
    for each in catalogue.placeholders:
        assert each.consult
        assert each.missing.zh
        assert each.missing.en
        chosen = catalogue.select(each.region, each.scene, NOW)
        assert chosen is None or chosen.code != each.code


@pytest.mark.parametrize(
    ("region", "scene"),
    [("310000", "trip.ferry"), ("420100", "energy.demand_response"), ("440000", "energy.rooftop_solar")],
)
def test_a_scene_of_which_only_a_placeholder_is_known_is_not_credited(catalogue, region, scene):
    assert any((each.region, each.scene) == (region, scene) for each in catalogue.placeholders)
    assert catalogue.select(region, scene, NOW) is None


def test_what_is_graded_c_or_not_at_all_is_provisional(catalogue):
    for each in catalogue.methodologies:
        if each.text.document.grade not in ("A", "B") and not each.demonstration_only:
            assert each.provisional, each


def test_every_quoted_value_has_an_address(catalogue):
    for each in catalogue.methodologies:
        if each.demonstration_only:
            continue
        for parameter in each.text.parameters:
            assert re.match(r"https?://", parameter.url or ""), (each, parameter.name)


def test_a_cap_that_no_source_states_says_so(catalogue):
    for each in catalogue.methodologies:
        for cap in each.caps:
            assert ("非来源所载" in cap.source) == (cap.basis == "programme"), (each, cap.id)


def test_launch_rules_corporate_rules_and_points_are_never_issuable(catalogue):
    for each in catalogue.methodologies:
        assert not each.issuable
        if each.points_only:
            assert each.text.formula == "0"


def test_a_car_is_driven_once_at_a_time(catalogue):
    for each in catalogue.methodologies:
        if each.scene == "trip.electric_car":
            assert ("asset", "asset_id", "act", True) in {
                (claim.rule, claim.of, claim.period, claim.required) for claim in each.claims
            }


def test_steps_of_a_day_count_once(catalogue):
    for each in catalogue.methodologies:
        if each.scene == "trip.steps":
            assert [(c.rule, c.of, c.period, c.required) for c in each.claims] == [
                ("steps", "person", "day", True)
            ]


def test_the_saved_electricity_of_the_demonstration_reads_the_shared_grid_table(catalogue):
    rule = catalogue.select("440300", "energy.electricity", dt.date(2023, 6, 1))
    assert rule.demonstration_only
    found = {
        year: rule.quantify({"energy_wh": 100_000, "province": 440000, "year": year})
        for year in (2023, 2024, 2025)
    }
    assert found == {2023: 47_150_000, 2024: 44_030_000, 2025: 44_190_000}
    assert {row.notice_no for row in rule.text.tables[0].rows} == {
        "公告2024年第12号",
        "公告2024年第33号",
        "公告2025年第47号",
    }
    assert load_catalogue().select("440300", "energy.electricity", dt.date(2023, 6, 1)) is None
