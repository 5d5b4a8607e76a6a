"""Payments with their provider: announced, asked about, closed, given back, and compared with the day's bill.

The provider is asked outside of transactions. Rows are leased before and changed after, so that any number of
processes may do it, and one that dies leaves its rows to the others.
"""

import asyncio
import datetime
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from accounts.ids import epoch_ms, uuid7_batch
from app import metrics
from dedup.periods import LOCAL
from integrations.wechat_pay.signing import NotFromWeChat
from points.payments import repository, service
from points.payments.errors import (
    NotificationRefused,
    NotPayable,
    PaymentNotFound,
    PaymentRefused,
    PaymentsAway,
)
from points.payments.models import PaymentState, Subject
from points.payments.provider import (
    Order,
    ProviderAway,
    ProviderRefused,
    Refund,
    Trade,
    TradeState,
)
from points.payments.reconciliation import compare

if TYPE_CHECKING:
    from app.database import Database
    from integrations.wechat_pay.client import WeChatPay
    from points.payments.service import Orders, Payable

log = structlog.get_logger(__name__)
LOOK_EVERY_S = 5.0
AT_ONCE = 8
LEASE = datetime.timedelta(minutes=2)
LONGEST_PAUSE = datetime.timedelta(hours=1)
CLOSED_AFTER = datetime.timedelta(minutes=1)
"""So long after its time a payment that was not made is closed with the provider."""
BILL_FROM = datetime.time(10, 30)
"""Local time from which the bill of the day before is there: WeChat Pay makes it by 10."""
BILL_AGAIN = datetime.timedelta(minutes=30)
BILL_DAYS = 89
"""Bills are kept for three months."""
_DAY = datetime.timedelta(days=1)


class Payments:
    """What this process does with one provider."""

    def __init__(
        self,
        database: "Database",
        provider: "WeChatPay",
        orders: "Mapping[Subject, Orders]",
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._database = database
        self._provider = provider
        self._orders = orders
        self._clock = clock

    async def begin(
        self, subject: Subject, payer_id: UUID, subject_id: UUID, payer: str
    ) -> tuple["Payable", dict[str, str]]:
        """Announce the payment of an order; answers what the payer's app opens it with. Again gives the same."""
        now = self._clock()
        async with self._database.driver_transaction() as driver:
            payable = await self._orders[subject].payable(driver, payer_id, subject_id, now)
            row = await service.open_payment(driver, self._provider.name, payable, now)
        order = Order(row["out_trade_no"], payable.description, row["amount_fen"], row["expires_at"])
        try:
            return payable, await self._provider.prepay(order, payer)
        except ProviderAway as away:
            log.warning("payment not announced", reason=str(away))
            raise PaymentsAway(retry_after_s=5) from None
        except ProviderRefused as refused:
            log.warning("payment refused", code=refused.code)
            if refused.code in ("ORDERPAID", "ORDER_PAID", "ORDER_CLOSED", "ORDERCLOSED"):
                raise NotPayable from None
            raise PaymentRefused from None

    async def notified(self, headers: Mapping[str, str], body: bytes) -> None:
        """Act on a notification; raises `NotificationRefused`, or `PaymentNotFound` where it is of none of ours."""
        try:
            told = self._provider.notification(headers, body)
        except NotFromWeChat:
            metrics.PAYMENT_NOTIFICATIONS.labels("refused").inc()
            raise NotificationRefused from None
        metrics.PAYMENT_NOTIFICATIONS.labels("accepted").inc()
        if told is not None and await self._record(told) is None:
            raise PaymentNotFound

    async def run(self) -> None:
        """Look at what is due until cancelled."""
        while True:
            try:
                while await self.look() == AT_ONCE:
                    pass
                await self.compare_due()
            except Exception as error:  # noqa: BLE001 - whatever it is, it has to look again
                log.warning("payments not looked at", error=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> int:
        """Ask the provider about the payments that are due; answers how many there were."""
        now = self._clock()
        async with self._database.driver_transaction() as driver:
            due = await repository.take_due(driver, now, now + LEASE, AT_ONCE)
        await asyncio.gather(*(self._settle(row) for row in due))
        return len(due)

    async def _settle(self, row: Any) -> None:
        trouble = None
        try:
            if row["state"] == PaymentState.REFUNDING:
                done = await self._give_back(row)
            else:
                done = await self._ask(row)
        except (ProviderAway, ProviderRefused) as error:
            done, trouble = False, str(error)[:64]
            log.warning("payment unsettled", reason=trouble, state=row["state"])
        if done:
            return
        now = self._clock()
        pause = min(service.FIRST_LOOK * 2 ** min(row["looks"] - 1, 10), LONGEST_PAUSE)
        if row["state"] == PaymentState.AWAITING and now < row["expires_at"]:
            pause = min(pause, row["expires_at"] + CLOSED_AFTER - now)
        async with self._database.driver_transaction() as driver:
            await repository.look_again(driver, row["id"], row["looks"], now + pause, trouble)

    async def _ask(self, row: Any) -> bool:
        """How an awaiting payment stands; one that is over is closed. Answers whether it is settled."""
        number = row["out_trade_no"]
        trade = await self._provider.query(number)
        if trade.state in (TradeState.PAID, TradeState.REFUNDED):
            return await self._record(trade) is not None
        if self._clock() < row["expires_at"] + CLOSED_AFTER:
            return False
        if trade.state is not TradeState.CLOSED and not await self._provider.close(number):
            # Paid at the last moment.
            return False
        async with self._database.driver_transaction() as driver:
            await repository.mark_closed(driver, row["id"])
        return True

    async def _give_back(self, row: Any) -> bool:
        number = row["out_trade_no"]
        refund = await self._provider.refund(
            number, service.refund_no(number), row["paid_fen"], row["paid_fen"], str(row["refund_reason"])
        )
        state = await self._record(refund)
        if state is PaymentState.REFUND_FAILED:
            metrics.PAYMENT_TROUBLES.labels("refund_failed").inc()
        return state is not PaymentState.REFUNDING

    async def _record(self, told: Trade | Refund) -> PaymentState | None:
        async with self._database.driver_transaction() as driver:
            if isinstance(told, Refund):
                return await service.record_refund(driver, told, self._clock())
            return await service.record_trade(driver, self._orders, told, self._clock())

    async def compare_due(self) -> datetime.date | None:
        """Compare the bill of the earliest day that was not compared yet; answers the day, if there was one."""
        now = self._clock()
        local = now.astimezone(LOCAL)
        last = local.date() - (_DAY if local.time() >= BILL_FROM else 2 * _DAY)
        async with self._database.driver_transaction() as driver:
            first = await repository.first_day(driver, self._provider.name)
            if first is None or first > last:
                return None
            first = max(first, last - BILL_DAYS * _DAY)
            days = [first + _DAY * n for n in range((last - first).days + 1)]
            await repository.know_days(driver, self._provider.name, days, now)
            day = await repository.take_day(driver, self._provider.name, now, now + BILL_AGAIN)
        if day is None:
            return None
        try:
            lines = await self._provider.bill(day)
        except (ProviderAway, ProviderRefused) as error:
            log.warning("bill not compared", day=day.isoformat(), reason=str(error)[:64])
            return None
        if lines is None:
            if now.astimezone(LOCAL) < datetime.datetime.combine(day + 2 * _DAY, BILL_FROM, LOCAL):
                return None
            # A day without any trade has no bill.
            lines = []
        await self._compare(day, lines)
        return day

    async def _compare(self, day: datetime.date, lines: list[Any]) -> None:
        now = self._clock()
        since = datetime.datetime.combine(day, datetime.time(), LOCAL)
        until = since + _DAY
        async with self._database.driver_transaction() as driver:
            rows = await repository.payments_of_day(
                driver, self._provider.name, since, until, [line.out_trade_no for line in lines]
            )
            found = compare(lines, rows, since, until)
            if not await repository.mark_compared(driver, self._provider.name, day, len(lines), now):
                return
            ids = uuid7_batch(epoch_ms(now), len(found)) if found else []
            await repository.write_differences(
                driver,
                [
                    (
                        id_,
                        self._provider.name,
                        day,
                        each.out_trade_no[:64],
                        each.kind,
                        each.payment["region"] if each.payment is not None else "",
                        each.ours_fen,
                        each.theirs_fen,
                        now,
                    )
                    for id_, each in zip(ids, found, strict=True)
                ],
            )
            # What the provider says was paid and we were never told of: ask about it.
            await repository.look_now(
                driver, [e.payment["id"] for e in found if e.kind == "state_differs"], now
            )
        for each in found:
            metrics.PAYMENT_TROUBLES.labels(each.kind).inc()
        log.info("bill compared", day=day.isoformat(), lines=len(lines), differences=len(found))
