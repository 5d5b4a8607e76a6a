"""The doors of figures, rules and labels over HTTP."""

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from enterprises.plant import Plant, made_plant
from helpers import Caller, City
from labels.district import District
from labels.known import FIGURE
from labels.made import rules_text, three_views

from accounts.labels.examples import examples

pytestmark = pytest.mark.asyncio(loop_scope="session")
RULES = "/v1/operator/label-rules"
BASIS = {"title": "衢州市碳标签评定办法", "number": "衢碳〔2026〕9号", "issued_on": "2026-01-01"}


@dataclass
class Office:
    """Two operators of a city, and one of another."""

    city: City
    one: Caller
    two: Caller
    foreign: Caller


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(city: City) -> Office:
    made = [await city.client("operator", region) for region in ("330800", "330800", "440000")]
    return Office(city, *made)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plant(city: City, office: Office) -> Plant:
    return await made_plant(city, office.one, meters=())


def figure(measure: str, amount: int, unit: str = "fen", **over: Any) -> dict[str, Any]:
    return FIGURE | {"measure": measure, "amount": amount, "unit": unit, **over}


async def test_the_operators_word_outranks_and_the_latest_counts(office: Office, plant: Plant) -> None:
    digest = "ab" * 32
    document = FIGURE["document"] | {"sha256": digest}  # type: ignore[operator]
    sent = [
        figure("tax", 700, document=document),
        figure("output", 5, "g", product="steel"),
        figure("tax", 800),
    ]
    answer = await plant.client.post("/v1/enterprises/figures", json={"figures": sent})
    assert answer.status_code == 200, answer.text
    assert [each["counts"] for each in answer.json()["items"]] == [False, True, True]
    assert answer.json()["items"][0]["document"]["sha256"] == digest
    record = figure("tax", 900, enterprise_id=plant.enterprise_id, authority="税务局")
    strange = record | {"enterprise_id": "hld_" + uuid.uuid4().hex}
    for caller, known in ((office.foreign, False), (office.one, True)):
        items = (
            await caller.post("/v1/operator/label-figures/batch", json={"figures": [strange, record]})
        ).json()["items"]
        assert items[0] == {"figure_id": None, "error": "enterprise.not_found"}
        assert (items[1]["error"] is None) is known
    # What the enterprise reports from now on is kept, and does not count.
    await plant.client.post("/v1/enterprises/figures", json={"figures": [figure("tax", 1)]})
    listed = (await plant.client.get("/v1/enterprises/figures")).json()["items"]
    taxes = [(each["amount"], each["source"], each["counts"]) for each in listed if each["measure"] == "tax"]
    assert taxes == [
        (1, "enterprise", False),
        (900, "operator", True),
        (800, "enterprise", False),
        (700, "enterprise", False),
    ]
    path = f"/v1/operator/enterprises/{plant.enterprise_id}/figures"
    assert (await office.two.get(path)).json()["items"] == listed
    assert (await office.foreign.get(path)).status_code == 404
    first = (await plant.client.get("/v1/enterprises/figures", params={"limit": 2})).json()
    cursor = first["next_cursor"]
    rest = (await plant.client.get("/v1/enterprises/figures", params={"cursor": cursor})).json()
    assert first["items"] + rest["items"] == listed


@pytest.mark.parametrize(
    "wrong",
    [
        figure("tax", 1, "g"),
        figure("output", 1, "g"),
        figure("tax", 1, product="steel"),
        figure("output", -1, "g", product="steel"),
        figure("tax", 10**15 + 1),
        figure("tax", 1, year=1999),
        figure("profit", 1),
        {key: value for key, value in FIGURE.items() if key != "document"},
        figure("tax", 1.5),  # type: ignore[arg-type]
    ],
)
async def test_refused_figures(plant: Plant, wrong: dict[str, Any]) -> None:
    answer = await plant.client.post("/v1/enterprises/figures", json={"figures": [FIGURE, wrong]})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith("/figures/1")


async def test_roles_and_repeats(plant: Plant) -> None:
    viewer = await plant.speaker("viewer")
    body = {"figures": [figure("value_added", -5, year=2023)]}
    assert (await viewer.post("/v1/enterprises/figures", json=body)).status_code == 403
    manager = await plant.speaker("energy_manager")
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first = await manager.post("/v1/enterprises/figures", json=body, headers=key)
    again = await manager.post("/v1/enterprises/figures", json=body, headers=key)
    assert (first.json(), again.headers["idempotent-replayed"]) == (again.json(), "true")
    assert len((await viewer.get("/v1/enterprises/figures", params={"year": 2023})).json()["items"]) == 1
    assert (await viewer.get("/v1/enterprises/label")).json()["code"] == "label.none"


async def test_rules_are_put_in_force_by_two_and_examples_never_as_official(office: Office) -> None:
    shipped = (await office.one.get(RULES + "/examples")).json()["items"]
    assert [each["example"] for each in shipped] == [True] * len(examples())
    later = {"from": "2030-01-01"}
    drafted = await office.one.post(RULES, json=shipped[0] | later)
    assert drafted.status_code == 200, drafted.text
    # Under another name, and with a basis, its numbers are still the example's.
    relabelled = shipped[0] | later | {"example": False, "official": True, "basis": BASIS}
    refused = await office.one.post(RULES, json=relabelled)
    assert (refused.status_code, refused.json()["code"]) == (422, "label.example_not_official")
    path = f"{RULES}/{drafted.json()['id']}"
    etag = {"If-Match": "1"}
    assert (await office.one.request("PUT", path, json=relabelled, headers=etag)).status_code == 422
    text = rules_text(three_views(), **later, official=True, basis=BASIS)
    text["scales"][0]["against_industry"]["indicators"][0]["benchmark"] = "1790"
    edited = await office.one.request("PUT", path, json=text, headers=etag)
    assert edited.status_code == 200, edited.text
    step = {"json": {"reason": "x"}, "headers": {"If-Match": "2"}}
    assert (await office.one.post(path + "/approval", **step)).json()["code"] == "programme.approve_own"
    approved = await office.two.post(path + "/approval", **step)
    assert (approved.status_code, approved.json()["state"]) == (200, "approved")
    assert (await office.foreign.get(path)).status_code == 404
    assert drafted.json()["id"] in [each["id"] for each in (await office.two.get(RULES)).json()["items"]]
    assert approved.json()["text"]["scales"][0]["against_industry"]["indicators"][0]["benchmark"] == "1790"


async def test_a_published_label_and_its_history(
    office: Office, plant: Plant, owner: asyncpg.Connection
) -> None:
    district = District(office.city.service, owner, "330800")
    scale = three_views() | {"industry": None}
    rules_id = await district.rules(scale)
    maker = await made_plant(office.city, office.one, meters=())
    for measure, amount, unit in (("value_added", 154_166_666, "fen"), ("tax", 20_555_555, "fen")):
        await district.figure(maker.holder_id, measure, amount, unit=unit)
    await district.figure(maker.holder_id, "output", 1_000_000_000, unit="g", product="steel")
    district.mg[maker.holder_id, 2025] = 1_850_000_000_000
    await district.labelled()
    label = (await maker.client.get("/v1/enterprises/label")).json()
    assert (label["year"], label["colour"], label["official"], label["points"]) == (
        2025,
        "yellow",
        False,
        "44.99",
    )
    assert label["rules_id"] == "ppt_" + rules_id.hex
    assert {view: part["weight"] for view, part in label["views"].items()} == {
        "industry": "75",
        "region": "25",
    }
    assert label["emissions_co2e_g"] == "1850000000"
    assert label["figures"]["output:steel"] == 1_000_000_000
    assert all(each["zh"] and each["en"] for each in label["reasons"])
    history = (await maker.client.get("/v1/enterprises/label/history")).json()["items"]
    assert history == [label]
    # The other enterprise of the city has readings of nothing, and no product: it is told so.
    other = (await plant.client.get("/v1/enterprises/label")).json()
    assert other["colour"] == "unlabelled"
    assert {each["code"] for each in other["reasons"]} == {"emissions_missing"}
    # The served process learns of rules by itself, within moments.
    for _ in range(200):
        if (answer := await maker.client.get("/v1/enterprises/label/benchmark")).status_code != 409:
            break
        await asyncio.sleep(0.05)
    told = answer.json()
    assert told["cell"] == "industry"
    assert {each["percentiles"] for each in told["items"]} == {None}
    assert {each["unit"] for each in told["items"]} == {"g/kg", "g/yuan"}
