"""Filing against obligations over HTTP: held back, accepted and retired, given back; never beyond a limit."""

import asyncio
import datetime
from typing import Any

import pytest
import pytest_asyncio
from helpers import City
from offsets.firm import FIGURES, LATER, REASON, Firm, codes

from app.verification import verify

OBLIGATIONS = "/v1/operator/offset-obligations"
FILINGS = "/v1/operator/offset-filings"
MINE = "/v1/market/offset-obligations"


@pytest_asyncio.fixture(loop_scope="session")
async def firm(city: City) -> Firm:
    return await Firm.made(city)


async def test_filed_accepted_retired(firm: Firm) -> None:
    obligation = await firm.obligation()
    origin = await firm.units(3_000_000)
    filed = await firm.file(
        obligation["obligation_id"], (origin, 2_000_000), headers={"Idempotency-Key": "k1"}
    )
    assert filed.status_code == 200, filed.text
    filing = filed.json()
    assert (filing["state"], filing["quantity_kg"], filing["check"]["verdict"]) == (
        "filed",
        2_000_000,
        "allowed",
    )
    again = await firm.file(
        obligation["obligation_id"], (origin, 2_000_000), headers={"Idempotency-Key": "k1"}
    )
    assert again.json() == filing
    assert await firm.free_kg() == 1_000_000
    assert await firm.used(obligation["obligation_id"]) == {"all": 2_000_000}
    one = f"{FILINGS}/{filing['filing_id']}"
    accepted = (await firm.two.post(one + "/acceptance", **REASON)).json()
    (line,) = accepted["lines"]
    assert accepted["state"] == "accepted"
    assert line["retirement_id"] is not None
    assert len(line["serials"]) == 1
    for step in ("/acceptance", "/rejection"):
        refused = await firm.one.post(one + step, **REASON)
        assert (refused.status_code, refused.json()["code"]) == (409, "offset_filing.decided")
    withdrawn = await firm.firm.post(f"/v1/market/offset-filings/{filing['filing_id']}/withdrawal", **REASON)
    assert withdrawn.json()["code"] == "offset_filing.decided"
    assert await firm.free_kg() == 1_000_000
    assert await firm.used(obligation["obligation_id"]) == {"all": 2_000_000}
    async with firm.city.service.database.driver_transaction() as driver:
        row = await driver.fetchrow(
            "SELECT purpose, beneficiary, obligation_period FROM unit_retirements WHERE subject_id IN"
            " (SELECT l.id FROM offset_lines l JOIN offset_filings f ON f.id = l.filing_id WHERE f.state = 'accepted')"
        )
    assert row is not None
    assert (row["purpose"], row["obligation_period"]) == ("obligation", "national 2026")
    assert row["beneficiary"] == accepted["beneficiary"]


@pytest.mark.parametrize("step", ["rejection", "withdrawal"])
async def test_what_is_not_accepted_is_free_again(firm: Firm, step: str) -> None:
    obligation = await firm.obligation()
    origin = await firm.units(5_000_000)
    filing = (await firm.file(obligation["obligation_id"], (origin, 5_000_000))).json()
    assert await firm.free_kg() == 0
    door = (firm.two, FILINGS) if step == "rejection" else (firm.firm, "/v1/market/offset-filings")
    ended = await door[0].post(f"{door[1]}/{filing['filing_id']}/{step}", **REASON)
    assert ended.status_code == 200, ended.text
    assert await firm.free_kg() == 5_000_000
    assert await firm.used(obligation["obligation_id"]) == {"all": 0}
    assert (await firm.file(obligation["obligation_id"], (origin, 5_000_000))).status_code == 200


async def test_fifty_callers_at_one_limit(firm: Firm) -> None:
    """5,000 t are left; fifty callers want 400 t each: twelve win, whatever comes at once."""
    obligation = await firm.obligation()
    origins = [await firm.units(20_000_000), await firm.units(20_000_000)]
    answers = await asyncio.gather(
        *(firm.file(obligation["obligation_id"], (origins[turn % 2], 400_000)) for turn in range(50))
    )
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) == 12
    assert {codes(answer).pop() for answer in answers if answer.status_code != 200} == {"limit"}
    assert await firm.used(obligation["obligation_id"]) == {"all": 4_800_000}
    async with firm.city.service.database.driver_transaction() as driver:
        assert {found.breach async for found in verify(driver) if found.rule.startswith("offset_")} == {None}


async def test_one_filing_is_decided_once(firm: Firm) -> None:
    obligation = await firm.obligation()
    origin = await firm.units(1_000)
    filing = (await firm.file(obligation["obligation_id"], (origin, 1_000))).json()
    door = f"{FILINGS}/{filing['filing_id']}"
    answers = await asyncio.gather(
        *(firm.two.post(f"{door}/{step}", **REASON) for step in ("acceptance", "rejection") * 5)
    )
    assert [answer.status_code for answer in answers].count(200) == 1


async def test_what_is_refused(firm: Firm) -> None:
    obligation = await firm.obligation()
    ccer, phcer = await firm.units(10_000_000), await firm.units(1_000, "phcer")
    too_much = await firm.file(obligation["obligation_id"], (ccer, 5_001_000))
    assert (too_much.status_code, codes(too_much)) == (409, {"limit"})
    assert too_much.json()["code"] == "offset_filing.refused"
    assert codes(await firm.file(obligation["obligation_id"], (phcer, 1_000))) == {"kind"}
    part = await firm.file(obligation["obligation_id"], (ccer, 1_500))
    assert part.status_code == 422
    nobody = await firm.file(obligation["obligation_id"], ("uor_" + "1" * 32, 1_000))
    assert nobody.json()["code"] == "offset_filing.origin_unknown"
    short = await firm.units(1_000)
    assert (await firm.file(obligation["obligation_id"], (short, 2_000))).json()[
        "code"
    ] == "units.insufficient"
    assert await firm.used(obligation["obligation_id"]) == {}
    late = await firm.obligation(period=2025, file_by="2026-01-31")
    assert codes(await firm.file(late["obligation_id"], (ccer, 1_000))) == {"deadline"}
    unknown = await firm.obligation(period=2024, file_by=None)
    undetermined = await firm.file(unknown["obligation_id"], (ccer, 1_000))
    assert undetermined.json()["code"] == "offset_filing.undetermined"
    assert codes(undetermined) == {"deadline"}


async def test_a_check_explains_itself_and_writes_nothing(firm: Firm) -> None:
    obligation = await firm.obligation(market="beijing", period=2021, region="440300", file_by=None)
    door = f"{MINE}/{obligation['obligation_id']}/check"
    line = {"kind": "ccer", "region": "130000", "vintage": 2019, "quantity_kg": 2_500_000}
    allowed = (await firm.firm.post(door, json={"filed_on": "2021-09-01", "lines": [line]})).json()
    assert (allowed["verdict"], allowed["rule"]) == ("allowed", "beijing-2014")
    caps = {each["limit"]: each["figures"]["cap_kg"] for each in allowed["findings"] if each["limit"]}
    assert caps == {"all": 5_000_000, "ccer_outside": 2_500_000}
    late = (await firm.firm.post(door, json={"filed_on": "2021-09-02", "lines": [line]})).json()
    assert late["verdict"] == "refused"
    today = (await firm.firm.post(door, json={"lines": [line]})).json()
    assert today["verdict"] == "undetermined"
    origin = await firm.units(1_000)
    of_units = {"lines": [{"origin_id": origin, "quantity_kg": 9_000_000}], "filed_on": "2021-09-01"}
    findings = (await firm.firm.post(door, json=of_units)).json()["findings"]
    assert {each["limit"] for each in findings if each["outcome"] == "broken"} == {"all", "ccer_outside"}
    assert await firm.used(obligation["obligation_id"]) == {}
    both = line | {"origin_id": origin}
    assert (await firm.firm.post(door, json={"lines": [both]})).status_code == 422


RULE = {
    "market": "guangdong",
    "region": "440000",
    "document": "粤环函〔2026〕1号",
    "periods": [2026],
    "kinds": {"allowed": ["phcer"], "source": {"title": "粤环函〔2026〕1号", "confidence": "quoted"}},
    "limits": [
        {
            "code": "all",
            "kinds": ["phcer"],
            "base": "allowances_issued",
            "share_bp": 1000,
            "source": {"title": "粤环函〔2026〕1号", "confidence": "quoted"},
        }
    ],
    "deadline": {
        "days": {"2026": LATER},
        "source": {"title": "粤环函〔2026〕1号", "confidence": "quoted"},
    },
    "vintages": {"unstated": True},
    "boundary": {"excluded": True, "source": {"title": "粤环函〔2026〕1号", "confidence": "quoted"}},
}


async def in_force(firm: Firm, rule: dict[str, Any]) -> None:
    """What one operator drafts and another approves, begun today."""
    tomorrow = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2)).date().isoformat()
    drafted = await firm.one.post("/v1/operator/offset-rules", json=rule | {"from": tomorrow})
    assert drafted.status_code == 200, drafted.text
    door = f"/v1/operator/offset-rules/{drafted.json()['id']}/approval"
    own = await firm.one.post(door, **REASON, headers={"If-Match": "1"})
    assert own.status_code == 403
    approved = await firm.two.post(door, **REASON, headers={"If-Match": "1"})
    assert approved.status_code == 200, approved.text


async def test_operators_write_down_what_is_not_known(firm: Firm, database_urls: tuple[str, str]) -> None:
    obligation = await firm.obligation(market="guangdong")
    own, other = (
        await firm.units(1_000_000, "phcer", issued_to=firm.firm),
        await firm.units(1_000_000, "phcer"),
    )
    before = await firm.file(obligation["obligation_id"], (other, 1_000))
    assert codes(before) == {"rule"}
    await in_force(firm, RULE)
    path = f"{MINE}/{obligation['obligation_id']}/check"
    day = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=4)).date().isoformat()
    what = {"lines": [{"origin_id": other, "quantity_kg": 1_000}], "filed_on": day}
    checked = (await firm.firm.post(path, json=what)).json()
    assert (checked["verdict"], checked["findings"][-1]["figures"]["cap_kg"]) == ("allowed", 10_000_000)
    what["lines"][0]["origin_id"] = own  # type: ignore[index]
    refused = (await firm.firm.post(path, json=what)).json()
    assert {each["clause"] for each in refused["findings"] if each["outcome"] == "broken"} == {"boundary"}
    read = await firm.city.http.get("/v1/offset-rules/guangdong", params={"period": 2026, "filed_on": day})
    assert (read.json()["written_by_operators"], read.json()["rule"]["limits"][0]["share_bp"]) == (True, 1000)


async def test_an_obligation_is_an_operators_record(firm: Firm) -> None:
    made = await firm.obligation()
    body = {"firm_id": firm.firm.organisation_id, "market": "national", "period": 2026, **FIGURES}
    assert (await firm.firm.post(OBLIGATIONS, json=body)).status_code == 403
    assert (await firm.one.post(OBLIGATIONS, json=body)).json()["code"] == "obligation.exists"
    elsewhere = await firm.city.client("operator", "110000")
    assert (await elsewhere.post(OBLIGATIONS, json=body)).status_code == 403
    one = f"{OBLIGATIONS}/{made['obligation_id']}"
    assert (await elsewhere.get(one)).status_code == 404
    origin = await firm.units(4_000_000)
    assert (await firm.file(made["obligation_id"], (origin, 4_000_000))).status_code == 200
    lower = FIGURES | {"allowances_to_surrender_t": 79_999, "reason": "corrected"}
    refused = await firm.one.request("PUT", one, json=lower, headers={"If-Match": "1"})
    assert refused.json()["code"] == "obligation.below_filed"
    lower["allowances_to_surrender_t"] = 80_000
    corrected = await firm.one.request("PUT", one, json=lower, headers={"If-Match": "1"})
    assert corrected.json()["limits"] == [
        {"code": "all", "cap_kg": 4_000_000, "used_kg": 4_000_000, "left_kg": 0}
    ]
    stale = await firm.one.request("PUT", one, json=lower, headers={"If-Match": "1"})
    assert stale.status_code == 412
    more = await firm.units(1_000)
    assert codes(await firm.file(made["obligation_id"], (more, 1_000))) == {"limit"}


async def test_what_was_retired_elsewhere_uses_the_same_limit_and_needs_two(firm: Firm) -> None:
    obligation = await firm.obligation()
    door = f"{OBLIGATIONS}/{obligation['obligation_id']}/filings"
    line = {
        "kind": "ccer",
        "region": "130000",
        "vintage": 2024,
        "quantity_kg": 4_000_000,
        "serials": "CCER-7",
    }
    made = await firm.one.post(door, json={"lines": [line], "document": "注销证明 77"})
    assert made.status_code == 200, made.text
    one = f"{FILINGS}/{made.json()['filing_id']}/acceptance"
    own = await firm.one.post(one, **REASON)
    assert (own.status_code, own.json()["code"]) == (403, "offset_filing.accept_own")
    assert (await firm.two.post(one, **REASON)).json()["lines"][0]["serials"] == ["CCER-7"]
    origin = await firm.units(2_000_000)
    assert codes(await firm.file(obligation["obligation_id"], (origin, 1_001_000))) == {"limit"}
    assert (await firm.file(obligation["obligation_id"], (origin, 1_000_000))).status_code == 200


async def test_lists_and_whose_they_are(firm: Firm) -> None:
    obligation = await firm.obligation()
    origin = await firm.units(3_000)
    made = [(await firm.file(obligation["obligation_id"], (origin, 1_000))).json() for _ in range(3)]
    page = (await firm.firm.get("/v1/market/offset-filings", params={"limit": 2})).json()
    rest = await firm.firm.get("/v1/market/offset-filings", params={"cursor": page["next_cursor"]})
    assert [each["filing_id"] for each in page["items"] + rest.json()["items"]] == [
        each["filing_id"] for each in reversed(made)
    ]
    other = await firm.city.client("participant")
    filing_id, obligation_id = made[0]["filing_id"], obligation["obligation_id"]
    for path in (f"/v1/market/offset-filings/{filing_id}", f"{MINE}/{obligation_id}"):
        assert (await other.get(path)).status_code == 404
        assert (await firm.firm.get(path)).status_code == 200
    assert (
        await other.post(f"/v1/market/offset-filings/{filing_id}/withdrawal", **REASON)
    ).status_code == 404
    waiting = (await firm.two.get(FILINGS, params={"state": "filed"})).json()["items"]
    assert {each["filing_id"] for each in made} <= {each["filing_id"] for each in waiting}
    assert (await other.get("/v1/market/offset-obligations")).json()["items"] == []


async def test_rules_and_recognition_are_public(city: City) -> None:
    markets = (await city.http.get("/v1/offset-rules")).json()
    assert {each["market"] for each in markets["items"]} == {
        "national",
        "beijing",
        "shanghai",
        "hubei",
        "guangdong",
    }
    found = await city.http.get("/v1/offset-rules/beijing", params={"period": 2021, "filed_on": "2021-09-01"})
    assert found.json()["rule"]["code"] == "beijing-2014"
    assert (await city.http.get("/v1/offset-rules/atlantis", params={"period": 2021})).status_code == 404
    (mechanism,) = (await city.http.get("/v1/offset-recognition")).json()["mechanisms"]
    assert len(mechanism["exchanges"]) == 9


async def test_retired_of_ones_own_will_and_cancelled_by_decision(firm: Firm) -> None:
    origin = await firm.units(5)
    body = {"origin_id": origin, "quantity_kg": 2, "beneficiary": "示范会议"}
    key = {"Idempotency-Key": "retire-once"}
    answers = [await firm.firm.post("/v1/market/retirements", json=body, headers=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert (answers[0].json()["purpose"], answers[0].json()["quantity_kg"]) == ("voluntary", 2)
    account = (await firm.firm.get("/v1/market/account")).json()["account_id"]
    void = {"account_id": account, "origin_id": origin, "quantity_kg": 3, "reason": "decision 2026-118"}
    door = "/v1/operator/unit-cancellations"
    elsewhere = await firm.city.client("operator", "110000")
    assert (await elsewhere.post(door, json=void)).json()["code"] == "registry_account.not_found"
    assert (await firm.one.post(door, json=void)).status_code == 200
    assert (await firm.one.post(door, json=void)).json()["code"] == "units.insufficient"
    assert await firm.free_kg() == 0
    assert (await firm.firm.post("/v1/market/retirements", json=body)).json()["code"] == "units.insufficient"
