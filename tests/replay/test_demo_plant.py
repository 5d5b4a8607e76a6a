"""The made-up plant against the real service: what it shows is what was sent, and a second run sends nothing."""

import datetime as dt
import io
from decimal import Decimal

import asyncpg
import pytest
from enterprises.plant import client_of
from helpers import City
from rich.console import Console

from app.demo.city import SHANGHAI
from app.demo.plant import onboard_plant, run_plant
from app.demo.plant_data import DAYS, HOT, IMPORT, METERS, QUARTERS, readings
from app.replay.api import Api
from app.wiring import utc_now

TODAY = utc_now().astimezone(SHANGHAI).date()


def test_a_day_is_the_same_whenever_it_is_asked_for_but_for_the_hot_line() -> None:
    late = list(readings(TODAY))
    early = {(each["meter"], each["at"]): each for each in readings(TODAY - dt.timedelta(days=1))}
    assert len(late) == DAYS * QUARTERS * len(METERS)
    differ = [each["meter"] for each in late if early.get((each["meter"], each["at"]), each) != each]
    # What the other end's hot hours were: the line itself, what feeds it, and its gas.
    assert sorted(set(differ)) == ["E-IN", "E-L2", "G-IN"]
    assert len(differ) == 3 * len(HOT)
    assert all(value >= 0 for each in late for value in each.values() if isinstance(value, int))


async def test_the_day_is_what_was_sent(city: City, base_url: str, owner: asyncpg.Connection) -> None:
    operator = await city.client("operator", "330000")
    async with Api(base_url, operator.client_id, operator.secret) as office:
        enterprise_id = await onboard_plant(office)
        assert await onboard_plant(office) == enterprise_id
    client = await client_of(city, enterprise_id, "energy_manager")
    async with Api(base_url, client.client_id, client.secret) as plant:
        day = await run_plant(plant, enterprise_id, utc_now())
        # A day later nothing is sent, and the day that is shown stays.
        again = await run_plant(plant, enterprise_id, utc_now() + dt.timedelta(days=1))
    yesterday = TODAY - dt.timedelta(days=1)
    sent = list(readings(yesterday))
    last = sent[-QUARTERS * len(METERS) :]
    assert day.readings == len(sent)
    assert day.imported_wh == sum(each["energy_wh"] for each in last if each["meter"] == IMPORT)
    assert day.gas_l == sum(each["volume_l"] for each in last if each["meter"] == "G-IN")
    assert (len(day.hours_wh), sum(day.hours_wh)) == (24, day.imported_wh)
    assert day.peak_wh == max(each["energy_wh"] for each in last if each["meter"] == IMPORT)
    assert again.as_dict() == day.as_dict() | {"readings": 0}
    assert set(day.co2e_g_by_carrier) == {"electricity", "gas"}
    assert sum(map(Decimal, day.co2e_g_by_carrier.values())) == pytest.approx(Decimal(day.co2e_g), abs=1)
    assert day.day == yesterday.isoformat()
    assert await owner.fetchval("SELECT count(*) FROM meters") == len(METERS)
    shown = Console(width=120, record=True, file=io.StringIO())
    day.render(shown)
    assert f"{day.imported_wh // 1000:,} kWh" in shown.export_text()
