"""What an event emits: the published case, dated factors, refusals, and sums that add up."""

import datetime
from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.event_footprints.computing import (
    MG_PER_KG,
    Entered,
    OwnFactor,
    compute,
    price_fen,
    whole_kg,
)
from accounts.event_footprints.errors import NothingEmitted, UnknownFactor
from accounts.event_footprints.items import catalogue, published
from accounts.event_footprints.schemas import EventKind
from methodologies.factor_tables import built_in

JIANGXI = "360100"
DAY = datetime.date(2026, 11, 20)


def total(*entered: Entered, region: str = JIANGXI, day: datetime.date = DAY, abroad: bool = False) -> int:
    return compute(entered, region, day, accept_abroad=abroad).co2e_mg


def refused(*entered: Entered, region: str = JIANGXI, day: datetime.date = DAY) -> dict[str, str]:
    with pytest.raises(UnknownFactor) as error:
        compute(entered, region, day, accept_abroad=False)
    return {fault.pointer: fault.reason for fault in error.value.faults}


def test_the_case_that_the_jiangxi_platform_published() -> None:
    found = compute([Entered("combined.jiangxi_car_and_paper", 1, "set")], JIANGXI, DAY, accept_abroad=False)
    assert found.co2e_mg == 1_990_000
    assert found.kg == 2
    assert price_fen(found.kg, 5_000) == 10
    assert found.lines[0].factor.confidence == "quoted"


def test_its_case_counts_nowhere_else() -> None:
    assert list(refused(Entered("combined.jiangxi_car_and_paper", 1, "set"), region="440300")) == [
        "/lines/0/item"
    ]


def test_what_has_no_factor_is_refused_each_with_its_place() -> None:
    found = refused(
        Entered("meals.meal", 30, "meal"),
        Entered("venue.electricity", 10, "kWh"),
        Entered("transport.train", 500, "km"),
        Entered("transport.rocket", 1, "km"),
        Entered("transport.train", 1, "kWh"),
    )
    assert list(found) == ["/lines/0/item", "/lines/2/item", "/lines/3/item", "/lines/4/unit"]
    assert "0.03546" in found["/lines/2/item"]
    # No grid factor is published for Tibet.
    assert list(refused(Entered("venue.electricity", 1, "kWh"), region="540100")) == ["/lines/0/item"]


def test_a_factor_of_the_organisers_counts_only_where_none_is_published() -> None:
    own = OwnFactor("1.25", "an own study of 2026")
    line = compute([Entered("meals.meal", 30, "meal", 2, own)], JIANGXI, DAY, accept_abroad=False).lines[0]
    assert (line.co2e_mg, line.basis, line.factor.source) == (75 * MG_PER_KG, "organiser", own.source)
    assert list(refused(Entered("transport.car", 10, "km", factor=OwnFactor("0.01", "a wish")))) == [
        "/lines/0/factor"
    ]


def test_another_countrys_factor_counts_only_where_it_is_accepted_and_is_marked() -> None:
    ride = Entered("transport.train", 500, "km", 20)
    assert refused(ride)
    line = compute([ride], JIANGXI, DAY, accept_abroad=True).lines[0]
    assert (line.co2e_mg, line.basis) == (354_600_000, "abroad")
    assert line.country is not None
    # What is published here goes before it: Beijing has a factor of its buses.
    bus = compute([Entered("transport.bus", 10, "km")], "110000", DAY, accept_abroad=True).lines[0]
    assert (bus.basis, bus.factor.value, bus.factor.confidence) == ("published", "0.052", "provisional")


def test_the_factor_of_the_day_counts() -> None:
    flight = Entered("transport.flight", 1000, "km")
    assert total(flight, abroad=True, day=datetime.date(2024, 12, 31)) == 272_570_000
    assert total(flight, abroad=True, day=datetime.date(2025, 1, 1)) == 229_280_000
    power = Entered("venue.electricity", 100, "kWh")
    assert total(power, day=datetime.date(2024, 5, 1)) == 57_520_000
    assert total(power, day=datetime.date(2025, 5, 1)) == 58_360_000
    assert refused(Entered("freight.road", 1, "tkm"), day=datetime.date(2026, 2, 28))
    assert total(Entered("freight.road", 10, "tkm"), day=datetime.date(2026, 3, 1)) == 1_190_000


def test_nothing_and_more_than_everything_are_refused() -> None:
    for value in ("0", "999999"):
        with pytest.raises(NothingEmitted):
            compute(
                [Entered("meals.meal", 10**9, "meal", 10, OwnFactor(value, "a source"))],
                JIANGXI,
                DAY,
                accept_abroad=False,
            )


QUANTITIES = st.integers(1, 10**6)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["transport.car", "transport.metro", "venue.electricity"]),
            QUANTITIES,
            st.integers(1, 1000),
        ),
        min_size=1,
        max_size=10,
    )
)
def test_lines_and_categories_add_up_and_are_rounded_up_once(entered: list[tuple[str, int, int]]) -> None:
    units = {item: list(catalogue().items[item].units)[1] for item, _, _ in entered}
    found = compute(
        [Entered(item, quantity, units[item], times) for item, quantity, times in entered],
        JIANGXI,
        DAY,
        accept_abroad=False,
    )
    assert found.co2e_mg == sum(line.co2e_mg for line in found.lines) == sum(found.by_category().values())
    for line in found.lines:
        exact = Fraction(line.factor.value) * line.quantity * line.times * MG_PER_KG
        assert 0 <= line.co2e_mg - exact < 1
    assert (found.kg - 1) * MG_PER_KG < found.co2e_mg <= found.kg * MG_PER_KG


@given(st.integers(1, 10**15), st.integers(1, 10**6))
def test_kg_and_money_are_rounded_up_once(mg: int, price: int) -> None:
    kg = whole_kg(mg)
    assert 0 <= kg * MG_PER_KG - mg < MG_PER_KG
    assert 0 <= price_fen(kg, price) * 1000 - kg * price < 1000


def test_every_item_has_a_factor_or_says_why_not_and_every_factor_its_day_and_source() -> None:
    known = catalogue()
    assert [kind.id for kind in known.kinds] == list(get_args(EventKind))
    categories = {each.id for each in known.categories}
    for item in known.items.values():
        assert item.category in categories
        assert item.factors or item.missing, item.id
        for source in (*item.factors, *item.abroad):
            if source.table is not None:
                assert source.table in built_in()
            else:
                assert source.value, item.id
                assert source.unit, item.id
                assert source.source, item.id
                assert source.confidence in ("quoted", "derived", "provisional"), item.id
        for source in item.abroad:
            assert source.country is not None, item.id
            found = published(item.abroad, JIANGXI, DAY)
            assert found is not None
