"""Energy quotas over HTTP: use, forecast, warnings that come once, surplus."""

import datetime
import json
from typing import Any

import pytest_asyncio
from emissions.factory import METERS, every_day, fill
from enterprises.plant import Plant, made_plant
from helpers import City

from accounts.energy_budgets.schemas import BudgetList
from app.jobs.enterprises import warn_of_budgets
from app.wiring import utc_now
from dedup.periods import LOCAL

A_DAY = 1000 * 96


def today() -> datetime.date:
    return utc_now().astimezone(LOCAL).date()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plant(city: City) -> Plant:
    """A plant that used the same every day of the last twelve weeks, and gas for a day."""
    plant = await made_plant(city, None, METERS)
    yesterday = today() - datetime.timedelta(1)
    await fill(plant, "E-IN", every_day(yesterday - datetime.timedelta(weeks=12), yesterday, 1000))
    await fill(plant, "G-1", every_day(yesterday, yesterday, 10), "gas")
    return plant


async def enter(plant: Plant, measure: str, period: str, amount: int) -> str:
    answer = await plant.client.post(
        "/v1/enterprises/energy-quotas",
        json={"measure": measure, "period": period, "amount": amount, "document_reference": "核定书"},
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["quota_id"])


async def budgets(plant: Plant) -> dict[tuple[str, str], Any]:
    answer = await plant.client.get("/v1/enterprises/energy-budgets")
    assert answer.status_code == 200, answer.text
    BudgetList.model_validate_json(answer.content)
    return {(item["quota"]["measure"], item["quota"]["period"]): item for item in answer.json()["items"]}


async def test_a_quota_stands_by_use_and_by_what_is_ahead(plant: Plant) -> None:
    year = today().year
    since = max(today() - datetime.timedelta(weeks=12, days=1), datetime.date(year, 1, 1))
    used = (today() - since).days * A_DAY
    left = (datetime.date(year, 12, 31) - today()).days + 1
    await enter(plant, "electricity", f"{year}", used + left * A_DAY + 500)
    found = (await budgets(plant))["electricity", f"{year}"]
    assert (found["used"], found["left_days"], found["overrun"]) == (used, left, "none")
    ahead = found["forecast"]
    assert ahead["expected"] == ahead["lower"] == ahead["upper"] == used + left * A_DAY
    assert found["surplus"] == 500
    assert found["quota"]["unit"] == "energy_wh"
    await enter(plant, "electricity", f"{year}", used + left * A_DAY - 1)
    found = (await budgets(plant))["electricity", f"{year}"]
    assert (found["overrun"], found["surplus"]) == ("overrun_expected", 0)


async def test_energy_is_what_its_carriers_come_to_by_their_sources(plant: Plant) -> None:
    month = f"{today() - datetime.timedelta(1):%Y-%m}"
    await enter(plant, "energy", month, 10**12)
    first = datetime.date.fromisoformat(f"{month}-01")
    days = (today() - max(first, today() - datetime.timedelta(weeks=12, days=1))).days
    # 3.6 kJ a Wh, and 38.931 kJ a litre of natural gas.
    gas = 10 * 96 * 38_931
    found = (await budgets(plant)).get(("energy", month))
    if found is not None:
        assert found["used"] == (days * A_DAY * 3600 + gas) // 1000
        assert found["without"] == []


async def test_a_warning_comes_once_for_a_quota(plant: Plant, city: City) -> None:
    year = today().year
    quota = await enter(plant, "gas", f"{year}", 1)
    hook = {"url": "http://127.0.0.1:9/budgets", "event_types": ["energy_budget.warned"]}
    assert (await plant.client.post("/v1/webhooks", json=hook)).status_code == 200
    for _ in range(2):
        await warn_of_budgets(city.service.database, utc_now())
    items = (await plant.client.get("/v1/enterprises/energy-budgets/warnings")).json()["items"]
    mine = [item for item in items if item["quota_id"] == quota]
    assert [(item["kind"], item["used"], item["measure"]) for item in mine] == [("exceeded", 960, "gas")]
    async with city.service.database.statement() as driver:
        rows = await driver.fetch("SELECT type, data FROM webhook_deliveries WHERE subject = $1", quota)
    assert [row["type"] for row in rows] == ["energy_budget.warned"]
    told = json.loads(rows[0]["data"])
    assert (told["kind"], told["used"], told["amount"], told["unit"]) == ("exceeded", 960, 1, "volume_l")


async def test_a_past_too_short_says_nothing(city: City) -> None:
    plant = await made_plant(city, None, METERS)
    await enter(plant, "electricity", f"{today().year}", 1000)
    found = (await budgets(plant))["electricity", f"{today().year}"]
    assert (found["forecast"], found["surplus"], found["overrun"]) == (None, None, "none")
