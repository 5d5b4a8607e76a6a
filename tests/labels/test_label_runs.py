"""Yearly runs: every enterprise once, cut off anywhere and gone on with, published once, falls kept."""

import asyncio
import datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

import orjson
import pytest
from labels.district import NOW, District, new_region, spread
from labels.made import scale_text

from accounts.labels import errors
from accounts.labels.measures import Indicator
from accounts.labels.queries import Colour, current_label, falls_of_run, label_history
from accounts.labels.run_repository import open_runs
from app.labels import runs
from app.labels.job import label_enterprises

pytestmark = pytest.mark.asyncio(loop_scope="session")
FIXED = scale_text(Indicator.PER_FLOOR_AREA, "1000")
PEERS = FIXED | {
    "against_industry": FIXED["against_industry"]
    | {"indicators": [{"indicator": "per_floor_area", "weight": 100, "percentile": 50}]}
}


class Cut(Exception):
    """Power is gone."""


async def lost(district: District, run_id: UUID) -> None:
    """A step whose transaction does not end."""
    async with district.service.database.driver_transaction() as driver:
        await runs.step(driver, run_id, district.service.live.labels, district.emitted, NOW, 4)
        raise Cut


async def test_an_enterprise_is_labelled_by_its_nearest_rules_or_told_why_not(district: District) -> None:
    rules_id = await district.rules(FIXED)
    good, bad, bare, silent = [await district.building(each) for each in (650, 1700, 1000, 1000)]
    await district.owner.execute("DELETE FROM label_figures WHERE holder_id = $1", bare)
    del district.mg[silent, 2025]
    mill = await district.enterprise("industry", "C3130")
    elsewhere = await district.enterprise(region=new_region())
    run_id = await district.begin()
    await district.work(run_id)
    found = await district.rows(run_id)
    assert {each: found[each][0] for each in found} == {
        good: "dark_green",
        bad: "red",
        bare: "unlabelled",
        silent: "unlabelled",
        mill: "unlabelled",
    }
    codes = {
        each: [reason["code"] for reason in orjson.loads(found[each][4])] for each in (bare, silent, mill)
    }
    assert codes == {bare: ["figure_missing"], silent: ["emissions_missing"], mill: ["no_scale"]}
    assert elsewhere not in found
    assert Fraction(found[good][1]) == 100
    run = await district.run(run_id)
    assert (run.rules_id, run.decided_at) == (rules_id, NOW)
    # Nothing is seen of it before the publication.
    async with district.service.database.driver_transaction() as driver:
        assert await current_label(driver, good) is None
        assert await label_history(driver, good) == []


async def test_operators_outrank_and_the_latest_counts(district: District) -> None:
    await district.rules(FIXED)
    found = await district.building(1000)
    await district.figure(found, amount=1_000_000, authority="住建局")
    await district.figure(found, amount=7)
    run_id = await district.begin()
    await district.work(run_id)
    facts = orjson.loads((await district.rows(run_id, "facts"))[found][0])
    assert facts["facts"]["figures"] == {"floor_area": 1_000_000}


async def test_a_run_that_is_cut_off_ends_as_one_that_is_not(district: District) -> None:
    await district.rules(PEERS)
    holders = [await district.building(each) for each in spread(13)]
    whole, cut = await district.begin(), await district.begin()
    await district.work(whole)
    steps = 0
    more = True
    while more:
        # Each step is first lost, then done again by another process.
        with pytest.raises(Cut):
            await lost(district, cut)
        more = await district.step(cut, 4)
        steps += 1
    assert steps > 8
    assert await district.rows(cut) == await district.rows(whole)
    assert await district.told(cut) == await district.told(whole)
    assert set(await district.rows(cut)) == set(holders)


async def test_two_processes_at_one_run_do_each_enterprise_once(district: District) -> None:
    await district.rules(PEERS)
    holders = [await district.building(each) for each in spread(15)]
    run_id = await district.begin()

    async def work() -> None:
        for _ in range(200):
            await district.step(run_id, 2)
            if (await district.run(run_id)).decided_at is not None:
                return

    await asyncio.gather(work(), work(), work())
    found = await district.rows(run_id, "colour, percentile")
    assert list(found) == sorted(holders)
    assert [found[each][1] for each in holders] == [100 * (14 - place) // 14 for place in range(15)]


async def test_the_yearly_run_is_begun_once_when_its_month_has_come(district: District) -> None:
    await district.rules(FIXED, due_month=5)
    building = await district.building(900)
    texts = district.service.live.labels

    async def begin(now: datetime.datetime) -> None:
        async with district.service.database.driver_transaction() as driver:
            await runs.begin_due(driver, texts, now)

    async def begun() -> list[Any]:
        return await district.owner.fetch(
            "SELECT id, year, created_by FROM label_runs WHERE region = $1", district.region
        )

    await begin(datetime.datetime(2026, 4, 30, 15, 59, tzinfo=datetime.UTC))
    assert await begun() == []
    # At midnight in Shanghai it is May.
    may = datetime.datetime(2026, 4, 30, 16, tzinfo=datetime.UTC)
    await asyncio.gather(*(begin(may) for _ in range(5)))
    ((run_id, year, by),) = await begun()
    assert (year, by) == (2025, "job")
    async with district.service.database.transaction() as lease:
        await label_enterprises(district.service.database, lease, texts, district.emitted, may)
    assert (await district.rows(run_id, "colour"))[building] == ("light_green",)
    async with district.service.database.driver_transaction() as driver:
        assert run_id not in await open_runs(driver)


async def test_publication_is_refused_until_it_may_be(district: District) -> None:
    await district.rules(FIXED)
    await district.building(900)
    with pytest.raises(errors.YearNotOver):
        await district.begin(2026)
    run_id = await district.begin()
    with pytest.raises(errors.RunUnfinished):
        await district.publish(run_id)
    await district.work(run_id)
    with pytest.raises(errors.NotOfficial):
        await district.publish(run_id, official=True)
    # By official rules it is refused to who began it.
    basis = {"title": "DB3308", "number": "1", "issued_on": "2026-01-01"}
    await district.rules(FIXED, official=True, basis=basis)
    second = await district.begin()
    await district.work(second)
    with pytest.raises(errors.PublishOwn):
        await district.publish(second, "cli_one", official=True)
    # Two publish it at once: one does.
    ends = await asyncio.gather(
        *(district.publish(second, official=True) for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(each) is errors.RunPublished for each in ends) == [False, True, True, True]
    assert (await district.run(second)).official is True


async def test_a_fall_is_kept_with_its_reasons(district: District) -> None:
    await district.rules(FIXED)
    falls, rises, vanishes = [await district.building(each) for each in (900, 1700, 900)]
    assert await district.publish(first := await _done(district)) == 0
    for year, intensities in ((2024, (600, 600)), (2023, (2000, 2000))):
        # Years before, published later, change nothing that counts.
        for holder, each in zip((falls, rises), intensities, strict=True):
            await district.figure(holder, year=year)
            district.mg[holder, year] = each * 1_000_000
    assert await district.publish(await _done(district, 2024)) == 0
    district.mg[falls, 2025], district.mg[rises, 2025] = 1_200_000_000, 800_000_000
    await district.figure(vanishes, amount=0, authority="住建局")
    run_id = await _done(district)
    assert await district.publish(run_id) == 2
    async with district.service.database.driver_transaction() as driver:
        fallen = await falls_of_run(driver, run_id)
        assert {(each.holder_id, each.from_colour, each.to_colour) for each in fallen} == {
            (falls, Colour.LIGHT_GREEN, Colour.YELLOW),
            (vanishes, Colour.LIGHT_GREEN, Colour.UNLABELLED),
        }
        (told,) = [each for each in fallen if each.holder_id == falls]
        assert told.reasons[0]["value"] == "1200"
        assert await falls_of_run(driver, first) == []
        now = await current_label(driver, falls)
        assert now is not None
        assert (now.colour, now.run_id, now.official) == (Colour.YELLOW, run_id, False)
        assert now.views["industry"]["colour"] == "yellow"
        history = await label_history(driver, falls)
    assert [(each.year, each.colour) for each in history] == [
        (2025, "yellow"),
        (2025, "light_green"),
        (2024, "dark_green"),
    ]


async def _done(district: District, year: int = 2025) -> Any:
    run_id = await district.begin(year)
    await district.work(run_id)
    return run_id


async def test_a_trial_does_not_take_the_place_of_an_official_label(district: District) -> None:
    basis = {"title": "DB3308", "number": "1", "issued_on": "2026-01-01"}
    await district.rules(FIXED, official=True, basis=basis)
    found = await district.building(650)
    official = await district.labelled(official=True)
    district.mg[found, 2025] *= 3
    trial = await _done(district)
    assert await district.publish(trial) == 0
    async with district.service.database.driver_transaction() as driver:
        now = await current_label(driver, found)
    assert now is not None
    assert (now.run_id, now.colour) == (official, Colour.DARK_GREEN)


# What is told of others


async def test_an_enterprise_is_in_one_distribution_a_year(district: District) -> None:
    """A corrected figure and a second run would tell it by the difference: so the first one's percentiles stay."""
    await district.rules(PEERS)
    holders = [await district.building(each) for each in spread(12)]
    stale = await _done(district)
    first = await district.labelled()
    with pytest.raises(errors.RunStale):
        await district.publish(stale)
    ((_, _, count, percentiles, own, released),) = await district.told(first)
    assert (count, own, released) == (12, True, True)
    district.mg[holders[5], 2025] *= 40
    second = await _done(district)
    await district.publish(second)
    assert await district.told(second) == [("building", "per_floor_area", 12, percentiles, False, False)]
    references = {
        reason["reference"]
        for run_id in (first, second)
        for (reasons,) in (await district.rows(run_id, "reasons")).values()
        for reason in orjson.loads(reasons)
    }
    assert references == {str(Fraction(orjson.loads(percentiles)["50"]))}
    # Of another year there is another.
    for holder in holders:
        await district.figure(holder, year=2024)
        district.mg[holder, 2024] = 5_000_000
    (row,) = await district.told(await district.labelled(2024))
    assert row[4:] == (True, True)


async def test_fewer_than_k_are_withheld(district: District) -> None:
    await district.rules(PEERS)
    holders = [await district.building(each) for each in spread(10)]
    run_id = await district.labelled()
    assert [(row[2], row[3]) for row in await district.told(run_id)] == [(10, None)]
    found = await district.rows(run_id, "colour, percentile, reasons")
    assert {found[each][:2] for each in holders} == {("unlabelled", None)}
    assert {orjson.loads(found[each][2])[0]["code"] for each in holders} == {"benchmark_withheld"}
