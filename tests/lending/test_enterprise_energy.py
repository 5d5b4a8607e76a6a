"""Energy, emissions and alerts of an enterprise's signed report: the last twelve whole months, as its own doors say."""

import datetime
import io
import uuid
from typing import Any

import asyncpg
import pypdf
import pytest_asyncio
from emissions.factory import EVIDENCE, METERS, every_day, fill
from enterprises.plant import Plant, made_plant
from helpers import Caller, City
from lending.lender import let

from app.wiring import utc_now
from dedup.periods import LOCAL

ELSE = (
    {"number": "W-1", "carrier": "water", "flow": "use"},
    {"number": "E-IN-2", "carrier": "electricity", "flow": "import"},
)
THIS_MONTH = utc_now().astimezone(LOCAL).date().replace(day=1)
DAY = datetime.timedelta(days=1)


def month_before(number: int) -> datetime.date:
    """The first day of the month that is so many before this one."""
    place = THIS_MONTH.year * 12 + THIS_MONTH.month - 1 - number
    return datetime.date(place // 12, place % 12 + 1, 1)


FIRST, LAST = month_before(12), month_before(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def read(city: City) -> tuple[Plant, dict[str, int]]:
    """A plant that read something within the twelve months, and on the days next to them; what is within."""
    plant = await made_plant(city, meters=(*METERS, *ELSE))
    sums = {
        "E-IN": await fill(plant, "E-IN", every_day(FIRST, FIRST + DAY, 1_234)),
        "E-IN-2": await fill(plant, "E-IN-2", every_day(LAST, LAST + DAY, 111)),
        "E-PV": await fill(plant, "E-PV", every_day(LAST, LAST, 66)),
        "G-1": await fill(plant, "G-1", every_day(LAST, LAST, 17), "gas"),
        "W-1": await fill(plant, "W-1", every_day(LAST, LAST, 5), "water"),
    }
    await fill(plant, "E-L1", every_day(LAST, LAST, 9_999))
    await fill(plant, "E-IN", every_day(FIRST - DAY, FIRST - DAY, 70_001))
    await fill(plant, "E-IN", every_day(THIS_MONTH, THIS_MONTH, 80_001))
    # Of a year with a certificate all is read, and no more of it told.
    body = {
        "number": "GEC-REPORT-1",
        "energy_wh": 3_000,
        "first_month": f"{LAST:%Y-%m}",
        "last_month": f"{LAST:%Y-%m}",
        "issuer": "国家可再生能源信息管理中心",
        "cancelled_on": f"{LAST}",
        "evidence": EVIDENCE,
    }
    answer = await plant.client.post("/v1/enterprises/green-certificates", json=body)
    assert answer.status_code == 200, answer.text
    return plant, sums


async def report_of(bank: Caller, reference: str) -> dict[str, Any]:
    answer = await bank.post("/v1/bank/reports", json={"reference": reference})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_energy_and_emissions_are_of_the_twelve_months(
    city: City, owner: asyncpg.Connection, read: tuple[Plant, dict[str, int]]
) -> None:
    plant, sums = read
    bank = await city.client("bank")
    made = await report_of(bank, await let(owner, plant.holder_id, bank, "report"))
    parts = made["report"]["sections"]
    energy = {(each["carrier"], each["flow"]): each for each in parts["energy"]["series"]}
    assert {key: each[each["field"]] for key, each in energy.items()} == {
        ("electricity", "import"): sums["E-IN"] + sums["E-IN-2"],
        ("electricity", "generation"): sums["E-PV"],
        ("gas", "use"): sums["G-1"],
        ("oil", "use"): None,
        ("water", "use"): sums["W-1"],
    }
    bought = energy["electricity", "import"]["by_month"]
    assert [row["month"] for row in bought] == [f"{month_before(12 - place):%Y-%m}" for place in range(12)]
    assert [row["energy_wh"] for row in bought] == [sums["E-IN"], *([None] * 10), sums["E-IN-2"]]
    quarters = ((month_before(11) - FIRST).days) * 96
    known = {name: bought[0]["quarters_" + name] for name in ("measured", "estimated", "missing")}
    assert known == {"measured": 192, "estimated": 0, "missing": 2 * quarters - 192}
    assert (energy["gas", "use"]["field"], energy["water", "use"]["field"]) == ("volume_l", "volume_l")

    # As the enterprise's own door says.
    days = {"from": f"{FIRST}", "to": f"{THIS_MONTH - DAY}", "by": "month"}
    own = (await plant.client.get("/v1/enterprises/emissions", params=days)).json()
    told = parts["emissions"]
    assert told["co2e_g"] == own["co2e_g"] != "0"
    by_month = {item["key"]: item["co2e_g"] for item in own["items"]}
    assert {row["month"]: row["co2e_g"] for row in told["by_month"] if row["co2e_g"] is not None} == {
        name: by_month[name] for name in (f"{FIRST:%Y-%m}", f"{LAST:%Y-%m}")
    }
    assert len(told["by_month"]) == 12
    assert {each["factor_id"] for each in told["factors"]} == {each["factor_id"] for each in own["factors"]}
    assert (told["method"], told["quality"]) == (own["method"], own["quality"])
    assert (told["complete"], told["certificates"], told["green_energy_wh"]) == (False, 1, 3_000)
    assert told["boundary"]["meters"] == len(own["boundary"]["meters"]) == 6
    assert told["gaps"] == [{"carrier": "water", "reason": "outside_boundary", "volume_l": sums["W-1"]}]
    assert (told["first_day"], told["last_day"]) == (days["from"], days["to"])

    paper = await bank.get(f"/v1/bank/reports/{made['report_id']}/report.pdf")
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(paper.content)).pages)
    amount = f"{sums['E-IN'] / 1000:,.1f}"
    for words in ("电力外购 kWh", amount, f"{FIRST:%Y-%m}", "核算边界", "数据质量", "用能异常", "未处理"):
        assert words in text, words

    # More meters make no longer report.
    before = len(made["jws"])
    for number in range(12):
        await plant.meter(number=f"E-MORE-{number}", flow="import")
    again = await report_of(bank, made["report"]["reference"])
    assert again["report"]["sections"]["emissions"]["boundary"]["meters"] == 18
    assert abs(len(again["jws"]) - before) < 200


async def test_alerts_by_kind_and_how_many_are_open(city: City, owner: asyncpg.Connection) -> None:
    plant = await made_plant(city)
    other = await made_plant(city, plant.operator)
    begin = datetime.datetime.combine(FIRST, datetime.time(), LOCAL)
    end = datetime.datetime.combine(THIS_MONTH, datetime.time(), LOCAL)
    hour, now = datetime.timedelta(hours=1), utc_now()
    # Kind, from, to, seen, closed. What ends before or begins after the twelve months is not told.
    for whose, kind, since, until, seen, closed in (
        (plant, "deviation", begin - hour, begin, None, None),
        (plant, "deviation", begin + hour, begin + 2 * hour, now, None),
        (plant, "deviation", end - hour, end + hour, now, now),
        (plant, "gap", end - 2 * hour, end - hour, None, None),
        (plant, "gap", begin - 2 * hour, begin - hour, None, None),
        (plant, "stuck", end, end + hour, None, None),
        (other, "stuck", begin + hour, begin + 2 * hour, None, None),
    ):
        meter_id = uuid.UUID(whose.meters["E-IN"].removeprefix("mtr_"))
        await owner.execute(
            "INSERT INTO meter_alerts (holder_id, id, meter_id, kind, starts_at, last_at, ended_at, opened_at,"
            " acknowledged_at, closed_at, verdict, note)"
            " VALUES ($1, $2, $3, $4, $5, $6, $6, $6, $7, $8::timestamptz,"
            " CASE WHEN $8::timestamptz IS NULL THEN NULL ELSE 'fault' END, '')",
            *(whose.holder_id, uuid.uuid4(), meter_id, kind, since, until, seen, closed),
        )
    bank = await city.client("bank")
    reference = await let(owner, plant.holder_id, bank, "report")
    parts = (await report_of(bank, reference))["report"]["sections"]
    assert parts["alerts"]["by_kind"] == [
        {"kind": "deviation", "alerts": 3, "open": 1, "acknowledged": 1, "closed": 1},
        {"kind": "stuck", "alerts": 0, "open": 0, "acknowledged": 0, "closed": 0},
        {"kind": "gap", "alerts": 1, "open": 1, "acknowledged": 0, "closed": 0},
    ]
    assert {name: parts["alerts"][name] for name in ("alerts", "open", "acknowledged", "closed")} == {
        "alerts": 4,
        "open": 2,
        "acknowledged": 1,
        "closed": 1,
    }
    # Meters that never read anything used nothing that is known.
    assert (parts["energy"]["reason"], parts["emissions"]["reason"]) == ("no_data", "no_data")

    bare = await made_plant(city, plant.operator, meters=())
    found = await report_of(bank, await let(owner, bare.holder_id, bank, "report"))
    parts = found["report"]["sections"]
    assert {name: parts[name]["reason"] for name in ("energy", "emissions", "alerts")} == {
        "energy": "no_meters",
        "emissions": "no_data",
        "alerts": "no_meters",
    }
    assert (await bank.get(f"/v1/bank/reports/{found['report_id']}/report.pdf")).content.startswith(b"%PDF")
