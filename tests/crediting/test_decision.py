"""Properties of the pure decision of a batch."""

import datetime
import itertools
from collections import Counter
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from app.crediting.decision import Candidate, State, decide
from app.crediting.rules import CapRule
from points.programmes import load_programmes

PROGRAMME = load_programmes().of("440300", datetime.date(2026, 11, 16))
DAY = datetime.date(2026, 11, 16)
HOLDERS = [UUID(int=n) for n in (1, 2)]
TOKENS = [UUID(int=n) for n in range(10, 14)]
COUNTED = CapRule("acts", "day", counted=True, limit=3)
WEIGHED = CapRule("grams", "day", counted=False, limit=1_000)
BEFORE = UUID(int=99)

items = st.fixed_dictionaries(
    {
        "holder": st.sampled_from(HOLDERS),
        "full_mg": st.integers(0, 600),
        "collected": st.booleans(),
        "refusal": st.sampled_from([None, None, None, "in_future"]),
        "whole": st.lists(st.sampled_from(TOKENS), max_size=2, unique=True),
        "interval": st.none() | st.tuples(st.sampled_from(TOKENS), st.integers(0, 40), st.integers(1, 15)),
        "caps": st.lists(st.sampled_from([COUNTED, WEIGHED]), max_size=2, unique=True),
    }
)
starts = st.fixed_dictionaries(
    {
        "whole": st.sets(st.sampled_from(TOKENS), max_size=1),
        "interval": st.none() | st.tuples(st.sampled_from(TOKENS), st.integers(0, 40), st.integers(1, 15)),
        "used": st.integers(0, 3),
        "grams": st.integers(0, 1_000),
    }
)


def candidates_of(batch: list[dict[str, Any]]) -> list[Candidate]:
    made = []
    for number, item in enumerate(batch):
        prepared = SimpleNamespace(
            refusal=item["refusal"],
            full_mg=item["full_mg"],
            quantified_mg=item["full_mg"],
            programme=PROGRAMME,
            rule=SimpleNamespace(collected=item["collected"]),
            scene="trip.metro",
            evidence="platform",
            inputs={"distance_m": 1},
        )
        candidate = Candidate(prepared, (item["holder"], b"k"), UUID(int=1000 + number))  # type: ignore[arg-type]
        if item["refusal"] is None:
            candidate.whole = [("order", token) for token in item["whole"]]
            if item["interval"]:
                token, start, length = item["interval"]
                candidate.intervals = [("body", token, DAY, start, start + length)]
            candidate.caps = [(cap, (item["holder"], cap.key, DAY)) for cap in item["caps"]]
        made.append(candidate)
    return made


def state_of(start: dict[str, Any]) -> State:
    state = State(whole=dict.fromkeys(start["whole"], BEFORE))
    if start["interval"]:
        token, begin, length = start["interval"]
        state.intervals[token] = [(begin, begin + length, BEFORE)]
    for holder in HOLDERS:
        state.caps[holder, COUNTED.key, DAY] = start["used"]
        state.caps[holder, WEIGHED.key, DAY] = start["grams"]
    return state


def told(candidates: list[Candidate]) -> list[tuple[Any, ...]]:
    return [(c.outcome, c.reason, c.winner_id, c.co2e_mg, c.points) for c in candidates]


@given(st.lists(items, max_size=12), starts)
def test_a_batch_is_decided_as_its_items_one_by_one(
    batch: list[dict[str, Any]], start: dict[str, Any]
) -> None:
    together, one_by_one = candidates_of(batch), candidates_of(batch)
    whole, single = state_of(start), state_of(start)
    decide(together, whole)
    for candidate in one_by_one:
        decide([candidate], single)
    assert told(together) == told(one_by_one)
    assert whole == single


@given(st.lists(items, max_size=12), starts)
def test_claims_never_meet_and_caps_are_never_exceeded(
    batch: list[dict[str, Any]], start: dict[str, Any]
) -> None:
    candidates, state = candidates_of(batch), state_of(start)
    decide(candidates, state)
    credited = {c.activity_id: c for c in candidates if c.earns}
    assert max(Counter(t for c in credited.values() for _, t in c.whole).values(), default=1) == 1
    for token, periods in state.intervals.items():
        ordered = sorted(periods)
        assert all(left[1] <= right[0] for left, right in itertools.pairwise(ordered)), token
    for holder in HOLDERS:
        own = [c for c in credited.values() if c.holder_id == holder]
        counted = sum(cap is COUNTED for c in own for cap, _ in c.caps)
        weighed = sum(c.co2e_mg for c in own for cap, _ in c.caps if cap is WEIGHED)
        assert state.caps[holder, COUNTED.key, DAY] == start["used"] + counted <= COUNTED.limit
        assert state.caps[holder, WEIGHED.key, DAY] == start["grams"] + weighed <= WEIGHED.limit
    for c in candidates:
        assert c.earns or (c.co2e_mg, c.points) == (0, 0)
        assert 0 <= c.co2e_mg <= c.prepared.full_mg
        assert c.earns or c.reason
        if c.outcome == "credited":
            assert c.co2e_mg == c.prepared.full_mg
        if c.outcome == "capped":
            assert 0 < c.co2e_mg < c.prepared.full_mg
        if c.outcome == "duplicate":
            assert c.winner_id == BEFORE or c.winner_id in credited
            assert c.winner_id != c.activity_id


@given(st.lists(items, max_size=8), st.randoms(use_true_random=False))
def test_items_that_have_nothing_in_common_may_come_in_any_order(
    batch: list[dict[str, Any]], chance: Any
) -> None:
    """Each item gets a holder and tokens of its own, so that only the order is left to matter."""
    for number, item in enumerate(batch):
        item["holder"] = UUID(int=5_000 + number)
        item["whole"] = [UUID(int=token.int * 1_000 + number) for token in item["whole"]]
        if item["interval"]:
            token, begin, length = item["interval"]
            item["interval"] = (UUID(int=token.int * 1_000 + number), begin, length)
    forward, shuffled = candidates_of(batch), candidates_of(batch)
    order = list(range(len(batch)))
    chance.shuffle(order)
    first, second = State(), State()
    decide(forward, first)
    decide([shuffled[index] for index in order], second)
    assert told(forward) == told(shuffled)
    assert first == second


@given(st.integers(1, 15), st.integers(1, 15), st.booleans())
def test_periods_that_touch_are_two_acts(first: int, second: int, swapped: bool) -> None:
    item = {
        "holder": HOLDERS[0],
        "full_mg": 5,
        "collected": False,
        "refusal": None,
        "whole": [],
        "caps": [],
    }
    both = [item | {"interval": (TOKENS[0], 10, first)}, item | {"interval": (TOKENS[0], 10 + first, second)}]
    candidates = candidates_of(both[::-1] if swapped else both)
    decide(candidates, State())
    assert [c.outcome for c in candidates] == ["credited", "credited"]


@given(st.lists(items, min_size=1, max_size=10))
def test_what_loses_claims_nothing(batch: list[dict[str, Any]]) -> None:
    """The losers may be left out: nothing changes for the rest."""
    candidates, state = candidates_of(batch), State()
    decide(candidates, state)
    kept = [index for index, c in enumerate(candidates) if c.earns]
    again, left = candidates_of(batch), State()
    decide([again[index] for index in kept], left)
    assert told([again[index] for index in kept]) == told([candidates[index] for index in kept])
    assert left == state


settings.register_profile("decision", max_examples=100, derandomize=True, deadline=None)
settings.load_profile("decision")
