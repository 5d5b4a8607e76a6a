"""Points of corrected acts where some are owed, on offer, collected by the programme, over, or a campaign's."""

import datetime
from typing import Any
from uuid import UUID

import asyncpg
from lots.fair import campaign, launch, left
from lots.purse import Purse, programme
from recalculation.workshop import Workshop, day
from versions.office import text_of

from accounts.ids import parse_public_id
from app.recalculation import repository
from app.recalculation.repository import Wanted
from app.recalculation.slices import Slice, plan_slice
from app.versions import repository as revisions
from methodologies import rebuild

OCTOBER = day("2026-10-01")


def purse_of(workshop: Workshop) -> Purse:
    return Purse(workshop.service, workshop.service.intake, UUID(int=8), workshop.clock.now)


async def held(owner: asyncpg.Connection, holder: UUID) -> tuple[int, int]:
    """Points that are there and that are owed."""
    row = await owner.fetchrow("SELECT points, owed_points FROM balances WHERE holder_id = $1", holder)
    return row[0], row[1]


async def indebted(workshop: Workshop, phone: str, **over: Any) -> tuple[str, list[dict[str, Any]]]:
    """A city, and the trips of somebody whose first one is reversed after its 467 points were spent."""
    city = await workshop.new_city()
    first = await workshop.trip(city, phone, day("2026-10-05"))
    assert await purse_of(workshop).spend(workshop.holder(phone), 467)
    assert (await workshop.reverse(first)).status_code == 200
    return city, [await workshop.trip(city, phone, day(f"2026-10-{n:02d}"), **over) for n in (6, 7)]


async def test_a_credit_that_repaid_is_corrected(
    workshop: Workshop, phones: Any, owner: asyncpg.Connection
) -> None:
    """Up, down and up again: what is gained repays first, and what is no longer repaid is owed again."""
    phone = phones()
    city, trips = await indebted(workshop, phone)
    holder = workshop.holder(phone)
    assert await held(owner, holder) == (467, 0)  # the first of the two repaid all of itself
    for factor, wanted in (("50", (533, 0)), ("40", (400, 67)), ("60", (733, 0))):
        done = await workshop.done(text_of(city, OCTOBER, factor))
        assert (done["totals"]["activities"], done["totals"]["skipped"]) == (2, {})
        assert await held(owner, holder) == wanted
        assert await workshop.breaches() == []
    # What stands of each is what its reversal takes.
    assert (await workshop.reverse(trips[0])).status_code == 200
    assert await held(owner, holder) == (133, 0)
    assert (await workshop.reverse(trips[1])).status_code == 200
    assert await held(owner, holder) == (0, 467)
    assert await workshop.breaches() == []


async def test_a_credit_that_repaid_and_is_refused(
    workshop: Workshop, phones: Any, owner: asyncpg.Connection
) -> None:
    phone = phones()
    city, _ = await indebted(workshop, phone, distance_m=30_000)
    holder = workshop.holder(phone)
    assert await held(owner, holder) == (2 * 1401 - 467, 0)
    short = [{"name": "distance_m", "unit": "m", "min": 1, "max": 20_000}]
    done = await workshop.done(text_of(city, OCTOBER, "46.7", inputs=short))
    assert (done["totals"]["refused"], done["totals"]["skipped"]) == (2, {})
    assert await held(owner, holder) == (0, 467)
    # The next correction gives both back: the debt comes first, also where the preview knew of it.
    await workshop.done(text_of(city, OCTOBER, "10"))
    assert await held(owner, holder) == (600 - 467, 0)


async def test_a_debt_is_repaid_by_an_older_act(
    workshop: Workshop, phones: Any, owner: asyncpg.Connection
) -> None:
    """What an act gains by a correction repays, also where it was there before the debt."""
    phone = phones()
    city = await workshop.new_city()
    older, spent = [await workshop.trip(city, phone, day(f"2026-10-{n:02d}")) for n in (5, 6)]
    holder = workshop.holder(phone)
    assert await purse_of(workshop).spend(holder, 934)
    assert (await workshop.reverse(spent)).status_code == 200
    assert await held(owner, holder) == (0, 467)
    await workshop.done(text_of(city, OCTOBER, "66.7"))
    assert await held(owner, holder) == (0, 267)
    # Less again: what it repaid is owed again, and what it earned at first is spent.
    done = await workshop.done(text_of(city, OCTOBER, "56.7"))
    assert done["totals"]["skipped"] == {"points_spent": 1}
    assert await held(owner, holder) == (0, 267)
    assert (await workshop.activity(older))["points"] == 667


async def test_what_a_campaign_gave_stays_until_the_act_is_reversed(
    workshop: Workshop, phones: Any, owner: asyncpg.Connection
) -> None:
    city = await workshop.new_city()
    own = purse_of(workshop)
    extra = campaign(region=city, percent=100, budget=10_000, **{"from": "2026-10-01T00:00:00+08:00"})
    (known,) = await launch(own, extra)
    await workshop.refresh()
    phone = phones()
    trip = await workshop.trip(city, phone, day("2026-10-05"))
    holder = workshop.holder(phone)
    assert await held(owner, holder) == (934, 0)
    for factor, points in (("50", 967), ("40", 867)):
        await workshop.done(text_of(city, OCTOBER, factor))
        assert await held(owner, holder) == (points, 0)
        assert (await workshop.explained(trip))["bonuses"][0]["points"] == 467
        assert await workshop.breaches() == []
    assert await left(own, known) == 10_000 - 467
    assert (await workshop.reverse(trip)).status_code == 200
    assert await held(owner, holder) == (0, 0)
    assert await left(own, known) == 10_000


async def test_credits_that_the_programme_has_collected(workshop: Workshop, phones: Any) -> None:
    """They wait under any text, and change their amounts meanwhile."""
    live = workshop.service.live
    shipped = live._points._shipped
    waits = programme(
        region="440000",
        scenes={},
        expiry_months=12,
        collection={"after_days": 0, "within_days": 300},
        **{"from": "2026-10-01"},
    )
    live._points._shipped = shipped.with_versions([waits])
    try:
        city = await workshop.new_city()
        trip = await workshop.trip(city, phones(), day("2026-10-05"))
        assert trip["outcome"] == "pending"
        done = await workshop.done(text_of(city, OCTOBER, "50"))
        assert done["totals"]["skipped"] == {}
        found = await workshop.activity(trip)
        assert (found["outcome"], found["points"]) == ("pending", 500)
        path = f"/v1/activities/{trip['activity_id']}/collection"
        assert (await workshop.office.platform.post(path)).json()["outcome"] == "credited"
        assert await workshop.breaches() == []
    finally:
        live._points._shipped = shipped


async def test_points_that_are_over_are_gone(workshop: Workshop, phones: Any) -> None:
    """Whether the expiry has run or not: an act whose points would become less stays as it is."""
    city = await workshop.new_city()
    trip = await workshop.trip(city, phones(), day("2026-10-05"))
    made = await workshop.previewed(text_of(city, OCTOBER, "40"))
    act = parse_public_id("act", trip["activity_id"])
    moments = {
        workshop.clock.now: {},
        datetime.datetime(2028, 11, 30, 15, 59, tzinfo=datetime.UTC): {},
        datetime.datetime(2028, 11, 30, 16, 0, tzinfo=datetime.UTC): {act: "points_spent"},
    }
    for moment, skipped in moments.items():
        found = await planned(workshop, made, moment)
        assert {key: why for plan in found.plans for key, why in plan.skipped.items()} == skipped
        assert len(found.changes) == 1 - len(skipped)


async def planned(workshop: Workshop, made: dict[str, Any], moment: datetime.datetime) -> Slice:
    """What would be done at a moment."""
    known = parse_public_id("mrc", made["id"])
    assert known is not None
    rules = workshop.service.preparer.rules_at(workshop.clock.now)
    async with workshop.service.database.transaction() as session:
        wanted = await repository.find(session, known)
        assert wanted is not None
        revision = await revisions.find(session, wanted.revision_id)
        assert revision is not None
        rule = rules.rule_of(rebuild(revision.content), 0)
    limits = Wanted(wanted.region, wanted.scene, wanted.first_day, wanted.last_day, 0)
    async with workshop.service.database.driver_transaction() as driver:
        return await plan_slice(driver, rules, rule, limits, None, moment, lock=False)
