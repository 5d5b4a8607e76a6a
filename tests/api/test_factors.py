"""The shared tables of factors, as anybody reads them."""

import pytest
from api.stage import Stage

from methodologies.factor_tables import built_in


async def test_tables_page_by_page(stage: Stage) -> None:
    found, cursor = [], {}
    while True:
        answer = await stage.city.http.get("/v1/factors", params={"limit": "3", **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert [each["name"] for each in found] == sorted(built_in())
    grid = next(each for each in found if each["name"] == "grid_cn")
    assert (grid["unit"], grid["keys"], grid["requires_notice"]) == (
        "kgCO2/kWh",
        ["province", "year"],
        True,
    )
    assert {2023, 2024, 2025} <= set(grid["accounting_years"])
    assert {2021, 2022, 2023} <= set(grid["data_years"])
    assert any("公告2024年第12号" in each for each in grid["sources"])


@pytest.mark.parametrize("limit", ["1", "50", "200"])
async def test_every_row_of_every_table(stage: Stage, limit: str) -> None:
    names = sorted(built_in()) if limit == "200" else ["grid_cn_regions"]
    for name in names:
        rows, cursor = [], {}
        while True:
            answer = await stage.city.http.get(f"/v1/factors/{name}", params={"limit": limit, **cursor})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            assert page["table"]["rows"] == len(built_in()[name].rows)
            rows += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert [(list(row["key"].values()), row["value"]) for row in rows] == [
            (list(row.key), row.value) for row in built_in()[name].rows
        ]
        assert all(row["source"] and row["confidence"] for row in rows)


async def test_years_and_notice_are_kept_apart(stage: Stage) -> None:
    page = (await stage.city.http.get("/v1/factors/grid_cn?limit=200")).json()
    guangdong = next(row for row in page["items"] if row["key"] == {"province": "440000", "year": 2023})
    assert guangdong["value"] == "0.4715"
    assert (guangdong["accounting_year"], guangdong["data_year"]) == (2023, 2021)
    assert (guangdong["published"], guangdong["notice_no"]) == ("2024-04-12", "公告2024年第12号")
    assert guangdong["confidence"] == "quoted"


@pytest.mark.parametrize("path", ["/v1/factors", "/v1/factors/grid_cn", "/v1/factors/grid_cn?limit=2"])
async def test_who_has_it_already_gets_nothing(stage: Stage, path: str) -> None:
    first = await stage.city.http.get(path)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "public, max-age=3600"
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        again = await stage.city.http.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    other = await stage.city.http.get(path, headers={"If-None-Match": '"x"'})
    assert (other.status_code, other.json()) == (200, first.json())


async def test_what_is_not_there(stage: Stage) -> None:
    http = stage.city.http
    missing = await http.get("/v1/factors/none")
    assert (missing.status_code, missing.json()["code"]) == (404, "factors.not_found")
    for query in ("limit=0", "limit=201", "cursor=none", "cursor=-1"):
        for path in ("/v1/factors", "/v1/factors/grid_cn"):
            answer = await http.get(f"{path}?{query}")
            assert answer.status_code == 422, query
            assert answer.json()["errors"][0]["pointer"] == "/" + query.partition("=")[0]
