"""An exchange's own API: OAuth2 client credentials, and bodies that both sides sign (docs/exchanges.md)."""

import datetime
from typing import Final

from integrations.carbon_market.ports import (
    AccountOpening,
    InstructionKind,
    Order,
    Receipt,
    RetirementOrder,
    Statement,
    StatementUnreadable,
    TradeReport,
    UnitDelivery,
    content_of,
    read_statement,
    receipt_of,
)
from integrations.partner.api import JOSE, NOT_FOUND, OK, SignedApi
from integrations.partner.errors import PartnerAway, PartnerRefused

MAX_STATEMENT_BYTES: Final = 16 * 1024 * 1024


class ExchangeApi(SignedApi):
    """One exchange's API, as one of its clients."""

    async def open_account(self, instruction: str, order: AccountOpening) -> Receipt:
        """Open an account; its number."""
        return await self._tell(instruction, InstructionKind.OPEN_ACCOUNT, order)

    async def deliver_units(self, instruction: str, order: UnitDelivery) -> Receipt:
        """Hand units over; the exchange's number of the delivery."""
        return await self._tell(instruction, InstructionKind.DELIVER_UNITS, order)

    async def report_trade(self, instruction: str, order: TradeReport) -> Receipt:
        """Tell of a trade; the exchange's number of it."""
        return await self._tell(instruction, InstructionKind.REPORT_TRADE, order)

    async def retire(self, instruction: str, order: RetirementOrder) -> Receipt:
        """Have units retired; the exchange's number of the retirement."""
        return await self._tell(instruction, InstructionKind.RETIRE, order)

    async def statement(self, day: datetime.date) -> Statement | None:
        """What it did on a day; None while there is no statement. Raises `PartnerAway`, `PartnerRefused`."""
        status, answer = await self.ask("GET", f"/v1/statements/{day.isoformat()}", limit=MAX_STATEMENT_BYTES)
        if status == NOT_FOUND:
            return None
        if status not in OK:
            raise PartnerRefused(f"status {status}")
        try:
            return read_statement(self.read(answer), day)
        except StatementUnreadable as error:
            raise PartnerAway(str(error)) from None

    async def _tell(self, instruction: str, kind: InstructionKind, order: Order) -> Receipt:
        body = self.signed(instruction, {"kind": kind.value, "order": content_of(order)})
        status, answer = await self.ask(
            "POST",
            f"/v1/instructions/{kind.value}",
            content=body.encode(),
            headers={"Content-Type": JOSE, "Idempotency-Key": instruction},
        )
        if status not in OK:
            raise PartnerRefused(f"status {status}")
        receipt = receipt_of(self.read(answer), instruction)
        if receipt is None:
            raise PartnerRefused("the exchange says no")
        return receipt
