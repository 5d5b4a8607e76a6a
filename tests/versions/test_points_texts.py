"""Programmes and campaigns on their way: drafted, approved by somebody else, and known to all before they count."""

import asyncio
import datetime
import itertools
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from helpers import Caller
from versions.office import Clock, Office, midnight, refusal
from versions.test_live import until, watching

from accounts.ids import parse_public_id
from app.auth.principal import Principal
from app.auth.scopes import ME_READ
from app.wiring import utc_now

DAY = datetime.timedelta(days=1)
SHENZHEN = "440300"
NAME = {"zh": "试验", "en": "Test"}


_days = itertools.count(0, 3)


@pytest.fixture(autouse=True)
def other_days(clock: Clock) -> None:
    """Each test has days of its own, for a region's programmes go on counting."""
    clock.forward(days=next(_days))


def programme(first_day: datetime.date, **over: Any) -> dict[str, Any]:
    text = {"region": SHENZHEN, "name": NAME, "from": first_day.isoformat(), "points_per_g": 2}
    return {**text, "expiry_months": 12, **over}


def campaign(first_day: datetime.date, **over: Any) -> dict[str, Any]:
    days = {"from": midnight(first_day), "until": midnight(first_day + 3 * DAY)}
    return {"region": SHENZHEN, "name": NAME, **days, "points": 10, "budget": 100, **over}


async def draft(who: Caller, text: dict[str, Any]) -> dict[str, Any]:
    noun = "programmes" if "points_per_g" in text else "campaigns"
    answer = await who.post(f"/v1/operator/{noun}", json=text)
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "draft"
    return {**answer.json(), "path": f"/v1/operator/{noun}/{answer.json()['id']}"}


async def step(
    who: Caller, made: dict[str, Any], name: str = "approval", etag: int | None = None, **body: Any
) -> httpx.Response:
    headers = {"If-Match": str(etag or made["etag"])}
    return await who.post(f"{made['path']}/{name}", json={"reason": "test", **body}, headers=headers)


async def approved(office: Office, text: dict[str, Any]) -> dict[str, Any]:
    made = await draft(office.author, text)
    answer = await step(office.second, made)
    assert answer.status_code == 200, answer.text
    return {**answer.json(), "path": made["path"]}


async def test_a_programme_counts_from_its_first_day_on(
    office: Office, phones: Any, owner: asyncpg.Connection
) -> None:
    clock, phone = office.clock, phones()
    first = clock.today + DAY
    made = await draft(office.author, programme(first))
    assert refusal(await step(office.author, made)) == (403, "programme.approve_own")
    done = await approved(office, programme(first, points_per_g=3))
    assert (done["state"], done["approved_by"]) == ("approved", office.second.client_id)
    await office.city.service.live.refresh()
    # Acts of before, whenever they are reported, and of after.
    assert (await office.trip(SHENZHEN, phone, clock.today, 1))["points"] == 467
    clock.forward(days=2)
    assert (await office.trip(SHENZHEN, phone, first - DAY, 2))["points"] == 467
    assert (await office.trip(SHENZHEN, phone, first))["points"] == 3 * 467
    assert (await office.author.get(done["path"])).json()["state"] == "live"
    trail = await owner.fetch(
        "SELECT action, actor_client_id, reason FROM audit_records WHERE target_id = $1",
        done["id"],
    )
    assert {tuple(row) for row in trail} == {
        ("programme.drafted", office.author.client_id, ""),
        ("programme.approved", office.second.client_id, "test"),
    }


async def test_what_is_approved_does_not_change(office: Office, owner: asyncpg.Connection) -> None:
    first = office.clock.today + DAY
    made = await approved(office, programme(first, region="440100"))
    text = programme(first, region="440100", points_per_g=9)
    answer = await office.author.request(
        "PUT", made["path"], json=text, headers={"If-Match": str(made["etag"])}
    )
    assert refusal(answer) == (409, "programme.immutable")
    assert refusal(await step(office.author, made)) == (409, "programme.immutable")
    known = parse_public_id("ppt", made["id"])
    for change in ("content = '{}'", "counts_from = now()", "approved_by = 'me'", "counts_until = now()"):
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute(f"UPDATE points_texts SET {change} WHERE id = $1", known)
    other = await draft(office.author, programme(first, region="440100"))
    assert refusal(await step(office.second, other)) == (409, "programme.day_taken")


async def test_edits_and_their_state(office: Office) -> None:
    first = office.clock.today + DAY
    made = await draft(office.author, programme(first, region="440200"))
    again = programme(first, region="440200", points_per_g=5)
    etag = {"If-Match": str(made["etag"])}
    assert refusal(await office.author.request("PUT", made["path"], json=again)) == (
        428,
        "programme.if_match_missing",
    )
    moved = again | {"region": "440300"}
    assert refusal(await office.author.request("PUT", made["path"], json=moved, headers=etag)) == (
        422,
        "request.invalid",
    )
    answer = await office.second.request("PUT", made["path"], json=again, headers=etag)
    assert answer.json()["authors"] == [office.author.client_id, office.second.client_id]
    assert answer.json()["text"]["points_per_g"] == 5
    assert refusal(await office.author.request("PUT", made["path"], json=again, headers=etag)) == (
        412,
        "programme.edited_meanwhile",
    )
    # Both wrote it: a third has to approve it.
    assert refusal(await step(office.second, made, etag=2)) == (403, "programme.approve_own")
    third = await office.city.client("operator", "440000")
    assert (await step(third, made, etag=2)).status_code == 200


async def test_regions(office: Office) -> None:
    first = office.clock.today + DAY
    for text in (programme(first, region="310000"), campaign(first, region="310000")):
        noun = "programmes" if "points_per_g" in text else "campaigns"
        answer = await office.author.post(f"/v1/operator/{noun}", json=text)
        assert refusal(answer) == (403, "programme.out_of_region")
    foreign = await office.city.client("operator", "310000")
    made = await draft(foreign, programme(first, region="310000"))
    assert refusal(await office.author.get(made["path"])) == (404, "programme.not_found")
    assert refusal(await step(office.second, made)) == (404, "programme.not_found")
    listed = (await office.author.get("/v1/operator/programmes")).json()["items"]
    assert made["id"] not in {each["id"] for each in listed}


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("/expiry_months", {"expiry_months": 120}),
    ("", {"expiry_years": 1}),
    ("", {"expiry_months": None}),
    ("/from", {"from": "2027-13-01"}),
    ("/scenes/trip.bus/of", {"scenes": {"trip.bus": {"points": 1, "per": 1, "of": "nothing"}}}),
    ("/rounding", {"rounding": "up"}),
    ("/sums", {"sums": 1}),
]


@pytest.mark.parametrize(("pointer", "over"), WRONG)
async def test_a_programme_that_does_not_fit(office: Office, pointer: str, over: dict[str, Any]) -> None:
    text = programme(office.clock.today + DAY, **over)
    answer = await office.author.post("/v1/operator/programmes", json=text)
    assert refusal(answer) == (422, "request.invalid")
    assert pointer in [each["pointer"] for each in answer.json()["errors"]], answer.text


@pytest.mark.parametrize(
    "over",
    [
        {"points": None},
        {"percent": 100},
        {"condition": {"kind": "streak"}},
        {"condition": {"kind": "each", "number": 3}},
        {"until": "2026-01-01T00:00:00+08:00"},
        {"budget": 0},
        {"from": "2026-12-01"},
    ],
    ids=str,
)
async def test_a_campaign_that_does_not_fit(office: Office, over: dict[str, Any]) -> None:
    answer = await office.author.post(
        "/v1/operator/campaigns", json=campaign(office.clock.today + DAY, **over)
    )
    assert refusal(answer) == (422, "request.invalid")


async def test_all_processes_know_before_it_counts(
    office: Office, opened: Callable[..., Any], moved: Callable[..., Any], phones: Any
) -> None:
    clock, phone = office.clock, phones()
    first = clock.today + DAY
    too_soon = campaign(first, **{"from": (clock.now + datetime.timedelta(minutes=5)).isoformat()})
    assert refusal(await step(office.second, await draft(office.author, too_soon))) == (
        422,
        "programme.lead_too_short",
    )
    assert refusal(await step(office.second, await draft(office.author, programme(clock.today)))) == (
        422,
        "programme.lead_too_short",
    )
    # The other one is told by nobody.
    async with opened(redis_url="redis://127.0.0.1:1/0") as (http, other), watching(other):
        await approved(office, programme(first, points_per_g=4))
        await approved(office, campaign(first))
        day = first
        await until(lambda: other.preparer.rules.programme(SHENZHEN, day).points_per_g == 4)
        await until(lambda: bool(other.preparer.rules.campaigns))
        clock.forward(days=2)
        there = moved(office.platform, http)
        await until(lambda: other.preparer._known_until > clock.now)
        answer = await office.report(there, SHENZHEN, phone, first)
        assert (answer.json()["outcome"], answer.json()["points"]) == ("credited", 4 * 467)


def resident_of(office: Office, holder: str) -> Caller:
    """By a token of today's: what an operator issues would be of the day that the test has come to."""
    now = utc_now()
    principal = Principal(
        *("cli", UUID(int=1), "resident", SHENZHEN, frozenset({ME_READ}), int(now.timestamp()) + 600),
        holder_id=parse_public_id("hld", holder),
    )
    token = office.city.service.tokens.issue(principal, now)
    return Caller(office.city.http, token, "", "", "")


async def test_a_campaign_from_draft_to_end(office: Office, phones: Any) -> None:
    clock, phone = office.clock, phones()
    first = clock.today + DAY
    made = await approved(office, campaign(first, condition={"kind": "count", "number": 2}))
    assert (made["state"], made["budget_left"]) == ("approved", 100)
    await office.city.service.live.refresh()
    clock.now = datetime.datetime.fromisoformat(midnight(first)) + datetime.timedelta(hours=20)
    await office.trip(SHENZHEN, phone, first, 8)
    outcome = await office.trip(SHENZHEN, phone, first, 9)
    live = (await office.author.get(made["path"])).json()
    assert (live["state"], live["budget_left"]) == ("live", 90)
    holder = office.people[phone]
    resident = resident_of(office, holder)
    answer = await resident.get("/v1/me/entries")
    assert answer.status_code == 200, answer.text
    entries = answer.json()["items"]
    bonus = [each for each in entries if each["kind"] == "bonus"]
    assert [(each["points"], each["activity_id"], each["scene"]) for each in bonus] == [
        (10, outcome["activity_id"], "trip.metro")
    ]
    told = (await resident.get(f"/v1/activities/{outcome['activity_id']}/explanation")).json()
    assert told["bonuses"][0]["condition"] == {"kind": "count", "number": 2}
    assert (told["bonuses"][0]["campaign_id"], told["bonuses"][0]["points"]) == (made["id"], 10)
    # Ended early: acts from then on get nothing.
    for until_, wanted in (
        (clock.now, (422, "programme.lead_too_short")),
        (clock.now + 9 * DAY, (422, "request.invalid")),
    ):
        answer = await step(office.second, made, "end", until=until_.isoformat())
        assert refusal(answer) == wanted
    ends = clock.now + datetime.timedelta(hours=1)
    answer = await step(office.second, made, "end", until=ends.isoformat())
    assert answer.status_code == 200, answer.text
    assert datetime.datetime.fromisoformat(answer.json()["ends_at"]) == ends
    await office.city.service.live.refresh()
    clock.forward(days=1)
    for hour in (8, 9):
        await office.trip(SHENZHEN, phone, first + DAY, hour)
    ended = (await office.author.get(made["path"])).json()
    assert (ended["state"], ended["budget_left"]) == ("ended", 90)
    answer = await step(office.second, made, "end", etag=ended["etag"], until=ends.isoformat())
    assert refusal(answer) == (409, "programme.ended")
    listed = (await office.author.get("/v1/operator/campaigns", params={"limit": 1})).json()
    assert [each["id"] for each in listed["items"]] == [made["id"]]


async def test_an_approval_is_made_once(office: Office) -> None:
    """Two approvers at once open one budget."""
    made = await draft(office.author, campaign(office.clock.today + DAY))
    third = await office.city.client("operator", "440000")
    answers = await asyncio.gather(*(step(who, made) for who in (office.second, third) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9
    assert (await office.author.get(made["path"])).json()["budget_left"] == 100
