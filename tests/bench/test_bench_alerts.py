"""The evaluation of alerts: seeded, on a past that ends before what is looked at."""

from alerts.plant_load import QUARTERS, load

from accounts.alerts.looking import Kind
from app.bench.faults import BEGIN, FAULTS, evaluate

PLANT = load(11 * 7)


def test_faults_are_found_in_a_plant_that_is_the_same_every_week() -> None:
    results = evaluate(PLANT, 1, 10)
    assert {name: score.share for name, score in results.scores.items() if name != FAULTS[0].name} == {
        fault.name: 1.0 for fault in FAULTS[1:]
    }
    assert results.false_per_month <= 3
    assert evaluate(PLANT, 1, 10) == results


def test_what_comes_later_teaches_nothing() -> None:
    """A week is looked at by what the eight weeks before it taught: three times the load is above all of it."""
    last = len(PLANT) - 7 * QUARTERS
    assert last > BEGIN
    before = evaluate(PLANT[:last], 1, 1).alarms[Kind.DEVIATION]
    raised = PLANT[:last] + [amount * 3 for amount in PLANT[last:]]
    assert evaluate(raised, 1, 1).alarms[Kind.DEVIATION] > before
