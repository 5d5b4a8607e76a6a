"""The day's bill of WeChat Pay, read as it is published and compared with the books."""

import datetime
from typing import Any

import asyncpg
import pytest
from payments.conftest import Desk

from dedup.periods import LOCAL
from integrations.wechat_pay.bills import BillUnreadable, read_bill
from points.payments.provider import BillLine
from points.payments.reconciliation import compare

SINCE = datetime.datetime(2026, 11, 20, tzinfo=LOCAL)
UNTIL = SINCE + datetime.timedelta(days=1)
NOON = SINCE + datetime.timedelta(hours=12)


def test_a_bill_is_read(desk: Desk) -> None:
    bill = desk.wechat.bill_of(
        ("a1", "SUCCESS", 990, ""), ("a1", "REFUND", 990, "Ra1"), ("b2", "SUCCESS", 7, "")
    )
    assert read_bill(bill) == [
        BillLine("a1", "42000a1", 990),
        BillLine("a1", "42000a1", 990, "Ra1"),
        BillLine("b2", "42000b2", 7),
    ]
    assert read_bill(desk.wechat.bill_of()) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("商户订单号", "商户单号"),
        lambda text: text.replace("总交易单数", "x"),
        lambda text: text.replace("`9.90", "`9.905"),
        lambda text: text.replace("`9.90", "`NaN"),
        lambda text: text.replace("`9.90", "`-9.90"),
        lambda text: text.replace("`9.90", "`Infinity"),
        lambda text: text.replace("咖啡", "咖啡,咖啡"),
        lambda text: "\r\n".join(text.split("\r\n")[:-3]),
        lambda text: "\r\n".join(text.split("\r\n")[:1] + text.split("\r\n")[2:]),
        lambda _: "",
        lambda _: "<html></html>",
        lambda text: text.encode("gbk", "ignore"),
    ],
)
def test_what_is_no_bill_is_not_read(desk: Desk, spoil: Any) -> None:
    text = desk.wechat.bill_of(("a1", "SUCCESS", 990, ""), ("b2", "SUCCESS", 990, "")).decode()
    spoiled = spoil(text)
    with pytest.raises(BillUnreadable):
        read_bill(spoiled if isinstance(spoiled, bytes) else spoiled.encode())


def ours(number: str, **over: Any) -> dict[str, Any]:
    row = {"out_trade_no": number, "state": "paid", "paid_fen": 990, "paid_at": NOON, "refund_at": None}
    return row | over


def test_what_differs() -> None:
    rows = [
        ours("agrees"),
        ours("missing"),
        ours("amount", paid_fen=991),
        ours("untold", state="awaiting", paid_fen=None, paid_at=None),
        ours("yesterday", paid_at=SINCE - datetime.timedelta(seconds=1)),
        ours("tomorrow", paid_at=UNTIL),
        ours("refunded", state="refunded", refund_at=NOON),
        ours("unrefunded", state="refunding", refund_at=NOON),
        ours("by hand"),
        ours("half", state="refunded", refund_at=NOON),
    ]
    lines = [
        BillLine(number, "t", 990)
        for number in ("agrees", "amount", "untold", "foreign", "refunded", "unrefunded", "by hand", "half")
    ]
    lines += [BillLine("refunded", "t", 990, "Rrefunded"), BillLine("by hand", "t", 990, "x")]
    lines += [BillLine("half", "t", 400, "Rhalf")]
    found = [
        (each.kind, each.out_trade_no, each.ours_fen, each.theirs_fen)
        for each in compare(lines, rows, SINCE, UNTIL)
    ]
    assert found == [
        ("amount_differs", "amount", 991, 990),
        ("refund_unknown", "by hand", None, 990),
        ("unknown", "foreign", None, 990),
        ("refund_amount_differs", "half", 990, 400),
        ("missing", "missing", 990, None),
        ("refund_missing", "unrefunded", 990, None),
        ("state_differs", "untold", None, 990),
    ]


async def test_each_day_is_compared_once_and_operators_see_it(desk: Desk, owner: asyncpg.Connection) -> None:
    payments = desk.service.payments
    assert payments is not None
    # Two payments; one of them we are never told of until the bill says so.
    numbers = []
    for _ in range(2):
        resident, redemption, number = await desk.begun()
        desk.wechat.pay(number)
        numbers.append((number, resident, redemption))
    (paid, *_), (untold, resident, redemption) = numbers
    await desk.told(paid)
    await owner.execute(
        "UPDATE payments SET look_at = now() + interval '9 days' WHERE out_trade_no = $1", untold
    )
    # Whatever else these tests paid today is in the bill as well, but for one.
    others = [
        row["out_trade_no"]
        for row in await owner.fetch(
            "SELECT out_trade_no FROM payments WHERE state = 'paid' AND out_trade_no <> $1", paid
        )
    ]
    lines = [(number, "SUCCESS", 990, "") for number in (*others, untold, "not-ours")]
    today = datetime.datetime.now(LOCAL).date()
    morning = datetime.datetime.combine(today + datetime.timedelta(days=1), datetime.time(10, 31), LOCAL)
    desk.clock.ahead = morning - datetime.datetime.now(LOCAL)
    try:
        # Not made yet, cut short, then whole.
        assert await payments.compare_due() is None
        await owner.execute("UPDATE payment_bills SET look_at = now()")
        desk.wechat.bill = desk.wechat.bill_of(*lines)[:-60]
        assert await payments.compare_due() is None
        await owner.execute("UPDATE payment_bills SET look_at = now()")
        desk.wechat.bill = desk.wechat.bill_of(*lines)
        assert await payments.compare_due() == today
        await owner.execute("UPDATE payment_bills SET look_at = now()")
        assert await payments.compare_due() is None
        await desk.look(desk.clock.ahead)
    finally:
        desk.clock.ahead = datetime.timedelta(0)
    # What the bill told is asked about, and counts after all.
    assert (await desk.payment(untold))["state"] == "paid"
    assert (await desk.redemption(resident, redemption))["state"] == "confirmed"
    path = "/v1/operator/payments/differences"
    seen = (await desk.operator.get(path, params={"day": today.isoformat()})).json()["items"]
    assert {(each["kind"], each["out_trade_no"]) for each in seen} == {
        ("missing", paid),
        ("state_differs", untold),
    }
    nation = await desk.market.city.client("operator", "100000")
    everything = (await nation.get(path)).json()["items"]
    assert {(each["kind"], each["out_trade_no"]) for each in everything} == {
        ("missing", paid),
        ("state_differs", untold),
        ("unknown", "not-ours"),
    }
    foreign = await desk.market.city.client("operator", "310000")
    assert (await foreign.get(path)).json()["items"] == []
    assert (await foreign.get("/v1/operator/payments")).json()["items"] == []
