"""What will be used until a day, from the past of the same enterprise. Pure; whole numbers and exact fractions.

Expected is the mean of the last four like weekdays, for each day that is left. The interval is how far off this very
forecast would have been: it is made again at the end of each past week, for as many weeks ahead as are asked (or as
the past allows), and compared with what came. The 5 % and the 95 % quantile of these ratios bound nine cases in ten,
without any assumption on their distribution. Days that were hardly measured count as their weekday usually does, and
a day far outside its weekday's usual range is taken to the edge of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

WEEK = 7
LEVEL_WEEKS = 4
MIN_WEEKS = 8
FIRST_TEST = 2
LOWER, UPPER = Fraction(5, 100), Fraction(95, 100)
FENCE = 3
MOST_UNKNOWN = Fraction(1, 4)


@dataclass(frozen=True)
class Forecast:
    """What the days ahead will use, in the unit of the past. `tested_days` is how far ahead the past was tried."""

    expected: int
    lower: int
    upper: int
    weeks: int
    tests: int
    tested_days: int


def forecast(past: Sequence[int | None], days: int) -> Forecast | None:
    """Forecast the sum of the next `days` days. `past` is day by day up to the last, None where a day is unknown.

    None where there are fewer than eight weeks, or a quarter of their days is unknown.
    """
    weeks = len(past) // WEEK
    kept = past[len(past) - weeks * WEEK :]
    if weeks < MIN_WEEKS or sum(day is None for day in kept) > MOST_UNKNOWN * len(kept):
        return None
    known = _tame(kept)
    if days <= 0:
        return Forecast(0, 0, 0, weeks, 0, 0)
    level = known[-LEVEL_WEEKS * WEEK :]
    usual = [Fraction(sum(level[place::WEEK]), LEVEL_WEEKS) for place in range(WEEK)]
    expected = sum((usual[ahead % WEEK] for ahead in range(days)), Fraction(0))
    ahead = max(1, min(-(-days // WEEK), weeks // 3))
    ratios = _ratios([sum(known[at : at + WEEK]) for at in range(0, len(known), WEEK)], ahead)
    if not ratios:
        return Forecast(int(expected), int(expected), int(expected), weeks, 0, 0)
    # Few tests say little of the tails, so that the interval is wider by one part in their number.
    wider = 1 + Fraction(1, len(ratios))
    low = 1 + (_quantile(ratios, LOWER) - 1) * wider
    high = 1 + (_quantile(ratios, UPPER) - 1) * wider
    return Forecast(
        int(expected),
        int(max(Fraction(0), min(expected, expected * low))),
        -int(-max(expected, expected * high) // 1),
        weeks,
        len(ratios),
        ahead * WEEK,
    )


def _ratios(weeks: Sequence[int], ahead: int) -> list[Fraction]:
    """What came over what had been forecast, at the end of each past week."""
    found = []
    for now in range(FIRST_TEST, len(weeks) - ahead + 1):
        base = weeks[max(0, now - LEVEL_WEEKS) : now]
        if sum(base):
            found.append(Fraction(sum(weeks[now : now + ahead]) * len(base), ahead * sum(base)))
    return sorted(found)


def _quantile(values: Sequence[Fraction], share: Fraction) -> Fraction:
    """The value of the nearest rank, of sorted values."""
    place = (len(values) - 1) * share
    return values[int(place + Fraction(1, 2))]


def _tame(past: Sequence[int | None]) -> list[int]:
    """The past without unknown days and without wild ones, weekday by weekday."""
    found = [0] * len(past)
    for weekday in range(WEEK):
        mine = sorted(day for day in past[weekday::WEEK] if day is not None)
        if not mine:
            continue
        first, middle, third = (mine[(len(mine) - 1) * part // 4] for part in (1, 2, 3))
        low, high = first - FENCE * (third - first), third + FENCE * (third - first)
        for place in range(weekday, len(past), WEEK):
            day = past[place]
            found[place] = middle if day is None else min(max(day, low), high)
    return found
