"""An enterprise's emissions from readings to report: figures, evidence, corrected factors, kept statements."""

import asyncio
import datetime
from fractions import Fraction
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from emissions.factory import EVIDENCE, METERS, every_day, fill, grid_factor, put_in_force
from enterprises.plant import Plant, made_plant
from helpers import Caller, City

from accounts.emissions.rounding import to_mg
from accounts.emissions.schemas import Emissions, MonthReport
from accounts.quantities import grams
from app.jobs.enterprises import keep_statements
from app.wiring import utc_now

JAN, FEB = datetime.date(2025, 1, 1), datetime.date(2025, 2, 1)
ZHEJIANG = Fraction("0.4974") * 1000
RESIDUAL = Fraction("0.6096") * 1000
GAS = Fraction("389.31") * Fraction("0.01532") * Fraction("0.99") * Fraction(44, 12) * 100
DIESEL = Fraction("42.652") * Fraction("0.0202") * Fraction("0.98") * Fraction(44, 12) * 1000
DAY = datetime.timedelta(days=1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def operators(city: City) -> tuple[Caller, Caller]:
    return await city.client("operator", "330000"), await city.client("operator", "330000")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def year(city: City, operators: tuple[Caller, Caller]) -> tuple[Plant, dict[str, int]]:
    """A plant with two months of readings, nobody's to change; and what its meters read."""
    plant = await made_plant(city, operators[0], METERS)
    read = {
        "E-IN": await fill(plant, "E-IN", every_day(JAN, datetime.date(2025, 2, 28), 1234)),
        "E-PV": await fill(plant, "E-PV", every_day(JAN, datetime.date(2025, 2, 28), 66)),
        "E-L1": await fill(plant, "E-L1", every_day(JAN, datetime.date(2025, 2, 28), 325)),
        "G-1": await fill(plant, "G-1", every_day(FEB, datetime.date(2025, 2, 28), 17), "gas"),
        "O-1": await fill(plant, "O-1", every_day(FEB, datetime.date(2025, 2, 28), 5), "oil"),
    }
    return plant, read


async def emissions(plant: Plant, first: datetime.date, last: datetime.date, by: str = "month") -> Any:
    answer = await plant.client.get(
        "/v1/enterprises/emissions", params={"from": f"{first}", "to": f"{last}", "by": by}
    )
    assert answer.status_code == 200, answer.text
    Emissions.model_validate_json(answer.content)
    return answer.json()


async def report(plant: Plant, month: str, **params: Any) -> Any:
    answer = await plant.client.get(f"/v1/enterprises/reports/{month}", params=params)
    assert answer.status_code == 200, answer.text
    MonthReport.model_validate_json(answer.content)
    return answer.json()


async def entered(caller: Caller, path: str, body: dict[str, Any]) -> Any:
    answer = await caller.post(f"/v1/enterprises/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def certificate(number: str, energy_wh: int, month: str = "2025-01") -> dict[str, Any]:
    return {
        "number": number,
        "issuer": "国家可再生能源信息管理中心",
        "energy_wh": energy_wh,
        "first_month": month,
        "last_month": month,
        "cancelled_on": "2025-06-01",
        "evidence": EVIDENCE,
    }


async def test_figures_are_rounded_once_and_told_by_month_carrier_site_and_line(
    year: tuple[Plant, dict[str, int]],
) -> None:
    plant, read = year
    last = datetime.date(2025, 2, 28)
    exact = read["E-IN"] * ZHEJIANG + read["G-1"] * GAS
    found = await emissions(plant, JAN, last)
    assert found["co2e_g"] == grams(to_mg(exact))
    assert [item["key"] for item in found["items"]] == ["2025-01", "2025-02"]
    assert not found["complete"]
    assert [gap["reason"] for gap in found["gaps"]] == ["fuel_unknown"]
    assert found["gaps"][0]["mass_g"] == read["O-1"]
    by_carrier = {i["key"]: i["co2e_g"] for i in (await emissions(plant, JAN, last, "carrier"))["items"]}
    assert by_carrier == {
        "electricity": grams(to_mg(read["E-IN"] * ZHEJIANG)),
        "gas": grams(to_mg(read["G-1"] * GAS)),
    }
    by_site = (await emissions(plant, JAN, last, "site"))["items"]
    assert [(each["key"], each["co2e_g"]) for each in by_site] == [(plant.site_id, found["co2e_g"])]
    line, rest = (await emissions(plant, JAN, last, "line"))["items"]
    share = Fraction(read["E-L1"], read["E-IN"] + read["E-PV"])
    assert (line["key"], line["co2e_g"]) == (plant.line_id, grams(to_mg(read["E-IN"] * ZHEJIANG * share)))
    assert rest["key"] is None
    factor = next(each for each in found["factors"] if each["kind"] == "grid")
    assert (factor["accounting_year"], factor["data_year"], factor["published"]) == (2025, 2023, "2025-12-31")
    assert found["boundary"]["organisation"] == "衢江特钢有限公司"
    assert {meter["number"] for meter in found["boundary"]["meters"]} == {"E-IN", "E-PV", "G-1", "O-1"}


async def test_days_of_a_month_come_to_what_their_meters_read(year: tuple[Plant, dict[str, int]]) -> None:
    plant, read = year
    found = await emissions(plant, datetime.date(2025, 1, 11), datetime.date(2025, 2, 10), "carrier")
    days = 31
    assert found["items"][0]["co2e_g"] == grams(to_mg(1234 * 96 * days * ZHEJIANG))
    assert found["items"][1]["co2e_g"] == grams(to_mg(Fraction(17 * 96 * 10) * GAS))
    assert read["E-IN"] == 1234 * 96 * 59


async def test_a_months_report_has_boundary_method_and_quality(year: tuple[Plant, dict[str, int]]) -> None:
    plant, _ = year
    found = await report(plant, "2025-01")
    power = next(each for each in found["activities"] if each["carrier"] == "electricity")
    assert power["energy_wh"] == 1234 * 96 * 31
    assert power["own_energy_wh"] == 66 * 96 * 31
    assert found["quality"]["quarters_measured"] == 31 * 96
    assert set(found["method"]) == {"zh", "en"}
    assert found["statement_id"] is None


async def test_a_corrected_factor_makes_another_statement_and_the_old_one_stays(
    city: City, operators: tuple[Caller, Caller], owner: asyncpg.Connection
) -> None:
    plant = await made_plant(city, operators[0], METERS)
    read = await fill(plant, "E-IN", every_day(datetime.date(2024, 5, 1), datetime.date(2024, 5, 31), 1000))
    path = "/v1/enterprises/reports/2024-05/statements"
    first = (await entered(plant.client, path.removeprefix("/v1/enterprises/"), {}))["statement"]
    assert first["changed"] == ["first"]
    assert first["co2e_g"] == grams(to_mg(read * Fraction("0.5153") * 1000))
    again = await entered(plant.client, path.removeprefix("/v1/enterprises/"), {})
    assert not again["made"]
    then = utc_now()

    own = await operators[0].post("/v1/operator/emission-factors", json=grid_factor(2024, "0.6"))
    refused = await operators[0].post(
        f"/v1/operator/emission-factors/{own.json()['factor_id']}/approval", json={"reason": "自批"}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "emissions.approve_own")
    factor_id = await put_in_force(*operators, grid_factor(2024, "0.5"))
    await keep_statements(city.service.database, utc_now())
    kept = (await plant.client.get(path)).json()["items"]
    assert [each["changed"] for each in kept] == [["factors"], ["first"]]
    assert kept[0]["co2e_g"] == grams(read * 500)
    assert kept[1] == first

    assert (await report(plant, "2024-05"))["co2e_g"] == grams(read * 500)
    old = await report(plant, "2024-05", as_of=then.isoformat())
    assert (old["co2e_g"], old["statement_id"]) == (first["co2e_g"], first["statement_id"])
    assert [each["factor_id"] for each in old["factors"]] == ["grid_cn/330000/2024"]
    new = await report(plant, "2024-05", as_of=utc_now().isoformat())
    assert [each["factor_id"] for each in new["factors"]] == [factor_id]
    never = await plant.client.get(
        "/v1/enterprises/reports/2024-05", params={"as_of": "2024-06-01T00:00:00+08:00"}
    )
    assert (never.status_code, never.json()["code"]) == (404, "emissions.statement_not_found")
    count = await owner.fetchval("SELECT count(*) FROM emission_statements")
    await keep_statements(city.service.database, utc_now())
    assert await owner.fetchval("SELECT count(*) FROM emission_statements") == count


async def test_what_was_stated_cannot_be_changed_by_the_service(city: City) -> None:
    async with city.service.database.driver_transaction() as driver:
        for statement in (
            "UPDATE emission_statements SET total_mg = 0",
            "DELETE FROM emission_statements",
            "UPDATE process_emissions SET co2e_mg = 0",
            "UPDATE emission_factors SET value = '1'",
            "UPDATE green_certificates SET energy_wh = 1",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with driver.transaction():
                    await driver.execute(statement)


async def test_a_certificate_counts_once_in_the_whole_deployment(
    city: City, operators: tuple[Caller, Caller]
) -> None:
    """Fifty callers of two enterprises at once, and the number written in other ways: one of them gets it."""
    plants = [await made_plant(city, operators[0], METERS) for _ in range(2)]
    ways = ["gec-2025-0001", "GEC-2025-0001", " GEC-2025-0001", "ＧＥＣ－2025－0001", "GEC-2025- 0001"]
    answers = await asyncio.gather(
        *(
            plants[number % 2].client.post(
                "/v1/enterprises/green-certificates",
                json=certificate(ways[number % len(ways)], 1_000_000),
            )
            for number in range(50)
        )
    )
    assert sorted({answer.status_code for answer in answers}) == [200, 409]
    winners = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert len(winners) == 1
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"emissions.certificate_used"}
    winner, loser = plants[winners[0] % 2], plants[1 - winners[0] % 2]
    made = answers[winners[0]].json()
    path = f"green-certificates/{made['certificate_id']}/withdrawal"
    foreign = await loser.client.post(f"/v1/enterprises/{path}", json={"reason": "x"})
    assert foreign.status_code == 404
    await entered(winner.client, path, {"reason": "录入有误"})
    await entered(loser.client, "green-certificates", certificate("GEC-2025-0001", 2_000_000))
    listed = (await winner.client.get("/v1/enterprises/green-certificates")).json()["items"]
    assert [each["withdrawn_reason"] for each in listed] == ["录入有误"]


async def test_certificates_cover_bought_power_and_the_rest_of_the_year_takes_the_residual_factor(
    city: City, operators: tuple[Caller, Caller]
) -> None:
    plant = await made_plant(city, operators[0], METERS)
    read = await fill(plant, "E-IN", every_day(JAN, datetime.date(2025, 2, 28), 1000))
    await fill(plant, "E-PV", every_day(JAN, datetime.date(2025, 2, 28), 500))
    assert (await emissions(plant, JAN, datetime.date(2025, 2, 28)))["co2e_g"] == grams(
        to_mg(read * ZHEJIANG)
    )
    covered = 1_000_000
    await entered(plant.client, "green-certificates", certificate("GEC-2025-0777", covered))
    found = await emissions(plant, JAN, datetime.date(2025, 2, 28))
    assert found["co2e_g"] == grams(to_mg((read - covered) * RESIDUAL))
    january = await report(plant, "2025-01")
    february = await report(plant, "2025-02")
    assert january["certificates"] == [
        {
            "number": "GEC-2025-0777",
            "energy_wh": covered,
            "used_wh": covered,
            "first_month": "2025-01",
            "last_month": "2025-01",
        }
    ]
    assert january["activities"][0]["green_energy_wh"] == covered
    assert february["activities"][0]["green_energy_wh"] == 0
    assert february["co2e_g"] == grams(to_mg(1000 * 96 * 28 * RESIDUAL))


async def test_process_emissions_have_evidence_and_are_corrected_by_other_rows(
    city: City, operators: tuple[Caller, Caller]
) -> None:
    plant = await made_plant(city, operators[0], METERS)
    body = {
        "site_id": plant.site_id,
        "line_id": plant.line_id,
        "month": "2025-01",
        "process": "石灰石分解",
        "co2e_g": "3100.5",
        "evidence": EVIDENCE,
    }
    made = await entered(plant.client, "process-emissions", body)
    assert (await report(plant, "2025-01"))["co2e_g"] == "3100.5"
    half = await emissions(plant, JAN, datetime.date(2025, 1, 10), "line")
    assert half["items"][0] == {"key": plant.line_id, "name": "1号轧线", "co2e_g": "1000.161"}
    path = f"/v1/enterprises/process-emissions/{made['process_id']}/replacement"
    other = {"co2e_g": "3000", "evidence": EVIDENCE, "reason": "复核"}
    answers = await asyncio.gather(*(plant.client.post(path, json=other) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    found = await report(plant, "2025-01")
    assert (found["co2e_g"], found["by_carrier"]["process"]) == ("3000", "3000")
    listed = (await plant.client.get("/v1/enterprises/process-emissions")).json()["items"]
    assert [(each["co2e_g"], each["replaces"]) for each in listed] == [
        ("3000", made["process_id"]),
        ("3100.5", None),
    ]
    assert listed[1]["entered_by"] == plant.client.client_id
    last = next(answer.json() for answer in answers if answer.status_code == 200)
    gone = {"co2e_g": "0", "evidence": EVIDENCE, "reason": "撤回"}
    await entered(plant.client, f"process-emissions/{last['process_id']}/replacement", gone)
    assert (await report(plant, "2025-01"))["co2e_g"] == "0"


async def test_a_fuel_is_said_from_a_month_on(city: City, operators: tuple[Caller, Caller]) -> None:
    plant = await made_plant(city, operators[0], METERS)
    read = await fill(plant, "O-1", every_day(JAN, datetime.date(2025, 2, 28), 7), "oil")
    said = {
        "meter_id": plant.meters["O-1"],
        "from_month": "2025-02",
        "fuel": "diesel",
        "document_reference": "采购合同",
    }
    await entered(plant.client, "fuels", said)
    found = await emissions(plant, JAN, datetime.date(2025, 2, 28))
    february = 7 * 96 * 28
    assert found["co2e_g"] == grams(to_mg(february * DIESEL))
    assert [(gap["month"], gap["mass_g"]) for gap in found["gaps"]] == [("2025-01", read - february)]
    for wrong in ({"fuel": "natural_gas"}, {"fuel": "anthracite"}, {"furnace": "cement_kiln"}):
        refused = await plant.client.post("/v1/enterprises/fuels", json=said | wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, "emissions.fuel_unfit")
    unknown = await plant.client.post("/v1/enterprises/fuels", json=said | {"meter_id": "mtr_" + "0" * 32})
    assert unknown.status_code == 404


async def test_a_factor_says_where_it_comes_from_and_stays_within_its_operators_region(
    city: City, operators: tuple[Caller, Caller]
) -> None:
    first, _ = operators
    for over, place in (
        ({"notice_no": None}, "/notice_no"),
        ({"accounting_year": None}, "/accounting_year"),
        ({"fuel": "diesel"}, "/fuel"),
        ({"value": "0.000"}, "/value"),
        ({"kind": "solid_or_liquid", "fuel": "anthracite"}, "/furnace"),
        ({"first_month": "2025-01"}, "/first_month"),
    ):
        answer = await first.post("/v1/operator/emission-factors", json=grid_factor(2025, "0.5") | over)
        assert (answer.status_code, answer.json()["code"]) == (422, "emissions.factor_unfit"), over
        assert place in [each["pointer"] for each in answer.json()["errors"]]
    foreign = await first.post(
        "/v1/operator/emission-factors", json=grid_factor(2025, "0.5", region="440000")
    )
    assert (foreign.status_code, foreign.json()["code"]) == (403, "emissions.out_of_region")
    made = await first.post("/v1/operator/emission-factors", json=grid_factor(2031, "0.5"))
    elsewhere = await city.client("operator", "440000")
    path = f"/v1/operator/emission-factors/{made.json()['factor_id']}/approval"
    assert (await elsewhere.post(path, json={"reason": "x"})).status_code == 404
    assert (await elsewhere.get("/v1/operator/emission-factors")).json()["items"] == []


async def test_roles_read_and_enter(city: City, operators: tuple[Caller, Caller]) -> None:
    plant = await made_plant(city, operators[0], METERS)
    viewer, manager = await plant.speaker("viewer"), await plant.speaker("energy_manager")
    assert (await viewer.get("/v1/enterprises/reports/2025-01")).status_code == 200
    body = certificate("GEC-ROLES-1", 1000)
    assert (await viewer.post("/v1/enterprises/green-certificates", json=body)).status_code == 403
    assert (await manager.post("/v1/enterprises/green-certificates", json=body)).status_code == 200
