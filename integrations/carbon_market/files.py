"""An exchange that is told by signed files: one for each instruction in `out`, its answers and statements in `in`.

A file is a JWS (EdDSA), named by the instruction, so that telling again writes nothing new. Whoever carries the files
between both sides (SFTP, a courier) can neither change nor forge one.
"""

import asyncio
import contextlib
import datetime
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from integrations.carbon_market.ports import (
    AccountOpening,
    ExchangeWaiting,
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
from integrations.partner.errors import PartnerAway, PartnerRefused
from integrations.partner.signing import PartnerKeys, Sign

OUT: Final = "out"
IN: Final = "in"
MAX_FILE_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ExchangeFiles:
    """The two folders of one exchange."""

    folder: Path
    sign: Sign
    keys: PartnerKeys
    clock: Callable[[], datetime.datetime]

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
        """What it did on a day; None while there is no file. Raises `PartnerAway`."""
        content = await asyncio.to_thread(_read, self.folder / IN / f"statement-{day.isoformat()}.jws")
        if content is None:
            return None
        try:
            return read_statement(self.keys.read_whenever(content), day)
        except StatementUnreadable as error:
            raise PartnerAway(str(error)) from None

    async def _tell(self, instruction: str, kind: InstructionKind, order: Order) -> Receipt:
        answer = await asyncio.to_thread(_read, self.folder / IN / f"{instruction}.jws")
        if answer is None:
            claims: dict[str, Any] = {
                "iss": self.keys.ours,
                "aud": self.keys.partner,
                "jti": instruction,
                "iat": int(self.clock().timestamp()),
                "kind": kind.value,
                "order": content_of(order),
            }
            await asyncio.to_thread(_write, self.folder / OUT / f"{instruction}.jws", self.sign(claims))
            raise ExchangeWaiting("no answer yet")
        receipt = receipt_of(self.keys.read_whenever(answer), instruction)
        if receipt is None:
            raise PartnerRefused("the exchange says no")
        return receipt


def _read(file: Path) -> str | None:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PartnerAway(type(error).__name__) from None
    if len(content) > MAX_FILE_BYTES:
        raise PartnerAway("too long a file")
    try:
        return content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise PartnerAway("no signed file") from None


def _write(file: Path, content: str) -> None:
    """Whole or not at all, and only once: what is there stays as it was signed first."""
    if file.exists():
        return
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="ascii") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):
            # A link does not replace what another process wrote meanwhile.
            os.link(draft, file)
    except OSError as error:
        raise PartnerAway(type(error).__name__) from None
    finally:
        draft.unlink(missing_ok=True)
