"""Daily prices out of the files of Wind: every priced day, units, blank days, and what is none."""

import datetime
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from accounts.market.chart import price_chart
from accounts.market.reference import DayPrice, Unreadable, read_series

DAY = datetime.date
NAMES = [f"广东:{name}:碳排放权配额(GDEA)" for name in ("收盘价", "成交均价", "当日成交量", "当日成交额")]
HEAD = "\n".join(
    ",".join(cells)
    for cells in (
        ["指标名称", *NAMES],
        ["频率", "日", "日", "日", "日"],
        ["单位", "元/吨", "元/吨", "吨", "元"],
        ["指标ID", "S1", "S2", "S3", "S4"],
        ["来源", *["广州碳排放权交易所"] * 4],
        [],
    )
)


def test_every_priced_day_of_the_files(data: Path) -> None:
    found = {
        name: read_series((data / "market" / f"{name}_utf8.csv").read_text(encoding="utf-8-sig"))
        for name in ("CEA", "GDEA", "HBEA")
    }
    assert sum(len(series.days) for series in found.values()) == 6_002
    for series in found.values():
        days = [each.day for each in series.days]
        assert days == sorted(set(days))
    assert found["CEA"].days[0] == DayPrice(DAY(2021, 7, 16), 5123, None, 4_103_953, 21_023_005_325)
    assert found["GDEA"].days[-1] == DayPrice(DAY(2025, 5, 6), 3802, 3802, 933, 3_547_260)
    assert found["HBEA"].source == "湖北碳排放权交易中心"


def test_what_a_file_may_look_like() -> None:
    text = (
        "\ufeff"
        + HEAD
        + "2025/5/6,,,,\n2025/5/2,30.5,30.734279,,\n2025/5/1,0.01,,2,0.02\n,,,,\n数据来源：Wind,,,,\n"
    )
    series = read_series(text)
    assert series.days == (
        DayPrice(DAY(2025, 5, 1), 1, None, 2, 2),
        # More digits than fen are rounded half up, once.
        DayPrice(DAY(2025, 5, 2), 3050, 3073, None, None),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "day,price\n2025/5/6,1\n",
        HEAD,
        HEAD + "2025/5/6,abc,,,\n",
        HEAD + "2025/5/6,-1,,,\n",
        HEAD + "2025/5/6,0,,,\n",
        HEAD + "2025/5/6,NaN,,,\n",
        HEAD + "2025/5/6,1E400,,,\n",
        HEAD + "2025/13/6,1,,,\n",
        HEAD + "2025/5/6,1,,,\n2025/5/6,2,,,\n",
        HEAD.replace("元/吨", "美元/吨") + "2025/5/6,1,,,\n",
        HEAD.replace("收盘价", "开盘价") + "2025/5/6,1,,,\n",
    ],
)
def test_what_is_no_such_file_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        read_series(text)


@pytest.mark.parametrize(
    "prices", [[3621], [3621, 3621], [1, 10_000_000], [6017, 3802, 900, 4455], [99, 100, 101]]
)
def test_a_chart_shows_every_day_within_its_frame(prices: list[int]) -> None:
    days = [(DAY(2025, 1, 1) + datetime.timedelta(days=n * 9), price) for n, price in enumerate(prices)]
    drawn = ET.fromstring(price_chart("A<B & 广东", days))  # noqa: S314 - made here
    line = drawn.find("{http://www.w3.org/2000/svg}polyline")
    assert line is not None
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert len(points) == len(days)
    for (x, y), (_, price) in zip(points, days, strict=True):
        assert 56 <= x <= 704
        assert 36 <= y <= 268
        for (_, other_y), (_, other) in zip(points, days, strict=True):
            # Higher prices stand higher, to a tenth of a pixel.
            assert y <= other_y or price <= other
