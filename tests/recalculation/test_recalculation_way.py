"""The whole way over HTTP: a correction, its preview, the second operator's approval, and what it leaves."""

import asyncio
import datetime
from typing import Any

import pytest
from recalculation.workshop import BASE, Workshop, day
from versions.office import midnight, refusal, text_of

OCTOBER = day("2026-10-01")


@pytest.mark.parametrize(("factor", "mg"), [("50", 500_000), ("40.123", 401_230)])
async def test_a_corrected_factor(workshop: Workshop, phones: Any, factor: str, mg: int) -> None:
    city = await workshop.new_city()
    one, two = phones(), phones()
    before = await workshop.trip(city, one, day("2026-09-30"))
    first = await workshop.trip(city, one, day("2026-10-05"))
    second = await workshop.trip(city, one, day("2026-11-20"))
    theirs = await workshop.trip(city, two, day("2026-11-20"))
    undone = await workshop.trip(city, two, day("2026-10-07"))
    assert (await workshop.reverse(undone)).status_code == 200

    made = await workshop.previewed(text_of(city, OCTOBER, factor))
    assert [each["last_day"] for each in made["replaces"]] == ["2026-09-30"]
    preview = made["preview"]
    assert (preview["holders"], preview["activities"]) == (2, 3)
    assert preview["before_co2e_g"] == "1401"
    assert preview["after_co2e_g"] == f"{3 * mg / 1000:g}"
    assert [(each["month"], each["activities"]) for each in preview["months"]] == [
        ("2026-10", 1),
        ("2026-11", 2),
    ]
    assert made["totals"] is None
    # Nothing has changed, and nothing does before the second operator's word.
    assert await workshop.balance(one) == (3 * 467_000, before["points"] * 3)
    assert (await workshop.approve(made)).status_code == 200
    assert (await workshop.activity(first))["co2e_g"] == "467"

    # Until the corrected text counts, the old one does; then late reports get the corrected one.
    await workshop.refresh()
    assert (await workshop.trip(city, two, day("2026-10-06")))["co2e_g"] == "467"
    workshop.clock.forward(seconds=61)
    await workshop.refresh()
    late = await workshop.trip(city, two, day("2026-10-08"))
    assert late["co2e_g"] == f"{mg / 1000:g}"
    assert not await workshop.recalculator().step()
    workshop.clock.forward(seconds=120)
    done = await workshop.run(made)

    assert (done["totals"]["holders"], done["totals"]["activities"]) == (2, 4)
    assert done["totals"]["after_co2e_g"] == f"{4 * mg / 1000:g}"
    assert await workshop.balance(one) == (467_000 + 2 * mg, before["points"] + 2 * (mg // 1000))
    assert await workshop.balance(two) == (3 * mg, 3 * (mg // 1000))
    for trip in (first, second, theirs):
        now = await workshop.activity(trip)
        assert (now["co2e_g"], now["outcome"], now["points"]) == (f"{mg / 1000:g}", "credited", mg // 1000)
        again = await workshop.again(trip)
        assert (again["co2e_g"], again["replayed"]) == (f"{mg / 1000:g}", True)
    assert (await workshop.activity(before))["co2e_g"] == "467"
    assert (await workshop.activity(undone))["co2e_g"] == "467"

    told = await workshop.explained(first)
    (history,) = told["recalculations"]
    assert history["recalculation_id"] == made["id"]
    assert (history["before"]["co2e_g"], history["after"]["co2e_g"]) == ("467", f"{mg / 1000:g}")
    assert told["methodology"]["version"] == history["after"]["version"] != history["before"]["version"]
    assert told["calculation"]["co2e_mg"] == mg
    assert (await workshop.explained(before))["recalculations"] == []
    assert await workshop.breaches() == []

    # What was recalculated can be reversed, and its claims are free again.
    assert (await workshop.reverse(first)).status_code == 200
    assert await workshop.balance(one) == (467_000 + mg, before["points"] + mg // 1000)
    new = await workshop.trip(city, one, day("2026-10-05"))
    assert (new["outcome"], new["co2e_g"]) == ("credited", f"{mg / 1000:g}")


async def test_who_may_do_what(workshop: Workshop, phones: Any) -> None:
    office = workshop.office
    city = await workshop.new_city()
    await workshop.trip(city, phones(), day("2026-11-10"))
    # A plain activation is refused: the days are credited.
    revision = await office.approved(text_of(city, OCTOBER, "50"))
    moment = (workshop.clock.now + datetime.timedelta(seconds=60)).isoformat()
    plain = await office.step(revision, "activation", activates_at=moment)
    assert refusal(plain) == (409, "methodology.days_credited")

    made = (await workshop.request(revision, office.second)).json()
    assert refusal(await workshop.request(revision)) == (409, "recalculation.already_requested")
    assert refusal(await workshop.approve(made)) == (409, "recalculation.wrong_state")
    while await workshop.recalculator().step():
        pass
    assert refusal(await workshop.approve(made, office.second)) == (403, "methodology.approve_own")
    assert refusal(await workshop.approve(made, office.author)) == (403, "methodology.approve_own")
    third = await office.city.client("operator", "440000")
    assert refusal(await workshop.approve(made, third, seconds=10)) == (422, "methodology.lead_too_short")
    stranger = await office.city.client("operator", "310000")
    assert refusal(await workshop.approve(made, stranger)) == (404, "recalculation.not_found")
    assert (await stranger.get(f"{BASE}/{made['id']}")).status_code == 404
    assert (await stranger.get(BASE)).json()["items"] == []
    found = (await office.author.get(BASE)).json()["items"]
    assert made["id"] in [each["id"] for each in found]
    assert "preview" not in found[0]

    cancelled = await office.author.post(f"{BASE}/{made['id']}/cancellation", json={"reason": "not now"})
    assert (cancelled.json()["state"], cancelled.json()["cancelled_by"]) == (
        "cancelled",
        office.author.client_id,
    )
    assert refusal(await workshop.approve(made, third)) == (409, "recalculation.wrong_state")
    actions = (await office.author.get("/v1/operator/audit", params={"target_id": made["id"]})).json()[
        "items"
    ]
    assert sorted(each["action"] for each in actions) == [
        "recalculation.cancelled",
        "recalculation.previewed",
        "recalculation.requested",
    ]
    again = await workshop.request(revision)
    assert again.status_code == 200


async def test_an_edited_text_is_not_approved(workshop: Workshop, phones: Any) -> None:
    office = workshop.office
    city = await workshop.new_city()
    trip = await workshop.trip(city, phones(), day("2026-11-10"))
    text = text_of(city, OCTOBER, "50")
    revision = await workshop.shadow(text)
    made = (await workshop.request(revision)).json()
    while await workshop.recalculator().step():
        pass
    changed = text | {"title": {"zh": "地铁二", "en": "Metro two"}}
    edited = await office.author.request(
        "PUT",
        f"/v1/operator/methodologies/{revision['id']}",
        json={"methodology": changed},
        headers={"If-Match": str(revision["etag"])},
    )
    assert edited.status_code == 200, edited.text
    assert refusal(await workshop.approve(made)) == (412, "methodology.edited_meanwhile")
    # Submitted again, it is another text still.
    await office.done(edited.json(), "submission", office.author)
    assert refusal(await workshop.approve(made)) == (412, "methodology.edited_meanwhile")
    assert (await workshop.activity(trip))["co2e_g"] == "467"


async def test_a_text_edited_while_the_preview_is_made(workshop: Workshop) -> None:
    office = workshop.office
    city = await workshop.new_city()
    revision = await workshop.shadow(text_of(city, OCTOBER, "50"))
    made = (await workshop.request(revision)).json()
    text = {**revision["methodology"], "title": {"zh": "改", "en": "Other"}}
    await office.author.request(
        "PUT",
        f"/v1/operator/methodologies/{revision['id']}",
        json={"methodology": text},
        headers={"If-Match": str(revision["etag"])},
    )
    assert await workshop.recalculator().step()
    assert (await workshop.read(made))["state"] == "cancelled"


async def test_approved_twice_at_once(workshop: Workshop, phones: Any) -> None:
    city = await workshop.new_city()
    await workshop.trip(city, phones(), day("2026-11-10"))
    made = await workshop.previewed(text_of(city, OCTOBER, "50"))
    third = await workshop.office.city.client("operator", "440000")
    answers = await asyncio.gather(workshop.approve(made), workshop.approve(made, third))
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_periods(workshop: Workshop) -> None:
    """What begins within is wholly replaced; what goes on after it, or is to come, is not."""
    office = workshop.office
    city = await workshop.new_city()
    # A second version follows the first one within the days of the correction.
    tomorrow = workshop.clock.today + datetime.timedelta(days=1)
    await office.activated(text_of(city, tomorrow, "47"))
    workshop.clock.forward(days=2)
    await workshop.refresh()
    bounded = text_of(city, OCTOBER, "50", in_force={"from": "2026-10-01", "to": "2026-10-31"})
    refused = await workshop.request(await workshop.shadow(bounded))
    assert refusal(refused) == (409, "methodology.periods_overlap")
    later = text_of(city, workshop.clock.today + datetime.timedelta(days=1), "50")
    assert refusal(await workshop.request(await workshop.shadow(later))) == (409, "recalculation.not_past")

    done = await workshop.done(text_of(city, OCTOBER, "50"))
    assert [each["last_day"] for each in done["replaces"]] == ["2026-09-30", "2026-09-30"]
    found = await office.author.get(
        "/v1/operator/methodologies/timeline", params={"region": city, "scene": "trip.metro"}
    )
    days = [(each["first_day"], each["last_day"]) for each in found.json()["periods"]]
    assert days == [("2026-09-01", "2026-09-30"), ("2026-10-01", None)]
    coming = workshop.clock.today + datetime.timedelta(days=30)
    await office.activated(text_of(city, coming, "60"), midnight(coming))
    refused = await workshop.request(await workshop.shadow(text_of(city, OCTOBER, "55")))
    assert refusal(refused) == (409, "methodology.periods_overlap")


async def test_what_a_recalculation_activated_is_not_cancelled(workshop: Workshop, phones: Any) -> None:
    """Its days are others' no more; it ends on a day that is not over, as any version."""
    office = workshop.office
    city = await workshop.new_city()
    trip = await workshop.trip(city, phones(), day("2026-11-10"))
    made = await workshop.previewed(text_of(city, OCTOBER, "50"))
    assert (await workshop.approve(made, seconds=86_400)).status_code == 200
    path = f"/v1/operator/methodologies/{made['revision_id']}"
    revision = (await office.second.get(path)).json()
    assert refusal(await office.step(revision, "retirement")) == (409, "methodology.wrong_state")
    ended = await office.done(
        revision, "retirement", last_day=str(workshop.clock.today + datetime.timedelta(days=3))
    )
    assert ended["state"] == "retired"
    workshop.clock.forward(seconds=86_400 + 121)
    await workshop.refresh()
    assert (await workshop.run(made))["totals"]["activities"] == 1
    assert (await workshop.activity(trip))["co2e_g"] == "500"
