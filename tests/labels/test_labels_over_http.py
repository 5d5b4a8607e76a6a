"""A label from figures and emissions to its publication, at the doors: preview, improvement, run, publication."""

import asyncio
import datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from enterprises.plant import Plant, made_plant
from helpers import Caller, City
from labels.district import District
from labels.known import FIGURE
from labels.made import three_views

from accounts.labels.run_repository import open_runs
from app.labels.emissions import emitted_at
from app.labels.job import label_enterprises
from app.wiring import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")
EVIDENCE = {"reference": "核查报告-2025-01", "sha256": "ab" * 32}
MAY = datetime.datetime(2026, 5, 2, tzinfo=datetime.UTC)
LABEL = "/v1/enterprises/label"
RUNS = "/v1/operator/label-runs"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def operators(city: City) -> tuple[Caller, Caller]:
    return await city.client("operator", "330800"), await city.client("operator", "330800")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plant(city: City, operators: tuple[Caller, Caller]) -> Plant:
    """Emissions of 2025 by its process alone: 1,850 t."""
    made = await made_plant(city, operators[0], meters=())
    body = {
        "site_id": made.site_id,
        "month": "2025-06",
        "process": "石灰石分解",
        "co2e_g": "1850000000",
        "evidence": EVIDENCE,
    }
    answer = await made.client.post("/v1/enterprises/process-emissions", json=body)
    assert answer.status_code == 200, answer.text
    return made


@pytest.fixture
def district(city: City, owner: asyncpg.Connection) -> District:
    return District(city.service, owner, "330800")


async def report(plant: Plant, measure: str, amount: int, **over: Any) -> None:
    figure = FIGURE | {"measure": measure, "amount": amount, **over}
    answer = await plant.client.post("/v1/enterprises/figures", json={"figures": [figure]})
    assert answer.status_code == 200, answer.text


async def shown(plant: Plant, path: str, **query: Any) -> Any:
    answer = await plant.client.get(LABEL + path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def worked(service: Services) -> None:
    """Have the job do all there is; another process may be at it as well."""
    for _ in range(200):
        async with service.database.transaction() as lease:
            await label_enterprises(service.database, lease, service.live.labels, emitted_at(MAY), MAY)
        async with service.database.driver_transaction() as driver:
            if not await open_runs(driver):
                return
        await asyncio.sleep(0.05)


async def test_a_label_from_figures_to_publication(
    plant: Plant, operators: tuple[Caller, Caller], district: District
) -> None:
    one, two = operators
    assert (await plant.client.get(LABEL + "/preview")).json()["code"] == "label.no_scale"
    await district.rules(three_views())
    await report(plant, "output", 1_000_000_000, unit="g", product="steel")
    await report(plant, "tax", 20_555_555)
    for _ in range(200):
        # The served process learns of rules by itself, within moments.
        if (await plant.client.get(LABEL + "/preview")).status_code == 200:
            break
        await asyncio.sleep(0.05)
    bare = await shown(plant, "/preview")
    assert (bare["year"], bare["colour"], bare["emissions_co2e_g"]) == (2025, "unlabelled", "1850000000")
    assert [(each["code"], each["measure"]) for each in bare["reasons"]] == [
        ("figure_missing", "value_added")
    ]
    nothing = await shown(plant, "/improvement")
    assert (nothing["reached"], nothing["changes"], len(nothing["reasons"])) == (False, [], 1)
    await report(plant, "value_added", 154_166_666)
    assert (await shown(plant, "/preview"))["colour"] == "yellow"
    assert (await shown(plant, "/preview", year=2024))["reasons"][0]["code"] == "emissions_missing"
    assert (await plant.client.get(LABEL + "/preview", params={"year": 2026})).json()["code"] == (
        "label.year_not_over"
    )
    wanted = await shown(plant, "/improvement")
    assert (wanted["colour"], wanted["present"], wanted["reached"]) == ("light_green", "yellow", False)
    changes = {each["figure"]: each for each in wanted["changes"]}
    assert list(changes) == ["emissions", "output:steel", "output:rolled", "value_added", "tax"]
    # One fen less than what is told does not reach it; what is told does.
    target = changes["value_added"]["target"]
    for amount, colour in ((target - 1, "yellow"), (target, "light_green")):
        await report(plant, "value_added", amount)
        assert (await shown(plant, "/preview"))["colour"] == colour
    assert (await shown(plant, "/improvement"))["reached"] is True
    dark = await shown(plant, "/improvement", colour="dark_green")
    assert {each["figure"]: each["target"] for each in dark["changes"]}["value_added"] is None

    begun = await one.post(RUNS, json={"region": "330800", "year": 2025, "reason": "x"})
    assert begun.status_code == 200, begun.text
    path = f"{RUNS}/{begun.json()['run_id']}"
    publication = {"official": False, "reason": "trial"}
    await worked(district.service)
    done = (await one.get(path)).json()
    assert (done["state"], done["colours"]) == ("done", {"light_green": 1})
    # The yearly one was due as well.
    assert [each["yearly"] for each in (await two.get(RUNS)).json()["items"]].count(True) == 1
    labels = (await two.get(path + "/labels")).json()["items"]
    assert [(each["enterprise_id"], each["colour"]) for each in labels] == [
        (plant.enterprise_id, "light_green")
    ]
    assert (await plant.client.get(LABEL)).status_code == 404
    official = await two.post(path + "/publication", json=publication | {"official": True})
    assert official.json()["code"] == "label.not_official"
    published = await two.post(path + "/publication", json=publication)
    assert (published.json()["state"], published.json()["fallen"]) == ("published", 0)
    assert (await two.post(path + "/publication", json=publication)).json()["code"] == "label.run_published"
    label = await shown(plant, "")
    assert (label["colour"], label["official"], label["year"]) == ("light_green", False, 2025)
    read = await district.owner.fetchval(
        "SELECT count(*) FROM access_records WHERE holder_id = $1 AND what = 'label'", plant.holder_id
    )
    assert read == 1
    told = await district.owner.fetch(
        "SELECT action FROM audit_records WHERE action LIKE 'label_run%' ORDER BY id"
    )
    assert [row[0] for row in told] == ["label_run.begun", "label_run.published"]


async def test_runs_are_of_ones_own_region(city: City, operators: tuple[Caller, Caller]) -> None:
    foreign = await city.client("operator", "440000")
    body = {"region": "330800", "year": 2025, "reason": "x"}
    assert (await foreign.post(RUNS, json=body)).json()["code"] == "label.no_rules"
    assert (await foreign.get(RUNS)).json()["items"] == []
    (one, *_) = (await operators[0].get(RUNS)).json()["items"]
    for method, path in (("GET", ""), ("GET", "/labels"), ("POST", "/publication")):
        answer = await foreign.request(
            method,
            f"{RUNS}/{one['run_id']}{path}",
            **({} if method == "GET" else {"json": {"official": False, "reason": "x"}}),
        )
        assert answer.status_code == 404
