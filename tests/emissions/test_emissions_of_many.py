"""Emissions of many enterprises at once are those of each alone, in as many statements as those of two."""

import datetime
from typing import Any

import asyncpg
from emissions.factory import EVIDENCE, METERS, every_day, fill
from enterprises.plant import Plant, made_plant
from helpers import City

from accounts.emissions.service import load_many, report_of
from app.wiring import utc_now

SINCE, UNTIL = datetime.date(2026, 3, 1), datetime.date(2026, 5, 11)


async def plants(city: City) -> list[Plant]:
    """One with a certificate, one with a process, one whose months are incomplete, one with nothing."""
    made = [await made_plant(city, None, METERS) for _ in range(4)]
    green, lime, part, _ = made
    for plant, last in ((green, UNTIL), (lime, UNTIL), (part, datetime.date(2026, 4, 3))):
        await fill(plant, "E-IN", every_day(SINCE, last, 1000))
        await fill(plant, "G-1", every_day(SINCE, last, 10), "gas")
    bought = {
        "number": "GEC-2026-330800-0009009",
        "issuer": "国家可再生能源信息管理中心",
        "energy_wh": 1_000_000,
        "first_month": "2026-03",
        "last_month": "2026-03",
        "cancelled_on": "2026-05-08",
        "evidence": EVIDENCE,
    }
    burnt = {
        "site_id": lime.site_id,
        "month": "2026-04",
        "process": "石灰石分解",
        "co2e_g": "1500",
        "evidence": EVIDENCE,
    }
    for plant, door, body in ((green, "green-certificates", bought), (lime, "process-emissions", burnt)):
        answer = await plant.client.post(f"/v1/enterprises/{door}", json=body)
        assert answer.status_code == 200, answer.text
    return made


async def test_many_are_as_each_alone(city: City, owner: asyncpg.Connection) -> None:
    made = await plants(city)
    ids, now = [plant.holder_id for plant in made], utc_now()
    asked: list[Any] = []
    # What a connection asks once about types is not counted.
    await load_many(owner, ids, SINCE, UNTIL, now)
    with owner.query_logger(asked.append):
        together = await load_many(owner, ids, SINCE, UNTIL, now)
    of_many = len(asked)
    assert set(together) == set(ids)
    for holder_id in ids:
        alone = await load_many(owner, [holder_id], SINCE, UNTIL, now)
        one, other = (report_of(inputs[holder_id], SINCE, UNTIL) for inputs in (together, alone))
        assert (one.computed, one.cover, one.processes) == (other.computed, other.cover, other.processes)
    totals = [report_of(together[each], SINCE, UNTIL).total_mg for each in ids]
    assert totals[3] == 0 < min(totals[:3])
    assert len(set(totals)) == len(totals)
    # Those with certificates are read by the year, the others by what was asked; each kind at once.
    asked.clear()
    with owner.query_logger(asked.append):
        await load_many(owner, ids[::2], SINCE, UNTIL, now)
    assert of_many == len(asked)
    assert await load_many(owner, [], SINCE, UNTIL, now) == {}
