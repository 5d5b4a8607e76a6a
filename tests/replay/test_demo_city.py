"""The made-up city: the same for a seed, valid for the service, and with its cheats."""

import asyncio
import datetime as dt
import itertools
from collections import Counter
from typing import Any

import orjson
import pytest

from app.crediting.schemas import ActivityReport
from app.demo.city import CITY_METRO, GREEN_MAP, City, Day, week_before
from app.demo.run import run_demo
from app.replay.api import Api
from dedup.person_key import normalise
from methodologies.catalogue import load_catalogue

NOW = dt.datetime(2026, 11, 21, 2, tzinfo=dt.UTC)
DATE = dt.date(2026, 11, 18)


def reports(day: Day) -> list[dict[str, Any]]:
    return [report for group in (*day.first, *day.second) for report in group]


def test_a_week_ends_yesterday() -> None:
    days = week_before(dt.datetime(2026, 11, 20, 17, tzinfo=dt.UTC))
    assert (days[0], days[-1], len(days)) == (dt.date(2026, 11, 14), dt.date(2026, 11, 20), 7)


def test_a_day_follows_from_seed_and_date_alone() -> None:
    small, large = City(3, 40), City(3, 80)
    assert small.day(DATE) == City(3, 40).day(DATE)
    by_id = {report["event_id"]: report for report in reports(large.day(DATE))}
    for report in reports(small.day(DATE)):
        assert by_id[report["event_id"]] == report
    assert reports(City(4, 40).day(DATE)) != reports(small.day(DATE))


def test_every_report_is_what_the_service_takes() -> None:
    city = City(1, 1_500)
    catalogue = load_catalogue(demonstration=True)
    seen: set[str] = set()
    scenes: Counter[str] = Counter()
    without: Counter[str] = Counter()
    for date in week_before(NOW):
        for report in reports(city.day(date)):
            parsed = ActivityReport.model_validate_json(orjson.dumps(report))
            assert parsed.event_id not in seen
            seen.add(parsed.event_id)
            scenes[parsed.scene] += 1
            methodology = catalogue.select(parsed.region, parsed.scene, date)
            if methodology is None:
                without[f"{parsed.region} {parsed.scene}"] += 1
                continue
            began, ended = parsed.started_at or parsed.occurred_at, parsed.ended_at or parsed.occurred_at
            assert began is not None
            assert ended is not None
            assert ended < NOW
            given = report.keys()
            assert {
                each.name for each in methodology.text.inputs if each.required and each.name != "duration_s"
            } <= given
            for claim in methodology.claims:
                keys = set(claim.of.split("+")) - {"person", "issuer"}
                assert not claim.required or keys <= given
    assert len(scenes) >= 9
    assert set(without) == {"420100 trip.ferry"}


def test_people_and_organisations_can_be_onboarded() -> None:
    city = City(1, 300)
    holders = list(city.holders(["org_a", "org_b"]))
    assert Counter(holder["kind"] for holder in holders) == {"person": 300, "organisation": 6}
    values = [(each["scheme"], each["value"]) for holder in holders for each in holder["identities"]]
    assert len({(scheme, normalise(scheme, value)) for scheme, value in values}) == len(values)
    assert 0 < sum(not holder["consents"] for holder in holders) < 30


def test_nobody_is_in_two_places_at_once_in_their_own_telling() -> None:
    city = City(2, 400)
    spans: dict[tuple[int, str], list[tuple[str, str]]] = {}
    for platform in (GREEN_MAP, CITY_METRO):
        for report in city.day(DATE).first[platform]:
            if report["scene"].startswith("trip."):
                index = int(report["event_id"].split("-")[3])
                spans.setdefault((index, ""), []).append((report["started_at"], report["ended_at"]))
    for told in spans.values():
        told.sort()
        assert all(one[1] < other[0] for one, other in itertools.pairwise(told))


def test_the_cheats_are_there() -> None:
    city = City(1, 4_000)
    told: Counter[str] = Counter()
    total = 0
    for date in week_before(NOW):
        day = city.day(date)
        total += len(day)
        first = {report["event_id"]: report for group in day.first for report in group}
        for report in reports(day):
            if "distance_m" in report:
                took = dt.datetime.fromisoformat(report["ended_at"]) - dt.datetime.fromisoformat(
                    report["started_at"]
                )
                told["speed"] += report["distance_m"] * 3600 > took.total_seconds() * 200_000
            if report["event_id"].endswith("-again"):
                told["again"] += report["order_no"] == first[report["event_id"][:-6]]["order_no"]
            if report["event_id"].endswith("-shared"):
                other = first[report["event_id"][:-7]]
                told["bill"] += (
                    report["bill_no"] == other["bill_no"] and report["subject"] != other["subject"]
                )
        told["twice"] += sum(
            not each["event_id"].endswith(("-again", "-shared")) for each in reports(Day(second=day.second))
        )
    assert 50_000 < total < 75_000
    assert min(told.values()) >= 20
    assert 3_000 < told["twice"] < 8_000


class Service(Api):
    """Answers like the service, without rules."""

    def __init__(self) -> None:
        super().__init__("http://service", "a", "b")
        self.seen: set[str] = set()
        self.after_second = False

    async def onboard(self, holders: Any) -> list[dict[str, Any]]:
        return [{"holder_id": f"hld_{n}", "created": True, "error": None} for n, _ in enumerate(holders)]

    async def report(self, batch: Any) -> list[dict[str, Any]]:
        await asyncio.sleep(0)
        items = []
        for report in batch:
            again = report["event_id"] in self.seen
            self.seen.add(report["event_id"])
            outcome = "duplicate" if report["event_id"].endswith("-again") else "credited"
            items.append(
                {
                    "outcome": outcome,
                    "reason": None,
                    "activity_id": "act_" + report["event_id"],
                    "co2e_g": "1",
                    "points": 1,
                    "replayed": again,
                }
            )
        return items


async def test_the_demonstration_reports_all_and_the_second_time_nothing_new() -> None:
    operator, green, metro = Service(), Service(), Service()
    platforms: list[tuple[Api, str]] = [(green, "org_a"), (metro, "org_b")]
    first = await run_demo(operator, platforms, seed=5, residents=200, now=NOW)
    assert first.reported == City(5, 200).count(week_before(NOW))
    assert first.holders_onboarded == 206
    assert first.look.keys() == {"holder_id", "activity_id", "duplicate_id"}
    assert first.look["activity_id"].split("-")[3] == f"{int(first.look['holder_id'][4:]):06d}"
    second = await run_demo(operator, platforms, seed=5, residents=200, now=NOW)
    assert second.replayed_total == first.reported
    assert second.outcomes.total() == second.co2e_mg == second.points == 0
    assert second.look == first.look


async def test_two_platforms_are_needed() -> None:
    with pytest.raises(ValueError, match="2 platforms"):
        await run_demo(Service(), [], seed=1, residents=1, now=NOW)
