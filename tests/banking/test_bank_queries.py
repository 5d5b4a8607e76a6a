"""Queries of banks: what a grant lets through and what not, many at once, lists, the lawful channel."""

import asyncio
import csv
import io
from typing import Any

import asyncpg
import pytest
from banking.bench_of_bank import Counter, counter
from banking.lending_town import LATER, SECRET_FIGURE, labelled, saved, snapshot
from helpers import Caller, City

from app.wiring import Services

CARD = "wendeng"
TIERS, SCORES, LABELS = (f"/v1/bank/{noun}/query" for noun in ("tiers", "scores", "labels"))
NOBODY = {"reference": "cus_" + "1" * 32}


@pytest.fixture
async def desk(city: City, phone: str, service: Services, owner: asyncpg.Connection) -> Counter:
    """A customer with 120 kg in the quarter: deep green."""
    made = await counter(city, phone)
    await saved(owner, made.person.holder_id, LATER, 120)
    await snapshot(service, owner, LATER)
    return made


def query(reference: str, purpose: str = "loan_application", card: str = CARD) -> dict[str, Any]:
    return {"customer": {"reference": reference}, "purpose": purpose, "card": card}


async def test_a_tier_and_a_score_are_answered_by_grant(desk: Counter) -> None:
    made = await desk.grant("tier")
    tier = (await desk.bank.post(TIERS, json=query(made["reference"]))).json()
    assert (tier["tier"], tier["as_of"], tier["enough"]) == ("deep_green", LATER.isoformat(), True)
    assert "points" not in str(tier)
    refused = await desk.bank.post(SCORES, json=query(made["reference"]))
    assert (refused.status_code, refused.json()["code"]) == (403, "bank.access_refused")
    await desk.grant("score")
    by_phone = {"identity": {"scheme": "phone", "value": desk.person.phone}}
    answer = (await desk.bank.post(SCORES, json=query("") | {"customer": by_phone})).json()
    score = answer["score"]
    assert score["points"] == sum(reason["points"] for reason in score["reasons"]) == 120
    assert answer["reference"] == made["reference"]
    lines = await desk.log()
    assert [(each["what"], each["refused"]) for each in lines] == [
        ("score", None),
        ("score", "wider_scope"),
        ("tier", None),
    ]
    items = (await desk.person.get("/v1/me/access-log")).json()["items"]
    assert items[0]["access_id"] == answer["access_id"]


async def test_all_refusals_look_alike_and_each_is_seen(city: City, desk: Counter) -> None:
    made = await desk.grant("tier")
    other = await city.client("bank")
    await desk.grant("tier", "pre_screening")
    refused = [
        await desk.bank.post(SCORES, json=query(made["reference"])),
        await desk.bank.post(TIERS, json=query(made["reference"], "white_list")),
        await other.post(TIERS, json=query(made["reference"])),
        await desk.bank.post(TIERS, json=query("") | {"customer": NOBODY}),
        await desk.bank.post(TIERS, json=query("x")),
        await desk.bank.post(
            TIERS, json=query("") | {"customer": {"identity": {"scheme": "phone", "value": "13912121212"}}}
        ),
    ]
    await desk.withdraw(made["grant_id"])
    refused.append(await desk.bank.post(TIERS, json=query(made["reference"])))
    assert {each.status_code for each in refused} == {403}
    assert len({each.text.replace("scores", "tiers") for each in refused}) == 1
    assert [each["refused"] for each in await desk.log()] == [
        "withdrawn",
        "other_bank",
        "wrong_purpose",
        "wider_scope",
    ]


async def test_a_card_that_is_not_in_force_leaves_its_line(desk: Counter) -> None:
    made = await desk.grant("score")
    answer = await desk.bank.post(SCORES, json=query(made["reference"], card="nothing"))
    assert (answer.status_code, answer.json()["code"]) == (409, "bank.not_scored")
    assert [each["what"] for each in await desk.log()] == ["score"]


async def test_a_label_shows_its_figures_to_no_query(desk: Counter, owner: asyncpg.Connection) -> None:
    made = await desk.grant("tier")
    body = {"customer": {"reference": made["reference"]}, "purpose": "loan_application"}
    none = (await desk.bank.post(LABELS, json=body)).json()
    assert (none["colour"], none["detail"]) == (None, None)
    await labelled(owner, desk.person.holder_id, 2025, "light_green")
    answer = (await desk.bank.post(LABELS, json=body)).json()
    assert (answer["colour"], answer["year"], answer["detail"]) == ("light_green", 2025, None)
    assert (await desk.bank.post(LABELS, json=body | {"detail": True})).status_code == 403
    await desk.grant("score")
    detail = await desk.bank.post(LABELS, json=body | {"detail": True})
    assert detail.json()["detail"]["percentile"] == 40
    assert str(SECRET_FIGURE) not in detail.text


async def test_pre_screening_answers_for_who_agreed_alone(
    city: City, desk: Counter, phones: Any, owner: asyncpg.Connection
) -> None:
    agreed = await desk.grant("tier", "pre_screening")
    poor, shy, other = [await counter(city, phones(), desk.bank) for _ in range(3)]
    # Too little data; a score but another purpose; another bank's customer.
    too_little = await poor.grant("tier", "pre_screening")
    await saved(owner, shy.person.holder_id, LATER, 200)
    elsewhere = await shy.grant("report", "loan_application")
    foreign = Counter(city, await city.client("bank"), other.person)
    theirs = await foreign.grant("tier", "pre_screening")
    customers = [
        {"reference": agreed["reference"]},
        {"identity": {"scheme": "phone", "value": desk.person.phone}},
        {"reference": too_little["reference"]},
        {"reference": elsewhere["reference"]},
        {"reference": theirs["reference"]},
        {"identity": {"scheme": "phone", "value": other.person.phone}},
        {"identity": {"scheme": "phone", "value": phones()}},
        NOBODY,
    ]
    body = {"card": CARD, "customers": customers}
    answer = await desk.bank.post("/v1/bank/pre-screenings", json=body)
    assert answer.status_code == 200, answer.text
    deep, none = {"tier": "deep_green"}, {"tier": None}
    assert answer.json()["items"] == [deep, deep, *[none] * 6]
    assert [each["refused"] for each in await desk.log()] == [None, None]
    assert [each["refused"] for each in await shy.log()] == ["wrong_purpose"]
    assert [each["refused"] for each in await other.log()] == ["no_consent", "other_bank"]


async def put_in_force(city: City, bank: Caller) -> None:
    one, two = await city.client("operator"), await city.client("operator")
    body = {"bank_id": bank.organisation_id, "name": "agency", "basis": "contract 18"}
    channel = (await one.post("/v1/operator/score-channels", json=body)).json()["channel_id"]
    path = f"/v1/operator/score-channels/{channel}/approval"
    assert (await two.post(path, json={"reason": "seen"})).status_code == 200


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_the_list_has_who_agreed_and_scores_only_by_the_channel(
    city: City, service: Services, desk: Counter, phones: Any, owner: asyncpg.Connection
) -> None:
    listed = await desk.grant("tier", "white_list")
    second, absent = [await counter(city, phones(), desk.bank) for _ in range(2)]
    for each in (second, absent):
        await saved(owner, each.person.holder_id, LATER, 60)
    await snapshot(service, owner, LATER)
    scored = await second.grant("score", "white_list")
    await absent.grant("report", "loan_application")
    path, params = "/v1/bank/white-list.csv", {"card": CARD}
    first = await desk.bank.get(path, params=params | {"limit": 1})
    rest = await desk.bank.get(path, params=params | {"cursor": first.headers["X-Next-Cursor"]})
    assert "X-Next-Cursor" not in rest.headers
    found = {row["reference"]: row["tier"] for row in rows(first.text) + rows(rest.text)}
    assert found == {listed["reference"]: "deep_green", scored["reference"]: "medium_green"}
    only = rows((await desk.bank.get(path, params=params | {"tier": "medium_green"})).text)
    assert [row["reference"] for row in only] == [scored["reference"]]
    # Who is not on a list was not told of, and has no line.
    assert [each["what"] for each in await desk.log()] == ["white_list"]
    assert await absent.log() == []
    export = "/v1/bank/score-export.csv"
    off = await desk.bank.get(export, params=params)
    assert (off.status_code, off.json()["code"]) == (403, "bank.no_channel")
    await put_in_force(city, desk.bank)
    (row,) = rows((await desk.bank.get(export, params=params)).text)
    assert (row["reference"], row["points"]) == (scored["reference"], "60")
    assert (await second.log())[0]["what"] == "score_export"
    await second.withdraw(scored["grant_id"])
    assert rows((await desk.bank.get(export, params=params)).text) == []


async def test_no_answer_over_http_after_the_acknowledgement(desk: Counter) -> None:
    made = await desk.grant("score")
    acknowledged = asyncio.Event()
    late: list[int] = []

    async def ask() -> None:
        while True:
            after = acknowledged.is_set()
            answer = await desk.bank.post(SCORES, json=query(made["reference"]))
            if after:
                late.append(answer.status_code)
                return

    asking = [asyncio.create_task(ask()) for _ in range(6)]
    await asyncio.sleep(0.05)
    assert (await desk.withdraw(made["grant_id"])).status_code == 200
    acknowledged.set()
    await asyncio.gather(*asking)
    assert set(late) == {403}
    refusals = [each for each in await desk.log() if each["refused"]]
    assert len(refusals) >= len(late)
    assert {each["refused"] for each in refusals} == {"withdrawn"}
