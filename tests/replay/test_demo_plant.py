"""The made-up plant against the real service: its day, label, alert and quotes; a second run sends nothing."""

import datetime as dt
import io
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from helpers import City, metro
from rich.console import Console

from accounts.alerts.service import newest
from app.commands.plant_visit import visit_plant
from app.demo.city import SHANGHAI
from app.demo.plant_data import (
    HOT,
    HOT_LINE,
    IMPORT,
    METERS,
    QUARTER,
    QUARTERS,
    earlier_readings,
    readings,
)
from app.embedded.stack import Stack
from app.settings import Settings
from app.verification import verify
from app.wiring import utc_now
from dedup.periods import LOCAL

NOW = utc_now()
YESTERDAY = NOW.astimezone(SHANGHAI).date() - dt.timedelta(days=1)


def test_readings_are_the_same_whenever_they_are_asked_for_but_for_the_hot_line() -> None:
    until = newest(NOW)
    late, early = list(readings(until)), list(readings(until - 3 * HOT * QUARTER))
    before = {(each["meter"], each["at"]): each for each in early}
    differ = [each for each in late if before.get((each["meter"], each["at"]), each) != each]
    # What the other end's hot hours were: the line itself, what feeds it, and its gas.
    assert sorted({each["meter"] for each in differ}) == ["E-IN", "E-L2", "G-IN"]
    assert len(differ) == 3 * HOT
    assert late[-1]["at"] == until.astimezone(SHANGHAI).isoformat()
    assert all(value >= 0 for each in late for value in each.values() if isinstance(value, int))


def test_the_years_before_end_where_the_last_weeks_begin() -> None:
    last = {each["meter"]: each["at"] for each in earlier_readings(YESTERDAY)}
    first = next(readings(newest(NOW)))["at"]
    assert set(last) == {meter["number"] for meter in METERS if meter.get("counts", True)}
    assert {dt.datetime.fromisoformat(at) + QUARTER for at in last.values()} == {
        dt.datetime.fromisoformat(first)
    }


async def test_a_plant_is_shown_with_label_alert_and_quotes(
    city: City,
    settings: Settings,
    stack: Stack,
    database_urls: tuple[str, str],
    base_url: str,
    owner: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    own = settings.model_copy(update={"data_dir": tmp_path})
    database = Stack(database_urls[0], database_urls[1], stack.redis_url, stack.postgres, stack.valkey)
    operator = await city.client("operator", "100000")
    platform = await city.client("platform")
    residents = [await city.holder(operator, f"1390000000{number}", platform) for number in range(2)]
    tokens = [(await city.signed_in(holder_id)).token for holder_id in residents]
    rode = {"started_at": NOW - dt.timedelta(minutes=40), "ended_at": NOW - dt.timedelta(minutes=15)}
    trip = metro("bus-1", "13900000001", scene="trip.bus") | {k: at.isoformat() for k, at in rode.items()}
    answer = await platform.post("/v1/activities", json=trip)
    assert answer.json()["outcome"] == "credited", answer.text
    day, desk = await visit_plant(own, database, base_url, tokens)
    again, then = await visit_plant(own, database, base_url, tokens)

    last = [each for each in readings(newest(NOW)) if each["at"] > f"{YESTERDAY}T00:00:00+08:00"]
    last = last[: QUARTERS * len(METERS)]
    hours = [each["energy_wh"] for each in last if each["meter"] == IMPORT]
    assert day.imported_wh == sum(hours)
    assert day.gas_l == sum(each["volume_l"] for each in last if each["meter"] == "G-IN")
    assert (len(day.hours_wh), sum(day.hours_wh), day.peak_wh) == (24, day.imported_wh, max(hours))
    assert again.as_dict() == day.as_dict() | {"readings": 0}
    assert set(day.co2e_g_by_carrier) == {"electricity", "gas"}
    assert sum(map(Decimal, day.co2e_g_by_carrier.values())) == pytest.approx(Decimal(day.co2e_g), abs=1)
    assert await owner.fetchval("SELECT count(*) FROM meters") == len(METERS)

    # The label is of last year, by rules that two operators put in force before today.
    assert (desk.label["year"], desk.label["colour"]) == (YESTERDAY.year - 1, "light_green"), desk.label
    assert desk.label["better"]
    decided = await owner.fetch("SELECT approved_at, counts_from, authors, approved_by FROM points_texts")
    assert len(decided) == 2
    today = dt.datetime.combine(NOW.astimezone(LOCAL).date(), dt.time(), LOCAL)
    assert all(row["approved_at"] < row["counts_from"] == today for row in decided)
    assert all(row["approved_by"] not in row["authors"] for row in decided)
    # The line that runs hot now is told, and nothing that happened before.
    assert (desk.alert["meter_number"], desk.alert["kind"]) == (HOT_LINE, "deviation")
    assert desk.alert["amount"] > desk.alert["expected"]
    starts = dt.datetime.fromisoformat(desk.alert["starts_at"])
    assert newest(NOW) - 24 * QUARTER < starts < newest(NOW)
    # Each bank answer rests on a grant of its own.
    resident, plant = desk.quotes
    assert (plant["level"], plant["eligible"]) == ("light_green", True)
    assert (resident["level"], resident["eligible"]) == ("light_green", True)
    assert await owner.fetchval("SELECT count(*) FROM bank_grants WHERE ended_at IS NULL") == 2
    # What was put in force, labelled and offered stays; quotes are made anew.
    assert then.label == desk.label
    assert await owner.fetchval("SELECT count(*) FROM label_runs WHERE published_at IS NOT NULL") == 1
    assert await owner.fetchval("SELECT count(*) FROM bank_products") == 2
    async with city.service.database.snapshot() as driver:
        assert [finding.rule async for finding in verify(driver) if finding.breach is not None] == []

    shown = Console(width=160, record=True, file=io.StringIO())
    day.render(shown)
    desk.render(shown)
    text = shown.export_text()
    assert f"{day.imported_wh // 1000:,} kWh" in text
    assert "light_green" in text
    assert HOT_LINE in text
    assert "¥" in text
