"""What an exchange or another registry is told and asked: open an account, take units, note a trade, retire.

Every instruction has an id by which the other side takes it once, so it can be told again. Quantities are kg, prices
`price_fen_per_t`, totals fen.
"""

import datetime
import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

from integrations.partner.errors import PartnerAway

ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"
_LONGEST_REFERENCE: Final = 64
_MOST: Final = 10**15
_LATEST: Final = 7_000_000_000


class ExchangeWaiting(PartnerAway):
    """There is no answer yet, which is no trouble: look again."""


class StatementUnreadable(ValueError):
    """Not what is agreed."""


class InstructionKind(enum.StrEnum):
    """What an exchange is told."""

    OPEN_ACCOUNT = "open_account"
    DELIVER_UNITS = "deliver_units"
    REPORT_TRADE = "report_trade"
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class AccountOpening:
    """Open an account for an organisation."""

    account_id: str
    name: str
    region: str


@dataclass(frozen=True, slots=True)
class UnitDelivery:
    """Units that stand in the exchange's account from now on, by their serials."""

    account: str
    serials: tuple[str, ...]
    quantity_kg: int


@dataclass(frozen=True, slots=True)
class TradeReport:
    """A trade that was settled here."""

    trade: str
    seller: str
    buyer: str
    serials: tuple[str, ...]
    quantity_kg: int
    price_fen_per_t: int
    total_fen: int
    settled_at: str


@dataclass(frozen=True, slots=True)
class RetirementOrder:
    """Units that were delivered, used once for a purpose."""

    delivery: str
    serials: tuple[str, ...]
    quantity_kg: int
    purpose: str
    beneficiary: str
    obligation_period: str | None


Order = AccountOpening | UnitDelivery | TradeReport | RetirementOrder
ORDERS: Final[Mapping[InstructionKind, type[Order]]] = {
    InstructionKind.OPEN_ACCOUNT: AccountOpening,
    InstructionKind.DELIVER_UNITS: UnitDelivery,
    InstructionKind.REPORT_TRADE: TradeReport,
    InstructionKind.RETIRE: RetirementOrder,
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """The exchange's own number of what it did, and when it says it did it."""

    reference: str
    at: datetime.datetime


@dataclass(frozen=True, slots=True)
class StatementLine:
    """An instruction as the exchange carried it out; without quantity where it has none."""

    instruction: str
    kind: str
    reference: str
    quantity_kg: int | None
    price_fen_per_t: int | None


@dataclass(frozen=True, slots=True)
class Statement:
    """What an exchange did on a day, and what it holds of ours at its end, in kg."""

    day: datetime.date
    lines: tuple[StatementLine, ...]
    holdings_kg: int


class ExchangePort(Protocol):
    """An exchange or a registry. Answers are its own numbers of what it did.

    Raises `PartnerAway` where it is to be asked again, `PartnerRefused` where that changes nothing.
    """

    async def open_account(self, instruction: str, order: AccountOpening) -> Receipt:
        """Open an account; its number."""

    async def deliver_units(self, instruction: str, order: UnitDelivery) -> Receipt:
        """Hand units over; the exchange's number of the delivery."""

    async def report_trade(self, instruction: str, order: TradeReport) -> Receipt:
        """Tell of a trade; the exchange's number of it."""

    async def retire(self, instruction: str, order: RetirementOrder) -> Receipt:
        """Have units retired; the exchange's number of the retirement."""

    async def statement(self, day: datetime.date) -> Statement | None:
        """What it did on a day; None while there is no statement."""


async def carry_out(port: ExchangePort, instruction: str, order: Order) -> Receipt:
    """Tell an exchange by the door of the order's kind."""
    if isinstance(order, AccountOpening):
        return await port.open_account(instruction, order)
    if isinstance(order, UnitDelivery):
        return await port.deliver_units(instruction, order)
    if isinstance(order, TradeReport):
        return await port.report_trade(instruction, order)
    return await port.retire(instruction, order)


def content_of(order: Order) -> dict[str, Any]:
    """An order as it is kept and told."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(order).items()}


def order_of(kind: InstructionKind, content: Mapping[str, Any]) -> Order:
    """An order that was kept."""
    made: type[Any] = ORDERS[kind]
    order: Order = made(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
    )
    return order


def read_statement(told: Mapping[str, Any], day: datetime.date) -> Statement:
    """The statement of a day out of what was signed. Raises `StatementUnreadable`."""
    lines = told.get("lines")
    if told.get("day") != day.isoformat() or not isinstance(lines, Sequence) or isinstance(lines, str):
        raise StatementUnreadable("a statement of another day, or none")
    found = tuple(_line(each) for each in lines)
    if len({line.instruction for line in found}) < len(found):
        raise StatementUnreadable("an instruction that stands twice")
    return Statement(day, found, _whole(told.get("holdings_kg")))


def _line(told: Any) -> StatementLine:
    if not isinstance(told, Mapping):
        raise StatementUnreadable("a line that is none")
    instruction, kind, reference = (told.get(name) for name in ("instruction", "kind", "reference"))
    texts = (instruction, reference)
    if kind not in ORDERS or not all(
        isinstance(each, str) and len(each) <= _LONGEST_REFERENCE for each in texts
    ):
        raise StatementUnreadable("a line that is none")
    quantity, price = told.get("quantity_kg"), told.get("price_fen_per_t")
    return StatementLine(
        str(instruction),
        str(kind),
        str(reference),
        None if quantity is None else _whole(quantity),
        None if price is None else _whole(price),
    )


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise StatementUnreadable("no quantity")
    return value


def receipt_of(told: Mapping[str, Any], instruction: str) -> Receipt | None:
    """What an answer says; None where the exchange refuses. Raises `PartnerAway` where it is about something else."""
    status, reference, signed = told.get("status"), told.get("reference", ""), told.get("iat")
    if told.get("in_reply_to") != instruction or status not in (ACCEPTED, REFUSED):
        raise PartnerAway("an answer to something else")
    if not isinstance(reference, str) or not isinstance(signed, int) or not 0 < signed < _LATEST:
        raise PartnerAway("an answer without a reference")
    if status == REFUSED:
        return None
    return Receipt(reference[:_LONGEST_REFERENCE], datetime.datetime.fromtimestamp(signed, datetime.UTC))
