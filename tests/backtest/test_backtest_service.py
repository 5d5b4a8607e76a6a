"""From the stored activities to the report: what is exported, what comes out, and what the command answers."""

import csv
import datetime as dt
import json
import os
import re
import subprocess
import sys
import tracemalloc
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from crediting.desk import Desk, metro

from accounts.ids import lowest_uuid7
from accounts.onboarding import ConsentGrant, Newcomer, compute_person_keys, hash_identities, onboard
from app.backtest import export as exporting
from app.backtest.candidates import from_file
from app.backtest.errors import BacktestError
from app.backtest.export import EPOCH, lead_day, open_export
from app.backtest.page import page
from app.backtest.report import percent
from app.backtest.run import Question, answer, export_from, reusable
from app.database import driver_of
from app.replay.readers import Trip, make_reader
from app.wiring import Services, utc_now
from methodologies.catalogue import BUILT_IN
from points.programmes import load_programmes

LOCAL = dt.timezone(dt.timedelta(hours=8))
MONDAY = dt.date(2026, 11, 16)
SHENZHEN = BUILT_IN / "440300_shenzhen" / "trip_metro.yaml"


def draft(source: Path, folder: Path, *changes: tuple[str, str]) -> Path:
    """A pack file with other words in it."""
    text = source.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "draft.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def candidate(service: Services, path: Path) -> Any:
    return from_file(path, service.catalogue, None, None, None)


async def ask(service: Services, question: Question, folder: Path) -> Any:
    return await export_from(
        service.database, service.catalogue, load_programmes(), question, folder, utc_now()
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def acts(service: Services) -> dict[str, Any]:
    """Three people's trips of a Monday in Shenzhen, some refused, one reversed, one of a neighbour city."""
    desk = Desk(service)
    source = await desk.source()
    people = await desk.people(3, source)
    phones = [phone for phone, _ in people]
    far = {"start": {"lng": 114, "lat": 22.5}, "end": {"lng": 114.9, "lat": 22.5}}
    reports = [
        metro(phones[0], 480, 500, distance_m=10_000),
        metro(phones[0], 510, 530, distance_m=3_333, region="440305"),
        metro(phones[0], 540, 541, distance_m=20_000),  # 1,200 km/h
        metro(phones[0], 545, 550, distance_m=300_000),  # out of range
        metro(phones[1], 480, 500, distance_m=777),
        metro(phones[1], 485, 495, distance_m=500),  # a duplicate
        metro(phones[1], 600, 620, distance_m=1_000),  # to be reversed
        metro(phones[2], -30, -10, distance_m=4_000),  # the Sunday before
        metro(phones[2], 480, 483, distance_m=1_000) | far,  # its ends are too far apart
        metro(phones[2], 700, 720, distance_m=2_000),
    ]
    results = [await desk.intake.report(desk.prepare(source, report)) for report in reports]
    assert [r.outcome for r in results].count("duplicate") == 1
    await desk.reverse(source, results[6].activity_id)
    return {"phones": phones, "source": source, "results": results, "reports": reports, "people": people}


async def test_the_export_holds_what_a_formula_can_credit(
    service: Services, acts: Any, tmp_path: Path
) -> None:
    after = candidate(
        service,
        draft(
            SHENZHEN,
            tmp_path,
            ('"46.7"', '"40"'),
            ('co2e_g: "467"', 'co2e_g: "400"'),
            ('version: "2021"', 'version: "2027"'),
        ),
    )
    question = Question(after, None, MONDAY, MONDAY)
    export = await ask(service, question, tmp_path / "out")
    rows = pq.read_table(export.acts).to_pylist()
    # Not the duplicate, the reversed one, the Sunday; the one with far ends is set aside.
    assert sorted(row["distance_m"] for row in rows) == [777, 2_000, 3_333, 10_000, 20_000, 300_000]
    assert export.manifest.set_aside == 1
    assert {row["region"] for row in rows} == {440300, 440305}
    assert [row["act"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert sorted({row["holder"] for row in rows}) == [1, 2, 3]
    assert {row["day"] for row in rows} == {(MONDAY - EPOCH).days}
    for raw in (export.acts, export.folder / "manifest.json"):
        content = raw.read_bytes()
        for _, holder in acts["people"]:
            assert holder.bytes not in content
            assert holder.hex.encode() not in content

    for engine in ("duckdb", "rows"):
        report = answer(question, export, engine, reused=False)
        total = report.findings.total
        assert (total.activities, total.before_mg) == (
            6,
            sum(m * 467 // 10 for m in (777, 2_000, 3_333, 10_000)),
        )
        assert total.after_mg == sum(m * 40 for m in (777, 2_000, 3_333, 10_000))
        assert report.findings.stored_mg == total.before_mg
        assert {(r.reason, r.before, r.after) for r in report.findings.refused} == {
            ("implausible_speed", 1, 1),
            ("input_out_of_range", 1, 1),
        }
    text = json.dumps(report.as_dict())
    for _, holder in acts["people"]:
        assert holder.hex not in text
    again = answer(question, export, "rows", reused=True)
    names = [{row["holder"] for row in each.as_dict()["lose_most"]} for each in (report, again)]
    assert len(names[0]) == len(names[1]) == 3
    assert not names[0] & names[1]
    html = page(report)
    assert html.count("<svg") == 3  # nobody gains, and there is one month only
    assert not re.findall(r"(?:src|href)=\"(?!#)", html)
    assert "<script" not in html


async def test_aggregation_is_not_told_apart_and_the_report_says_so(
    service: Services, acts: Any, tmp_path: Path, owner: asyncpg.Connection
) -> None:
    """Grams are the person's and the platform's together, in the ledger as well."""
    question = Question(candidate(service, SHENZHEN), None, MONDAY, MONDAY)
    change = """
        UPDATE activities SET co2e_mg = co2e_mg - $2, aggregated_mg = aggregated_mg + $2 WHERE id = $1
    """
    await owner.execute(change, acts["results"][0].activity_id, 1_000)
    try:
        export = await ask(service, question, tmp_path / "plain")
        report = answer(question, export, "rows", reused=False)
        assert report.findings.stored_mg == report.findings.total.before_mg
        assert report.as_dict()["not_reckoned"] == []
        assert "Aggregation" not in page(report)
    finally:
        await owner.execute(change, acts["results"][0].activity_id, -1_000)
    taken = "aggregation: {threshold_mg: 1, per: month, source: 试验}\nclaims:"
    path = draft(SHENZHEN, tmp_path, ("claims:", taken), ('"2021"', '"2026"'))
    question = Question(candidate(service, path), None, MONDAY, MONDAY)
    for engine in ("duckdb", "rows"):
        told = answer(question, export, engine, reused=True)
        assert told.findings.total.after_mg == told.findings.total.before_mg
        assert told.as_dict()["not_reckoned"] == ["aggregation"]
        assert "Aggregation 平台归集" in page(told)


async def test_an_export_is_made_once(service: Services, acts: Any, tmp_path: Path) -> None:
    after = candidate(service, SHENZHEN)
    question = Question(after, None, MONDAY, MONDAY)
    export = await ask(service, question, tmp_path)
    assert reusable(tmp_path, question) == export
    assert reusable(tmp_path, Question(after, None, MONDAY, MONDAY + dt.timedelta(days=1))) is None
    monthly = candidate(
        service,
        draft(SHENZHEN, tmp_path, ("per: day, count: 20", "per: month, count: 20"), ('"2021"', '"2028"')),
    )
    assert reusable(tmp_path, Question(monthly, None, MONDAY, MONDAY)) is None, (
        "the month's window began earlier"
    )
    damaged = bytearray(export.acts.read_bytes())
    damaged[10] ^= 1
    export.acts.write_bytes(damaged)
    assert open_export(tmp_path) is None
    export = await ask(service, question, tmp_path)
    (tmp_path / "manifest.json").unlink()
    assert open_export(tmp_path) is None


async def test_caps_count_from_where_their_window_begins(
    service: Services, acts: Any, tmp_path: Path
) -> None:
    """The Sunday's trip uses the month's cap that Monday's would have had."""
    path = draft(SHENZHEN, tmp_path, ("per: day, count: 20", "per: month, count: 1"), ('"2021"', '"2029"'))
    question = Question(candidate(service, path), None, MONDAY, MONDAY)
    export = await ask(service, question, tmp_path / "out")
    assert export.manifest.lead_day == dt.date(2026, 11, 1)
    assert export.manifest.rows == 7
    for engine in ("duckdb", "rows"):
        found = answer(question, export, engine, reused=False).findings
        assert found.total.activities == 6
        # Of the first holder the first trip passes, of the second the only one, of the third none.
        assert found.total.after_mg == 467_000 + 777 * 467 // 10
        assert (found.total.newly_capped, found.holders_newly_capped) == (2, 2)


async def test_late_reports_of_the_period_are_found(
    service: Services, acts: Any, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    """An act of the Monday that is booked half a year later lies in another partition."""
    row = await owner.fetchrow("SELECT * FROM activities WHERE outcome = 'credited' LIMIT 1")
    late = UUID(bytes=lowest_uuid7(dt.datetime(2027, 2, 20, tzinfo=dt.UTC)).bytes[:-1] + b"\x07")
    columns = ", ".join(row.keys())
    values = ", ".join(f"${place}" for place in range(1, len(row) + 1))
    changed = {
        **dict(row),
        "id": late,
        "scene": "trip.metro",
        "region": "440300",
        "inputs": '{"distance_m": 123}',
        "reversed_at": None,
        "started_at": dt.datetime(2026, 11, 16, 23, 59, 59, tzinfo=LOCAL),
        "ended_at": dt.datetime(2026, 11, 17, 0, 5, tzinfo=LOCAL),
    }
    await owner.execute(f"INSERT INTO activities ({columns}) VALUES ({values})", *changed.values())
    try:
        question = Question(candidate(service, SHENZHEN), None, MONDAY, MONDAY)
        export = await ask(service, question, tmp_path)
        assert 123 in pq.read_table(export.acts)["distance_m"].to_pylist()
    finally:
        await owner.execute("DELETE FROM activities WHERE id = $1", late)


async def test_memory_does_not_grow_with_the_period(
    service: Services, owner: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four times the acts, no more memory: rows are read and written some thousand at a time."""
    monkeypatch.setattr(exporting, "CHUNK", 2_000)
    methodology = candidate(service, SHENZHEN)
    version = await owner.fetchval(
        "SELECT id FROM methodology_versions WHERE content_hash = $1", methodology.content_hash
    )
    insert = """
        INSERT INTO activities SELECT
            ('01900000-0000-7000-8000-' || lpad(to_hex(n % 500), 12, '0'))::uuid,
            (lpad(to_hex((extract(epoch FROM $1::timestamptz) * 1000)::bigint), 12, '0') || '7000'
             || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
            gen_random_uuid(), 'trip.metro', '440300', $1, $1 + interval '10 minutes', 'platform',
            '{"distance_m": 1000, "duration_s": 600}', 'credited', NULL, $2, 46700, 46700, 46, NULL, '', NULL
        FROM generate_series(1, $3::int) AS made(n)"""
    peaks = []
    for day, count in ((dt.date(2026, 10, 5), 10_000), (dt.date(2026, 10, 12), 40_000)):
        await owner.execute(insert, dt.datetime.combine(day, dt.time(8), LOCAL), version, count)
        question = Question(methodology, None, day, day)
        tracemalloc.start()
        export = await ask(service, question, tmp_path / str(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (export.manifest.rows, export.manifest.holders) == (count, 500)
    assert peaks[1] < peaks[0] * 1.5 + 1_000_000, peaks
    found = answer(question, export, "duckdb", reused=False).findings
    assert (found.total.before_mg, found.total.after_mg) == (46_700 * 20 * 500, 46_700 * 20 * 500)
    assert found.total.before_capped == 40_000 - 20 * 500
    await owner.execute("DELETE FROM activities WHERE holder_id::text LIKE '01900000-0000-7000-8000-%'")


async def test_a_day_of_real_bike_trips(service: Services, data: Path, tmp_path: Path) -> None:
    """Credited by the intake, backtested under two versions, summed again with nothing of the code under test."""
    desk = Desk(service)
    source = await desk.source()
    weeks = 530
    trips = [
        trip
        for trip in make_reader("mobike").read(data / "bike" / "mobike_shanghai_2016-08-01_20.csv")
        if isinstance(trip, Trip) and trip.started_at.date() == dt.date(2016, 8, 3)
    ]
    assert len(trips) > 1_000
    day = dt.date(2016, 8, 3) + dt.timedelta(weeks=weeks)
    since = dt.datetime(2020, 1, 1, tzinfo=LOCAL)
    grants = [ConsentGrant(source, group, since, "t", "r") for group in ("trip", "movement")]
    newcomers = [
        Newcomer("person", "310000", [("source_user", user, source.hex)], grants)
        for user in sorted({trip.user for trip in trips})
    ]
    hash_identities(newcomers, service.hasher)
    compute_person_keys(newcomers, service.person_keys)
    async with service.database.transaction() as session:
        await onboard(await driver_of(session), newcomers, lambda _: True, utc_now())
    prepared = [desk.prepare(source, trip.report(weeks)) for trip in trips]
    results = [
        result
        for start in range(0, len(prepared), 500)
        for result in await desk.intake.report_batch(prepared[start : start + 500])
    ]

    # Plain Python from here: 97 g/km floored to mg before, 95.3 g/km rounded after, at most 2 trips a day after.
    refusals = {"implausible_speed", "implausible_duration", "input_out_of_range"}
    before = after = count = cut = refused = 0

    def outside(metres: int, seconds: int, kmh: int) -> bool:
        return not 1 <= metres <= 100_000 or seconds > 6 * 3600 or metres * 3600 > kmh * 1000 * seconds

    rides: dict[str, list[Any]] = defaultdict(list)
    for trip, result in zip(trips, results, strict=True):
        if result.outcome in ("credited", "capped") or result.reason in refusals:
            rides[trip.user].append((trip, result))
    for own in rides.values():
        passed = 0
        for trip, result in sorted(own, key=lambda pair: (pair[0].started_at, pair[1].activity_id)):
            count += 1
            metres, seconds = (
                trip.distance_m or 0,
                (trip.ended_at - trip.started_at) // dt.timedelta(seconds=1),
            )
            assert (result.outcome == "rejected") == outside(metres, seconds, 30)
            if result.outcome == "credited":
                before += 97 * metres
            if outside(metres, seconds, 20):
                refused += 1
                continue
            passed += 1
            if passed <= 2:
                after += int(Fraction("95.3") * metres + Fraction(1, 2))
            else:
                cut += 1
    assert cut > 0
    assert before > after > 0

    path = draft(
        BUILT_IN / "310000_shanghai" / "trip_shared_bike.yaml",
        tmp_path,
        ('value: "0.106"', 'value: "0.1043"'),
        ("formula:", "rounding: {mode: half_up}\nformula:"),
        ("per: day, count: 20", "per: day, count: 2"),
        ("max_speed_kmh: 30", "max_speed_kmh: 20"),
        ('co2e_g: "970"', 'co2e_g: "953"'),
        ('version: "2024-03-11"', 'version: "2027"'),
    )
    question = Question(candidate(service, path), None, day, day)
    export = await ask(service, question, tmp_path / "out")
    for engine in ("duckdb", "rows"):
        found = answer(question, export, engine, reused=False).findings
        assert found.total.activities == count
        assert (found.total.before_mg, found.total.after_mg) == (before, after)
        assert found.stored_mg == before
        assert found.total.newly_capped == cut
        assert sum(each.after for each in found.refused) == refused
        assert sum(each.sums.after_mg for each in found.deciles) == after
        assert sum(each.holders for each in found.deciles) == found.holders == len(rides)


def test_the_command(
    stack: Any, settings: Any, acts: Any, database_urls: tuple[str, str], tmp_path: Path
) -> None:
    path = draft(
        SHENZHEN,
        tmp_path,
        ('"46.7"', '"50"'),
        ('co2e_g: "467"', 'co2e_g: "500"'),
        ('version: "2021"', 'version: "2027"'),
    )
    environment = {
        **os.environ,
        "TANPUHUI_ENVIRONMENT": "test",
        "TANPUHUI_DATA_DIR": str(tmp_path / "data"),
        "TANPUHUI_DATABASE_URL": database_urls[0],
        "TANPUHUI_REDIS_URL": stack.redis_url,
    }

    def command(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app.cli", "backtest", *options],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
        )

    days = ("--from", "2026-11-16", "--to", "2026-11-16")
    out = tmp_path / "out"
    made = command("--file", str(path), *days, "--out", str(out), "--csv", "--html", "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    metres = (777, 2_000, 3_333, 10_000)
    assert told["total"]["before_mg"] == sum(m * 467 // 10 for m in metres)
    assert told["total"]["after_mg"] == sum(m * 50 for m in metres)
    assert told["against"] == "credited"
    assert told["against_versions"] == ["SZ-LOW-CARBON-TRANSIT.metro/2021/440300"]
    assert not told["export"]["reused"]
    with (out / "by_region.csv").open(encoding="utf-8-sig") as file:
        districts = {row["region"]: int(row["after_mg"]) for row in csv.DictReader(file)}
    assert districts == {"440300": (777 + 2_000 + 10_000) * 50, "440305": 3_333 * 50}
    assert "<svg" in (out / "report.html").read_text(encoding="utf-8")
    assert {Path(each).name for each in told["files"]} == {
        p.name for p in out.iterdir() if p.suffix in (".csv", ".html")
    }

    again = command("--file", str(path), *days, "--out", str(out), "--engine", "rows", "--against", "active")
    assert again.returncode == 0, again.stderr
    assert "0.752 kg" in again.stdout
    assert "h-" in again.stdout

    for options, code, text in (
        (("--methodology", "NO.such", "--version", "1", *days), 1, "没有方法学"),
        (("--methodology", "SZ-LOW-CARBON-TRANSIT.metro", "--version", "1", *days), 1, "2021"),
        (("--file", str(path), "--from", "2026-11-17", "--to", "2026-11-16"), 1, "--from"),
        (("--file", str(path), *days, "--engine", "abacus"), 2, "duckdb, spark, rows"),
        (("--methodology", "SZ-LOW-CARBON-TRANSIT.metro", *days), 2, "--version"),
        (("--file", str(path), *days, "--against", "nothing"), 2, "CODE/VERSION"),
    ):
        refused = command(*options)
        assert refused.returncode == code, (options, refused.stderr)
        assert text in refused.stderr.replace("\n", " "), refused.stderr
        assert "Traceback" not in refused.stderr


def test_another_scene_is_no_comparison(service: Services) -> None:
    one = candidate(service, SHENZHEN)
    other = candidate(service, BUILT_IN / "440300_shenzhen" / "trip_bus.yaml")
    with pytest.raises(BacktestError, match="different scenes"):
        Question(one, other, MONDAY, MONDAY)


def test_lead_days_and_percentages(service: Services) -> None:
    one = candidate(service, SHENZHEN)
    assert lead_day([one], MONDAY) == MONDAY
    assert percent(-1, 8) == "-12.5 %"
    assert percent(1, 0) == ""
