"""Human review: asked for by the holder of an answer that a bank got, answered once, seen by holder, operator, bank."""

import asyncio
from typing import Any

import asyncpg
import pytest
from banking.bench_of_bank import Counter, ask, counter, customer
from helpers import Caller, City

from accounts.ids import parse_public_id, public_id
from app.banking import reviews
from app.banking.errors import AccessRefused
from app.banking.grants import Customer
from app.wiring import Services

WHY = "the rides of October are missing"


@pytest.fixture
async def desk(city: City, phone: str) -> Counter:
    return await counter(city, phone)


@pytest.fixture
async def operator(city: City) -> Caller:
    return await city.client("operator", "440300")


async def answered(service: Services, desk: Counter) -> str:
    """The access record of an answer to the bank."""
    made = await desk.grant("score")
    given = await ask(service, desk.bank, customer(made["reference"]))
    return public_id("acc", given.access_id)


async def review(desk: Counter, access_id: str) -> Any:
    return await desk.person.post("/v1/me/score-reviews", json={"access_id": access_id, "explanation": WHY})


async def test_a_review_goes_its_way_and_all_see_it(
    service: Services, city: City, desk: Counter, operator: Caller
) -> None:
    access_id = await answered(service, desk)
    asked = (await review(desk, access_id)).json()
    assert (asked["state"], asked["what"], asked["access_id"]) == ("waiting", "tier", access_id)
    assert (await review(desk, access_id)).json()["code"] == "score_review.exists"
    waiting = (await operator.get("/v1/operator/score-reviews")).json()["items"]
    assert asked["review_id"] in {item["review_id"] for item in waiting}
    path = f"/v1/operator/score-reviews/{asked['review_id']}/answer"
    decision = {"decision": "corrected", "answer": "they were reported late, and count now"}
    foreign = await city.client("operator", "310000")
    assert (await foreign.post(path, json=decision)).json()["code"] == "score_review.not_found"
    both = await asyncio.gather(operator.post(path, json=decision), operator.post(path, json=decision))
    assert sorted(each.status_code for each in both) == [200, 409]
    mine = (await desk.person.get("/v1/me/score-reviews")).json()["items"][0]
    theirs = (await desk.bank.get("/v1/bank/score-reviews")).json()["items"][0]
    for seen in (mine, theirs):
        assert (seen["state"], seen["answer"]) == ("corrected", decision["answer"])
    assert WHY in str(mine)
    assert WHY not in str(theirs)
    assert desk.person.holder_id not in str(theirs)
    assert (await desk.log())[0]["what"] == "score_review"


async def test_only_answers_of_ones_own_are_reviewed(
    service: Services, desk: Counter, city: City, phones: Any
) -> None:
    access_id = await answered(service, desk)
    stranger = await counter(city, phones(), desk.bank)
    assert (await review(stranger, access_id)).json()["code"] == "score_review.answer_not_found"
    # What was refused was not answered.
    with pytest.raises(AccessRefused):
        await ask(service, desk.bank, Customer(holder_id=parse_public_id("hld", stranger.person.holder_id)))
    refused = (await stranger.person.get("/v1/me/access-log")).json()["items"][0]
    assert refused["refused"] == "no_consent"
    answer = await review(stranger, refused["access_id"])
    assert answer.json()["code"] == "score_review.answer_not_found"


async def test_a_bank_without_a_grant_sees_no_review(service: Services, desk: Counter) -> None:
    await review(desk, await answered(service, desk))
    grant = (await desk.person.get("/v1/me/bank-grants")).json()["items"][0]["grant_id"]
    assert len((await desk.bank.get("/v1/bank/score-reviews")).json()["items"]) == 1
    await desk.withdraw(grant)
    assert (await desk.bank.get("/v1/bank/score-reviews")).json()["items"] == []
    assert len((await desk.person.get("/v1/me/score-reviews")).json()["items"]) == 1


async def test_so_many_wait_and_words_are_forgotten(
    service: Services, desk: Counter, owner: asyncpg.Connection
) -> None:
    made = await desk.grant("score")
    codes = []
    for _ in range(reviews.MOST_WAITING + 1):
        given = await ask(service, desk.bank, customer(made["reference"]))
        codes.append((await review(desk, public_id("acc", given.access_id))).json().get("code"))
    assert codes == [None] * reviews.MOST_WAITING + ["score_review.too_many"]
    holder = parse_public_id("hld", desk.person.holder_id)
    assert holder is not None
    async with service.database.transaction() as session:
        await reviews.forget(session, holder)
    words = await owner.fetch("SELECT explanation FROM score_reviews WHERE holder_id = $1", holder)
    assert {row[0] for row in words} == {""}
