"""Which lines to bring down so that a plant draws so many kW less, at the least cost. Pure and exact, in integers.

Each line is kept as it is, brought down to its least load, or stopped. Cuts count in whole kW, rounded down. All
choices are merged line by line into the cheapest way to each cut; what another way beats in both is dropped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Final
from uuid import UUID

ALTERNATIVES: Final = 3
MAX_TIED: Final = 6
"""Lines that hang together by what feeds what: all their choices are gone through."""
WATT_MINUTES: Final = 60_000
"""Of a kWh."""
KILO: Final = 1000


class Action(StrEnum):
    """What is done with a line."""

    KEEP = "keep"
    LOWER = "lower"
    STOP = "stop"


@dataclass(frozen=True)
class Line:
    """A line that draws `load_w`. It cannot be lowered without a least load, and stops only if it may.

    Who stops `feeds_line` loses what it needs: that line has to stop as well. Once stopped it stays so for
    `least_off_minutes`; it goes down by `ramp_w_per_minute` at most, at once where that is None.
    """

    id: UUID
    load_w: int
    value_fen_per_kwh: int
    can_stop: bool
    least_w: int | None = None
    least_off_minutes: int = 0
    ramp_w_per_minute: int | None = None
    feeds_line: UUID | None = None


@dataclass(frozen=True)
class Asked:
    """To cut so much for so long, in so many minutes from now."""

    cut_kw: int
    minutes: int
    notice_minutes: int


@dataclass(frozen=True)
class Step:
    """What is done with one line, beginning `lead_minutes` before the time. `cost` is in fen × watt-minutes a kWh."""

    line_id: UUID
    action: Action
    cut_w: int
    lead_minutes: int
    cost: int

    @property
    def cut_kw(self) -> int:
        """What counts."""
        return self.cut_w // KILO


@dataclass(frozen=True)
class Plan:
    """What is done with each line that is touched, those first that begin first."""

    steps: tuple[Step, ...]

    @property
    def cut_kw(self) -> int:
        """What is cut for certain."""
        return sum(step.cut_kw for step in self.steps)

    @property
    def cost_fen(self) -> int:
        """Value that is lost, rounded up once."""
        return -(-sum(step.cost for step in self.steps) // WATT_MINUTES)


def choices(line: Line, asked: Asked) -> list[Step]:
    """What can be done with a line in time, leaving it as it is not among it."""
    cuts = []
    if line.least_w is not None and line.least_w < line.load_w:
        cuts.append((Action.LOWER, line.load_w - line.least_w, asked.minutes))
    if line.can_stop and line.load_w > 0:
        cuts.append((Action.STOP, line.load_w, max(asked.minutes, line.least_off_minutes)))
    found = []
    for action, cut_w, minutes in cuts:
        lead = 0 if line.ramp_w_per_minute is None else -(-cut_w // line.ramp_w_per_minute)
        if lead <= asked.notice_minutes:
            # While it goes down, half of it is lost on average; rounded up with the total.
            cost = line.value_fen_per_kwh * (cut_w * minutes + -(-cut_w * lead // 2))
            found.append(Step(line.id, action, cut_w, lead, cost))
    return found


def best(lines: Sequence[Line], asked: Asked, spared: UUID | None = None) -> Plan:
    """The cheapest plan that cuts what is asked, without touching `spared`; where none does, one that cuts the most.

    Of plans that cost the same, it touches fewer lines.
    """
    ways: list[tuple[int, int, tuple[Step, ...]]] = [(0, 0, ())]
    for group in _groups(lines):
        options = list(_together(group, asked, spared))
        merged = [
            (min(asked.cut_kw, cut + more), cost + extra, steps + taken)
            for cut, cost, steps in ways
            for more, extra, taken in options
        ]
        ways = _unbeaten(merged)
    _, _, steps = max(ways, key=lambda way: way[0])
    return Plan(tuple(sorted(steps, key=lambda step: (-step.lead_minutes, step.line_id))))


def plans(lines: Sequence[Line], asked: Asked) -> list[Plan]:
    """The cheapest plan, then alternatives, cheapest first: each the cheapest that spares a line that it touches."""
    first = best(lines, asked)
    others = {
        plan.steps: plan
        for plan in (best(lines, asked, step.line_id) for step in first.steps)
        if plan.cut_kw >= min(asked.cut_kw, first.cut_kw)
    }
    ranked = sorted(others.values(), key=lambda plan: (plan.cost_fen, len(plan.steps)))
    return [first, *ranked[:ALTERNATIVES]]


def _unbeaten(ways: list[tuple[int, int, tuple[Step, ...]]]) -> list[tuple[int, int, tuple[Step, ...]]]:
    """The ways that no other beats or equals in both cut and cost."""
    kept: list[tuple[int, int, tuple[Step, ...]]] = []
    for way in sorted(ways, key=lambda each: (-each[0], each[1], len(each[2]))):
        if not kept or way[1] < kept[-1][1]:
            kept.append(way)
    return kept


def tied_too_many(lines: Sequence[Line]) -> bool:
    """Whether more lines hang together than are gone through."""
    return any(len(group) > MAX_TIED for group in _groups(lines))


def _groups(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines that hang together by what feeds what."""
    group_of = {line.id: [line] for line in lines}
    for line in lines:
        fed = group_of.get(line.feeds_line) if line.feeds_line is not None else None
        own = group_of[line.id]
        if fed is not None and fed is not own:
            own.extend(fed)
            for member in fed:
                group_of[member.id] = own
    return list({id(group): group for group in group_of.values()}.values())


def _together(
    group: Sequence[Line], asked: Asked, spared: UUID | None
) -> Iterable[tuple[int, int, tuple[Step, ...]]]:
    """All that can be done with lines that hang together: cut in kW, cost, steps."""
    each = [[None, *(choices(line, asked) if line.id != spared else ())] for line in group]
    for taken in product(*each):
        steps = tuple(step for step in taken if step is not None)
        stopped = {step.line_id for step in steps if step.action is Action.STOP}
        # What a stopped line feeds has to stop: also where nobody knows whether it can.
        if all(line.feeds_line is None or line.feeds_line in stopped for line in group if line.id in stopped):
            yield sum(step.cut_kw for step in steps), sum(step.cost for step in steps), steps
