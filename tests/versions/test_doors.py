"""What an operator is told and asked: lists of the moment, gaps, reasons, and the same refusals at every door."""

import datetime
from typing import Any

import pytest
from versions.office import BASE, Office, midnight, new_city, refusal, text_of

from app.wiring import Services
from methodologies import rebuild

DAY = datetime.timedelta(days=1)


async def test_the_public_list_follows_the_moment_without_a_report(office: Office) -> None:
    clock, place = office.clock, new_city()
    active = await office.activated(text_of(place, clock.today + DAY))
    await office.city.service.live.refresh()
    query = {"region": place, "scene": "trip.metro"}
    http = office.city.http
    assert (await http.get("/v1/methodologies", params=query)).json()["items"] == []
    clock.forward(seconds=61)
    (item,) = (await http.get("/v1/methodologies", params=query)).json()["items"]
    assert item["content_hash"] == active["content_hash"]
    origin = {"region": place, "code": active["code"], "version": active["version"]}
    drafted = await office.author.post(BASE, json={"from": origin, "version": "next"})
    assert drafted.status_code == 200, drafted.text
    # Long without a look at the database: it credits nothing, and goes on telling what it knows.
    preparer = office.city.service.preparer
    preparer.extend(clock.now)
    clock.forward(days=1)
    assert len((await http.get("/v1/methodologies", params=query)).json()["items"]) == 1


async def test_a_gap_after_a_version_has_to_be_meant(office: Office) -> None:
    clock, place = office.clock, new_city()
    await office.activated(text_of(place, clock.today - 99 * DAY))
    begins, ends = clock.today + 10 * DAY, clock.today + 20 * DAY
    limited = await office.approved(text_of(place, begins, in_force={"from": str(begins), "to": str(ends)}))
    moment = midnight(begins)
    asked = await office.step(limited, "activation", activates_at=moment)
    assert refusal(asked) == (422, "methodology.leaves_gap")
    assert asked.json()["errors"] == [
        {
            "pointer": "/leaves_gap",
            "reason": f"{ends + DAY}/.. would be without a version of the region; say true if that is meant",
        }
    ]
    kept = (await office.author.get(f"{BASE}/{limited['id']}")).json()
    assert (kept["etag"], kept["activates_at"]) == (limited["etag"], None), "nothing was decided"
    done = await office.done(limited, "activation", activates_at=moment, leaves_gap=True)
    assert done["leaves"] == [{"first_day": str(ends + DAY), "last_day": None}]
    assert [each["last_day"] for each in done["closes"]] == [str(begins - DAY)]


async def test_where_the_next_version_follows_there_is_no_gap(office: Office) -> None:
    clock, place = office.clock, new_city()
    await office.activated(text_of(place, clock.today - 99 * DAY))
    begins, ends = clock.today + 10 * DAY, clock.today + 20 * DAY
    follower = await office.approved(text_of(place, ends + DAY))
    limited = await office.approved(text_of(place, begins, in_force={"from": str(begins), "to": str(ends)}))
    asked = await office.done(limited, "activation", activates_at=midnight(begins))
    assert asked["leaves"] == []
    await office.done(follower, "activation", activates_at=midnight(ends))


async def test_a_draft_and_its_edits_say_why(office: Office) -> None:
    text = text_of(new_city(), office.clock.today + DAY)
    made = await office.author.post(BASE, json={"methodology": text, "reason": "notice 2026-118"})
    draft = made.json()
    office.clock.forward(seconds=1)
    edited = await office.second.request(
        "PUT",
        f"{BASE}/{draft['id']}",
        json={"methodology": text, "reason": "factor of 2027"},
        headers={"If-Match": str(draft["etag"])},
    )
    assert edited.status_code == 200, edited.text
    trail = (await office.author.get("/v1/operator/audit", params={"target_id": draft["id"]})).json()["items"]
    assert [(each["action"], each["reason"]) for each in trail] == [
        ("methodology.edited", "factor of 2027"),
        ("methodology.drafted", "notice 2026-118"),
    ]


@pytest.mark.parametrize(
    ("over", "pointer", "status"),
    [({"scene": "trip.teleport"}, "/scene", 422), ({"region": "310000"}, "/region", 403)],
)
async def test_a_check_refuses_what_a_draft_refuses(
    office: Office, over: dict[str, str], pointer: str, status: int
) -> None:
    text = text_of("440300", office.clock.today + DAY) | over
    checked = (await office.author.post(f"{BASE}/check", json={"methodology": text})).json()
    assert (checked["ok"], checked["content_hash"]) == (False, None)
    assert pointer in [each["pointer"] for each in checked["problems"]]
    drafted = await office.author.post(BASE, json={"methodology": text})
    assert drafted.status_code == status


async def test_a_draft_from_a_placeholder_names_the_document(office: Office, service: Services) -> None:
    placeholder = next(each for each in service.catalogue.placeholders if each.region.startswith("44"))
    origin = {"region": placeholder.region, "code": placeholder.code, "version": "1"}
    answer = await office.author.post(
        BASE, json={"from": origin, "version": "2"}, headers={"Accept-Language": "en"}
    )
    assert refusal(answer) == (422, "request.invalid")
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == "/from"
    assert placeholder.consult in fault["reason"]


async def test_a_version_is_not_retired_after_its_own_end(office: Office) -> None:
    clock = office.clock
    first, last = clock.today - DAY, clock.today + 20 * DAY
    active = await office.activated(
        text_of(new_city(), first, in_force={"from": str(first), "to": str(last)})
    )
    for day in (last + DAY, last + 99 * DAY):
        answer = await office.step(active, "retirement", last_day=str(day))
        assert refusal(answer) == (422, "request.invalid")
        assert answer.json()["errors"][0]["pointer"] == "/last_day"
        assert str(last) in answer.json()["errors"][0]["reason"]
    await office.done(active, "retirement", last_day=str(last - DAY))


async def test_an_address_is_one_that_can_be_opened(office: Office) -> None:
    def text(url: str) -> dict[str, Any]:
        found = text_of("440300", office.clock.today + DAY)
        found["document"]["url"] = url
        found["parameters"][0]["url"] = url
        return found

    for url in ("javascript:alert(1)", "ftp://a.example/x", "www.mee.gov.cn", "file:///etc/passwd"):
        checked = (await office.author.post(f"{BASE}/check", json={"methodology": text(url)})).json()
        places = [each["pointer"] for each in checked["problems"]]
        assert places == ["/document/url", "/parameters/0/url"], url
    good = (
        await office.author.post(f"{BASE}/check", json={"methodology": text("https://www.mee.gov.cn/")})
    ).json()
    assert good["ok"], good
    made = await office.draft(text("https://www.mee.gov.cn/"))
    shadow = await office.done(made, "submission", office.author)
    stored = await office.author.get(f"{BASE}/{shadow['id']}")
    content = stored.json()["methodology"]
    assert content["document"]["url"] == "https://www.mee.gov.cn/"


def test_what_is_stored_already_is_still_read(service: Services) -> None:
    built = next(each for each in service.catalogue.methodologies if each.text.document.url)
    content = built.content.replace(str(built.text.document.url), "mee.gov.cn, seen on paper")
    assert rebuild(content).text.document.url == "mee.gov.cn, seen on paper"
