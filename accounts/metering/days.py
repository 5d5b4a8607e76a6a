"""One meter's day: what was received for its 96 quarter-hours, what follows from it, and its totals. Pure."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from accounts.metering.marks import NOTHING, PLAIN, Outcome, decide, is_measured
from accounts.metering.quarters import QUARTERS_A_DAY
from accounts.metering.registers import Exchange, Point, used


class State(enum.IntEnum):
    """How the use of a quarter-hour is known.

    `CLOSES_GAP` holds what a register counted over several quarter-hours, of which none is known by itself.
    """

    MISSING = 0
    MEASURED = 1
    ESTIMATED = 2
    CLOSES_GAP = 3


def _empty() -> list[int | None]:
    return [None] * QUARTERS_A_DAY


@dataclass(slots=True)
class Day:
    """A row of `meter_days`. `received` are amounts or, of a cumulative meter, registers, which `marks` rank."""

    meter_id: UUID
    number: int
    """Of the day, from 1970-01-01."""
    cumulative: bool
    amounts: list[int | None] = field(default_factory=_empty)
    states: bytearray = field(default_factory=lambda: bytearray(QUARTERS_A_DAY))
    registers: list[int | None] = field(default_factory=_empty)
    marks: bytearray = field(default_factory=lambda: bytearray(QUARTERS_A_DAY))
    changed: bool = False

    @property
    def received(self) -> list[int | None]:
        """What readings said."""
        return self.registers if self.cumulative else self.amounts

    @property
    def totals(self) -> tuple[int, int, int]:
        """Amount, and how many quarter-hours are measured and estimated."""
        return (
            sum(amount for amount in self.amounts if amount is not None),
            self.states.count(State.MEASURED),
            self.states.count(State.ESTIMATED),
        )

    def receive(self, place: int, value: int, mark: int) -> Outcome:
        """Take a reading in; registers are followed by `settle`."""
        outcome = decide(self.marks[place], self.received[place], mark, value)
        counts = outcome in {Outcome.STORED, Outcome.CORRECTED}
        if counts or (outcome is Outcome.KNOWN and mark > self.marks[place]):
            self.marks[place] = mark
            self.changed = True
        if counts:
            self.received[place] = value
            if not self.cumulative:
                self.states[place] = State.MEASURED if is_measured(mark) else State.ESTIMATED
        return outcome

    def point(self, place: int) -> Point | None:
        """The register that was read at the end of a quarter-hour."""
        register = self.registers[place]
        if register is None:
            return None
        return Point(self.number * QUARTERS_A_DAY + place, register, is_measured(self.marks[place]))


def settle(
    days: Sequence[Day], changed: Iterable[int], exchanges: Sequence[Exchange], wraps_at: int | None
) -> None:
    """Find anew what a cumulative meter used up to each changed reading, and up to the next one after it.

    `days` are in order. Among them are the last day before and the first day after the changes on which anything was
    read, where there are such days.
    """
    numbers = {day.number: index for index, day in enumerate(days)}
    affected: set[Point] = set()
    for quarter in changed:
        number, place = divmod(quarter, QUARTERS_A_DAY)
        index = numbers[number]
        point, following = days[index].point(place), _following(days, index, place)
        affected.update(each for each in (point, following) if each is not None)
    for point in affected:
        number, place = divmod(point.quarter, QUARTERS_A_DAY)
        index = numbers[number]
        before = _before(days, index, place)
        amount, whole = used(before, point, exchanges, wraps_at)
        state = _state(before, point, amount, whole=whole)
        day = days[index]
        if (day.amounts[place], day.states[place]) != (amount, state):
            day.amounts[place] = amount
            day.states[place] = state
            day.changed = True


def _before(days: Sequence[Day], index: int, place: int) -> Point | None:
    while index >= 0:
        day = days[index]
        for earlier in range(place - 1, -1, -1):
            if day.registers[earlier] is not None:
                return day.point(earlier)
        index, place = index - 1, QUARTERS_A_DAY
    return None


def _following(days: Sequence[Day], index: int, place: int) -> Point | None:
    while index < len(days):
        day = days[index]
        for later in range(place + 1, QUARTERS_A_DAY):
            if day.registers[later] is not None:
                return day.point(later)
        index, place = index + 1, -1
    return None


def _state(before: Point | None, point: Point, amount: int | None, *, whole: bool) -> State:
    if amount is None:
        return State.MISSING
    if not whole or before is None or point.quarter - before.quarter > 1:
        return State.CLOSES_GAP
    return State.MEASURED if before.measured and point.measured else State.ESTIMATED


def plain_marks(values: Sequence[int | None]) -> bytearray:
    """The marks of a day on which nothing was estimated or corrected: they are not stored."""
    return bytearray(NOTHING if value is None else PLAIN for value in values)


def plain_states(amounts: Sequence[int | None]) -> bytearray:
    """The states of a day on which all that is known was measured: they are not stored."""
    return bytearray(State.MISSING if amount is None else State.MEASURED for amount in amounts)
