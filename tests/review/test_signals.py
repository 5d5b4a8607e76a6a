"""Signals across acts: scored, explained, and without effect but where an operator said so."""

import datetime
import uuid
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from crediting.desk import bag
from pydantic import ValidationError
from review.watch import HOLD, Street, ride, watch

from app.review import signals
from app.review.policy import LivePolicy, ReviewPolicies, ReviewPolicy
from app.review.service import KEPT_TRACES, forget_traces
from app.wiring import utc_now


def id_of(result: Any) -> UUID:
    assert result.activity_id is not None, result
    return result.activity_id


async def test_a_score_decides_nothing_that_no_operator_said(street: Street) -> None:
    """Configured without steps: the signal is recorded, and the act passes, at whatever score."""
    await watch(street.service, impossible_travel={"minutes": 60})
    phone, holder = await street.person()
    await street.report(ride(phone))
    far = await street.report(ride(phone, minute=510, region="310000"))
    assert far.outcome == "credited", far
    assert await street.signals(id_of(far)) == {"impossible_travel": (91, "pass")}
    assert (await street.books(holder))[0] > 467_000


@pytest.mark.parametrize(
    ("minute", "score", "outcome"),
    [
        (506, 98, "rejected"),
        (520, 75, "pending"),
        (535, 50, "pending"),
        (536, 48, "credited"),
        (565, 0, "credited"),
    ],
)
async def test_travel_that_nobody_makes(street: Street, minute: int, score: int, outcome: str) -> None:
    """Shenzhen until 08:25, then Shanghai: an hour is what the way takes."""
    steps = [{"from_score": 50, "action": "hold"}, {"from_score": 90, "action": "reject"}]
    await watch(street.service, impossible_travel={"minutes": 60, "steps": steps})
    phone, _ = await street.person()
    await street.report(ride(phone))
    far = await street.report(ride(phone, minute=minute, region="310000"))
    assert (far.outcome, far.reason) == (
        outcome,
        {"pending": "held_for_review", "rejected": "rejected_by_signal"}.get(outcome),
    )
    found = await street.signals(id_of(far))
    assert found.get("impossible_travel", (0, ""))[0] == score


async def test_the_way_between_two_cities_is_data(street: Street) -> None:
    between = [{"cities": ["440300", "310000"], "minutes": 10}]
    await watch(street.service, impossible_travel={"minutes": 60, "between": between, **HOLD})
    phone, _ = await street.person()
    await street.report(ride(phone))
    near = await street.report(ride(phone, minute=516, region="310000"))
    assert (near.outcome, await street.signals(id_of(near))) == ("credited", {})
    # Within a city there is no way to tell: districts are one place.
    inside = await street.report(ride(phone, minute=542, region="310101"))
    assert inside.outcome == "credited"


async def test_an_act_that_was_reported_late_is_told_from_what_came_after_it(street: Street) -> None:
    await watch(street.service, impossible_travel={"minutes": 60, **HOLD})
    phone, _ = await street.person()
    await street.report(ride(phone, minute=510, region="310000"))
    before = await street.report(ride(phone))
    assert before.reason == "held_for_review"


async def test_the_same_trip_again_with_other_dates(street: Street) -> None:
    """A replay with changed dates: to the second and the metre, on one day after the other."""
    await watch(street.service, repeated_trip={"days": 30, "certain_at": 4, **HOLD})
    phone, _ = await street.person()
    shape = {"minute": 480.25, "length": 25.4, "distance_m": 9_871}
    scores = []
    for day in range(-6, -1):
        told = await street.report(ride(phone, day, **shape))
        scores.append((told.outcome, (await street.signals(id_of(told))).get("repeated_trip", (0, ""))[0]))
    assert scores == [("credited", 0), ("credited", 25), ("pending", 50), ("pending", 75), ("pending", 100)]
    # A commuter's day differs by seconds and metres.
    other = await street.report(ride(phone, -1, minute=480.5, length=25.4, distance_m=9_871))
    assert (other.outcome, await street.signals(id_of(other))) == ("credited", {})


async def test_one_device_of_many_accounts_and_one_account_of_many_devices(street: Street) -> None:
    counted = {"days": 7, "certain_at": 4, **HOLD}
    await watch(street.service, many_accounts=counted, many_devices=counted)
    scores = []
    for _ in range(4):
        phone, _ = await street.person()
        told = await street.report(ride(phone, device="device-one"))
        scores.append((told.outcome, (await street.signals(id_of(told))).get("many_accounts", (0, ""))[0]))
    assert scores == [("credited", 0), ("credited", 25), ("pending", 50), ("pending", 75)]
    phone, _ = await street.person()
    scores = []
    for number in range(4):
        told = await street.report(ride(phone, minute=60 + 60 * number, device=f"mine-{number}"))
        scores.append((told.outcome, (await street.signals(id_of(told))).get("many_devices", (0, ""))[0]))
    assert scores == [("credited", 0), ("credited", 25), ("pending", 50), ("pending", 75)]
    # Out of the window it counts no more.
    told = await street.report(ride(phone, -9, minute=60, device="mine-9"))
    assert told.outcome == "credited"


async def test_a_burst_at_the_edge_of_a_cap(street: Street) -> None:
    """Three bags a day: the third within minutes of the others is seen, three over a day are not."""
    await watch(street.service, cap_burst={"minutes": 10, "certain_at": 2, **HOLD})
    phone, _ = await street.person()
    reports = [bag(phone, uuid.uuid4().hex, minute) for minute in (600, 602, 604)]
    told = await street.batch(reports)
    assert [each.outcome for each in told] == ["credited", "credited", "pending"]
    assert await street.signals(id_of(told[2])) == {"cap_burst": (100, "hold")}
    calm, _ = await street.person()
    told = await street.batch([bag(calm, uuid.uuid4().hex, minute) for minute in (600, 700, 800)])
    assert [each.outcome for each in told] == ["credited"] * 3


async def test_acts_of_one_batch_are_seen_as_if_they_came_one_after_the_other(street: Street) -> None:
    await watch(street.service, impossible_travel={"minutes": 60, **HOLD})
    phone, _ = await street.person()
    told = await street.batch([ride(phone), ride(phone, minute=510, region="310000")])
    assert [(each.outcome, each.reason) for each in told] == [
        ("credited", None),
        ("pending", "held_for_review"),
    ]


async def test_a_second_platforms_report_of_an_act_is_no_other_act(street: Street) -> None:
    await watch(
        street.service,
        repeated_trip={"days": 30, "certain_at": 1, **HOLD},
        cap_burst={"minutes": 60, "certain_at": 1, **HOLD},
    )
    phone, _ = await street.person()
    told = await street.batch([ride(phone), ride(phone)])
    assert [each.outcome for each in told] == ["credited", "duplicate"]
    assert await street.signals(id_of(told[1])) == {}


async def test_what_is_rejected_claims_nothing_and_uses_no_cap(street: Street) -> None:
    steps = {"steps": [{"from_score": 50, "action": "reject"}]}
    await watch(street.service, impossible_travel={"minutes": 60, **steps})
    phone, holder = await street.person()
    await street.report(ride(phone))
    before = await street.books(holder)
    far = await street.report(ride(phone, minute=510, region="310000"))
    assert (far.outcome, far.reason) == ("rejected", "rejected_by_signal")
    assert await street.books(holder) == before
    await watch(street.service, impossible_travel={"minutes": 60})
    # Its time is free.
    assert (await street.report(ride(phone, minute=510, region="310000"))).outcome == "credited"
    assert await street.breaches() == []


async def test_the_same_report_again_gets_the_same_answer(street: Street) -> None:
    await watch(street.service, impossible_travel={"minutes": 60, **HOLD})
    phone, _ = await street.person()
    await street.report(ride(phone))
    report = ride(phone, minute=510, region="310000", device="d")
    first = await street.report(report)
    again = await street.report(report | {"device": "another"})
    assert (again.replayed, again.outcome, again.reason, again.activity_id) == (
        True,
        "pending",
        "held_for_review",
        first.activity_id,
    )


async def test_where_nothing_is_watched_nothing_is_asked_or_kept(
    street: Street, monkeypatch: pytest.MonkeyPatch, owner: asyncpg.Connection
) -> None:
    """Not one statement more, and not one row."""
    rules = street.service.preparer.rules
    monkeypatch.setattr(rules, "reviews", ReviewPolicies())

    async def never(*_: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(signals, "weigh", never)
    monkeypatch.setattr(signals, "_read", never)
    before = await owner.fetchval("SELECT count(*) FROM act_traces")
    phone, _ = await street.person()
    report = street.desk.prepare(street.source, ride(phone, device="device-of-nobody"))
    assert report.device is None
    assert (await street.report(ride(phone, device="device-of-nobody"))).outcome == "credited"
    assert await owner.fetchval("SELECT count(*) FROM act_traces") == before


async def test_a_watched_batch_reads_one_statement_more(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watch(street.service, impossible_travel={"minutes": 60}, many_accounts={"days": 9, "certain_at": 9})
    read, calls = signals._read, []

    async def counted(*arguments: Any) -> Any:
        calls.append(arguments)
        return await read(*arguments)

    monkeypatch.setattr(signals, "_read", counted)
    people = [await street.person() for _ in range(20)]
    await street.batch([ride(phone, device="x") for phone, _ in people])
    assert len(calls) == 1


async def test_a_city_is_watched_by_its_own_policy() -> None:
    def policy(region: str, first_day: str) -> LivePolicy:
        text = ReviewPolicy.model_validate_json(f'{{"region": "{region}", "from": "{first_day}"}}')
        return LivePolicy(uuid.uuid4(), text)

    nation, province, city, later = (
        policy("100000", "2026-01-01"),
        policy("440000", "2026-01-01"),
        policy("440300", "2026-03-01"),
        policy("440300", "2026-05-01"),
    )
    known = ReviewPolicies([later, nation, city, province])
    day = datetime.date(2026, 4, 1)
    assert known.of("440305", day) is city
    assert known.of("440305", datetime.date(2026, 5, 1)) is later
    assert known.of("440300", datetime.date(2026, 2, 1)) is province
    assert known.of("310000", day) is nation
    assert known.of("310000", datetime.date(2025, 1, 1)) is None
    assert not ReviewPolicies()


@pytest.mark.parametrize(
    "steps",
    [
        [{"from_score": 0, "action": "hold"}],
        [{"from_score": 101, "action": "hold"}],
        [{"from_score": 60, "action": "reject"}, {"from_score": 70, "action": "hold"}],
        [{"from_score": 60, "action": "hold"}, {"from_score": 60, "action": "reject"}],
        [{"from_score": 60, "action": "pass"}],
    ],
)
def test_steps_that_mean_nothing(steps: list[Any]) -> None:
    with pytest.raises(ValidationError):
        ReviewPolicy.model_validate(
            {
                "region": "440300",
                "from": datetime.date(2026, 1, 1),
                "cap_burst": {"minutes": 1, "certain_at": 1, "steps": steps},
            }
        )


async def test_a_device_is_kept_as_a_keyed_hash_and_not_for_long(
    street: Street, owner: asyncpg.Connection
) -> None:
    await watch(street.service, many_accounts={"days": 7, "certain_at": 4})
    phone, holder = await street.person()
    told = await street.report(ride(phone, device="IMEI-490154203237518"))
    row = await owner.fetchrow("SELECT * FROM act_traces WHERE activity_id = $1", told.activity_id)
    assert row is not None
    assert row["device"] is not None
    assert "490154203237518" not in str(dict(row))
    assert street.service.token_maker.once("device", "", "IMEI-490154203237518") == row["device"].bytes
    async with street.service.database.transaction() as session:
        await forget_traces(session, utc_now())
    assert await owner.fetchval("SELECT count(*) FROM act_traces WHERE holder_id = $1", holder) == 1
    async with street.service.database.transaction() as session:
        await forget_traces(session, utc_now() + KEPT_TRACES)
    assert await owner.fetchval("SELECT count(*) FROM act_traces WHERE holder_id = $1", holder) == 0


async def test_a_municipality_is_a_city(street: Street) -> None:
    """Beijing and Shanghai are reported by codes that elsewhere are a province's."""
    await watch(street.service, impossible_travel={"minutes": 60, **HOLD})
    phone, _ = await street.person()
    await street.report(ride(phone, region="110000"))
    assert (await street.report(ride(phone, minute=510, region="110105"))).outcome == "credited"
    far = await street.report(ride(phone, minute=540, region="310000"))
    assert far.reason == "held_for_review"
