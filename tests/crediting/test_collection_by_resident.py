"""A resident sees which credits wait and collects them, once and in their days."""

import asyncio
import dataclasses
import datetime
from collections import Counter

import httpx
from account.people import signed_in
from crediting.desk import Desk
from helpers import Caller, City

from app.application import create_app
from app.crediting.intake import Intake
from app.wiring import utc_now

DAY = datetime.timedelta(days=1)


async def test_a_resident_collects_what_waits(county_intake: Intake, desk: Desk, city: City) -> None:
    ahead = datetime.timedelta(0)
    county_intake.clock = lambda: utc_now() + ahead
    services = dataclasses.replace(desk.service, preparer=county_intake.preparer, intake=county_intake)
    source, operator = await city.client("platform"), await city.client("operator")
    phone, other_phone = "13655550011", "13655550012"
    holder = await city.holder(operator, phone, source)
    other = signed_in(city, await city.holder(operator, other_phone, source))
    end = utc_now().replace(microsecond=0)

    def walk(number: int) -> dict[str, object]:
        ends = end - datetime.timedelta(minutes=20 * number)
        return {
            "event_id": f"walk-{number}-{phone}",
            "scene": "trip.walk",
            "region": "422800",
            "subject": {"scheme": "phone", "value": phone},
            "started_at": (ends - datetime.timedelta(minutes=10)).isoformat(),
            "ended_at": ends.isoformat(),
        }

    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        platform = Caller(http, source.token, "", "", "")
        mine = Caller(http, signed_in(city, holder).token, "", "", "")
        foreign = Caller(http, other.token, "", "", "")
        reader = Caller(http, (await city.resident(operator, holder)).token, "", "", "")
        waiting = []
        for number in (1, 2):
            told = (await platform.post("/v1/activities", json=walk(number))).json()
            assert told["outcome"] == "pending", told
            waiting.append(told["activity_id"])
        listed = (await mine.get("/v1/me/collectable")).json()["items"]
        assert {item["activity_id"] for item in listed} == set(waiting)
        assert all(item["collect_from"] < item["collect_until"] for item in listed)
        assert (await foreign.get("/v1/me/collectable")).json()["items"] == []
        pending = (await mine.get("/v1/me/activities?outcome=pending")).json()["items"]
        assert {item["activity_id"] for item in pending} == set(waiting)

        path = f"/v1/me/activities/{waiting[0]}/collection"
        assert (await foreign.post(path)).status_code == 404
        assert (await reader.post(path)).json()["code"] == "auth.scope"
        answers = await asyncio.gather(*(mine.post(path) for _ in range(50)))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 49}
        account = (await mine.get("/v1/me/account")).json()
        assert (account["open_co2e_g"], account["points"]) == ("105", 105)
        left = (await mine.get("/v1/me/collectable")).json()["items"]
        assert [item["activity_id"] for item in left] == [waiting[1]]

        # Two days later it has lapsed, and is offered no more.
        ahead = 3 * DAY
        assert (await mine.get("/v1/me/collectable")).json()["items"] == []
        lapsed = await mine.post(f"/v1/me/activities/{waiting[1]}/collection")
        assert (lapsed.status_code, lapsed.json()["code"]) == (409, "activity.lapsed")
        assert (await mine.post("/v1/me/activities/act_x/collection")).status_code == 404
    assert await desk.breaches() == []
