"""Footprints by dated factors, and grams that are used once."""

import asyncio
import datetime
from collections import Counter
from typing import Any

import asyncpg
import httpx
import jwt
import pytest
from account.people import ago, signed_in, uuid_of
from crediting.desk import Desk
from helpers import Caller, City, metro
from hypothesis import given
from hypothesis import strategies as st

from accounts.offsetting.errors import NoFactor
from accounts.offsetting.factors import compute, items
from accounts.offsetting.purposes import purposes
from accounts.offsetting.schemas import Purpose
from app.wiring import Services

OCTOBER = datetime.date(2026, 10, 1)


def mg(item: str, quantity: int, unit: str, region: str = "440300", month: datetime.date = OCTOBER) -> int:
    return compute([(item, quantity, unit)], region, month)[0].co2e_mg


def test_lines_are_exact_and_rounded_up_once() -> None:
    assert mg("travel.petrol", 40, "L") == 40 * 2_370_000
    assert mg("travel.petrol", 1, "ml") == 2370
    assert mg("electricity", 100, "kWh", month=datetime.date(2025, 3, 1)) == 44_190_000
    assert mg("electricity", 1, "Wh", month=datetime.date(2024, 3, 1)) == 441  # 440.3
    assert mg("travel.car", 22, "km") == 5_980_000
    assert mg("travel.metro", 22, "km") == 1_350_000
    assert mg("travel.metro", 1, "m") == 62  # 61.36


def test_the_factor_of_the_month_counts_and_is_shown() -> None:
    """The national database's second edition is in force from March 2026."""
    assert mg("gas", 10, "m3", month=datetime.date(2026, 2, 1)) == 21_650_150
    assert mg("gas", 10, "m3", month=datetime.date(2026, 3, 1)) == 21_540_000
    of_2024, of_2025, of_2026 = (
        compute([("electricity", 1, "kWh")], "440305", datetime.date(year, 6, 1))[0].factor
        for year in (2024, 2025, 2026)
    )
    assert (of_2024.value, of_2024.year, of_2024.stands_in) == ("0.4403", 2024, False)
    assert (of_2025.value, of_2025.year, of_2025.stands_in) == ("0.4419", 2025, False)
    assert (of_2026.value, of_2026.year, of_2026.stands_in) == ("0.4419", 2025, True)
    assert "47号" in of_2026.source
    assert of_2026.confidence == "quoted"


@pytest.mark.parametrize(
    ("item", "unit", "region", "month", "place", "told"),
    [
        ("water", "m3", "440300", OCTOBER, "/items/0/item", "British"),
        ("diet", "kg", "440300", OCTOBER, "/items/0/item", "diets"),
        ("travel.flight", "km", "440300", OCTOBER, "/items/0/item", "British"),
        ("electricity", "m3", "440300", OCTOBER, "/items/0/unit", "Wh, kWh"),
        ("coal", "kg", "440300", OCTOBER, "/items/0/item", "travel.petrol"),
        # Tibet is not in the notices, and nothing is published for 2022.
        ("electricity", "kWh", "540100", OCTOBER, "/items/0/item", "no factor"),
        ("electricity", "kWh", "440300", datetime.date(2022, 12, 1), "/items/0/item", "no factor"),
    ],
)
def test_what_has_no_factor_is_refused_with_its_reason(
    item: str, unit: str, region: str, month: datetime.date, place: str, told: str
) -> None:
    with pytest.raises(NoFactor) as refused:
        compute([(item, 1, unit)], region, month)
    assert [fault.pointer for fault in refused.value.faults] == [place]
    assert told in refused.value.faults[0].reason
    assert refused.value.faults[0].reason_zh


@given(
    st.lists(
        st.tuples(
            st.sampled_from([item.id for item in items().values() if item.missing is None]),
            st.integers(1, 10**9),
            st.integers(0, 1),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_a_line_is_never_less_than_exact_and_less_than_a_milligram_more(
    entered: list[tuple[str, int, int]],
) -> None:
    from fractions import Fraction  # noqa: PLC0415

    asked = [(name, quantity, list(items()[name].units)[unit]) for name, quantity, unit in entered]
    for (name, quantity, unit), line in zip(asked, compute(asked, "440300", OCTOBER), strict=True):
        source = max((s for s in items()[name].factors if s.first_day <= OCTOBER), key=lambda s: s.first_day)
        exact = quantity * items()[name].units[unit] * Fraction(line.factor.value) * 10**6 / source.per
        assert exact <= line.co2e_mg < exact + 1


def test_purposes_are_those_of_the_schema() -> None:
    assert set(Purpose.__args__) == purposes().keys()  # type: ignore[attr-defined]


@pytest.fixture
async def owner_of_grams(city: City, phone: str) -> tuple[Caller, str, str, Caller]:
    """A resident with 467 g of this year and 467 g of the last, reported in that order."""
    operator = await city.client("operator", "440000")
    source = await city.client("platform")
    holder = await city.holder(operator, phone, source)
    for name, year in (("young", 2026), ("old", 2025)):
        times = {"started_at": f"{year}-06-01T08:00:00+08:00", "ended_at": f"{year}-06-01T08:25:00+08:00"}
        answer = (await source.post("/v1/activities", json=metro(f"{name}-{phone}", phone, **times))).json()
        assert answer["outcome"] == "credited", answer
    return signed_in(city, holder), holder, phone, source


async def test_the_oldest_vintage_is_used_first(
    owner_of_grams: tuple[Caller, str, str, Caller], owner: asyncpg.Connection, service: Services
) -> None:
    resident, _, _, _ = owner_of_grams
    answer = await resident.post("/v1/me/offsets", json={"co2e_g": "500.5", "purpose": "travel"})
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made["co2e_g"] == "500.5"
    rows = await owner.fetch(
        "SELECT a.vintage, e.amount, e.kind, e.debit, e.credit FROM entries e JOIN assets a ON a.id = e.asset_id"
        " WHERE cause_id = $1 ORDER BY e.id",
        uuid_of(made["offset_id"]),
    )
    assert [tuple(row) for row in rows] == [(2025, 467_000, 8, 10, 12), (2026, 33_500, 8, 10, 12)]
    account = (await resident.get("/v1/me/account")).json()
    assert (account["open_co2e_g"], account["used_co2e_g"], account["all_time_co2e_g"]) == (
        "433.5",
        "500.5",
        "934",
    )
    more = await resident.post("/v1/me/offsets", json={"co2e_g": "433.501", "purpose": "travel"})
    assert (more.status_code, more.json()["code"]) == (409, "offset.not_enough_grams")
    assert (await resident.get("/v1/me/account")).json() == account
    listed = (await resident.get("/v1/me/offsets")).json()
    assert (listed["items"], listed["next_cursor"]) == ([made], None)
    entries = (await resident.get("/v1/me/entries")).json()["items"]
    assert [(e["kind"], e["co2e_g"], e["activity_id"]) for e in entries[:2]] == [
        ("offset", "-33.5", None),
        ("offset", "-467", None),
    ]
    assert await Desk(service).breaches() == []


async def test_grams_that_are_used_cannot_be_reversed_away(
    owner_of_grams: tuple[Caller, str, str, Caller], owner: asyncpg.Connection, service: Services
) -> None:
    resident, holder, _, source = owner_of_grams
    rows = await owner.fetch(
        "SELECT id, started_at FROM activities WHERE holder_id = $1 ORDER BY started_at", uuid_of(holder)
    )
    old, young = (f"act_{row['id'].hex}" for row in rows)
    made = await resident.post("/v1/me/offsets", json={"co2e_g": "1", "purpose": "travel"})
    assert made.status_code == 200, made.text
    refused = await source.post(f"/v1/activities/{old}/reversal", json={"reason": "x"})
    assert (refused.status_code, refused.json()["code"]) == (409, "activity.grams_used")
    # The other vintage is whole: it can go.
    answer = await source.post(f"/v1/activities/{young}/reversal", json={"reason": "x"})
    assert answer.status_code == 200, answer.text
    account = (await resident.get("/v1/me/account")).json()
    assert (account["open_co2e_g"], account["used_co2e_g"]) == ("466", "1")
    assert await Desk(service).breaches() == []


async def test_a_footprint_is_kept_with_its_sources_and_offset_once(
    owner_of_grams: tuple[Caller, str, str, Caller], service: Services
) -> None:
    resident, _, _, _ = owner_of_grams
    body = {
        "month": "2026-10",
        "items": [
            {"item": "electricity", "quantity": 1, "unit": "kWh"},
            {"item": "travel.metro", "quantity": 100, "unit": "m"},
        ],
    }
    entered = await resident.post("/v1/me/footprints", json=body, headers={"Idempotency-Key": "f1"})
    assert entered.status_code == 200, entered.text
    footprint = entered.json()
    assert (footprint["co2e_g"], footprint["region"], footprint["offset_id"]) == ("448.037", "440300", None)
    assert [line["co2e_g"] for line in footprint["lines"]] == ["441.9", "6.137"]
    assert all(line["factor"]["source"] for line in footprint["lines"])
    again = await resident.post("/v1/me/footprints", json=body, headers={"Idempotency-Key": "f1"})
    assert again.json() == footprint
    order = {"footprint_id": footprint["footprint_id"], "purpose": "own_footprint"}
    made = await resident.post("/v1/me/offsets", json=order)
    assert made.status_code == 200, made.text
    assert (made.json()["co2e_g"], made.json()["footprint_id"]) == ("448.037", footprint["footprint_id"])
    listed = (await resident.get("/v1/me/footprints")).json()["items"]
    assert listed == [footprint | {"offset_id": made.json()["offset_id"]}]
    twice = await resident.post("/v1/me/offsets", json=order)
    assert (twice.status_code, twice.json()["code"]) == (409, "footprint.already_offset")
    assert await Desk(service).breaches() == []


async def test_a_footprint_of_somebody_else_is_not_there(
    city: City, owner_of_grams: tuple[Caller, str, str, Caller], phones: Any
) -> None:
    resident, _, _, _ = owner_of_grams
    body = {"month": "2026-10", "items": [{"item": "electricity", "quantity": 1, "unit": "kWh"}]}
    footprint = (await resident.post("/v1/me/footprints", json=body)).json()["footprint_id"]
    operator = await city.client("operator", "440000")
    other = signed_in(city, await city.holder(operator, phones()))
    answer = await other.post("/v1/me/offsets", json={"footprint_id": footprint, "purpose": "travel"})
    assert (answer.status_code, answer.json()["code"]) == (404, "footprint.not_found")
    assert (await other.get("/v1/me/footprints")).json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"purpose": "travel"},
        {"co2e_g": "1", "footprint_id": "fpt_" + "0" * 32, "purpose": "travel"},
        {"co2e_g": "0", "purpose": "travel"},
        {"co2e_g": "0.000", "purpose": "travel"},
        {"co2e_g": "-1", "purpose": "travel"},
        {"co2e_g": "1.0001", "purpose": "travel"},
        {"co2e_g": "1e3", "purpose": "travel"},
        {"co2e_g": 1, "purpose": "travel"},
        {"co2e_g": "1", "purpose": "party"},
    ],
)
async def test_what_is_no_offset(
    owner_of_grams: tuple[Caller, str, str, Caller], body: dict[str, Any]
) -> None:
    answer = await owner_of_grams[0].post("/v1/me/offsets", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


async def test_what_is_no_footprint(owner_of_grams: tuple[Caller, str, str, Caller]) -> None:
    resident = owner_of_grams[0]
    following = (ago(0) + datetime.timedelta(days=40)).strftime("%Y-%m")
    line = {"item": "electricity", "quantity": 1, "unit": "kWh"}
    for body, code in (
        ({"month": following, "items": [line]}, "request.invalid"),
        ({"month": "2026-13", "items": [line]}, "request.invalid"),
        ({"month": "2026-10", "items": []}, "request.invalid"),
        ({"month": "2026-10", "items": [line | {"quantity": 0}]}, "request.invalid"),
        ({"month": "2026-10", "items": [line | {"quantity": 1.5}]}, "request.invalid"),
        ({"month": "2026-10", "items": [line | {"unit": "m3"}]}, "footprint.no_factor"),
        ({"month": "2026-10", "items": [line | {"item": "water", "unit": "m3"}]}, "footprint.no_factor"),
    ):
        answer = await resident.post("/v1/me/footprints", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


async def test_anybody_can_check_a_certificate_and_learns_nobody(
    city: City, owner_of_grams: tuple[Caller, str, str, Caller]
) -> None:
    resident, holder, _, _ = owner_of_grams
    made = (await resident.post("/v1/me/offsets", json={"co2e_g": "12.5", "purpose": "event"})).json()
    answer = await city.http.get(f"/v1/certificates/{made['certificate_id']}")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    signature = told.pop("signature")
    assert told == {
        "certificate_id": made["certificate_id"],
        "status": "valid",
        "co2e_g": "12.5",
        "purpose": {"zh": "抵消一场活动", "en": "An event"},
        "day": datetime.datetime.fromisoformat(made["booked_at"])
        .astimezone(ago(0).tzinfo)
        .date()
        .isoformat(),
    }
    keys = jwt.PyJWKSet.from_dict((await city.http.get("/.well-known/jwks.json")).json())
    header = jwt.get_unverified_header(signature)
    assert header["typ"] == "certificate+jws"
    assert jwt.decode(signature, keys[header["kid"]].key, algorithms=["EdDSA"]) == told
    assert holder not in answer.text + str(jwt.decode(signature, options={"verify_signature": False}))
    # What is signed here is no token.
    refused = await city.http.get("/v1/me/account", headers={"Authorization": f"Bearer {signature}"})
    assert refused.status_code == 401
    for number in ("crt_" + "0" * 32, "x", made["offset_id"]):
        missing = await city.http.get(f"/v1/certificates/{number}")
        assert (missing.status_code, missing.json()["code"]) == (404, "certificate.not_found")


async def test_fifty_callers_use_exactly_what_is_there(
    owner_of_grams: tuple[Caller, str, str, Caller], owner: asyncpg.Connection, service: Services
) -> None:
    """934 g and 50 offsets of 100 g each: nine, over two vintages; with one key, one."""
    resident, holder, _, _ = owner_of_grams

    async def use(number: int) -> httpx.Response:
        return await resident.post(
            "/v1/me/offsets",
            json={"co2e_g": "100", "purpose": "household"},
            headers={"Idempotency-Key": f"key-{number}"},
        )

    answers = await asyncio.gather(*(use(number) for number in range(50)))
    assert Counter(answer.status_code for answer in answers) == {200: 9, 409: 41}
    row = await owner.fetchrow("SELECT open_mg, used_mg FROM balances WHERE holder_id = $1", uuid_of(holder))
    assert tuple(row) == (34_000, 900_000)
    assert await owner.fetchval("SELECT count(*) FROM offsets WHERE holder_id = $1", uuid_of(holder)) == 9
    last = {"json": {"co2e_g": "34", "purpose": "household"}, "headers": {"Idempotency-Key": "last"}}
    same = await asyncio.gather(*(resident.post("/v1/me/offsets", **last) for _ in range(50)))
    assert {answer.status_code for answer in same} == {200}
    assert len({answer.text for answer in same}) == 1
    row = await owner.fetchrow("SELECT open_mg, used_mg FROM balances WHERE holder_id = $1", uuid_of(holder))
    assert tuple(row) == (0, 934_000)
    assert await Desk(service).breaches() == []


async def test_a_closed_account_uses_nothing(
    owner_of_grams: tuple[Caller, str, str, Caller], owner: asyncpg.Connection
) -> None:
    resident, holder, _, _ = owner_of_grams
    await owner.execute("UPDATE balances SET status = 2 WHERE holder_id = $1", uuid_of(holder))
    answer = await resident.post("/v1/me/offsets", json={"co2e_g": "1", "purpose": "travel"})
    assert (answer.status_code, answer.json()["code"]) == (409, "offset.account_not_active")
