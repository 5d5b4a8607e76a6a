"""Money for the market by WeChat Pay: booked once by its payment, and given back where it came too late."""

import asyncio
import datetime

import asyncpg
from helpers import Caller
from payments.conftest import Desk

SOON = datetime.timedelta(seconds=40)
LATER = datetime.timedelta(hours=2)


async def begun(desk: Desk, participant: Caller, fen: int) -> tuple[str, str]:
    """A funding whose payment is announced: its id and out_trade_no."""
    answer = await participant.post("/v1/market/fundings", json={"amount_fen": fen})
    assert (answer.status_code, answer.json()["state"]) == (200, "awaiting"), answer.text
    funding = str(answer.json()["funding_id"])
    answer = await pay(participant, funding)
    assert answer.status_code == 200, answer.text
    assert answer.json()["wechat_pay"]["package"].startswith("prepay_id=")
    return funding, list(desk.wechat.trades)[-1]


async def pay(participant: Caller, funding: str):
    body = {"payer_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}
    return await participant.post(f"/v1/market/fundings/{funding}/payment", json=body)


async def money(participant: Caller) -> int:
    return int((await participant.get("/v1/market/money")).json()["available_fen"])


async def test_a_funding_counts_once_whoever_tells_of_it(desk: Desk, owner: asyncpg.Connection) -> None:
    city = desk.market.city
    participant, other = [await city.client("participant", "440300") for _ in range(2)]
    funding, number = await begun(desk, participant, 123_456)
    assert (await pay(other, funding)).json()["code"] == "market.funding_not_found"
    assert await money(participant) == 0
    desk.wechat.pay(number)
    body = desk.wechat.notification(desk.wechat.told(number))
    headers = desk.wechat.signed(body)
    answers = await asyncio.gather(*(desk.notify(body, headers) for _ in range(50)), desk.look(SOON))
    assert {each.status_code for each in answers[:50]} == {200}
    assert await money(participant) == 123_456
    (told,) = (await participant.get("/v1/market/fundings")).json()["items"]
    assert (told["state"], told["reference"], told["way"]) == ("booked", number, "provider")
    assert (await pay(participant, funding)).json()["code"] == "payment.not_payable"
    payment = await desk.payment(number)
    assert (payment["subject"], payment["redemption_id"], payment["state"]) == (
        "market_funding",
        None,
        "paid",
    )
    assert not await desk.market.breaches()
    # A payment that says otherwise is found.
    for broken, mended in (("state = 'closed'", "state = 'paid'"), ("amount_fen = 1", "amount_fen = 123456")):
        await owner.execute(f"UPDATE payments SET {broken} WHERE out_trade_no = $1", number)
        assert [rule for rule, _ in await desk.market.breaches()] == ["market_fundings"]
        await owner.execute(f"UPDATE payments SET {mended} WHERE out_trade_no = $1", number)


async def test_a_payment_that_comes_too_late_goes_back(desk: Desk) -> None:
    participant = await desk.market.city.client("participant", "440300")
    _, number = await begun(desk, participant, 5_000)
    late = datetime.datetime.now(datetime.UTC) + LATER
    desk.wechat.pay(number, late.isoformat(timespec="seconds"))
    assert (await desk.told(number)).status_code == 200
    await desk.look()
    assert (await desk.payment(number))["state"] == "refunded"
    assert await money(participant) == 0
    assert not await desk.market.breaches()
