"""Which of two reports of one act has the credit in the end: a later one that ranks higher takes it over, once."""

import datetime
import itertools
from typing import Any
from uuid import UUID

import pytest
from corroboration.square import Square, square, together
from crediting.desk import metro, processes
from lots.purse import programme
from pydantic import ValidationError

from accounts.offsetting.service import offset
from app.crediting import precedence
from app.database import driver_of
from app.disputes import service as disputes
from app.disputes.models import Party
from app.wiring import Services, utc_now

TRIP_MG = 467_000
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
BY_EVIDENCE = {"precedence": "evidence"}
BY_CHOICE = {"precedence": "holder_choice"}


async def a_self_report_and_a_platform(at: Square) -> tuple[UUID, UUID, UUID]:
    """(holder, the person's own report with the credit, the platform's that stands behind it)."""
    phone, holder = await at.person()
    own = await at.report(0, metro(phone, evidence="self_report"))
    seen = await at.report(1, metro(phone, distance_m=9_900))
    assert (own.outcome, seen.outcome) == ("credited", "duplicate")
    assert own.activity_id is not None
    assert seen.activity_id is not None
    return holder, own.activity_id, seen.activity_id


def test_what_moves_credits_is_said_with_a_rule_that_does() -> None:
    assert programme().precedence == "arrival"
    assert programme(precedence="evidence", move_within_days=3).move_within_days == 3
    with pytest.raises(ValidationError, match="no credit moves"):
        programme(move_within_days=3)


async def test_by_arrival_nothing_moves(service: Services) -> None:
    async with square(service) as at:
        holder, own, _ = await a_self_report_and_a_platform(at)
        assert await at.move() == 0
        assert await at.standing(holder) == [own]


async def test_a_better_grade_takes_the_credit_over_in_one_commit(service: Services) -> None:
    async with square(service, **BY_EVIDENCE) as at:
        holder, own, seen = await a_self_report_and_a_platform(at)
        assert (await at.explained(seen))["supports"][0]["outranks"] == "evidence"
        assert await at.move() == 1
        assert await at.standing(holder) == [seen]
        grams, points, owed = await at.books(holder)
        assert (grams, points, owed) == (TRIP_MG * 99 // 100, 462, 0)
        now = await at.activity(seen)
        assert (now["outcome"], now["reason"]) == ("credited", "took_precedence")
        (told,) = (await at.explained(seen))["supports"]
        assert (told["ended"], told["outranks"]) == ("took_over", "evidence")
        # The person's own word stands behind it now, and raises nothing.
        (told,) = (await at.explained(own))["supports"]
        assert (told["winner_id"], told["ended"]) == ("act_" + seen.hex, None)
        assert (await at.explained(seen))["evidence_now"] == "platform"
        ((action, after),) = await at.trail(seen)
        assert (action, after["credited"]) == ("activity.took_precedence", "act_" + seen.hex)
        assert [action for action, _ in await at.trail(own)] == ["activity.reversed"]
        assert await at.move() == 0
        assert await at.breaches() == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_in_every_order_the_best_report_has_the_one_credit(
    service: Services, order: tuple[int, ...]
) -> None:
    """The person's word on two platforms, and one platform that saw the act; also with a reversal afterwards."""
    async with square(service, **BY_EVIDENCE) as at:
        phone, holder = await at.person()
        grades = ("self_report", "platform", "self_report")
        acts: dict[int, Any] = {}
        for place in order:
            acts[place] = (
                await at.report(place, metro(phone, 480 + place, 505 + place, evidence=grades[place]))
            ).activity_id
            await at.move()
            assert len(await at.standing(holder)) == 1
        assert await at.standing(holder) == [acts[1]]
        assert await at.behind(acts[1]) == {acts[0], acts[2]}
        await at.reverse(acts[1])
        await at.move()
        # One that the better report took the credit from does not get it back: it is reversed for good.
        left = [place for place in order if (await at.activity(acts[place]))["reversed_at"] is None]
        assert 1 not in left
        assert await at.standing(holder) == [acts[place] for place in left[:1]]
        assert await at.breaches() == []


async def test_the_platform_that_a_person_prefers_takes_the_credit_over(service: Services) -> None:
    async with square(service, **BY_CHOICE) as at:
        for order in itertools.permutations(range(3)):
            phone, holder = await at.person()
            await at.prefer(holder, 1, LONG_AGO)
            acts = {place: (await at.report(place, metro(phone))).activity_id for place in order}
            await at.move()
            assert await at.standing(holder) == [acts[1]]
            assert len(await at.behind(acts[1])) == 2
            assert (await at.explained(acts[1]))["evidence_now"] == "corroborated"
            assert (await at.books(holder))[0] == TRIP_MG
        assert await at.breaches() == []


async def test_a_choice_counts_for_acts_that_begin_while_it_stands(service: Services) -> None:
    async with square(service, **BY_CHOICE) as at:
        day = datetime.datetime(2026, 11, 16, tzinfo=datetime.UTC)
        for since, until, moves in (
            (LONG_AGO, None, True),
            (LONG_AGO, day - datetime.timedelta(days=1), False),
            (day + datetime.timedelta(days=1), None, False),
        ):
            phone, holder = await at.person()
            await at.prefer(holder, 1, since)
            if until is not None:
                await at.prefer(holder, None, until)
            first, second = [(await at.report(place, metro(phone))).activity_id for place in (0, 1)]
            await at.move()
            assert await at.standing(holder) == [second if moves else first]


async def test_a_report_that_comes_too_late_moves_nothing(service: Services) -> None:
    days = (utc_now().date() - datetime.date(2026, 11, 16)).days
    for within, moves in ((max(days - 2, 0), False), (days + 2, True)):
        async with square(service, **BY_EVIDENCE, move_within_days=within) as at:
            holder, own, seen = await a_self_report_and_a_platform(at)
            await at.move()
            assert await at.standing(holder) == [seen if moves else own]


async def test_what_a_crash_left_undone_is_done_once_by_whoever_comes_first(service: Services) -> None:
    """Eight processes look at once, and none of them has seen the report; a reversal comes among them."""
    async with square(service, **BY_EVIDENCE) as at:
        for reversing in (False, True):
            holder, own, seen = await a_self_report_and_a_platform(at)
            key = (holder, own, seen)
            steps: list[Any] = [
                precedence.take_over(service.database, at.rules, key, utc_now()) for _ in range(8)
            ]
            if reversing:
                steps.insert(4, quietly(at.reverse(own)))
            await together(*steps)
            assert await at.standing(holder) == [seen]
            assert (await at.books(holder))[0] == TRIP_MG * 99 // 100
        assert await at.breaches() == []


async def quietly(step: Any) -> None:
    """Somebody may have been faster."""
    from app.crediting.errors import AlreadyReversed  # noqa: PLC0415

    try:
        await step
    except AlreadyReversed:
        return


async def test_a_move_that_fails_midway_leaves_everything_to_the_next_run(
    service: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with square(service, **BY_EVIDENCE) as at:
        holder, own, seen = await a_self_report_and_a_platform(at)
        before = await at.books(holder)

        async def breaks(*_: Any, **__: Any) -> None:
            raise ConnectionError

        with monkeypatch.context() as patched:
            patched.setattr("app.crediting.corroboration_store.hand_over", breaks)
            with pytest.raises(ConnectionError):
                await at.move()
        assert (await at.standing(holder), await at.books(holder)) == ([own], before)
        await at.move()
        assert await at.standing(holder) == [seen]
        assert await at.breaches() == []


async def test_used_grams_keep_a_credit_where_it_is(service: Services) -> None:
    async with square(service, **BY_EVIDENCE) as at:
        holder, own, seen = await a_self_report_and_a_platform(at)
        async with service.database.transaction() as session:
            driver = await driver_of(session)
            await offset(session, driver, holder, 1_000, "travel", utc_now())
        await at.move()
        assert (await at.standing(holder), await at.skipped(seen)) == ([own], "grams_used")
        assert (await at.explained(seen))["supports"][0]["not_taken"] == "grams_used"
        assert await at.move() == 0
        assert await at.breaches() == []


async def test_a_reversal_that_loses_points_credits_nobody_else(service: Services) -> None:
    """The person keeps what was spent: another credit would pay for the act twice."""
    async with square(service, spent_reversal={"shortfall": "loss"}) as at:
        holder, own, _ = await a_self_report_and_a_platform(at)
        await spend(at, holder, 400)
        await at.reverse(own)
        assert await at.standing(holder) == []
        assert [row[2] for row in await at.rows(holder)] == ["points_lost"]
        assert await at.books(holder) == (0, 0, 0)
        assert await at.breaches() == []


async def test_one_that_fails_keeps_nobody_else_waiting(
    service: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with square(service, **BY_EVIDENCE) as at:
        holders = [await a_self_report_and_a_platform(at) for _ in range(3)]
        moved = precedence.pass_credit

        async def breaks_for_one(session: Any, rules: Any, had: Any, *rest: Any) -> int:
            if had.id == holders[0][1]:
                raise ConnectionError
            return await moved(session, rules, had, *rest)

        with monkeypatch.context() as patched:
            patched.setattr("app.crediting.precedence.pass_credit", breaks_for_one)
            with pytest.raises(ConnectionError):
                await at.move()
        assert [await at.standing(holder) == [seen] for holder, _, seen in holders] == [False, True, True]
        assert await at.move() == 1
        assert await at.standing(holders[0][0]) == [holders[0][2]]


@pytest.mark.parametrize("shortfall", ["receivable", "loss"])
async def test_spent_points_are_repaid_by_the_new_credit_or_keep_the_old_one(
    service: Services, shortfall: str
) -> None:
    async with square(service, **BY_EVIDENCE, spent_reversal={"shortfall": shortfall}) as at:
        holder, own, seen = await a_self_report_and_a_platform(at)
        await spend(at, holder, 400)
        await at.move()
        if shortfall == "receivable":
            # 467 were earned and 400 spent: 462 come anew, and repay the 400.
            assert await at.standing(holder) == [seen]
            assert await at.books(holder) == (TRIP_MG * 99 // 100, 62, 0)
        else:
            assert (await at.standing(holder), await at.skipped(seen)) == ([own], "points_spent")
            assert await at.books(holder) == (TRIP_MG, 67, 0)
        assert await at.breaches() == []


async def spend(at: Square, holder: UUID, points: int) -> None:
    from redeeming.ledgers import Accounts, Sold  # noqa: PLC0415

    from points import redemptions  # noqa: PLC0415
    from points.redemption_states import Order, Redemption  # noqa: PLC0415
    from points.redemptions import Policy  # noqa: PLC0415

    _, (offer,) = await Accounts(at.service).offers([Sold(1, "none")], utc_now())
    policy = Policy(datetime.timedelta(minutes=15), lambda _: 30)
    async with at.service.database.driver_transaction() as driver:
        order = Order(holder, offer, points, confirm=True)
        (made,) = await redemptions.carry_out(driver, [order], policy, utc_now())
    assert isinstance(made, Redemption), made


async def test_what_an_operator_is_asked_about_is_left_to_the_operator(service: Services) -> None:
    async with square(service, **BY_EVIDENCE) as at:
        holder, own, seen = await a_self_report_and_a_platform(at)
        async with service.database.transaction() as session:
            from app.disputes.repository import activity  # noqa: PLC0415

            found = await activity(session, seen)
            assert found is not None
            await disputes.open_dispute(session, found, Party.HOLDER, holder, "mine", utc_now())
        await at.move()
        assert (await at.standing(holder), await at.skipped(seen)) == ([own], "disputed")


async def test_without_consent_the_credit_stays(service: Services) -> None:
    async with square(service, **BY_EVIDENCE) as at:
        holder, own, seen = await a_self_report_and_a_platform(at)
        async with service.database.driver_transaction() as driver:
            await driver.execute(
                "UPDATE consents SET withdrawn_at = now() WHERE holder_id = $1 AND source_id = $2",
                holder,
                at.sources[1],
            )
        await at.move()
        assert (await at.standing(holder), await at.skipped(seen)) == ([own], "no_consent")
        assert await at.breaches() == []


@pytest.mark.parametrize("reversing", [False, True], ids=["reports and moves", "and reversals"])
async def test_fifty_who_report_one_act_at_once_leave_one_credit(
    service: Services, database_urls: tuple[str, str], reversing: bool
) -> None:
    """Processes of their own, committing, while others move what is outranked and reverse what stands."""
    async with square(service, sources=5, **BY_EVIDENCE) as at:
        phone, holder = await at.person()
        async with processes(service, database_urls[0], 5) as intakes:
            for intake in intakes:
                intake.preparer.rules = at.rules
            bodies = [
                (number % 5, metro(phone, 480 + number % 3, 505 + number % 3, evidence=grade_of(number)))
                for number in range(50)
            ]

            async def reported(number: int) -> Any:
                place, body = bodies[number]
                return await intakes[number % 5].report(at.prepared(place, body))

            async def disturbed() -> None:
                for _ in range(4):
                    await at.move()
                    for standing in await at.standing(holder) if reversing else ():
                        await quietly(at.reverse(standing))

            results = (await together(*(reported(number) for number in range(50)), disturbed()))[:50]
        assert {result.outcome for result in results} <= {"credited", "duplicate"}
        await at.move()
        before = await at.standing(holder)
        assert len(before) <= 1
        if not reversing:
            assert (await at.activity(before[0]))["evidence"] == "platform"
        late = await at.report(0, metro(phone))
        await at.move()
        (standing,) = await at.standing(holder)
        # A platform's report takes the credit over from another one's self-report, and from no platform's.
        assert reversing or before == [standing]
        assert late.outcome == ("duplicate" if before else "credited")
        assert (await at.books(holder))[0] == TRIP_MG
        assert await at.breaches() == []


def grade_of(number: int) -> str:
    return "platform" if number % 7 == 0 else "self_report"
