"""A bank's own API: OAuth2 client credentials (RFC 6749), and bodies that both sides sign (docs/loans.md).

Every request can be repeated: a message carries an id by which the bank takes it once. Bodies name customers by the
bank's own references, so neither they nor addresses are in an error or a log.
"""

import datetime
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from integrations.bank.errors import BankAway, BankRefused
from integrations.bank.files import FileLine, FileUnreadable, read_file
from integrations.partner.api import JOSE, NOT_FOUND, OK, SignedApi

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
_TAKEN: Final = frozenset({"accepted", "duplicate"})


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell a bank, once."""

    id: str
    kind: str
    subject: str
    data: Mapping[str, Any]
    happened_at: datetime.datetime


class BankApi(SignedApi):
    """One bank's API, as one of its clients."""

    async def deliver(self, message: Message) -> str:
        """Tell the bank; the number by which it took the message. Raises `BankAway`, `BankRefused`."""
        body = self.signed(
            message.id,
            {
                "kind": message.kind,
                "subject": message.subject,
                "happened_at": message.happened_at.isoformat(),
                "data": dict(message.data),
            },
        )
        status, answer = await self.ask(
            "POST",
            "/v1/notices",
            content=body.encode(),
            headers={"Content-Type": JOSE, "Idempotency-Key": message.id},
        )
        if status not in OK:
            raise BankRefused(f"status {status}")
        told = self.read(answer)
        if told.get("in_reply_to") != message.id:
            raise BankAway("an answer to something else")
        if told.get("status") not in _TAKEN:
            raise BankRefused("the bank says no")
        return str(told.get("receipt", ""))[:64]

    async def daily_file(self, day: datetime.date) -> list[FileLine] | None:
        """The loans of a day by the bank's books; None while there is no file. Raises `BankAway`, `BankRefused`."""
        path = f"/v1/loan-files/{day.isoformat()}"
        status, answer = await self.ask("GET", path)
        if status == NOT_FOUND:
            return None
        if status not in OK:
            raise BankRefused(f"status {status}")
        told = self.read(answer)
        if told.get("day") != day.isoformat():
            raise BankAway("a file of another day")
        status, content = await self.ask("GET", path + "/content", limit=MAX_FILE_BYTES)
        # The file itself bears no signature: its hash is what the bank signed.
        if status not in OK or hashlib.sha256(content).hexdigest() != told.get("sha256"):
            raise BankAway("the file is not the one that was signed")
        try:
            return read_file(content, int(told["lines"]))
        except (FileUnreadable, KeyError, TypeError, ValueError):
            raise BankAway("the file cannot be read") from None
