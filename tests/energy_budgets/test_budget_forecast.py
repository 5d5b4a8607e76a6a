"""The forecast of what a year or a month will use: measured on a real plant, and what it must never do."""

import csv
import datetime
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from accounts.energy_budgets.forecast import MIN_WEEKS, WEEK, forecast

FIRST = datetime.date(2018, 1, 1)
LAST = datetime.date(2018, 7, 1)
"""The last day of the file that is whole."""


def plant_days(data: Path) -> list[int]:
    """Wh a day of the plant; its 00:00 reading has the date of the day that it closes."""
    sums: dict[datetime.date, Decimal] = defaultdict(Decimal)
    with (data / "energy" / "steel_plant_2018_h1.csv").open(encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            day = datetime.datetime.strptime(row["date"][:10], "%d/%m/%Y").date()  # noqa: DTZ007 - a date alone
            sums[day] += Decimal(row["Usage_kWh"]) * 1000
    return [int(sums[FIRST + datetime.timedelta(place)]) for place in range((LAST - FIRST).days + 1)]


def test_nine_in_ten_later_sums_of_the_real_plant_lie_within_the_interval(data: Path) -> None:
    """Each week from the eighth on: fit on what was before, compare with what came; see docs/emissions.md."""
    days = plant_days(data)
    for ahead, most_off in ((14, 15), (28, 12), (None, 18)):
        within, off, tried = 0, 0, 0
        for now in range(MIN_WEEKS * WEEK, len(days) - WEEK, WEEK):
            left = len(days) - now if ahead is None else ahead
            if now + left > len(days):
                continue
            found = forecast(days[:now], left)
            assert found is not None
            came = sum(days[now : now + left])
            tried += 1
            within += found.lower <= came <= found.upper
            off += abs(found.expected - came) * 100 // came
        assert within * 10 >= tried * 9
        assert off <= most_off * tried


@given(st.lists(st.integers(0, 10**9), min_size=56, max_size=120), st.integers(0, 400))
def test_the_expected_lies_within_its_interval_and_nothing_is_negative(past: list[int], days: int) -> None:
    found = forecast(past, days)
    assert found is not None
    assert 0 <= found.lower <= found.expected <= found.upper


@given(st.lists(st.integers(0, 10**9), min_size=7, max_size=7), st.integers(1, 300))
def test_who_uses_the_same_every_week_is_forecast_exactly(week: list[int], days: int) -> None:
    found = forecast(week * 12, days)
    assert found is not None
    assert found.expected == found.lower == found.upper == sum(week[day % 7] for day in range(days))


def test_one_wild_day_and_unknown_days_change_little() -> None:
    week = [100, 110, 120, 110, 100, 20, 20]
    wild: list[int | None] = [*week] * 12
    wild[-3] = 100_000
    found = forecast(wild, 70)
    assert found is not None
    assert found.expected == sum(week) * 10
    wild[-10] = None
    again = forecast(wild, 70)
    assert again is not None
    assert again.expected == found.expected


def test_a_short_or_hardly_known_past_says_nothing() -> None:
    assert forecast([1] * (MIN_WEEKS * WEEK - 1), 10) is None
    assert forecast([*[None] * 20, *[1] * 36], 10) is None
