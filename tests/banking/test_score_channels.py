"""The lawful channel of score exports: proposed by one operator, approved by another, ended at once."""

import asyncio
from typing import Any

import pytest
from helpers import Caller, City

from accounts.ids import parse_public_id
from app.banking import channels
from app.banking.desk_errors import ChannelMissing
from app.wiring import Services

DOOR = "/v1/operator/score-channels"
REASON = {"reason": "licence seen"}


async def proposed(operator: Caller, bank: Caller) -> str:
    body = {"bank_id": bank.organisation_id, "name": "agency", "basis": "contract 18"}
    answer = await operator.post(DOOR, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "proposed"
    return str(answer.json()["channel_id"])


async def in_force(service: Services, bank: Caller) -> bool:
    organisation = parse_public_id("org", bank.organisation_id)
    assert organisation is not None
    async with service.database.transaction() as session:
        try:
            await channels.require(session, organisation)
        except ChannelMissing:
            return False
    return True


async def test_two_operators_put_a_channel_in_force(service: Services, city: City) -> None:
    one, two = await city.client("operator", "440000"), await city.client("operator", "440000")
    bank = await city.client("bank", "440300")
    channel = await proposed(one, bank)
    assert not await in_force(service, bank)
    path = f"{DOOR}/{channel}"
    assert (await one.post(f"{path}/approval", json=REASON)).json()["code"] == "score_channel.approve_own"
    foreign = await city.client("operator", "310000")
    assert (await foreign.post(f"{path}/approval", json=REASON)).status_code == 404
    assert not await in_force(service, bank)
    assert (await two.post(f"{path}/approval", json=REASON)).json()["state"] == "in_force"
    assert await in_force(service, bank)
    assert (await two.post(f"{path}/approval", json=REASON)).json()["code"] == "score_channel.approved"
    assert (await one.post(f"{path}/end", json=REASON)).json()["state"] == "ended"
    assert not await in_force(service, bank)
    trail = (await one.get("/v1/operator/audit", params={"limit": 200})).json()["items"]
    steps = [each["action"] for each in trail if each["target_id"] == channel]
    assert sorted(steps) == ["score_channel.approved", "score_channel.ended", "score_channel.proposed"]


async def test_one_channel_is_in_force_however_many_are_approved_at_once(city: City) -> None:
    one, two = await city.client("operator", "440000"), await city.client("operator", "440000")
    bank = await city.client("bank", "440300")
    drafts = [await proposed(one, bank) for _ in range(4)]
    answers: list[Any] = await asyncio.gather(
        *(two.post(f"{DOOR}/{each}/approval", json=REASON) for each in drafts)
    )
    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]


@pytest.mark.parametrize("kind", ["platform", "bank"])
async def test_a_channel_is_a_banks_of_the_region(city: City, kind: str) -> None:
    operator = await city.client("operator", "440000")
    other = await city.client(kind, "310000" if kind == "bank" else "440300")
    body = {"bank_id": other.organisation_id, "name": "agency", "basis": "contract 18"}
    assert (await operator.post(DOOR, json=body)).json()["code"] == "bank.unknown"
