"""The rule of `tanpuhui verify` about payments finds every row that breaks it."""

import asyncpg
import pytest
from payments.conftest import Desk


@pytest.mark.parametrize(
    ("mended", "broken"),
    [
        ("amount_fen = 990", "amount_fen = 991"),
        ("paid_fen = 990", "paid_fen = 989"),
        ("state = 'paid'", "state = 'refunded', refund_reason = 'order_over'"),
        ("state = 'paid'", "state = 'closed'"),
        ("payer_id = payer_id", "payer_id = gen_random_uuid()"),
        ("subject_id = subject_id", "subject_id = gen_random_uuid()"),
    ],
)
async def test_a_payment_that_does_not_fit_its_order(
    desk: Desk, owner: asyncpg.Connection, mended: str, broken: str
) -> None:
    _, _, number = await desk.begun()
    desk.wechat.pay(number)
    await desk.told(number)
    assert not await desk.market.breaches()
    before = await owner.fetchrow("SELECT * FROM payments WHERE out_trade_no = $1", number)
    await owner.execute(f"UPDATE payments SET {broken} WHERE out_trade_no = $1", number)
    assert await desk.market.breaches() == [("payments", f"pay_{before['id'].hex}")]
    await owner.execute(
        f"""
        UPDATE payments SET {mended}, payer_id = $2, subject_id = $3, refund_reason = NULL
        WHERE out_trade_no = $1
        """.replace("payer_id = payer_id, ", "").replace("subject_id = subject_id, ", ""),
        number,
        before["payer_id"],
        before["subject_id"],
    )
    assert not await desk.market.breaches()


async def test_an_order_that_was_paid_for_and_its_money_given_back_as_too_late(
    desk: Desk, owner: asyncpg.Connection
) -> None:
    resident, redemption, number = await desk.begun()
    await resident.post(f"/v1/me/redemptions/{redemption}/cancellation")
    desk.wechat.pay(number)
    await desk.told(number)
    await desk.look()
    assert not await desk.market.breaches()
    await owner.execute("UPDATE payments SET state = 'paid' WHERE out_trade_no = $1", number)
    assert [rule for rule, _ in await desk.market.breaches()] == ["payments"]
    await owner.execute("UPDATE payments SET state = 'refunded' WHERE out_trade_no = $1", number)
