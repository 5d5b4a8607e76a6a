"""Whether the latest quarter-hours of a meter are as its past lets one expect. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from accounts.alerts import steps
from accounts.alerts.expectation import MILLION, QUARTERS, WINDOW, Amounts, Profile

LEAST_RUN: Final = 6
LEAST_GAP: Final = 4
LONGEST_RUN: Final = 3 * QUARTERS
LONGEST_GAP: Final = QUARTERS
"""However long it was silent before, a day without a reading is told."""
SPARE_RUN: Final = 2
"""More than ever before."""


class Kind(StrEnum):
    """What is wrong."""

    DEVIATION = "deviation"
    STUCK = "stuck"
    GAP = "gap"


@dataclass(frozen=True)
class Finding:
    """Something wrong that lasted `quarters` until `after` quarter-hours before the end of what was looked at.

    `amount` is what was used meanwhile, `expected` what the past lets one expect, in base units.
    """

    kind: Kind
    quarters: int
    after: int = 0
    amount: int | None = None
    expected: int | None = None


def look(recent: Amounts, weekday: int, slot: int, profile: Profile, run: int) -> list[Finding]:
    """Look at quarter-hours of which the last is number `slot` (0 to 95) of a day of that weekday (0 is Monday).

    The last `run` quarter-hours read the same, or nothing; there may be more of them than are given.
    """
    if recent[-1] is None:
        limit = min(max(LEAST_GAP, profile.gap_run + SPARE_RUN), LONGEST_GAP)
        return [Finding(Kind.GAP, run)] if run >= limit else []
    found = []
    longest = profile.zero_run if recent[-1] == 0 else profile.same_run
    if run >= min(max(LEAST_RUN, longest + SPARE_RUN), LONGEST_RUN):
        expected = expected_use(profile, weekday, slot, run)
        found.append(Finding(Kind.STUCK, run, 0, recent[-1] * run, expected))
    if above := _above(recent, weekday, slot, profile):
        found.append(above)
    return found


def _above(recent: Amounts, weekday: int, slot: int, profile: Profile) -> Finding | None:
    window = [amount for amount in recent[-WINDOW:] if amount is not None]
    kind = profile.working[weekday]
    high = profile.high[kind][slot]
    if len(window) == WINDOW and sum(window) * MILLION > high * profile.range_ppm[kind] and high:
        expected = expected_use(profile, weekday, slot, WINDOW)
        return Finding(Kind.DEVIATION, WINDOW, 0, sum(window), expected)
    for width, limit in zip(steps.WIDTHS, profile.step_milli, strict=True):
        if steps.score(recent, len(recent), width) <= limit:
            continue
        down = len(recent) - steps.AFTER
        within = [amount or 0 for amount in recent[down - width : down]]
        before = sorted(amount or 0 for amount in recent[down - width - steps.BEFORE : down - width])
        level = before[(len(before) - 1) // 2]
        return Finding(Kind.DEVIATION, width, steps.AFTER, sum(within), level * width)
    return None


def expected_use(profile: Profile, weekday: int, slot: int, quarters: int = 1) -> int:
    """What comparable days used in the quarter-hours that end with this one."""
    total = 0
    for back in range(quarters):
        days, place = divmod(slot - back, QUARTERS)
        total += profile.expected[profile.working[(weekday + days) % len(profile.working)]][place]
    return total
