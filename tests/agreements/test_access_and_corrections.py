"""Who read what, and what a person may have corrected."""

import asyncio
import datetime
import uuid

import asyncpg
import pytest
from agreements.people import breaches, resident, signed_in
from helpers import City, metro

from accounts.ids import parse_public_id
from app.my_data import access
from app.wiring import Services, utc_now


async def test_reads_by_operators_are_told_to_the_person(city: City, phone: str) -> None:
    operator = await city.client("operator", "440000", name=f"City office {phone}")
    source = await city.client("platform")
    holder = await city.holder(operator, phone, source)
    person = signed_in(city, holder, phone)
    reported = await source.post("/v1/activities", json=metro(uuid.uuid4().hex, phone))
    activity = reported.json()["activity_id"]
    # A source's own reports and the person's own reads are nobody else's look at the person.
    for caller in (source, person):
        for path in (f"/v1/activities/{activity}", f"/v1/activities/{activity}/explanation"):
            assert (await caller.get(path)).status_code == 200
    assert (await person.get("/v1/me/access-log")).json() == {"items": [], "next_cursor": None}

    foreign = await city.client("operator", "310000")
    for path in (f"/v1/operator/holders/{holder}", f"/v1/activities/{activity}"):
        assert (await operator.get(path)).status_code == 200
        assert (await foreign.get(path)).status_code == 404
    assert (await operator.get(f"/v1/activities/{activity}/explanation")).status_code == 200
    await city.resident(operator, holder)
    found, cursor = [], None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await person.get("/v1/me/access-log", params=params)).json()
        found += [(item["what"], item["target"], item["reader"]) for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    name = f"City office {phone}"
    assert found == [
        ("token", holder, name),
        ("explanation", activity, name),
        ("activity", activity, name),
        ("account", holder, name),
    ]


async def test_the_log_is_only_appended_to_and_goes_when_it_is_old(
    city: City, service: Services, phone: str, owner: asyncpg.Connection
) -> None:
    operator = await city.client("operator", "440000")
    holder = await city.holder(operator, phone)
    for _ in range(2):
        await operator.get(f"/v1/operator/holders/{holder}")
    for statement in (
        "DELETE FROM access_records",
        "UPDATE access_records SET reader_name = ''",
        "TRUNCATE access_records",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with service.database.driver_transaction() as driver:
                await driver.execute(statement)
    # Not even the function forgets what is young.
    with pytest.raises(Exception, match="180 days"):
        async with service.database.transaction() as session:
            await access.forget(session, utc_now() - datetime.timedelta(days=179))
    one = "(SELECT min(id::text)::uuid FROM access_records WHERE holder_id = $1)"
    await owner.execute(
        f"UPDATE access_records SET at = now() - interval '4 years' WHERE id = {one}",
        parse_public_id("hld", holder),
    )
    async with service.database.transaction() as session:
        await access.forget(session, utc_now() - datetime.timedelta(days=1_096))
    count = "SELECT count(*) FROM access_records WHERE holder_id = $1"
    assert await owner.fetchval(count, parse_public_id("hld", holder)) == 1


async def test_a_region_is_corrected_by_an_operators_decision(city: City, phone: str) -> None:
    operator = await city.client("operator", "440300")
    holder = await city.holder(operator, phone)
    person = signed_in(city, holder, phone)
    wanted = {"subject": "region", "region": "320100", "explanation": "I moved"}
    asked = (await person.post("/v1/me/corrections", json=wanted)).json()
    assert (asked["target"], asked["accepted"]) == ("320100", None)
    foreign = await city.client("operator", "310000")
    decision = {"accepted": True, "reason": "address proof seen"}
    door = f"/v1/operator/corrections/{asked['correction_id']}/decision"
    assert (await foreign.post(door, json=decision)).json()["code"] == "correction.not_found"
    assert (await foreign.get("/v1/operator/corrections")).json()["items"] == []
    listed = (await operator.get("/v1/operator/corrections")).json()["items"]
    assert [item["correction_id"] for item in listed if item["holder_id"] == holder] == [
        asked["correction_id"]
    ]
    answers = await asyncio.gather(*(operator.post(door, json=decision) for _ in range(10)))
    assert sorted(a.status_code for a in answers) == [200] + [409] * 9
    assert (await person.get("/v1/me/account")).json()["region"] == "320100"
    (after,) = (await person.get("/v1/me/corrections")).json()["items"]
    assert (after["accepted"], after["reason"]) == (True, "address proof seen")
    log = (await person.get("/v1/me/access-log")).json()["items"]
    assert [item["what"] for item in log] == ["correction"]
    waiting = (await operator.get("/v1/operator/corrections")).json()["items"]
    assert asked["correction_id"] not in [item["correction_id"] for item in waiting]
    everything = (await operator.get("/v1/operator/corrections", params={"waiting": False})).json()["items"]
    assert asked["correction_id"] in [item["correction_id"] for item in everything]
    audit = (await operator.get("/v1/operator/audit", params={"target_id": asked["correction_id"]})).json()
    assert [item["action"] for item in audit["items"]] == ["correction.accepted"]


async def test_an_activity_is_disputed_by_its_own_holder_only(city: City, phone: str, phones) -> None:
    operator, source = await city.client("operator", "440000"), await city.client("platform")
    person = signed_in(city, await city.holder(operator, phone, source), phone)
    stranger = await resident(city, phones())
    activity = (await source.post("/v1/activities", json=metro(uuid.uuid4().hex, phone))).json()[
        "activity_id"
    ]
    wanted = {"subject": "activity", "activity_id": activity, "explanation": "not me"}
    assert (await stranger.post("/v1/me/corrections", json=wanted)).json()["code"] == "activity.not_found"
    asked = (await person.post("/v1/me/corrections", json=wanted)).json()
    door = f"/v1/operator/corrections/{asked['correction_id']}/decision"
    refused = await operator.post(door, json={"accepted": False, "reason": "the gate saw you"})
    assert refused.json()["accepted"] is False
    # Nothing of the activity changed.
    assert (await person.get(f"/v1/activities/{activity}")).json()["reversed_at"] is None
    for wrong in (
        {"subject": "region", "explanation": "x"},
        {"subject": "activity", "region": "440100", "explanation": "x"},
        wanted | {"region": "440100"},
        {"subject": "name", "explanation": "x"},
    ):
        answer = await person.post("/v1/me/corrections", json=wrong)
        assert answer.json()["code"] == "request.invalid", answer.text
    for number in range(21):
        answer = await person.post(
            "/v1/me/corrections", json={"subject": "region", "region": "440100", "explanation": str(number)}
        )
    assert answer.json()["code"] == "correction.too_many"
    assert await breaches(city) == []
