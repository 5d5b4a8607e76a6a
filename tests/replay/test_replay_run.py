"""A replay against a service of a few lines: shift, onboarding, batches, counts."""

import asyncio
import datetime as dt
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from app.replay.api import Api, ApiError
from app.replay.readers import FileRefused
from app.replay.run import replay, weeks_to
from app.replay.summary import Summary, kilograms

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
FILE = (
    "ID,BID,UID,ST,DU,DS\n"
    "1,1,7,2016/8/2 8:00,10,2000\n"
    "2,1,7,2016/8/1 8:00,10,2000.9\n"
    "3,1,7,never,10,2000\n"
    "4,1,8,2016/8/3 8:00,10,3000\n"
    "5,1,7,2016/8/3 9:00,10,1\n"
)


class Service(Api):
    """Credits every report once."""

    def __init__(self) -> None:
        super().__init__("http://service", "a", "b")
        self.seen: dict[str, dict[str, Any]] = {}
        self.holders: list[dict[str, Any]] = []
        self.batches: list[int] = []
        self.fail_after: int | None = None

    async def onboard(self, holders: Any) -> list[dict[str, Any]]:
        self.holders += holders
        return [{"holder_id": "hld_1", "created": True, "error": None} for _ in holders]

    async def report(self, reports: Any) -> list[dict[str, Any]]:
        await asyncio.sleep(0)
        if self.fail_after is not None and len(self.batches) >= self.fail_after:
            raise ApiError("unreachable", 0, "killed")
        self.batches.append(len(reports))
        items = []
        for report in reports:
            known = {holder["identities"][0]["value"] for holder in self.holders}
            assert report["subject"]["value"] in known, "reported before onboarded"
            outcome = "rejected" if report["distance_m"] == 1 else "credited"
            item = {
                "outcome": outcome,
                "reason": "input_below_min" if outcome == "rejected" else None,
                "co2e_g": "0" if outcome == "rejected" else "97.001",
                "points": 97,
                "replayed": report["event_id"] in self.seen,
            }
            self.seen[report["event_id"]] = report
            items.append(item)
        return items


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trips.csv"
    path.write_text(FILE, encoding="utf-8")
    return path


async def test_a_file_becomes_credit_once(file: Path) -> None:
    service = Service()
    first = await replay(
        service, service, "org_1", file, "mobike", move_to=dt.date(2026, 11, 18), batch_size=2, now=NOW
    )
    assert first.as_dict() | {"seconds": 0, "activities_per_s": 0} == {
        "rows": 5,
        "bad_rows": 1,
        "bad_rows_by_reason": {"bad_st": {"count": 1, "first_lines": [4]}},
        "holders": {"onboarded": 2, "created": 2, "refused": {}},
        "reported": 4,
        "outcomes": {"credited": 3, "capped": 0, "duplicate": 0, "rejected": 1, "pending": 0},
        "rejected_by_reason": {"input_below_min": 1},
        "duplicate_by_reason": {},
        "replayed": 0,
        "replayed_outcomes": {},
        "co2e_kg": "0.291003",
        "points": 388,
        "seconds": 0,
        "activities_per_s": 0,
        "shift_weeks": 537,
        "interrupted": False,
        "scenes": {
            "trip.shared_bike": {
                "credited": 3,
                "capped": 0,
                "duplicate": 0,
                "rejected": 1,
                "pending": 0,
                "replayed": 0,
                "co2e_kg": "0.291003",
                "points": 388,
            }
        },
        "notes": [],
        "look": {},
    }
    assert service.batches == [2, 2]
    # The first act, a Monday, falls on the Monday before the Wednesday.
    assert min(report["started_at"] for report in service.seen.values()) == "2026-11-16T08:00:00+08:00"
    (consent,) = service.holders[0]["consents"]
    assert consent["granted_at"] == "2026-11-15T00:00:00+08:00"
    assert consent["scene_groups"] == ["trip", "movement"]
    assert consent["receipt_id"].startswith("replay-")

    again = await replay(
        service, service, "org_1", file, "mobike", move_to=dt.date(2026, 11, 18), batch_size=3, now=NOW
    )
    assert again.replayed == {"credited": 3, "rejected": 1}
    assert (again.co2e_mg, again.points, again.outcomes.total()) == (0, 0, 0)
    orjson.dumps(again.as_dict())


async def test_limit_and_times_as_they_are(file: Path) -> None:
    service = Service()
    summary = await replay(service, service, "org_1", file, "mobike", limit=2, batch_size=1, now=NOW)
    assert (summary.reported, summary.rows, summary.shift_weeks) == (2, 2, 0)
    assert sorted(report["started_at"][:10] for report in service.seen.values()) == [
        "2016-08-01",
        "2016-08-02",
    ]
    empty = await replay(service, service, "org_1", file, "mobike", limit=0, now=NOW)
    assert empty.reported == 0


async def test_acts_in_the_future_are_left_to_the_service_and_told_of(file: Path) -> None:
    service = Service()
    summary = await replay(service, service, "org_1", file, "mobike", move_to=dt.date(2027, 1, 1), now=NOW)
    assert any("in_future" in note for note in summary.notes)
    assert service.holders[0]["consents"][0]["granted_at"] == NOW.isoformat()
    with pytest.raises(FileRefused):
        await replay(service, service, "org_1", file, "mobike", move_to=dt.date(9999, 1, 1), now=NOW)


async def test_a_failure_keeps_the_counts_and_a_second_run_goes_on(file: Path) -> None:
    service = Service()
    service.fail_after = 1
    so_far = Summary()
    with pytest.raises(ApiError):
        await replay(service, service, "org_1", file, "mobike", batch_size=1, now=NOW, summary=so_far)
    assert so_far.reported == 1
    service.fail_after = None
    rest = await replay(service, service, "org_1", file, "mobike", batch_size=1, now=NOW)
    assert rest.replayed_total == 1
    assert rest.outcomes.total() == 3


async def test_cancelling_leaves_nothing_running(file: Path) -> None:
    class Slow(Service):
        async def report(self, reports: Any) -> list[dict[str, Any]]:
            reporting.set()
            await asyncio.sleep(60)
            return [{} for _ in reports]

    reporting = asyncio.Event()

    before = asyncio.all_tasks()
    service = Slow()
    summary = Summary()
    task = asyncio.create_task(
        replay(service, service, "org_1", file, "mobike", batch_size=1, now=NOW, summary=summary)
    )
    await reporting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert summary.interrupted
    assert asyncio.all_tasks() <= before


@pytest.mark.parametrize(
    ("move_to", "first"),
    [
        (dt.date(2026, 11, 16), "2026-11-16"),
        (dt.date(2026, 11, 22), "2026-11-16"),
        (dt.date(2026, 11, 23), "2026-11-23"),
        (dt.date(2010, 1, 1), "2009-12-28"),
    ],
)
def test_the_shift_keeps_the_weekday(move_to: dt.date, first: str) -> None:
    started = dt.datetime(2016, 8, 1, 0, 23, tzinfo=dt.timezone(dt.timedelta(hours=8)))
    weeks = weeks_to(started, move_to)
    assert (started + dt.timedelta(weeks=weeks)).date().isoformat() == first


def test_kilograms_are_exact() -> None:
    assert [kilograms(mg) for mg in (0, 1, 1_000_000, 1_234_567, -1)] == [
        "0",
        "0.000001",
        "1",
        "1.234567",
        "-0.000001",
    ]


def test_the_table_names_everything(file: Path) -> None:
    service = Service()
    summary = asyncio.run(replay(service, service, "org_1", file, "mobike", now=NOW))
    console = Console(file=StringIO(), width=120)
    summary.render(console)
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    for expected in ("0.291003 kg", "bad_st (line 4)", "input_below_min 1", "trip.shared_bike", "减排量"):
        assert expected in text
