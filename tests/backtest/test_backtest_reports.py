"""What the intake decided by share, window, kind and collection, a backtest decides again: same grams, same points."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow.parquet as pq
import pytest
from crediting.county import REGION, county_preparer, report
from crediting.desk import Desk

from accounts.ids import uuid7
from app.backtest.candidates import in_force, of_revision, revision_of, revisions_called
from app.backtest.errors import BacktestError
from app.backtest.report import Report, headline
from app.backtest.run import ENGINES, Question, answer, export_from
from app.crediting.intake import Intake
from app.crediting.prepare import Preparer
from app.versions.drafts import skeleton, stored
from app.versions.models import Revision
from app.wiring import Services, utc_now
from methodologies import Methodology, model
from points.programmes import load_programmes

IN_PROCESS = [engine for engine in ENGINES if engine != "spark"]
Ask = Callable[..., Any]


@pytest.fixture
async def county(service: Services, tmp_path: Path) -> Preparer:
    return await county_preparer(service, tmp_path)


@pytest.fixture
async def intake(service: Services, county: Preparer) -> AsyncIterator[Intake]:
    made = Intake(service.database, county, utc_now, committers=1, group_max=10)
    yield made
    await made.close()


def changed(methodology: Methodology, **over: Any) -> Methodology:
    text = {**methodology.text.model_dump(mode="json", by_alias=True), "version": "2", **over}
    return Methodology(model.Methodology.model_validate(text))


@pytest.fixture
def ask(service: Services, county: Preparer, tmp_path: Path) -> Ask:
    async def asked(scene: str, **over: Any) -> dict[str, Report]:
        """The reports of every engine over the last weeks, the county's own text changed as told."""
        own = next(each for each in county.rules.catalogue.of(REGION, scene))
        today = utc_now().astimezone(dt.timezone(dt.timedelta(hours=8))).date()
        question = Question(changed(own, **over), None, today - dt.timedelta(days=20), today)
        export = await export_from(
            service.database, county.rules.catalogue, load_programmes(), question, tmp_path / "out", utc_now()
        )
        return {engine: answer(question, export, engine, reused=False) for engine in IN_PROCESS}

    return asked


async def test_shares_and_late_reports(desk: Desk, intake: Intake, ask: Ask) -> None:
    source = await desk.source()
    one, other, third = [phone for phone, _ in await desk.people(3, source)]
    past = (utc_now() - dt.timedelta(days=10)).replace(microsecond=0)
    late = {"started_at": past.isoformat(), "ended_at": (past + dt.timedelta(minutes=30)).isoformat()}
    results = [
        await report(intake, source, one),
        await report(intake, source, other, evidence="self_report"),
        await report(intake, source, third, **late, evidence="self_report"),
    ]
    assert [(each.co2e_mg, each.points) for each in results] == [(105_000, 105), (52_500, 52), (0, 0)]
    assert results[2].reason == "reported_late"

    wider = await ask("trip.bus", report_within_days=30, self_report={"share_percent": 33, "source": "试验"})
    for told in wider.values():
        found = told.findings
        assert (found.total.activities, found.holders) == (3, 3)
        assert (found.total.before_mg, found.total.before_points) == (157_500, 157)
        assert (found.stored_mg, found.stored_points) == (157_500, 157)
        assert found.total.after_mg == 105_000 + 2 * 34_650
        assert found.total.after_points == 105 + 34 + 34
        assert [(each.reason, each.before, each.after) for each in found.refused] == [("reported_late", 1, 0)]
    same = await ask("trip.bus")
    for told in same.values():
        assert told.findings.total.change_mg == 0
        assert [each.after for each in told.findings.refused] == [1]


async def test_what_waits_to_be_collected_is_reckoned_as_collected(
    desk: Desk, intake: Intake, ask: Ask
) -> None:
    source = await desk.source()
    phone, _ = await desk.person(source)
    waits = await report(intake, source, phone, scene="trip.metro")
    assert (waits.outcome, waits.co2e_mg) == ("pending", 105_000)
    for told in (await ask("trip.metro", collection=None)).values():
        found = told.findings
        assert (found.total.before_mg, found.total.after_mg) == (105_000, 105_000)
        assert (found.stored_mg, found.stored_points) == (0, 0)
        assert (told.manifest.waiting, told.manifest.waiting_mg) == (1, 105_000)
        assert told.as_dict()["export"]["waiting"] == 1
        assert "1 acts, 0.105 kg" in dict(headline(told))["Not collected 未领取"]


async def test_kinds_are_exported_by_number(
    desk: Desk, intake: Intake, ask: Ask, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    """The county's text knows no kinds and refuses an act that names one; another text may know it."""
    source = await desk.source()
    people = await desk.people(3, source)
    for (phone, _), kind in zip(people, ("ferry", "tram", "ferry"), strict=True):
        refused = await report(intake, source, phone, scene="trip.walk", kind=kind)
        assert (refused.reason, refused.co2e_mg) == ("unknown_kind", 0)
    rows = [{"key": ["ferry"], "value": "7.0005"}, {"key": ["bus"], "value": "3"}]
    table = {"name": "each", "unit": "gCO2e", "keys": ["kind"], "rows": rows, "source": "试验"}
    told = await ask(
        "trip.walk",
        tables=[{**table, "confidence": "quoted"}],
        formula="each[kind] * min(duration_s, one) / one",
        parameters=[{"name": "one", "value": "1", "unit": "s", "source": "试验", "confidence": "quoted"}],
        rounding={"mode": "half_up"},
    )
    for each in told.values():
        found = each.findings
        assert (found.total.before_mg, found.total.after_mg) == (0, 2 * 7_001)
        assert {(one.reason, one.before, one.after) for one in found.refused} == {
            ("unknown_kind", 3, 0),
            ("no_table_value", 0, 1),
        }
        assert sorted(each.manifest.kinds) == ["ferry", "tram"]
        assert each.manifest.set_aside == 0
    kinds = pq.read_table(tmp_path / "out" / "acts.parquet")["kind"].to_pylist()
    assert sorted(each.manifest.kinds[kind] for kind in kinds) == ["ferry", "ferry", "tram"]


async def test_a_draft_in_the_database(service: Services, county: Preparer) -> None:
    now = utc_now()
    own = next(each for each in county.rules.catalogue.of(REGION, "trip.bus"))
    name = {"region": REGION, "scene": "trip.bus", "code": "DRAFT.bus"}
    texts = {
        "1": stored({**changed(own, **name).text.model_dump(mode="json", by_alias=True), "version": "1"}),
        "2": stored(skeleton({**name, "version": "2"})),
    }
    made = {
        version: Revision(
            id=uuid7(now),
            **name,
            version=version,
            origin="",
            content=content,
            authors=["me"],
            created_at=now,
            updated_at=now,
        )
        for version, content in texts.items()
    }
    async with service.database.transaction() as session:
        session.add_all(made.values())
    found = await revision_of(service.database, made["1"].id)
    assert (found.code, found.version, found.text.self_report) == ("DRAFT.bus", "1", own.text.self_report)
    assert [each.id for each in await revisions_called(service.database, "DRAFT.bus", "1")] == [made["1"].id]
    with pytest.raises(BacktestError, match="does not hold yet") as refused:
        of_revision(made["2"])
    assert "尚不成立" in refused.value.message_zh
    assert "/formula" in refused.value.message_en or "/inputs" in refused.value.message_en
    with pytest.raises(BacktestError, match="no methodology version mrv_"):
        await revision_of(service.database, uuid.uuid4())


async def test_what_operators_activated_is_in_force(service: Services, county: Preparer) -> None:
    """An operator's version replaces the pack's that is of the same days, from its moment on."""
    now = utc_now()
    packs = county.rules.catalogue
    own = next(each for each in packs.of(REGION, "trip.walk"))
    text = changed(own, code="OPERATOR.walk")
    day = now.date()
    async with service.database.transaction() as session:
        session.add(
            Revision(
                id=uuid7(now),
                region=REGION,
                scene="trip.walk",
                code="OPERATOR.walk",
                version="2",
                origin="",
                content=text.content,
                content_hash=text.content_hash,
                first_day=text.in_force.first_day,
                authors=["me"],
                created_at=now,
                updated_at=now,
                submitted_at=now,
                approved_at=now,
                approved_by="you",
                activates_at=now,
            )
        )
    before = await in_force(service.database, packs, now - dt.timedelta(seconds=1))
    after = await in_force(service.database, packs, now)
    chosen = [catalogue.select(REGION, "trip.walk", day) for catalogue in (before, after)]
    assert [each and each.code for each in chosen] == [own.code, "OPERATOR.walk"]
