"""Section 7 of the facts' methodologies.md: the worked examples that concern methodologies, as its table has them.

Number 13 to 15 are about emission factors (test_factor_tables.py); bank tiers, market, registry and points stand
where those are.
"""

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal

import pytest

from methodologies import Catalogue, load_catalogue
from methodologies.engine import Methodology
from points.programmes import load_programmes

OLD, NEW = dt.date(2024, 9, 30), dt.date(2024, 10, 1)
STUDY, NOW = dt.date(2015, 6, 1), dt.date(2026, 1, 15)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


# number, input, region, scene, day, act, expected as published, mg
EXAMPLES = [
    (
        1,
        "Beijing 22 km metro vs car",
        "110000",
        "trip.metro",
        OLD,
        {"distance_m": 22_000},
        "4.63 kg",
        4_630_000,
    ),
    (2, "Beijing 2020: walk 1 km", "110000", "trip.walk", OLD, {"distance_m": 1_000}, "0.3 kg", 271_818),
    (
        2,
        "Beijing 2020: ride 1.5 km",
        "110000",
        "trip.shared_bike",
        OLD,
        {"distance_m": 1_500},
        "0.4 kg",
        407_727,
    ),
    (
        2,
        "the same on one's own bicycle",
        "110000",
        "trip.bike",
        OLD,
        {"distance_m": 1_500},
        "0.4 kg",
        407_727,
    ),
    (3, "Beijing: 10 km metro", "110000", "trip.metro", NEW, {"distance_m": 10_000}, "0.72 kg", 720_000),
    (3, "Tianjin: 10 km metro", "120000", "trip.metro", NEW, {"distance_m": 10_000}, "0.72 kg", 720_000),
    (3, "Hebei: 10 km metro", "130100", "trip.metro", NEW, {"distance_m": 10_000}, "0.72 kg", 720_000),
    (4, "1 km walk on 2024-09-30", "110000", "trip.walk", OLD, {"distance_m": 1_000}, "0.272 kg", 271_818),
    (4, "1 km walk on 2024-10-01", "110000", "trip.walk", NEW, {"distance_m": 1_000}, "0.104 kg", 104_000),
    (5, "Shenzhen 10 km e-bus", "440300", "trip.bus", NOW, {"distance_m": 10_000}, "269 g", 269_000),
    (5, "Shenzhen 10 km metro", "440300", "trip.metro", NOW, {"distance_m": 10_000}, "467 g", 467_000),
    (6, "Wuhan NEV 24 km", "420100", "trip.ev_ride", NOW, {"distance_m": 24_000}, "168 g", 168_000),
    (6, "Wuhan bike 3 km", "420100", "trip.shared_bike", NOW, {"distance_m": 3_000}, "120 g", 120_000),
    (6, "Wuhan bus 1", "420100", "trip.bus", NOW, {"count": 1}, "150 g", 150_000),
    (6, "Wuhan bag 1", "420100", "green.own_bag", NOW, {"count": 1}, "5 g", 5_000),
    (7, "碳碳星球 7,250 steps", "420000", "trip.steps", NOW, {"count": 7_250}, "145 g", 145_000),
    (8, "碳碳星球 bus upload", "420000", "trip.bus", NOW, {"count": 1}, "105 g", 105_000),
    (9, "Luzhou clothes 2.5 kg", "510500", "recycling.clothes", NOW, {"mass_g": 2_500}, "3200 g", 3_200_000),
    (10, "CITIC e-card", "440300", "payment.e_card", NOW, {"count": 1}, "89 g", 89_000),
    (10, "CITIC bill", "310000", "payment.e_bill", NOW, {"count": 1}, "89 g", 89_000),
    (10, "CITIC statement", "420100", "payment.e_statement", NOW, {"count": 1}, "24 g", 24_000),
    (17, "Guangzhou metro trip, 均值法", "440100", "trip.metro", STUDY, {"count": 1}, "0.5155 kg", 515_500),
    (
        18,
        "Meituan 2023, 1 km",
        "100000",
        "trip.shared_two_wheeler",
        NOW,
        {"distance_m": 1_000},
        "53.37 g",
        53_371,
    ),
]


@pytest.mark.parametrize(
    ("number", "given", "region", "scene", "day", "act", "expected", "co2e_mg"),
    EXAMPLES,
    ids=[f"{each[0]} {each[1]}" for each in EXAMPLES],
)
def test_worked_example(catalogue, number, given, region, scene, day, act, expected, co2e_mg):
    methodology = catalogue.select(region, scene, day)
    assert methodology is not None
    assert methodology.quantify(act) == co2e_mg
    assert methodology.explain(act).co2e_mg == co2e_mg
    assert shown(co2e_mg, expected) == expected


def shown(co2e_mg: int, like: str) -> str:
    """An amount in the unit and to the decimals of a published one."""
    figure, unit = like.split()
    amount = Decimal(co2e_mg) / {"g": 10**3, "kg": 10**6}[unit]
    return f"{amount.quantize(Decimal(figure), ROUND_HALF_UP)} {unit}"


def test_number_8_a_self_check_in_earns_half_and_excludes_the_upload(catalogue):
    """105 once, or 52 once, never 157. That the second is a duplicate is tested with the claims."""
    for scene, upload, check_in in (("trip.bus", 105, 52), ("trip.metro", 274, 137)):
        rule = catalogue.select("420000", scene, NOW)
        full = rule.quantify({"count": 1})
        assert rule.share(full, "platform") == upload * 1000
        assert rule.share(full, "self_report") // 1000 == check_in
        body = next(claim for claim in rule.claims if claim.rule == "body")
        assert (body.of, body.period, body.required) == ("person", "act", True)


def test_number_9_earns_75_points():
    programme = load_programmes().of("510500", NOW)
    assert programme.points("recycling.clothes", {"mass_g": 2_500}, 3_200_000, 3_200_000) == 75


def test_number_17_by_the_other_method_of_the_study(catalogue):
    """The study's substitution method is the same rule with its other value; the lower one is shipped."""
    mean = catalogue.select("440100", "trip.metro", STUDY)
    value = mean.text.parameters[0].model_copy(update={"value": "0.5419"})
    example = mean.text.examples[0].model_copy(update={"co2e_g": "541.9"})
    other = Methodology(mean.text.model_copy(update={"parameters": (value,), "examples": (example,)}))
    assert other.quantify({"count": 1}) == 541_900 > mean.quantify({"count": 1})


def test_number_19_bus_and_rail_are_collected_from_the_second_day_within_seven(catalogue):
    rail = catalogue.select("110000", "trip.metro", OLD).text.collection
    assert (rail.after_days, rail.within_days) == (2, 7)
    assert catalogue.select("110000", "trip.walk", OLD).text.collection is None
    assert catalogue.select("110000", "trip.shared_bike", OLD).text.collection is None
