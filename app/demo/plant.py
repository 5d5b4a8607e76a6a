"""The made-up plant's day: onboarded, metered and shown through the HTTP API, as an operator and a plant would."""

import contextlib
import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeAlias

from rich.console import Console
from rich.table import Table

from accounts.alerts.service import newest
from app.demo.city import SHANGHAI
from app.demo.plant_data import (
    HOT_LINE,
    IMPORT,
    LINES,
    METERS,
    NAME,
    REGION,
    USCC,
    earlier_readings,
    first_day,
    readings,
)
from app.replay.api import Api, ApiError

OPERATOR_NAME: Final = "Demo operator of enterprises"
_BATCH: Final = 10_000
_BARS: Final = "▁▂▃▄▅▆▇█"
_DOOR: Final = "/v1/enterprises"
Watching: TypeAlias = Callable[[], contextlib.AbstractAsyncContextManager[None]]


@dataclass(slots=True)
class PlantDay:
    """What the plant shows of its day."""

    enterprise_id: str = ""
    name: str = ""
    day: str = ""
    readings: int = 0
    """Sent by this run."""
    imported_wh: int = 0
    solar_wh: int = 0
    gas_l: int = 0
    hours_wh: list[int] = field(default_factory=list)
    peak_at: str = ""
    peak_wh: int = 0
    """Of a quarter-hour."""
    hot_meter_id: str = ""
    co2e_g: str = "0"
    """Of the day, rounded once."""
    co2e_g_by_carrier: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        return asdict(self)

    def render(self, console: Console) -> None:
        """Print it for a person."""
        table = Table(
            title=f"A plant's day 企业的一天: {self.name}, {self.day}",
            title_justify="left",
            show_header=False,
            box=None,
            padding=(0, 2),
        )
        table.add_column(justify="left")
        table.add_column(justify="right")
        table.add_column(style="dim", overflow="fold")
        most = max(self.hours_wh, default=0) or 1
        curve = "".join(_BARS[max(0, hour) * 7 // most] for hour in self.hours_wh)
        table.add_row("From the grid 外购电", f"{_kilo(self.imported_wh)} kWh", curve)
        table.add_row("  most in 15 minutes 最大", f"{_kilo(self.peak_wh)} kWh", self.peak_at)
        table.add_row("Own solar 自发光伏", f"{_kilo(self.solar_wh)} kWh", "")
        table.add_row("Gas 天然气", f"{_kilo(self.gas_l)} m3", "")
        shares = ", ".join(f"{name} {_tonnes(co2e_g)}" for name, co2e_g in self.co2e_g_by_carrier.items())
        table.add_row("Emissions 碳排放", f"{_tonnes(self.co2e_g)} t CO2e", shares)
        console.print(table)


def _kilo(amount: int) -> str:
    return f"{amount // 1000:,}"


def _tonnes(co2e_g: str) -> str:
    tenths = (int(Decimal(co2e_g)) + 50_000) // 100_000
    return f"{tenths // 10:,}.{tenths % 10}"


async def onboard_plant(operator: Api) -> str:
    """The plant's id; onboarded where it is not there yet. Raises `ApiError`."""
    body = {"uscc": USCC, "name": NAME, "domain": "industry", "industry_code": "C3130", "region": REGION}
    try:
        return str((await operator.post("/v1/operator/enterprises", body))["enterprise_id"])
    except ApiError as error:
        if error.code != "enterprise.exists":
            raise
    cursor: dict[str, str] = {}
    while True:
        page = await operator.get("/v1/operator/enterprises", limit=200, **cursor)
        for item in page["items"]:
            if item["name"] == NAME and item["region"] == REGION:
                return str(item["enterprise_id"])
        if page["next_cursor"] is None:
            raise ValueError("another enterprise has the credit code of the demonstration's")
        cursor = {"cursor": page["next_cursor"]}


async def run_plant(
    plant: Api, enterprise_id: str, now: dt.datetime, watching: Watching = contextlib.nullcontext
) -> PlantDay:
    """Enter the structure, send the readings up to now, and read yesterday back.

    From the meters' entry until their last five weeks are there, `watching` is entered. A plant that was there before
    is left as it is: its day stays the one that was shown then.
    """
    yesterday = now.astimezone(SHANGHAI).date() - dt.timedelta(days=1)
    meters = {item["number"]: item for item in (await plant.get(f"{_DOOR}/meters", limit=200))["items"]}
    shown = PlantDay(enterprise_id=enterprise_id, name=NAME)
    if not meters:
        async with watching():
            meters = await _enter(plant, yesterday)
            shown.readings = await _send(plant, readings(newest(now)))
        shown.readings += await _send(plant, earlier_readings(yesterday))
    installed = dt.datetime.fromisoformat(meters[HOT_LINE]["installed_at"]).astimezone(SHANGHAI).date()
    day = yesterday - (first_day(yesterday) - installed)
    shown.day = day.isoformat()
    shown.hot_meter_id = meters[HOT_LINE]["meter_id"]
    await _read(plant, meters, day, shown)
    return shown


async def _enter(plant: Api, day: dt.date) -> dict[str, Any]:
    """The lines got meters of their own later than the plant."""
    site = await plant.post(f"{_DOOR}/sites", {"name": "一厂区", "region": REGION})
    lines = [
        (await plant.post(f"{_DOOR}/lines", {"site_id": site["site_id"], "name": name}))["line_id"]
        for name in LINES
    ]
    made = {}
    for meter in METERS:
        since = dt.date(day.year - 1, 1, 1) if meter.get("counts", True) else first_day(day)
        installed = dt.datetime.combine(since, dt.time(), SHANGHAI).isoformat()
        body = {"site_id": site["site_id"], "installed_at": installed} | meter
        if (line := body.pop("line", None)) is not None:
            body["line_id"] = lines[line]
        made[meter["number"]] = await plant.post(f"{_DOOR}/meters", body)
    return made


async def _send(plant: Api, following: Iterator[dict[str, Any]]) -> int:
    sent = 0
    while batch := list(itertools.islice(following, _BATCH)):
        items = (await plant.post(f"{_DOOR}/readings/batch", batch))["items"]
        refused = [item for item in items if item["outcome"] == "refused"]
        if refused:
            raise ValueError(f"a reading of the demonstration was refused: {refused[0]['reason']}")
        sent += len(items)
    return sent


async def _read(plant: Api, meters: dict[str, Any], day: dt.date, shown: PlantDay) -> None:
    async def uses(number: str, step: str) -> list[dict[str, Any]]:
        path = f"{_DOOR}/meters/{meters[number]['meter_id']}/uses"
        until = day + dt.timedelta(days=1)
        query = {"from": day.isoformat(), "to": until.isoformat()}
        found: list[dict[str, Any]] = (await plant.get(path, step=step, limit=200, **query))["items"]
        return found

    hours = await uses(IMPORT, "hour")
    shown.hours_wh = [int(hour["energy_wh"]) for hour in hours]
    shown.imported_wh = sum(shown.hours_wh)
    quarters = await uses(IMPORT, "quarter")
    peak = max(quarters, key=lambda quarter: int(quarter["energy_wh"]))
    shown.peak_wh, shown.peak_at = int(peak["energy_wh"]), str(peak["starts_at"])
    shown.solar_wh = sum(int(each["energy_wh"]) for each in await uses("E-PV", "day"))
    shown.gas_l = sum(int(each["volume_l"]) for each in await uses("G-IN", "day"))
    emitted = await plant.get(
        f"{_DOOR}/emissions", by="carrier", **{"from": day.isoformat(), "to": day.isoformat()}
    )
    shown.co2e_g = emitted["co2e_g"]
    shown.co2e_g_by_carrier = {item["key"]: item["co2e_g"] for item in emitted["items"]}
