"""Place, time and kind of an act among its stored inputs: they choose table rows, and verify needs no more."""

from typing import Any

import pytest
import pytest_asyncio
import yaml
from crediting.desk import Desk, bag, metro, moment
from pydantic import ValidationError

from app.crediting.explanation import explain
from app.crediting.models import Activity
from app.crediting.prepare import Preparer
from app.crediting.repository import know_methodologies
from app.crediting.rules import Rules
from app.crediting.schemas import ActivityReport
from app.crediting.service import Result
from app.wiring import Services, utc_now
from methodologies import load_catalogue
from methodologies.catalogue import BUILT_IN

SOURCED = {"source": "测试", "confidence": "quoted"}
RULE: dict[str, Any] = {
    "region": "330100",
    "scene": "recycling.clothes",
    "code": "TEST.context",
    "version": "1",
    "title": {"zh": "测试", "en": "Test"},
    "authority": None,
    "document": {"title": "测试文本"},
    "filing_no": None,
    "in_force": {"from": "2024-01-01", "to": None},
    "status": "unverified",
    "confidence": "quoted",
    "inputs": [{"name": "mass_g", "unit": "g", "min": 1, "max": 100_000}],
    "tables": [
        {
            "name": "factor",
            "unit": "kgCO2e/kg",
            "keys": ["kind"],
            "rows": [{"key": ["wool"], "value": "2"}, {"key": ["cotton"], "value": "1"}],
            **SOURCED,
        },
        {
            "name": "share",
            "unit": "1",
            "keys": ["province", "month"],
            "rows": [{"key": ["330000", 11], "value": "0.5"}, {"key": ["330000", 12], "value": "0.25"}],
            **SOURCED,
        },
        {
            "name": "year_share",
            "unit": "1",
            "keys": ["year"],
            "rows": [{"key": [2026], "value": "0.1"}],
            **SOURCED,
        },
    ],
    "formula": "mass_g * factor[kind] * share[province, month] * year_share[year]",
    "claims": [{"rule": "order", "of": "order_no", "period": "forever", "required": True}],
    "examples": [
        {
            "inputs": {"mass_g": 1_000, "kind": "wool", "province": 330_000, "month": 11, "year": 2026},
            "co2e_g": "100",
            "basis": "1 kg × 2 × 0.5 × 0.1",
        }
    ],
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(service: Services, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("packs")
    (folder / "330100_test").mkdir()
    pack = {"regions": [{"region": "330100", "name": {"zh": "杭州市", "en": "Hangzhou"}}]}
    (folder / "330100_test" / "pack.yaml").write_text(yaml.safe_dump(pack))
    (folder / "330100_test" / "m.yaml").write_text(yaml.safe_dump(RULE, allow_unicode=True))
    catalogue = load_catalogue(BUILT_IN, folder, demonstration=True)
    async with service.database.driver_transaction() as driver:
        known = [
            (m.region, m.scene, m.code, m.version, m.content_hash, m.content, m.issuable)
            for m in catalogue.methodologies
        ]
        ids = await know_methodologies(driver, known, utc_now())
    programmes = service.preparer.rules.programmes
    service.preparer = Preparer(Rules(catalogue, programmes, ids), service.hasher, service.token_maker)
    service.intake.preparer = service.preparer
    return Desk(service)


def wool(phone: str, order_no: str, **over: Any) -> dict[str, Any]:
    return {
        "event_id": order_no,
        "scene": "recycling.clothes",
        "region": "330106",
        "subject": {"scheme": "phone", "value": phone},
        "occurred_at": moment(660),
        "mass_g": 1_000,
        "kind": "wool",
        "order_no": order_no,
        **over,
    }


async def test_a_kind_chooses_the_row_and_the_stored_inputs_recompute(desk: Desk, service: Services):
    source = await desk.source()
    phone, holder = await desk.person(source)

    async def report(order_no: str, **over: Any) -> Result:
        result = await desk.intake.report(desk.prepare(source, wool(phone, order_no, **over)))
        assert isinstance(result, Result)
        return result

    woollen, cotton = await report("w1"), await report("c1", kind="cotton")
    assert (woollen.co2e_mg, cotton.co2e_mg) == (100_000, 50_000)
    # The month is the local one: the table has November and not October.
    october = await report("w2", occurred_at="2026-10-31T15:59:59Z")
    assert (october.outcome, october.reason) == ("rejected", "no_table_value")
    november = await report("w3", occurred_at="2026-10-31T16:00:00Z")
    assert november.co2e_mg == 100_000

    async with service.database.reading() as session:
        activity = await session.get(Activity, (holder, woollen.activity_id))
        assert activity is not None
        kept = {"mass_g": 1_000, "kind": "wool", "province": 330_000, "year": 2026, "month": 11}
        assert activity.inputs == kept
        told = await explain(session, service.preparer.rules, activity)
    assert told.activity.inputs == kept
    assert told.calculation is not None
    assert [each["key"] for each in told.calculation["tables"]] == [
        {"kind": "wool"},
        {"province": "330000", "month": "11"},
        {"year": "2026"},
    ]
    assert await desk.breaches() == []


async def test_the_same_event_with_another_kind_is_a_conflict(desk: Desk):
    source = await desk.source()
    phone, _ = await desk.person(source)
    first = await desk.intake.report(desk.prepare(source, wool(phone, "k1")))
    again = await desk.intake.report(desk.prepare(source, wool(phone, "k1")))
    other = await desk.intake.report(desk.prepare(source, wool(phone, "k1", kind="cotton")))
    assert isinstance(first, Result)
    assert isinstance(again, Result)
    assert isinstance(other, Result)
    assert (again.replayed, again.activity_id) == (True, first.activity_id)
    assert other.reason == "event_id_conflict"


@pytest.mark.parametrize(
    ("over", "reason"),
    [({"kind": None}, "missing_input"), ({"kind": "silk"}, "no_table_value")],
)
async def test_a_kind_that_is_missing_or_not_known_is_refused(desk: Desk, over: dict[str, Any], reason: str):
    source = await desk.source()
    phone, _ = await desk.person(source)
    prepared = desk.prepare(source, wool(phone, "n1", **over))
    assert (prepared.refusal, prepared.full_mg) == (reason, 0)


async def test_a_kind_where_the_methodology_takes_none_is_refused(desk: Desk):
    source = await desk.source()
    phone, _ = await desk.person(source)
    assert desk.prepare(source, metro(phone, kind="express")).refusal == "unknown_kind"
    plain = desk.prepare(source, bag(phone, "b1"))
    assert (plain.refusal, plain.inputs) == (None, {"count": 1})


@pytest.mark.parametrize(
    "kind", ["", "Wool", "1wool", "wo-ol", "w" * 41, 5, ["wool"], "wool\n", "wool\u0000"]
)
def test_a_kind_is_a_short_lower_case_word(kind: Any):
    with pytest.raises(ValidationError):
        ActivityReport.model_validate(wool("13900000000", "o1", kind=kind))
