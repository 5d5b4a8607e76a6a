"""Who did what, why, from where, and what changed: by every operation, within the region, never changed."""

import csv
import datetime
import io
import itertools
import json
from typing import Any

import asyncpg
import pytest
from versions.office import BASE, Office, midnight, new_city, refusal, text_of

from app.auth.clients import disable_client
from app.wiring import Services

DAY = datetime.timedelta(days=1)
AUDIT = "/v1/operator/audit"


async def trail(office: Office, **asked: Any) -> list[dict[str, Any]]:
    answer = await office.author.get(AUDIT, params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_every_step_is_written_down_with_what_changed(office: Office) -> None:
    text = text_of(new_city(), office.clock.today + DAY)
    made = await office.draft(text)
    for step, who, body in (
        ("submission", office.author, {}),
        ("approval", None, {}),
        ("activation", None, {"activates_at": midnight(office.clock.today + DAY)}),
        ("retirement", None, {"last_day": str(office.clock.today + 9 * DAY)}),
    ):
        office.clock.forward(seconds=1)
        made = await office.done(made, step, who, **body)
    steps = await trail(office, target_id=made["id"])
    assert [step["action"].partition(".")[2] for step in steps] == [
        "retired",
        "activated",
        "approved",
        "submitted",
        "drafted",
    ]
    assert [step["actor_client_id"] for step in steps] == [
        *[office.second.client_id] * 3,
        *[office.author.client_id] * 2,
    ]
    for step, earlier in itertools.pairwise(steps):
        assert step["before"] == earlier["after"], step["action"]
        assert step["before"] != step["after"]
        assert (step["reason"], step["address"]) == ("test", "127.0.0.1")
        assert step["actor_name"]
        assert step["region"] == text["region"]
    assert steps[-1]["before"] is None
    assert steps[-1]["after"]["methodology"] == text
    assert steps[1]["after"]["content_hash"] == made["content_hash"]
    closed = await trail(office, action="methodology.closed", region=text["region"])
    assert [(c["target_id"], c["after"]["in_force"]) for c in closed] == [
        (
            f"{text['region']} TEST.metro {text['version']}",
            f"{office.clock.today + DAY}/{office.clock.today + 9 * DAY}",
        )
    ]


@pytest.mark.parametrize("step", ["submission", "approval", "activation", "retirement"])
async def test_a_step_needs_a_reason(office: Office, step: str) -> None:
    draft = await office.draft(text_of(new_city(), office.clock.today))
    for body in ({}, {"reason": ""}, {"reason": "a\u0000b"}, {"reason": "x" * 501}):
        answer = await office.second.post(
            f"{BASE}/{draft['id']}/{step}", json=body, headers={"If-Match": "1"}
        )
        assert answer.status_code == 422
        assert "/reason" in [fault["pointer"] for fault in answer.json()["errors"]]


async def test_tokens_and_reversals_are_written_by_the_same_hand(office: Office, phone: str) -> None:
    credited = await office.trip("440300", phone, office.clock.today - DAY)
    await office.platform.post(
        f"/v1/activities/{credited['activity_id']}/reversal", json={"reason": "=refund"}
    )
    await office.author.post(f"/v1/operator/holders/{office.people[phone]}/token")
    (reversed_,) = await trail(office, target_id=credited["activity_id"])
    assert (reversed_["action"], reversed_["reason"], reversed_["region"]) == (
        "activity.reversed",
        "=refund",
        "440300",
    )
    assert reversed_["before"] == {"outcome": "credited", "co2e_g": "467", "points": 467}
    assert reversed_["address"]
    (issued,) = await trail(office, target_type="holder", target_id=office.people[phone])
    assert (issued["action"], issued["actor_client_id"]) == ("holder.token_issued", office.author.client_id)
    exported = await office.author.get(AUDIT, params={"format": "csv", "target_id": credited["activity_id"]})
    (row,) = csv.DictReader(io.StringIO(exported.text))
    assert row["reason"] == "'=refund", "no spreadsheet takes it for a formula"
    assert json.loads(row["before"]) == reversed_["before"]


async def test_onboarding_consents_and_clients_are_written_down(
    office: Office, phone: str, service: Services
) -> None:
    holder = await office.city.holder(office.author, phone, office.platform, region="440300")
    onboarded = (await trail(office, action="holders.onboarded", actor_client_id=office.author.client_id))[0]
    assert onboarded["after"] == {"holders": 1, "created": 1, "refused": 0, "consents": 6}
    assert (onboarded["region"], bool(onboarded["address"])) == ("440000", True)
    for _ in range(2):  # the second time, nothing is left to withdraw, and nothing is written
        await office.author.post(
            f"/v1/operator/holders/{holder}/consents/withdrawal", json={"scene_group": "trip"}
        )
    (withdrawn,) = await trail(office, action="holder.consents_withdrawn", target_id=holder)
    assert withdrawn["after"] == {"source_id": None, "scene_group": "trip", "withdrawn": 1}

    third = await office.city.client("operator", "440300", name="City office, Li Lei")
    async with service.database.transaction() as session:
        await disable_client(session, third.client_id, "left the office", datetime.datetime.now(datetime.UTC))
    with pytest.raises(ValueError, match="disabled already"):
        async with service.database.transaction() as session:
            await disable_client(session, third.client_id, "x", datetime.datetime.now(datetime.UTC))
    disabled, created = await trail(office, target_id=third.client_id)
    assert (created["action"], created["actor_client_id"], created["region"]) == (
        "client.created",
        "local",
        "440300",
    )
    assert (created["after"]["name"], bool(created["actor_name"])) == ("City office, Li Lei", True)
    assert (disabled["action"], disabled["reason"]) == ("client.disabled", "left the office")


async def test_pages_filters_and_exports_tell_the_same(office: Office) -> None:
    place = new_city()
    for _ in range(7):
        await office.draft(text_of(place, office.clock.today))
        office.clock.forward(seconds=1)
    whole = await trail(office, region=place)
    assert len(whole) == 7
    assert [each["id"] for each in whole] == sorted((each["id"] for each in whole), reverse=True)
    paged: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await office.author.get(AUDIT, params={"region": place, "limit": "3", **cursor})).json()
        paged += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert paged == whole
    lines = await office.author.get(AUDIT, params={"region": place, "format": "ndjson"})
    assert lines.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in lines.text.splitlines()] == whole
    table = await office.author.get(AUDIT, params={"region": place, "format": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert [row["id"] for row in csv.DictReader(io.StringIO(table.text))] == [each["id"] for each in whole]
    some = await trail(office, region=place, since=whole[4]["at"], until=whole[1]["at"])
    assert some == whole[2:5]
    assert await trail(office, region=place, actor_client_id=office.second.client_id) == []
    for wrong in ({"cursor": "x"}, {"format": "xml"}, {"limit": "0"}, {"action": "\u0000"}, {"since": "1"}):
        assert (await office.author.get(AUDIT, params=wrong)).status_code == 422, wrong


async def test_a_trail_is_its_regions(office: Office) -> None:
    draft = await office.draft(text_of(new_city(), office.clock.today))
    foreign = await office.city.client("operator", "310000")
    answer = await foreign.get(AUDIT, params={"target_id": draft["id"]})
    assert answer.json() == {"items": [], "next_cursor": None}
    exported = await foreign.get(AUDIT, params={"target_id": draft["id"], "format": "ndjson"})
    assert exported.text == ""
    nation = await office.city.client("operator", "100000")
    assert len((await nation.get(AUDIT, params={"target_id": draft["id"]})).json()["items"]) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_records SET reason = ''",
        "UPDATE audit_records SET before = NULL",
        "DELETE FROM audit_records",
        "TRUNCATE audit_records",
    ],
)
async def test_the_service_cannot_change_the_trail(service: Services, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with service.database.driver_transaction() as driver:
            await driver.execute(statement)


async def test_what_is_refused_is_not_written_down(office: Office) -> None:
    draft = await office.draft(text_of(new_city(), office.clock.today))
    shadow = await office.done(draft, "submission", office.author)
    assert refusal(await office.step(shadow, "approval", office.author)) == (403, "methodology.approve_own")
    assert len(await trail(office, target_id=draft["id"])) == 2
