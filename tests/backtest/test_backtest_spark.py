"""The same expression on Spark in local mode: the same figures, to the mg."""

import datetime as dt
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backtest.made import act, cap, export_of, methodology, metro, parameter

from app.backtest import engines, rows
from app.backtest.formula import plan_of
from app.bench.backtest_lab import make_up, versions


@pytest.fixture(scope="module", autouse=True)
def spark() -> Iterator[Any]:
    pytest.importorskip("pyspark", reason="the extra `spark` is not installed")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java, which is not here")
    from pyspark.sql import SparkSession  # noqa: PLC0415 - an optional extra

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_made_up_acts(tmp_path: Path) -> None:
    before, after = versions(tmp_path)
    export = make_up(tmp_path / "acts", before, 2_000)
    assert engines.find("spark", export, None, after) == rows.find(export, None, after)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_128_bits_ties_and_refusals(tmp_path: Path) -> None:
    first = dt.date(2026, 1, 1)
    wide = methodology(
        "energy_wh * factor * energy_wh / base",
        inputs=[{"name": "energy_wh", "unit": "Wh", "min": 1, "max": 10**12}],
        parameters=[parameter("factor", "7.000000000003", "gCO2e/Wh"), parameter("base", "999983", "kWh")],
        rounding={"mode": "half_up"},
    )
    halves = metro("0.5", version="2", rounding={"mode": "half_up"}, caps=[cap("month", amount_mg=9)])
    choice = methodology(
        "clip(distance_m * factor, low, high) if distance_m > near or not duration_s >= short else -low",
        version="3",
        inputs=[
            {"name": "distance_m", "unit": "m", "min": 1, "max": 200_000},
            {"name": "duration_s", "unit": "s", "min": 0, "max": 86_400},
        ],
        parameters=[
            parameter("factor", "0.1", "gCO2e/m"),
            parameter("low", "1.0005", "gCO2e"),
            parameter("high", "77.7", "gCO2e"),
            parameter("near", "5", "m"),
            parameter("short", "10", "s"),
        ],
    )
    assert plan_of(wide, "spark").wide
    acts = [
        act(
            1 + place // 5,
            first + dt.timedelta(days=place),
            distance_m=place,
            duration_s=place * 7,
            energy_wh=10**11 + place,
        )
        for place in range(20)
    ]
    export = export_of(tmp_path, acts, [halves], first=first, last=dt.date(2026, 1, 31))
    for before, after in ((wide, halves), (halves, choice)):
        found = engines.find("spark", export, before, after)
        assert found == rows.find(export, before, after)
        assert found == engines.find("duckdb", export, before, after)
        assert found.total.after_mg > 0
    assert {each.reason for each in found.refused} == {"input_out_of_range", "negative_reduction"}


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_kinds_shares_windows_and_caps(tmp_path: Path) -> None:
    first = dt.date(2026, 1, 1)
    kinds = ["bus", "ferry", "tram"]
    table = {
        "name": "factor",
        "unit": "gCO2e/km",
        "keys": ["province", "kind"],
        "rows": [{"key": ["440000", "bus"], "value": "46.5"}, {"key": ["440000", "tram"], "value": "40.1"}],
        "source": "test",
        "confidence": "example",
    }
    after = methodology(
        "distance_m * factor[province, kind]",
        version="2",
        tables=[table],
        rounding={"mode": "half_up"},
        caps=[cap("day", count=2), cap("month", amount_mg=7_000)],
        report_within_days=3,
        self_report={"share_percent": 33, "source": "test"},
    )
    acts = [
        act(
            1 + place // 12,
            first + dt.timedelta(days=place % 12 // 6),
            distance_m=11 + 2 * place,
            **({} if place % 7 == 0 else {"kind": place % 3}),
            evidence=place % 2,
            late_days=place % 5,
        )
        for place in range(60)
    ]
    export = export_of(tmp_path, acts, [metro(), after], first=first, last=dt.date(2026, 1, 31), kinds=kinds)
    for before, tried in ((metro(), after), (after, metro("40", version="3"))):
        found = engines.find("spark", export, before, tried)
        assert found == rows.find(export, before, tried)
        assert found == engines.find("duckdb", export, before, tried)
    assert {each.reason for each in found.refused} == {
        "reported_late",
        "missing_input",
        "unknown_kind",
        "no_table_value",
    }
    assert {each.key.rpartition("/")[2] for each in found.caps} == {"day_count", "month_amount_mg"}
