"""What anybody reads of methodologies: every value with its source, and what is missing."""

import json

import pytest
from api.stage import Stage


async def listed(stage: Stage, path: str, **query: str) -> list[dict]:
    items: list[dict] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await stage.city.http.get(path, params={**query, **cursor})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert set(told) == {"items", "next_cursor"}
        items += told["items"]
        if told["next_cursor"] is None:
            return items
        cursor = {"cursor": told["next_cursor"]}


async def test_each_methodology_is_told_whole(stage: Stage) -> None:
    known = {each.content_hash: each for each in stage.city.service.catalogue.methodologies}
    items = await listed(stage, "/v1/methodologies")
    assert len(items) == len(known)
    for item in items:
        assert item["text"] == json.loads(known[item["content_hash"]].content)


async def test_every_value_has_unit_source_and_confidence(stage: Stage) -> None:
    (item,) = await listed(stage, "/v1/methodologies", region="440300", scene="trip.metro")
    (parameter,) = item["text"]["parameters"]
    assert (parameter["value"], parameter["unit"], parameter["confidence"]) == ("46.7", "gCO2/pkm", "quoted")
    assert parameter["source"]
    assert parameter["url"].startswith("https://")
    assert item["text"]["claims"]
    assert item["text"]["examples"]


@pytest.mark.parametrize("limit", ["1", "7", "200"])
async def test_placeholders_page_by_page(stage: Stage, limit: str) -> None:
    path = "/v1/methodologies/placeholders"
    items = await listed(stage, path, limit=limit)
    assert len(items) == len(stage.city.service.catalogue.placeholders)
    order = [(item["region"], item["scene"], item["code"]) for item in items]
    assert order == sorted(order)
    assert all(item["consult"] and item["missing"]["zh"] and item["document"]["title"] for item in items)
    of_wuhan = await listed(stage, path, limit=limit, region="420100")
    assert of_wuhan == [item for item in items if item["region"] == "420100"]
    ferries = await listed(stage, path, limit=limit, scene="trip.ferry")
    assert [item["region"] for item in ferries] == ["310000"]


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "cursor=x", "cursor=440000.none"])
async def test_a_page_of_placeholders_that_cannot_be(stage: Stage, query: str) -> None:
    answer = await stage.city.http.get(f"/v1/methodologies/placeholders?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/" + query.partition("=")[0]
