"""A plant whose meters have read something, for tests of what follows from readings."""

import datetime
from collections.abc import Iterable
from typing import Any

from enterprises.plant import Plant
from helpers import Caller

from accounts.enterprises.carriers import Carrier
from accounts.ids import parse_public_id
from accounts.metering.marks import PLAIN
from accounts.metering.quarters import QUARTERS_A_DAY, first_of
from accounts.metering.service import KnownMeter, Reading, record
from dedup.periods import LOCAL

EVIDENCE = {"reference": "检测报告 2026-118", "sha256": "ab" * 32}
METERS: tuple[dict[str, Any], ...] = (
    {"number": "E-IN", "carrier": "electricity", "flow": "import"},
    {"number": "E-PV", "carrier": "electricity", "flow": "generation"},
    {"number": "E-L1", "carrier": "electricity", "flow": "use", "counts": False, "on_line": True},
    {"number": "G-1", "carrier": "gas", "flow": "use"},
    {"number": "O-1", "carrier": "oil", "flow": "use"},
)


async def fill(
    plant: Plant, number: str, days: Iterable[tuple[datetime.date, list[int]]], carrier: str = "electricity"
) -> int:
    """Have a meter read these amounts, 96 a day; answers their sum."""
    meter_id = parse_public_id("mtr", plant.meters[number])
    assert meter_id is not None
    known = KnownMeter(
        meter_id, number, Carrier(carrier).field, cumulative=False, wraps_at=None, first=0, last=None
    )
    batch = [
        Reading(known, first_of(day) + place, amount, PLAIN, "test")
        for day, amounts in days
        for place, amount in enumerate(amounts)
    ]
    async with plant.city.service.database.driver_transaction() as driver:
        await record(driver, batch, datetime.datetime.now(LOCAL))
    return sum(reading.value for reading in batch)


def every_day(
    first: datetime.date, last: datetime.date, amount: int
) -> list[tuple[datetime.date, list[int]]]:
    """The same amount in each quarter-hour of each day."""
    count = (last - first).days + 1
    return [(first + datetime.timedelta(day), [amount] * QUARTERS_A_DAY) for day in range(count)]


def grid_factor(year: int, value: str, **over: Any) -> dict[str, Any]:
    """A factor of Zhejiang's grid for a year, made up for tests."""
    return {
        "kind": "grid",
        "region": "330000",
        "value": value,
        "accounting_year": year,
        "data_year": year - 2,
        "published": f"{year + 1}-01-15",
        "notice_no": "测试公告",
        "source": "测试",
        "reason": "测试",
        **over,
    }


async def put_in_force(first: Caller, second: Caller, factor: dict[str, Any]) -> str:
    """Have one operator propose a factor and another one approve it."""
    made = await first.post("/v1/operator/emission-factors", json=factor)
    assert made.status_code == 200, made.text
    factor_id = str(made.json()["factor_id"])
    answer = await second.post(f"/v1/operator/emission-factors/{factor_id}/approval", json={"reason": "核对"})
    assert answer.status_code == 200, answer.text
    return factor_id
