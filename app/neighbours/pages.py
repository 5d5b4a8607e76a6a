"""Pages of the export: NDJSON with a head, the claims, and a foot that signs all above (docs/neighbours.md)."""

import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson

from app.auth import signatures
from app.neighbours.errors import CursorInvalid
from app.neighbours.repository import Place
from dedup.encoding import encoded
from dedup.exchange import Exchanged, lines_of, read_line

if TYPE_CHECKING:
    from app.auth.keys import KeyRing

FORMAT: Final = "tanpuhui-claims-1"
AUDIENCE: Final = signatures.NEIGHBOUR
MAX_ROWS: Final = 20_000
MAX_TRANSACTION: Final = 1 << 63
FIRST: Final = UUID(int=0)
_PARTS: Final = 4


@dataclass(frozen=True, slots=True)
class Ask:
    """What of the export is asked for: days, from which transaction on, and behind which row."""

    from_day: datetime.date
    to_day: datetime.date
    since: int
    after: str | None
    limit: int = MAX_ROWS

    def params(self) -> dict[str, str]:
        """As a query."""
        found = {
            "from_day": self.from_day.isoformat(),
            "to_day": self.to_day.isoformat(),
            "since": str(self.since),
            "limit": str(self.limit),
        }
        return found if self.after is None else found | {"after": self.after}

    def head(self, until: int) -> dict[str, Any]:
        """The first line of the answer."""
        return {
            "format": FORMAT,
            "from_day": self.from_day.isoformat(),
            "to_day": self.to_day.isoformat(),
            "since": str(self.since),
            "after": self.after,
            "until": str(until),
        }


@dataclass(frozen=True, slots=True)
class Page:
    """A page: `following` is where the next one begins; without it all is told that was written before `until`."""

    claims: Sequence[Exchanged]
    until: int
    following: str | None
    sha512: str


def cursor(until: int, row: Exchanged) -> str:
    """The place behind a row of an export that ends at `until`."""
    return f"{until}.{row.day.isoformat()}.{row.digest.hex}.{row.reference.hex}"


def place_of(text: str) -> tuple[int, Place]:
    """`until` and the place of a cursor; raises `CursorInvalid`."""
    parts = text.split(".")
    try:
        if len(parts) != _PARTS or not parts[0].isascii() or not parts[0].isdigit():
            raise CursorInvalid
        until, day = int(parts[0]), datetime.date.fromisoformat(parts[1])
        place = (day, UUID(hex=parts[2]), UUID(hex=parts[3]))
    except ValueError:
        raise CursorInvalid from None
    if until >= MAX_TRANSACTION:
        raise CursorInvalid
    return until, place


def signed_page(
    keys: "KeyRing",
    ask: Ask,
    until: int,
    rows: Sequence[Exchanged],
    following: str | None,
    now: datetime.datetime,
) -> bytes:
    """The bytes of a page. The digest covers all above the last line."""
    head = ask.head(until) | {"claims": len(rows), "next": following}
    above = orjson.dumps(head) + b"\n" + lines_of(rows)
    claims = {"iat": int(now.timestamp()), "sha512": _sha512(above)}
    foot = {"signature": signatures.sign(keys, AUDIENCE, claims, now)}
    return above + orjson.dumps(foot) + b"\n"


def read_page(body: bytes, ask: Ask) -> tuple[Page, str]:
    """A page and its signature, which is not checked here.

    Raises `RowRefused`, `ValueError` and the like for what is no page, or is the answer to something else.
    """
    above, _, foot = body.removesuffix(b"\n").rpartition(b"\n")
    lines = above.split(b"\n")
    head = orjson.loads(lines[0])
    until = int(head["until"])
    if {name: head.get(name) for name in ask.head(until)} != ask.head(until):
        raise ValueError("the answer to something else")
    rows = [read_line(line) for line in lines[1:]]
    if len(rows) != head["claims"]:
        raise ValueError("not whole")
    following = head["next"]
    if following is not None and not isinstance(following, str):
        raise ValueError("no cursor")
    return Page(rows, until, following, _sha512(above + b"\n")), str(orjson.loads(foot)["signature"])


def _sha512(content: bytes) -> str:
    return encoded(hashlib.sha512(content).digest())
