"""What the service asks of a provider of payments, and what it is told. Amounts in fen."""

import datetime
import enum
from dataclasses import dataclass
from typing import Protocol


class ProviderAway(Exception):
    """No answer, or none that can be believed: nobody knows whether it was done. Ask again later."""


class ProviderRefused(Exception):
    """The provider says no; `code` is its own word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class TradeState(enum.StrEnum):
    """Where the provider has a payment."""

    UNPAID = "unpaid"
    PAID = "paid"
    CLOSED = "closed"
    REFUNDED = "refunded"


class RefundState(enum.StrEnum):
    """Where the provider has a refund."""

    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be paid."""

    out_trade_no: str
    description: str
    amount_fen: int
    expires_at: datetime.datetime


@dataclass(frozen=True, slots=True)
class Trade:
    """A payment as the provider tells of it."""

    out_trade_no: str
    state: TradeState
    transaction_id: str = ""
    total_fen: int = 0
    paid_at: datetime.datetime | None = None


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund as the provider tells of it."""

    out_trade_no: str
    refund_no: str
    state: RefundState
    refund_fen: int
    accepted_at: datetime.datetime | None = None


@dataclass(frozen=True, slots=True)
class BillLine:
    """One payment, or one refund (`refund_no`), of a day's bill."""

    out_trade_no: str
    transaction_id: str
    amount_fen: int
    refund_no: str = ""


class Provider(Protocol):
    """Raises `ProviderAway` and `ProviderRefused`. Everything may be asked again with the same numbers."""

    name: str

    async def prepay(self, order: Order, payer: str) -> dict[str, str]:
        """Announce a payment; answers the signed parameters that the payer's app opens it with."""

    async def query(self, out_trade_no: str) -> Trade:
        """How a payment stands; one that the provider does not know is closed."""

    async def close(self, out_trade_no: str) -> bool:
        """Have it paid no more; False where it is paid already."""

    async def refund(
        self, out_trade_no: str, refund_no: str, refund_fen: int, total_fen: int, reason: str
    ) -> Refund:
        """Give it back, once for each number."""

    async def bill(self, day: datetime.date) -> list[BillLine] | None:
        """All payments and refunds of a local day; None while the provider has not made it yet."""
