"""Number 8 of the worked examples as a city meets it: a bus company, a check-in app, and the same ride."""

import asyncio
import uuid
from typing import Any

import pytest
from crediting.desk import moment
from helpers import Caller, City


def bus(phone: str, evidence: str, start: float, **over: Any) -> dict[str, Any]:
    """A ride of 25 minutes in Jingmen, Hubei."""
    return {
        "event_id": uuid.uuid4().hex,
        "scene": "trip.bus",
        "region": "420800",
        "subject": {"scheme": "phone", "value": phone},
        "started_at": moment(start),
        "ended_at": moment(start + 25),
        "count": 1,
        "evidence": evidence,
        **over,
    }


async def rider(city: City, phone: str) -> tuple[Caller, Caller, Caller]:
    """The operator, the bus company and the check-in app of a person who consents to both."""
    operator = await city.client("operator")
    company, app = await city.client("platform"), await city.client("platform")
    await city.holder(operator, phone, company, app)
    return operator, company, app


async def account(city: City, operator: Caller, phone: str) -> tuple[str, int]:
    told = (await operator.get(f"/v1/operator/holders/{await city.holder(operator, phone)}")).json()
    return told["open_co2e_g"], told["points"]


@pytest.mark.parametrize(
    ("first", "worth"),
    [("platform", ("105", 105)), ("self_report", ("52.5", 52))],
    ids=["upload", "check-in"],
)
async def test_upload_and_check_in_of_one_ride_count_once(
    city: City, phone: str, first: str, worth: tuple[str, int]
) -> None:
    """105 once, or 52 once, never 157: also with another order number, and also after the loser asks again."""
    operator, company, app = await rider(city, phone)
    reporters = {"platform": company, "self_report": app}
    second = "self_report" if first == "platform" else "platform"
    won = (await reporters[first].post("/v1/activities", json=bus(phone, first, 480, order_no="R-1"))).json()
    assert (won["outcome"], won["co2e_g"], won["points"]) == ("credited", *worth)
    for start, order in ((482, "R-2"), (470, "R-3")):
        told = await reporters[second].post(
            "/v1/activities", json=bus(phone, second, start, order_no=order + uuid.uuid4().hex)
        )
        lost = told.json()
        assert (lost["outcome"], lost["reason"], lost["co2e_g"]) == ("duplicate", "claimed_body", "0")
        assert lost["winner_id"] == won["activity_id"]
    assert await account(city, operator, phone) == worth


async def test_upload_and_check_in_at_the_same_moment_count_once(city: City, phones: Any) -> None:
    for _ in range(5):
        phone = phones()
        operator, company, app = await rider(city, phone)
        answers = await asyncio.gather(
            company.post("/v1/activities", json=bus(phone, "platform", 480)),
            app.post("/v1/activities", json=bus(phone, "self_report", 485)),
        )
        assert sorted(answer.json()["outcome"] for answer in answers) == ["credited", "duplicate"]
        assert await account(city, operator, phone) in (("105", 105), ("52.5", 52))
