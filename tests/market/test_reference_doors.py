"""Prices of other markets by their doors."""

import asyncio
import json
from pathlib import Path

from market.exchange import Exchange
from typer.testing import CliRunner

from accounts.market.reference import read_series
from app.cli import app
from app.market import reference
from app.settings import Settings
from app.wiring import utc_now


async def test_prices_are_kept_once_listed_by_pages_and_drawn(exchange: Exchange, data: Path) -> None:
    series = read_series((data / "market" / "GDEA_utf8.csv").read_text(encoding="utf-8-sig"))
    http, database = exchange.city.http, exchange.city.service.database
    for changed in (len(series.days), 0):
        async with database.driver_transaction() as driver:
            assert await reference.keep(driver, "GDEA", series, utc_now()) == changed
    days, cursor = [], None
    while True:
        params = {"since": "2024-01-01", "until": "2024-12-31", "limit": 100}
        answer = await http.get(
            "/v1/reference-prices/GDEA", params=params | ({"cursor": cursor} if cursor else {})
        )
        told = answer.json()
        days += told["items"]
        cursor = told["next_cursor"]
        if cursor is None:
            break
    wanted = [day for day in series.days if day.day.year == 2024]
    assert [(day["day"], day["close_fen_per_t"]) for day in days] == [
        (day.day.isoformat(), day.close_fen_per_t) for day in wanted
    ]
    assert told["source"] == "广州碳排放权交易所"
    drawn = await http.get("/v1/reference-prices/GDEA/chart.svg", params={"since": "2024-01-01"})
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    assert drawn.text.startswith("<svg ")
    assert "广州碳排放权交易所" in drawn.text
    for path in ("/v1/reference-prices/XYZ", "/v1/reference-prices/XYZ/chart.svg"):
        assert (await http.get(path)).json()["code"] == "reference_price.not_found"


async def test_the_command_imports_a_file(
    exchange: Exchange, settings: Settings, database_urls: tuple[str, str], data: Path, tmp_path: Path
) -> None:
    environment = {
        "TANPUHUI_ENVIRONMENT": "test",
        "TANPUHUI_DATA_DIR": str(settings.data_dir),
        "TANPUHUI_DATABASE_URL": database_urls[0],
        "TANPUHUI_REDIS_URL": "redis://127.0.0.1:1",
    }

    async def run(*words: str) -> tuple[int, str]:
        # On a thread, since a command brings an event loop of its own.
        arguments = ["market", "import-prices", *words, "--json"]
        done = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=environment)
        return done.exit_code, done.stdout

    code, told = await run("HBEA", str(data / "market" / "HBEA_utf8.csv"))
    assert code == 0, told
    assert json.loads(told) == {
        "market": "HBEA",
        "days": 2_609,
        "changed": 2_609,
        "first_day": "2014-04-28",
        "last_day": "2025-05-06",
    }
    answer = await exchange.city.http.get("/v1/reference-prices/HBEA", params={"since": "2025-05-01"})
    assert answer.json()["items"][-1]["close_fen_per_t"] == 4_096
    other = tmp_path / "x.csv"
    other.write_text("day,price\n", encoding="utf-8")
    assert (await run("HBEA", str(other)))[0] == 2
    assert (await run("hbea", str(data / "market" / "HBEA_utf8.csv")))[0] == 2
