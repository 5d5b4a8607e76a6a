"""What a methodology's text says of late reports and of check-ins without a platform's evidence."""

import datetime
import uuid

import pytest
from crediting.county import report, ride
from crediting.desk import Desk

from app.crediting.intake import Intake
from app.crediting.prepare import Preparer


@pytest.mark.parametrize("evidence", ["platform", "self_report"])
async def test_a_ride_is_credited_once_by_whichever_evidence_came_first(
    desk: Desk, county_intake: Intake, evidence: str
) -> None:
    """Number 8 of the worked examples: 105 once, or 52 once, never 157."""
    source = await desk.source()
    phone, _ = await desk.person(source)
    first = await report(county_intake, source, phone, evidence=evidence)
    other = "self_report" if evidence == "platform" else "platform"
    second = await report(county_intake, source, phone, evidence=other)
    full = evidence == "platform"
    assert (first.outcome, first.co2e_mg, first.points) == (
        "credited",
        *((105_000, 105) if full else (52_500, 52)),
    )
    assert (second.outcome, second.reason, second.winner_id) == (
        "duplicate",
        "claimed_body",
        first.activity_id,
    )
    assert await desk.breaches() == []


@pytest.mark.parametrize(
    ("reported", "refusal"),
    [
        ("2026-11-16T23:59:59+08:00", None),
        ("2026-11-19T23:59:59+08:00", None),
        ("2026-11-20T00:00:00+08:00", "reported_late"),
    ],
)
async def test_the_window_counts_local_days_from_the_day_of_the_act(
    county: Preparer, reported: str, refusal: str | None
) -> None:
    act = ride("13800000000", started_at="2026-11-16T00:10:00+08:00", ended_at="2026-11-16T00:40:00+08:00")
    prepared = county.prepare(act, uuid.uuid4(), datetime.datetime.fromisoformat(reported))
    assert prepared.refusal == refusal


async def test_a_late_report_is_kept_and_earns_nothing(desk: Desk, county_intake: Intake) -> None:
    source = await desk.source()
    phone, _ = await desk.person(source)
    times = {"started_at": "2026-10-01T08:00:00+08:00", "ended_at": "2026-10-01T08:30:00+08:00"}
    late = await report(county_intake, source, phone, **times, event_id="late")
    assert (late.outcome, late.reason, late.co2e_mg) == ("rejected", "reported_late", 0)
    again = await report(county_intake, source, phone, **times, event_id="late")
    assert (again.activity_id, again.replayed) == (late.activity_id, True)
    assert await desk.breaches() == []
