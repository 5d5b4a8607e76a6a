"""One act earns once through the real crediting, whoever reports it when, and the loser learns why."""

import itertools
import random
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from crediting.desk import Desk, metro, moment
from helpers import City
from helpers import metro as metro_over_http

from app.crediting.service import Result


async def reported(desk: Desk, reports: list[tuple[UUID, dict[str, Any]]], *, together: bool) -> list[Result]:
    prepared = [desk.prepare(source, report) for source, report in reports]
    if together:
        return await desk.intake.report_batch(prepared)
    return [await desk.intake.report(one) for one in prepared]


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in a batch"])
async def test_reports_of_one_act_earn_one_credit_in_every_order(desk: Desk, together: bool) -> None:
    """Three platforms with clocks two minutes apart at most; a ride so short that two of them do not overlap."""
    sources = [await desk.source() for _ in range(3)]
    chance = random.Random(5)
    for length in (4, 8, 30):
        offsets = [0, 1.5, -1]
        for order in itertools.permutations(range(3)):
            phone, _ = await desk.person(*sources)
            start = 300 + chance.randrange(600)
            reports = [
                (
                    sources[place],
                    metro(
                        phone,
                        start + offsets[place],
                        start + offsets[place] + length,
                        distance_m=round(500 * length * chance.uniform(0.95, 1.05)),
                    ),
                )
                for place in order
            ]
            results = await reported(desk, reports, together=together)
            assert [result.outcome for result in results] == ["credited", "duplicate", "duplicate"]
            assert {result.winner_id for result in results[1:]} == {results[0].activity_id}
    assert await desk.breaches() == []


async def test_one_act_on_both_sides_of_midnight_earns_once(desk: Desk) -> None:
    """The two reports touch no common day."""
    sources = [await desk.source() for _ in range(2)]
    for order in ((0, 1), (1, 0)):
        phone, _ = await desk.person(*sources)
        reports = [
            (sources[0], metro(phone, 1_434, 1_440, distance_m=3_000)),
            (sources[1], metro(phone, 1_436, 1_442, distance_m=3_050)),
            (sources[1], metro(phone, 1_460, 1_470, distance_m=3_050)),
        ]
        first, second = (reports[place] for place in order)
        results = await reported(desk, [first, second, reports[2]], together=False)
        assert [result.outcome for result in results] == ["credited", "duplicate", "credited"]
    assert await desk.breaches() == []


async def test_two_acts_in_a_row_pass_and_their_claims_do_not_overlap(
    desk: Desk, owner: asyncpg.Connection
) -> None:
    """A metro, then a bus that one clock has begin three minutes before the metro ends."""
    sources = [await desk.source() for _ in range(2)]
    rides = [
        (sources[0], metro(phone := (await desk.person(*sources))[0], 480, 505)),
        (
            sources[1],
            metro(
                phone, 502, 527, scene="trip.bus", region="420100", order_no="B-1", distance_m=None, count=1
            ),
        ),
    ]
    for order in (rides, rides[::-1]):
        phone, holder = await desk.person(*sources)
        renamed = [
            (
                source,
                report | {"subject": {"scheme": "phone", "value": phone}, "event_id": f"{phone}{number}"},
            )
            for number, (source, report) in enumerate(order)
        ]
        for _, report in renamed:
            if "order_no" in report:
                report["order_no"] = f"B-{phone}"
        results = await reported(desk, renamed, together=False)
        assert [result.outcome for result in results] == ["credited", "credited"]
        claims = await owner.fetch(
            """
            SELECT starts_at, ends_at, raw_starts_at, raw_ends_at FROM interval_claims
            WHERE activity_id = ANY($1::uuid[]) ORDER BY starts_at
            """,
            [result.activity_id for result in results],
        )
        assert claims[0]["ends_at"] <= claims[1]["starts_at"]
        for claim in claims:
            raw = claim["raw_ends_at"] - claim["raw_starts_at"]
            assert claim["ends_at"] - claim["starts_at"] >= raw * 3 / 4
        assert holder is not None
    assert await desk.breaches() == []


async def test_what_clocks_do_not_explain_is_refused(desk: Desk) -> None:
    """Two trips of other kinds that share ten minutes: nobody was on both."""
    sources = [await desk.source() for _ in range(2)]
    phone, _ = await desk.person(*sources)
    bus = metro(
        phone, 495, 520, scene="trip.bus", region="420100", order_no=f"B-{phone}", distance_m=None, count=1
    )
    results = await reported(desk, [(sources[0], metro(phone, 480, 505)), (sources[1], bus)], together=False)
    assert [(result.outcome, result.reason) for result in results] == [
        ("credited", None),
        ("duplicate", "claimed_body"),
    ]


async def test_a_chain_is_decided_by_who_comes_first(desk: Desk) -> None:
    """A meets B, B meets C, A does not meet C."""
    sources = [await desk.source() for _ in range(3)]
    chain = [(480, 500, 8_000), (489, 509, 8_000), (501, 521, 8_000)]
    for order in itertools.permutations(range(3)):
        phone, _ = await desk.person(*sources)
        reports = [
            (sources[place], metro(phone, chain[place][0], chain[place][1], distance_m=chain[place][2]))
            for place in order
        ]
        results = await reported(desk, reports, together=False)
        credited = {
            place for place, result in zip(order, results, strict=True) if result.outcome == "credited"
        }
        assert credited == ({1} if order[0] == 1 else {0, 2})


async def test_a_reversed_winner_no_longer_stands_in_the_way(desk: Desk) -> None:
    sources = [await desk.source() for _ in range(2)]
    phone, _ = await desk.person(*sources)
    first, second = (metro(phone, start, start + 4, distance_m=2_000) for start in (480, 483))
    won, lost = await reported(desk, [(sources[0], first), (sources[1], second)], together=False)
    assert (won.outcome, lost.outcome) == ("credited", "duplicate")
    assert won.activity_id is not None
    await desk.reverse(sources[0], won.activity_id)
    # What stood behind it is credited, and is what a later report meets.
    (again,) = await reported(desk, [(sources[0], first | {"event_id": "again" + phone})], together=False)
    assert (again.outcome, again.winner_id) == ("duplicate", lost.activity_id)
    assert lost.activity_id is not None
    await desk.reverse(sources[1], lost.activity_id)
    (last,) = await reported(desk, [(sources[1], second | {"event_id": "last" + phone})], together=False)
    assert (last.outcome, last.winner_id) == ("duplicate", again.activity_id)


async def test_the_loser_learns_why(city: City, phone: str) -> None:
    operator = await city.client("operator")
    one, other = await city.client("platform"), await city.client("platform")
    await city.holder(operator, phone, one, other)
    won = (await one.post("/v1/activities", json=metro_over_http("w" + phone, phone))).json()
    late = metro_over_http(
        "l" + phone, phone, started_at=moment(482), ended_at=moment(507), distance_m=10_400
    )
    lost = (await other.post("/v1/activities", json=late)).json()
    assert (lost["outcome"], lost["reason"]) == ("duplicate", "claimed_body")
    told = (await other.get(f"/v1/activities/{lost['activity_id']}/explanation")).json()
    comparison = told["comparison"]
    assert (comparison["verdict"], comparison["rule"]) == ("same", "evidence")
    assert comparison["winner_ids"] == [won["activity_id"]]
    assert comparison["points"] == sum(each["points"] for each in comparison["evidence"])
    features = {each["feature"]: each["level"] for each in comparison["evidence"]}
    assert (features["period"], features["amount"], features["source"]) == ("aligned", "<=4", "other")
    assert phone not in str(told)
    own = (await one.get(f"/v1/activities/{won['activity_id']}/explanation")).json()
    assert own["comparison"] is None
