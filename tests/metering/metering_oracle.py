"""What readings come to, told in the plainest way: sort what counts, look at each pair of neighbours."""

import itertools
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accounts.metering.days import State
from accounts.metering.registers import Exchange

METER = uuid.UUID(int=7)


@dataclass(frozen=True)
class Sent:
    """A reading as it is sent."""

    quarter: int
    value: int
    revision: int = 1
    estimated: bool = False


def counting(sent: Iterable[Sent]) -> dict[int, Sent]:
    """Of each quarter-hour the reading that counts: measured before estimated, then the highest revision."""
    best: dict[int, Sent] = {}
    for each in sent:
        now = best.get(each.quarter)
        if now is None or (not each.estimated, each.revision) > (not now.estimated, now.revision):
            best[each.quarter] = each
    return best


def of_intervals(sent: Iterable[Sent]) -> dict[int, tuple[int, int]]:
    """Quarter-hour to amount and state."""
    return {
        quarter: (each.value, State.ESTIMATED if each.estimated else State.MEASURED)
        for quarter, each in counting(sent).items()
    }


def of_registers(
    sent: Iterable[Sent], wraps_at: int | None = None, exchanges: Sequence[Exchange] = ()
) -> dict[int, tuple[int, int]]:
    """The same for a cumulative meter whose register never fell but at its end."""
    known = sorted(counting(sent).values(), key=lambda each: each.quarter)
    found: dict[int, tuple[int, int]] = {}
    for before, after in itertools.pairwise(known):
        between = [each for each in exchanges if before.quarter <= each.quarter < after.quarter]
        if between:
            total = 0
            register = before.value
            for each in between:
                assert each.last is not None
                total += (each.last - register) % (wraps_at or 10**18)
                register = each.first
            amount = total + after.value - register
        else:
            amount = (after.value - before.value) % (wraps_at or 10**18)
        if after.quarter - before.quarter > 1:
            state = State.CLOSES_GAP
        else:
            state = State.ESTIMATED if before.estimated or after.estimated else State.MEASURED
        found[after.quarter] = (amount, state)
    return found
