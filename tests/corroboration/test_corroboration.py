"""Another platform's report of an act stands behind its credit, and is credited where that is reversed."""

import itertools
import uuid
from typing import Any

import pytest
from corroboration.square import Square, square
from crediting.desk import clothes, metro, moment
from hypothesis import given
from hypothesis import strategies as st

from app.crediting.corroboration import GRADES, PLATFORM, SELF_REPORT, grade
from app.crediting.corroboration_decision import Behind
from app.wiring import Services

TRIP_MG = 467_000
SOURCES = [uuid.UUID(int=number) for number in range(1, 5)]
reports = st.lists(st.tuples(st.sampled_from(SOURCES), st.sampled_from(GRADES[:2])), max_size=6)


@given(st.sampled_from(GRADES[:2]), reports, st.tuples(st.sampled_from(SOURCES), st.sampled_from(GRADES[:2])))
def test_a_grade_never_falls_by_another_report_and_counts_platforms_once(
    reported: str, others: list[tuple[uuid.UUID, str]], one: tuple[uuid.UUID, str]
) -> None:
    before, after = grade(reported, SOURCES[0], others), grade(reported, SOURCES[0], [*others, one])
    assert GRADES.index(reported) <= GRADES.index(before) <= GRADES.index(after)
    assert grade(reported, SOURCES[0], [*others, one, one]) == after
    if one[1] == SELF_REPORT or one in others:
        assert after == before


def test_two_platforms_are_more_than_one() -> None:
    one, other = SOURCES[:2]
    assert grade(PLATFORM, one, []) == "platform"
    assert grade(PLATFORM, one, [(one, PLATFORM)]) == "platform"
    assert grade(PLATFORM, one, [(other, PLATFORM)]) == "corroborated"
    assert grade(SELF_REPORT, one, [(other, PLATFORM)]) == "platform"
    assert grade(SELF_REPORT, one, [(other, SELF_REPORT)]) == "self_report"


async def ride(at: Square, phone: str, order: list[int], *, together: bool = False) -> list[Any]:
    """One trip, reported by these platforms one after the other, each with its own clock."""
    bodies = [(place, metro(phone, 480 + place / 2, 505 + place / 2)) for place in order]
    if together:
        return await at.batch(bodies)
    return [await at.report(place, body) for place, body in bodies]


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in a batch"])
async def test_what_another_platform_reports_is_kept_with_the_credit(
    service: Services, together: bool
) -> None:
    async with square(service) as at:
        phone, holder = await at.person()
        first, repeat, second, third = await ride(at, phone, [0, 0, 1, 2], together=together)
        assert [r.outcome for r in (first, repeat, second, third)] == ["credited", *["duplicate"] * 3]
        assert await at.behind(first.activity_id) == {second.activity_id, third.activity_id}
        told = await at.explained(first.activity_id)
        assert told == {
            "platforms": 2,
            "evidence_reported": "platform",
            "evidence_now": "corroborated",
            "supports": [],
        }
        (supports,) = (await at.explained(second.activity_id))["supports"]
        assert supports["winner_id"] == "act_" + first.activity_id.hex
        assert (supports["rule"], supports["ended"], supports["outranks"]) == ("evidence", None, None)
        assert (await at.explained(repeat.activity_id))["supports"] == []
        assert (await at.activity(first.activity_id))["evidence"] == "platform"
        assert len(await at.standing(holder)) == 1
        assert await at.breaches() == []


async def test_a_platform_lends_its_eyes_to_a_self_report(service: Services) -> None:
    async with square(service) as at:
        phone, _ = await at.person()
        own = await at.report(0, metro(phone, evidence="self_report"))
        await at.report(1, metro(phone, evidence="self_report"))
        assert (await at.explained(own.activity_id))["evidence_now"] == "self_report"
        await at.report(2, metro(phone))
        told = await at.explained(own.activity_id)
        assert (told["platforms"], told["evidence_reported"], told["evidence_now"]) == (
            2,
            "self_report",
            "platform",
        )


async def test_one_order_number_is_kept_where_the_days_agree_and_the_person_is_one(service: Services) -> None:
    async with square(service) as at:
        (phone, holder), (another, _) = await at.person(), await at.person()
        order = uuid.uuid4().hex
        won = await at.report(0, clothes(phone, order))
        same = await at.report(1, clothes(phone, order, occurred_at=moment(665)))
        replayed = await at.report(2, clothes(phone, order, occurred_at="2026-11-12T11:00:00+08:00"))
        others = await at.report(1, clothes(another, order))
        assert [r.reason for r in (same, replayed, others)] == ["claimed_order"] * 3
        assert await at.rows(holder) == [(won.activity_id, same.activity_id, None)]
        assert await at.behind(won.activity_id) == {same.activity_id}


async def test_what_only_excludes_the_credit_does_not_stand_behind_it(service: Services) -> None:
    async with square(service) as at:
        phone, holder = await at.person()
        won = await at.report(0, metro(phone, 480, 520))
        bike = metro(
            phone, 490, 500, scene="trip.shared_bike", region="420100", distance_m=2_000, order_no=phone
        )
        assert (await at.report(1, bike)).outcome == "duplicate"
        assert await at.rows(holder) == []
        await at.reverse(won.activity_id)
        assert await at.standing(holder) == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_reversal_credits_the_next_until_none_is_left(
    service: Services, order: tuple[int, ...]
) -> None:
    """One true act by three platforms has one credit as long as a report of it stands, in every order."""
    async with square(service) as at:
        phone, holder = await at.person()
        results = await ride(at, phone, list(order))
        acts = [result.activity_id for result in results]
        for number, act in enumerate(acts):
            assert await at.standing(holder) == [act]
            assert await at.behind(act) == set(acts[number + 1 :])
            assert (await at.books(holder))[0] == TRIP_MG
            await at.reverse(act)
        assert await at.standing(holder) == []
        assert await at.books(holder) == (0, 0, 0)
        assert await at.breaches() == []


async def test_reversals_and_reports_in_any_order_leave_one_credit(service: Services) -> None:
    """Every way to put three reports of one act and up to two reversals of what stands into a row."""
    async with square(service) as at:
        for steps in sorted(set(itertools.permutations([*"rrr", *"xx"]))):
            phone, holder = await at.person()
            places, reported, gone = iter(range(3)), 0, 0
            for step in steps:
                standing = await at.standing(holder)
                if step == "r":
                    await ride(at, phone, [next(places)])
                    reported += 1
                elif standing:
                    await at.reverse(standing[0])
                    gone += 1
                left = await at.standing(holder)
                assert len(left) == (reported > gone), (steps, step)
                grams, points, owed = await at.books(holder)
                assert (grams, points - owed) == ((TRIP_MG, 467) if left else (0, 0))
        assert await at.breaches() == []


async def test_what_is_credited_after_a_reversal_says_so(service: Services) -> None:
    async with square(service) as at:
        phone, _ = await at.person()
        first, second, third = (r.activity_id for r in await ride(at, phone, [0, 1, 2]))
        await at.reverse(first)
        now = await at.activity(second)
        assert (now["outcome"], now["reason"], now["winner_id"]) == (
            "credited",
            "credited_after_reversal",
            first,
        )
        (kept,) = (await at.explained(second))["supports"]
        assert (kept["ended"], kept["winner_id"]) == ("credited", "act_" + first.hex)
        ended, standing = (await at.explained(third))["supports"]
        assert (ended["ended"], standing["ended"], standing["winner_id"]) == (
            "passed_on",
            None,
            "act_" + second.hex,
        )
        ((action, after),) = await at.trail(first)
        assert action == "activity.reversed"
        assert after["corroborations"] == {"act_" + second.hex: "credited"}
        ((action, after),) = await at.trail(second)
        assert (action, after["outcome"], after["winner"]) == (
            "activity.credited_after_reversal",
            "credited",
            "act_" + first.hex,
        )


@pytest.mark.parametrize("gone", [Behind.REFUTED, Behind.CLAIMED_ELSEWHERE])
async def test_nobody_is_credited_for_an_act_that_is_refuted_or_a_neighbours(
    service: Services, gone: Behind
) -> None:
    async with square(service) as at:
        phone, holder = await at.person()
        first, second, third = (r.activity_id for r in await ride(at, phone, [0, 1, 2]))
        await at.reverse(first, gone)
        assert await at.standing(holder) == []
        assert {row[2] for row in await at.rows(holder)} == {gone.value}
        ((_, after),) = await at.trail(first)
        assert after.get("refuted", False) is (gone is Behind.REFUTED)
        assert after["corroborations"] == {"act_" + each.hex: gone.value for each in (second, third)}
        assert await at.breaches() == []


async def test_the_next_is_tried_where_the_best_cannot_be_credited(service: Services) -> None:
    async with square(service) as at:
        phone, holder = await at.person()
        first, second, third = (r.activity_id for r in await ride(at, phone, [0, 1, 2]))
        await withdraw(at, holder, 1)
        await at.reverse(first)
        assert await at.standing(holder) == [third]
        assert await at.behind(third) == {second}
        await withdraw(at, holder, 2)
        await at.reverse(third)
        assert await at.standing(holder) == []
        assert [row[2] for row in await at.rows(holder)] == ["passed_on", "credited", "no_consent"]
        ((_, _), (_, after)) = await at.trail(third)
        assert after["corroborations"] == {"act_" + second.hex: "no_consent"}
        assert await at.breaches() == []


async def withdraw(at: Square, holder: uuid.UUID, place: int) -> None:
    async with at.service.database.driver_transaction() as driver:
        await driver.execute(
            "UPDATE consents SET withdrawn_at = now() WHERE holder_id = $1 AND source_id = $2",
            holder,
            at.sources[place],
        )


CHAIN = (480, 483, 486)
"""Rides of four minutes on three clocks: A meets B, B meets C, A does not meet C."""


async def chain(at: Square, order: tuple[int, ...]) -> tuple[uuid.UUID, dict[int, Any]]:
    phone, holder = await at.person()
    results = {}
    for place in order:
        start = CHAIN[place]
        results[place] = await at.report(place, metro(phone, start, start + 4, distance_m=2_000))
    return holder, results


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0), (2, 0, 1)])
async def test_in_a_chain_a_report_that_meets_another_credit_stands_behind_that_one(
    service: Services, order: tuple[int, ...]
) -> None:
    """The middle one lost to one end, the other end is credited: with the first end gone it is the other's act."""
    async with square(service) as at:
        holder, results = await chain(at, order)
        acts = {place: result.activity_id for place, result in results.items()}
        assert [results[place].outcome for place in (0, 1, 2)] == ["credited", "duplicate", "credited"]
        first = results[1].winner_id
        other = next(act for act in (acts[0], acts[2]) if act != first)
        assert await at.behind(first) == {acts[1]}
        await at.reverse(first)
        assert (await at.standing(holder), await at.behind(other)) == ([other], {acts[1]})
        ((_, after),) = await at.trail(first)
        assert after["corroborations"] == {"act_" + acts[1].hex: "passed_on"}
        await at.reverse(other)
        assert await at.standing(holder) == [acts[1]]
        assert await at.breaches() == []


@pytest.mark.parametrize("order", [(1, 0, 2), (1, 2, 0)])
async def test_in_a_chain_both_ends_stand_behind_the_middle_and_follow_each_other(
    service: Services, order: tuple[int, ...]
) -> None:
    """Both are the act of the middle one, so that one credit is made of it, though they do not meet each other."""
    async with square(service) as at:
        holder, results = await chain(at, order)
        middle, earlier, later = (results[place].activity_id for place in order)
        assert await at.behind(middle) == {earlier, later}
        await at.reverse(middle)
        assert (await at.standing(holder), await at.behind(earlier)) == ([earlier], {later})
        await at.reverse(earlier)
        assert await at.standing(holder) == [later]
        assert await at.breaches() == []


async def test_a_whole_stands_behind_both_its_pieces_and_is_credited_after_both(service: Services) -> None:
    async with square(service) as at:
        phone, holder = await at.person()
        one, other, whole = [
            await at.report(place, metro(phone, start, end, distance_m=(end - start) * 400))
            for place, start, end in ((0, 480, 510), (0, 510, 540), (1, 480, 540))
        ]
        assert [r.outcome for r in (one, other, whole)] == ["credited", "credited", "duplicate"]
        assert {(w, a) for w, a, _ in await at.rows(holder)} == {
            (one.activity_id, whole.activity_id),
            (other.activity_id, whole.activity_id),
        }
        await at.reverse(one.activity_id)
        assert await at.standing(holder) == [other.activity_id]
        await at.reverse(other.activity_id)
        assert await at.standing(holder) == [whole.activity_id]
        assert await at.breaches() == []
