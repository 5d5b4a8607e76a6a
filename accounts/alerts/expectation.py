"""What a meter is expected to use, from its own past. Pure, in integers: amounts are in the carrier's base unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Final

from accounts.alerts import steps

QUARTERS: Final = 96
"""Of a day; Asia/Shanghai has no summer time."""
WINDOW: Final = 8
"""Quarter-hours whose sum is compared with comparable days."""
NEAR: Final = 4
"""Quarter-hours that a day may be early or late by."""
LEAST_DAYS: Final = 14
WEEK: Final = 7
MILLION: Final = 1_000_000
MILLI: Final = 1000
SPARE_MILLI: Final = 50
"""Two hours count as more than ever only where they are that by more: noise alone sets records."""

Amounts = Sequence[int | None]
"""Quarter-hours in order, the first one beginning at midnight; None where nothing was measured."""


@dataclass(frozen=True)
class Profile:
    """What the past days of a meter show. `expected` and `high` are of rest days and of working days, 96 each.

    `high` is the most that eight quarter-hours in a row, the last of them near this one, used on a comparable day.
    `working` tells of each weekday, Monday first. Limits are what the past itself never passed, so that a meter that is
    as it was is called at most once in as long a time again.
    """

    working: tuple[bool, ...]
    expected: tuple[tuple[int, ...], tuple[int, ...]]
    high: tuple[tuple[int, ...], tuple[int, ...]]
    range_ppm: tuple[int, int]
    step_milli: tuple[int, ...]
    same_run: int
    zero_run: int
    gap_run: int


def learn(seen: Amounts, first_weekday: int, faulty: frozenset[int] = frozenset()) -> Profile | None:
    """Learn from whole days, the first of them of that weekday (0 is Monday); None from too few of them.

    From quarter-hours that were `faulty`, by their places, nothing is learnt. A day on which less was used than a
    quarter of what its weekday uses is a day of rest, a holiday among them.
    """
    past = [None if place in faulty else amount for place, amount in enumerate(seen)]
    days = [past[start : start + QUARTERS] for start in range(0, len(past) - QUARTERS + 1, QUARTERS)]
    totals = [_total(day) for day in days]
    if sum(total is not None for total in totals) < LEAST_DAYS:
        return None
    working = _working(totals, first_weekday)
    kinds = [_kind(totals, working, number, first_weekday) for number in range(len(days))]
    sums = window_sums(past)
    high: list[tuple[int, ...]] = []
    expected: list[tuple[int, ...]] = []
    limits: list[int] = []
    for kind in (False, True):
        chosen = [number for number, is_kind in enumerate(kinds) if is_kind is kind]
        chosen = chosen or [number for number, is_kind in enumerate(kinds) if is_kind is not None]
        expected.append(tuple(_median([days[number][slot] for number in chosen]) for slot in range(QUARTERS)))
        near = [_near(sums, number) for number in chosen]
        high.append(tuple(max(each[slot] for each in near) for slot in range(QUARTERS)))
        beyond = (_beyond_others(sums, near, chosen, place) for place in range(len(chosen)))
        limits.append(max(MILLION, *beyond) * (MILLI + SPARE_MILLI) // MILLI)
    return Profile(
        working,
        (expected[0], expected[1]),
        (high[0], high[1]),
        (limits[0], limits[1]),
        tuple(
            max(steps.score(past, end, width) for end in range(steps.LONGEST, len(past) + 1))
            for width in steps.WIDTHS
        ),
        longest_run(past, zero=False),
        longest_run(past, zero=True),
        longest_gap([0 if place in faulty else amount for place, amount in enumerate(seen)]),
    )


def window_sums(past: Amounts) -> list[int | None]:
    """Of each quarter-hour, the sum of the eight that end with it; None where one of them is missing."""
    sums: list[int | None] = []
    total = missing = 0
    for place, amount in enumerate(past):
        total += amount or 0
        missing += amount is None
        if place >= WINDOW:
            total -= past[place - WINDOW] or 0
            missing -= past[place - WINDOW] is None
        sums.append(total if missing == 0 and place >= WINDOW - 1 else None)
    return sums


def longest_run(past: Amounts, *, zero: bool) -> int:
    """The most quarter-hours in a row that read the same: nothing, or something."""
    best = run = 0
    before: int | None = None
    for amount in past:
        run = run + 1 if amount is not None and amount == before else 1
        before = amount
        if amount is not None and (amount == 0) is zero:
            best = max(best, run)
    return best


def longest_gap(past: Amounts) -> int:
    """The most quarter-hours in a row without a reading."""
    best = run = 0
    for amount in past:
        run = run + 1 if amount is None else 0
        best = max(best, run)
    return best


def _total(day: Amounts) -> int | None:
    found = [amount for amount in day if amount is not None]
    return sum(found) * QUARTERS // len(found) if len(found) * 2 >= QUARTERS else None


def _median(amounts: Amounts) -> int:
    found = [amount for amount in amounts if amount is not None]
    return median_low(found) if found else 0


def _working(totals: Amounts, first_weekday: int) -> tuple[bool, ...]:
    """A weekday that uses at least half of what the busiest one does is a working day."""
    usual = [_median(totals[(weekday - first_weekday) % WEEK :: WEEK]) for weekday in range(WEEK)]
    return tuple(amount * 2 >= max(usual) for amount in usual)


def _kind(totals: Amounts, working: tuple[bool, ...], number: int, first_weekday: int) -> bool | None:
    total = totals[number]
    if total is None:
        return None
    weekday = (first_weekday + number) % WEEK
    usual = _median(totals[number % WEEK :: WEEK])
    return working[weekday] and total * 4 >= usual


def _near(sums: Sequence[int | None], number: int) -> list[int]:
    """Of each quarter-hour of a day, the highest sum that ends near it, on that day or by midnight."""
    start = number * QUARTERS
    return [
        max((each for each in sums[max(0, start + slot - NEAR) : start + slot + NEAR + 1] if each), default=0)
        for slot in range(QUARTERS)
    ]


def _beyond_others(sums: Sequence[int | None], near: list[list[int]], chosen: list[int], place: int) -> int:
    """How far the sums of a day pass what the other days of its kind reached, in millionths."""
    start = chosen[place] * QUARTERS
    most = 0
    for slot in range(QUARTERS):
        found = sums[start + slot]
        others = max((each[slot] for number, each in enumerate(near) if number != place), default=0)
        if found and others:
            most = max(most, found * MILLION // others)
    return most
