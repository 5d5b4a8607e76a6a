"""Plans equal the exhaustive optimum, obey what lines cannot do, and say what they cost."""

from itertools import product
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.load_shedding.plan import Action, Asked, Line, Plan, Step, best, choices, plans

HOUR = 60


def _id(number: int) -> UUID:
    return UUID(int=number)


@st.composite
def _lines(draw: st.DrawFn, most: int, *, lowered: bool) -> list[Line]:
    count = draw(st.integers(1, most))
    found = []
    for number in range(count):
        load = draw(st.integers(0, 400_000))
        least = draw(st.none() | st.integers(0, 400_000)) if lowered else None
        found.append(
            Line(
                id=_id(number + 1),
                load_w=load,
                value_fen_per_kwh=draw(st.integers(0, 900)),
                can_stop=draw(st.booleans()),
                least_w=least,
                least_off_minutes=draw(st.sampled_from([0, 30, 240])),
                ramp_w_per_minute=draw(st.none() | st.integers(1_000, 40_000)),
                feeds_line=_id(draw(st.integers(1, number))) if number % 3 and draw(st.booleans()) else None,
            )
        )
    return found


def _holds(lines: list[Line], steps: tuple[Step, ...]) -> bool:
    stopped = {step.line_id for step in steps if step.action is Action.STOP}
    return all(line.feeds_line is None or line.feeds_line in stopped for line in lines if line.id in stopped)


def _exhaustive(lines: list[Line], asked: Asked) -> tuple[int, int]:
    """Cut in kW, as far as asked, and cost of the best of all combinations."""
    found = []
    for taken in product(*([None, *choices(line, asked)] for line in lines)):
        steps = tuple(step for step in taken if step is not None)
        if _holds(lines, steps):
            cut = min(asked.cut_kw, sum(step.cut_kw for step in steps))
            found.append((-cut, sum(step.cost for step in steps)))
    cut, cost = min(found)
    return -cut, cost


def _figures(plan: Plan, asked: Asked) -> tuple[int, int]:
    return min(asked.cut_kw, plan.cut_kw), sum(step.cost for step in plan.steps)


ASKED = st.builds(Asked, st.integers(1, 2_500), st.sampled_from([15, HOUR, 120]), st.integers(0, HOUR))


@given(_lines(7, lowered=True), ASKED)
@settings(max_examples=60, deadline=None)
def test_a_plan_is_the_exhaustive_optimum(lines: list[Line], asked: Asked) -> None:
    """Whatever may be lowered, stopped, or hangs together."""
    plan = best(lines, asked)
    assert _holds(lines, plan.steps)
    assert _figures(plan, asked) == _exhaustive(lines, asked)


@given(_lines(15, lowered=False), ASKED)
@settings(max_examples=4, deadline=None)
def test_fifteen_lines_are_no_other(lines: list[Line], asked: Asked) -> None:
    """Up to 2¹⁵ combinations."""
    assert _figures(best(lines, asked), asked) == _exhaustive(lines, asked)


@given(_lines(8, lowered=True), ASKED)
@settings(max_examples=60, deadline=None)
def test_alternatives_are_other_plans_that_cost_no_less(lines: list[Line], asked: Asked) -> None:
    """Each cuts what is asked as the first does, and spares a line that the first touches."""
    first, *others = plans(lines, asked)
    assert len({plan.steps for plan in others} | {first.steps}) == len(others) + 1
    for other in others:
        assert _holds(lines, other.steps)
        assert other.cut_kw >= min(asked.cut_kw, first.cut_kw)
        assert other.cost_fen >= first.cost_fen
        assert {step.line_id for step in first.steps} - {step.line_id for step in other.steps}


def test_the_cheapest_kwh_goes_first_and_minimums_stay() -> None:
    """A furnace that keeps its least load, a mill that may stop, and one that may not."""
    furnace = Line(_id(1), 800_000, 50, can_stop=False, least_w=300_000)
    mill = Line(_id(2), 500_000, 120, can_stop=True)
    pumps = Line(_id(3), 900_000, 1, can_stop=False)
    plan = best([furnace, mill, pumps], Asked(1_000, HOUR, HOUR))
    assert [(step.line_id, step.action, step.cut_kw) for step in plan.steps] == [
        (_id(1), Action.LOWER, 500),
        (_id(2), Action.STOP, 500),
    ]
    assert plan.cost_fen == 500 * 50 + 500 * 120


def test_who_must_stay_off_longer_costs_more() -> None:
    """Ten minutes' cut of a line that stays off for four hours loses four hours."""
    slow = Line(_id(1), 100_000, 10, can_stop=True, least_off_minutes=240)
    quick = Line(_id(2), 100_000, 100, can_stop=True)
    assert best([slow, quick], Asked(100, 10, 0)).steps[0].line_id == _id(2)
    assert best([slow, quick], Asked(100, 240, 0)).steps[0].line_id == _id(1)


def test_a_line_that_goes_down_slowly_begins_before() -> None:
    """Or is left, where there is not the time for it."""
    line = Line(_id(1), 100_000, 60, can_stop=True, ramp_w_per_minute=10_000)
    (step,) = best([line], Asked(100, HOUR, 10)).steps
    assert step.lead_minutes == 10
    assert Plan((step,)).cost_fen == 100 * 60 + 100 * 60 * 10 // 2 // 60
    assert best([line], Asked(100, HOUR, 9)).steps == ()
