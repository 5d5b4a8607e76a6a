"""What meters are expected to use, and what is found in their latest quarter-hours."""

from alerts.plant_load import QUARTERS, load

from accounts.alerts.expectation import Profile, learn
from accounts.alerts.looking import Finding, Kind, expected_use, look

DAYS = 56
PAST = load(DAYS + 1)
MONDAY = DAYS * QUARTERS
"""Where the day after the past begins."""


def learnt(amounts: list[int | None] | None = None, faulty: frozenset[int] = frozenset()) -> Profile:
    profile = learn((amounts or list(PAST))[:MONDAY], 0, faulty)
    assert profile is not None
    return profile


PROFILE = learnt()


def findings(changed: list[int | None], profile: Profile = PROFILE) -> list[Finding]:
    """What is found on the Monday, of which `changed` begins at midnight, each time as it is found first."""
    found: dict[Kind, Finding] = {}
    for slot in range(len(changed)):
        seen: list[int | None] = [*PAST[:MONDAY], *changed[: slot + 1]]
        run = next((n for n, each in enumerate(reversed(seen)) if each != seen[-1]), len(seen))
        for finding in look(seen[-24:], 0, slot, profile, run):
            found.setdefault(finding.kind, finding)
    return list(found.values())


def monday(changes: dict[int, int | None]) -> list[int | None]:
    return [changes.get(slot, PAST[MONDAY + slot]) for slot in range(QUARTERS)]


def test_a_day_as_the_others_were_calls_nobody() -> None:
    assert findings(monday({})) == []


def test_weekdays_are_told_apart_by_what_they_use() -> None:
    assert PROFILE.working == (True,) * 5 + (False,) * 2
    assert abs(expected_use(PROFILE, 0, 40) - 100_000) < 5_000
    assert abs(expected_use(PROFILE, 6, 40) - 5_000) < 100
    # Four quarter-hours that end with Monday's first: one of them is Monday's.
    assert abs(expected_use(PROFILE, 0, 0, 4) - 20_000) < 400


def test_a_holiday_is_no_working_day_to_learn_from() -> None:
    amounts: list[int | None] = list(PAST)
    amounts[14 * QUARTERS : 15 * QUARTERS] = PAST[6 * QUARTERS : 7 * QUARTERS]
    assert (
        learnt(amounts).expected[True]
        == learnt(amounts, frozenset(range(14 * QUARTERS, 15 * QUARTERS))).expected[True]
    )


def test_a_fifth_more_for_two_hours_is_found() -> None:
    changes: dict[int, int | None] = {slot: PAST[MONDAY + slot] * 6 // 5 for slot in range(8, 16)}
    (found,) = findings(monday(changes))
    assert (found.kind, found.quarters) == (Kind.DEVIATION, 8)
    assert found.amount is not None
    assert found.expected is not None
    assert abs(found.expected - 40_000) < 1_000
    assert found.amount > found.expected


def test_a_step_is_found_where_other_nights_use_more() -> None:
    """Half of the nights draw twice as much, so that a fifth more than the least is nothing by itself."""
    amounts: list[int | None] = [amount * (1 + (place // QUARTERS % 2)) for place, amount in enumerate(PAST)]
    changes: dict[int, int | None] = {slot: PAST[MONDAY + slot] * 6 // 5 for slot in range(8, 16)}
    (found,) = findings(monday(changes), learnt(amounts))
    assert (found.kind, found.quarters, found.after) == (Kind.DEVIATION, 8, 2)
    assert found.amount == sum(amount or 0 for amount in changes.values())


def test_a_night_at_full_load_is_found_while_it_lasts() -> None:
    (found,) = findings(monday({slot: 90_000 + slot for slot in range(4, 16)}))
    assert (found.kind, found.after) == (Kind.DEVIATION, 0)
    assert found.amount is not None
    assert found.expected is not None
    assert found.amount > 2 * found.expected


def test_a_meter_that_reads_the_same_again_and_again_is_stuck() -> None:
    (found,) = findings(monday(dict.fromkeys(range(40, 60), PAST[MONDAY + 39])))
    assert (found.kind, found.quarters) == (Kind.STUCK, 6)
    (found,) = findings(monday(dict.fromkeys(range(40, 60), 0)))
    assert (found.kind, found.quarters, found.amount) == (Kind.STUCK, 6, 0)


def test_a_meter_whose_past_stands_still_may_do_so_again() -> None:
    amounts: list[int | None] = list(PAST)
    amounts[200:240] = [4_321] * 40
    assert findings(monday(dict.fromkeys(range(10), 4_321)), learnt(amounts)) == []
    assert findings(monday(dict.fromkeys(range(60), 4_321)), learnt(amounts))[0].quarters == 42


def test_an_hour_without_readings_is_a_gap_unless_that_is_usual() -> None:
    (found,) = findings(monday(dict.fromkeys(range(40, 50))))
    assert (found.kind, found.quarters, found.amount) == (Kind.GAP, 4, None)
    amounts: list[int | None] = list(PAST)
    amounts[200:220] = [None] * 20
    assert findings(monday(dict.fromkeys(range(40, 50))), learnt(amounts)) == []


def test_what_was_a_fault_teaches_nothing() -> None:
    amounts: list[int | None] = list(PAST)
    amounts[200:240] = [4_321] * 40
    assert learnt(amounts, frozenset(range(200, 240))).same_run == PROFILE.same_run


def test_two_weeks_are_the_least_to_learn_from() -> None:
    assert learn(PAST[: 13 * QUARTERS], 0) is None
    assert learn(PAST[: 14 * QUARTERS], 0) is not None
