"""The parameters as data: what ships holds, and what cannot be meant is refused."""

import copy
import datetime as dt

import pytest
import yaml
from pydantic import ValidationError

from dedup.same_act_rules import BUILT_IN, Bands, load_rules, read_rules, rules_on


@pytest.fixture
def document():
    return yaml.safe_load(BUILT_IN.read_text(encoding="utf-8"))[-1]


def test_what_ships_is_read():
    latest = load_rules()[-1]
    assert set(latest.groups) == {"trip", "charging"}
    assert latest.reach_s == 600


def test_a_set_counts_from_its_day(document):
    later = copy.deepcopy(document) | {"version": "later", "from": dt.date(2027, 1, 1)}
    sets = read_rules([document, later])
    versions = [rules_on(sets, dt.date(*day)).version for day in ((2020, 1, 1), (2026, 12, 31), (2027, 1, 1))]
    assert versions == [document["version"], document["version"], "later"]


def test_sets_out_of_order_are_refused(document):
    with pytest.raises(ValueError, match="order of their first days"):
        read_rules([document, document])


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("groups", "trip", "same_from"), 1.5),
        (("groups", "trip", "amount_percent", "points"), [1, 2]),
        (("groups", "trip", "amount_percent", "up_to"), [8, 4, 15, 25, 50]),
        (("groups", "trip", "period", "aligned"), [1]),
        (("groups", "trip", "unheard_of"), 1),
        (("clock", "least_values"), 0),
    ],
)
def test_what_cannot_be_meant_is_refused(document, place, value):
    *path, last = place
    inner = document
    for step in path:
        inner = inner[step]
    inner[last] = value
    with pytest.raises(ValidationError):
        read_rules([document])


def test_a_band_ends_with_its_bound():
    bands = Bands(up_to=(10, 20), points=(3, 2, 1))
    assert [bands.points[bands.band(value)] for value in (0, 10, 11, 20, 21)] == [3, 3, 2, 2, 1]
    assert [bands.level(place) for place in range(3)] == ["<=10", "<=20", ">20"]
