"""Shipped scenes credited once, with the points of their programmes."""

import uuid
from typing import Any
from uuid import UUID

import pytest
from crediting.desk import Desk, moment

from app.crediting.service import Result


def report(phone: str, scene: str, region: str, **over: Any) -> dict[str, Any]:
    return {
        "event_id": uuid.uuid4().hex,
        "scene": scene,
        "region": region,
        "subject": {"scheme": "phone", "value": phone},
        **over,
    }


def ride(phone: str, scene: str, region: str, start: float, end: float, **over: Any) -> dict[str, Any]:
    return report(phone, scene, region, started_at=moment(start), ended_at=moment(end), **over)


async def outcomes(desk: Desk, source: UUID, *reports: dict[str, Any]) -> list[Result]:
    return [await desk.intake.report(desk.prepare(source, each)) for each in reports]


def earned(result: Result) -> tuple[str, str | None, int, int]:
    return result.outcome, result.reason, result.co2e_mg, result.points


@pytest.mark.parametrize(
    ("first", "second", "worth"),
    [
        ("platform", "self_report", (105_000, 105)),
        ("self_report", "platform", (52_500, 52)),
    ],
)
async def test_a_bus_ride_in_hubei_is_105_once_or_52_once_never_157(
    desk: Desk, first: str, second: str, worth: tuple[int, int]
) -> None:
    """Number 8 of the worked examples, with the pack as it ships."""
    source = await desk.source()
    phone, _ = await desk.person(source)
    rides = [
        ride(phone, "trip.bus", "420800", start, start + 25, count=1, evidence=evidence)
        for start, evidence in ((480, first), (485, second))
    ]
    found = [earned(result) for result in await outcomes(desk, source, *rides)]
    assert found == [("credited", None, *worth), ("duplicate", "claimed_body", 0, 0)]


async def test_the_steps_of_a_day_count_once_whichever_source_counts_them(desk: Desk) -> None:
    sources = [await desk.source(), await desk.source()]
    phone, _ = await desk.person(*sources)
    found = [
        earned((await outcomes(desk, source, report(phone, "trip.steps", "420000", **day)))[0])
        for source, day in (
            (sources[0], {"occurred_at": moment(1200), "count": 7_250}),
            (sources[1], {"occurred_at": moment(1300), "count": 9_000}),
            (sources[1], {"occurred_at": moment(1300 - 24 * 60), "count": 1_000}),
        )
    ]
    assert found == [
        ("credited", None, 145_000, 145),
        ("duplicate", "claimed_steps", 0, 0),
        ("credited", None, 20_000, 20),
    ]


async def test_a_clean_plate_counts_once_a_day(desk: Desk) -> None:
    source = await desk.source()
    phone, _ = await desk.person(source)
    plates = [
        report(phone, "green.clean_plate", "510500", occurred_at=moment(minute), count=1)
        for minute in (720, 1_100)
    ]
    found = [earned(result) for result in await outcomes(desk, source, *plates)]
    assert found == [("credited", None, 144_000, 5), ("duplicate", "claimed_clean_plate", 0, 0)]


async def test_points_only_rules_earn_the_points_of_their_programme_and_no_gram(desk: Desk) -> None:
    source = await desk.source()
    phone, _ = await desk.person(source)
    sorting = {"occurred_at": moment(1_000), "count": 1}
    found = [
        earned(result)
        for result in await outcomes(
            desk,
            source,
            ride(phone, "trip.shared_bike", "361000", 480, 515),  # 35 minutes, three times ten
            report(phone, "trip.steps", "361000", occurred_at=moment(1_000), count=5_999),
            report(phone, "recycling.sorting", "361000", order_no="bin-1", **sorting),
            report(phone, "recycling.sorting", "361000", order_no="bin-2", **sorting),
            report(phone, "recycling.sorting", "361000", order_no="bin-3", **sorting),
            report(phone, "payment.e_bill", "371100", occurred_at=moment(900), count=1, bill_no="w-1"),
        )
    ]
    assert found == [
        ("credited", None, 0, 3),
        ("credited", None, 0, 2),
        ("credited", None, 0, 1),
        ("credited", None, 0, 1),
        ("rejected", "cap_reached", 0, 0),
        ("credited", None, 0, 500),
    ]


async def test_one_car_is_not_driven_by_two_people_at_once(desk: Desk) -> None:
    source = await desk.source()
    (one, _), (two, _) = await desk.people(2, source)
    trips = [
        ride(phone, "trip.electric_car", "310000", start, start + 30, distance_m=10_000, asset_id="car-7")
        for phone, start in ((one, 480), (two, 490), (two, 520))
    ]
    found = [earned(result) for result in await outcomes(desk, source, *trips)]
    assert found == [
        ("credited", None, 1_250_000, 1_250),
        ("duplicate", "claimed_asset", 0, 0),
        ("credited", None, 1_250_000, 1_250),
    ]


async def test_what_only_a_placeholder_stands_for_is_not_credited(desk: Desk) -> None:
    source = await desk.source()
    phone, _ = await desk.person(source)
    (result,) = await outcomes(desk, source, ride(phone, "trip.ferry", "310000", 480, 500, distance_m=3_000))
    assert (result.outcome, result.reason) == ("rejected", "no_methodology")
