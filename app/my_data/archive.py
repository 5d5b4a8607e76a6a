"""The zip of an export: streamed in parts of bounded size, each sealed. Pure but for the rows that it is given."""

import csv
import datetime
import hashlib
import io
import re
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PART_BYTES = 262_144
"""About how long a part is before it is sealed."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
NONCE_BYTES = 12


class Seal:
    """Encrypts the parts of one attempt at one export; a part opens in its own place only."""

    def __init__(self, key: bytes, export_id: UUID, attempt: int) -> None:
        own = hashlib.blake2b(export_id.bytes, key=key, person=b"tph export", digest_size=32).digest()
        self._cipher = AESGCM(own)
        self._head = attempt.to_bytes(4, "big")

    def _nonce(self, number: int) -> bytes:
        return self._head + number.to_bytes(NONCE_BYTES - len(self._head), "big")

    def close(self, number: int, part: bytes) -> bytes:
        """Encrypt part `number`."""
        return self._cipher.encrypt(self._nonce(number), part, None)

    def open(self, number: int, sealed: bytes) -> bytes:
        """Decrypt part `number`; raises `cryptography.exceptions.InvalidTag` where it is another."""
        return self._cipher.decrypt(self._nonce(number), sealed, None)


class _Sink(io.RawIOBase):
    """What the zip writes to: bytes wait here until they are taken."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.waiting += data
        return len(data)


Put = Callable[[bytes], Awaitable[None]]
Rows = Callable[[], AsyncIterator[dict[str, Any]]]


class Archive:
    """A zip that is written front to back; `put` gets its parts."""

    def __init__(self, put: Put, now: datetime.datetime) -> None:
        self._put = put
        self._sink = _Sink()
        # The sink cannot be searched: sizes follow their data, and memory holds one part.
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED)
        self._moment = now.timetuple()[:6]

    def _entry(self, name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, self._moment)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        return info

    async def _drain(self, least: int | None = None) -> None:
        while len(self._sink.waiting) >= (least or PART_BYTES):
            part = bytes(self._sink.waiting[:PART_BYTES])
            del self._sink.waiting[:PART_BYTES]
            await self._put(part)

    async def add_text(self, name: str, content: bytes) -> None:
        """Add a small file."""
        self._zip.writestr(self._entry(name), content)
        await self._drain()

    async def add_json(self, name: str, rows: AsyncIterator[dict[str, Any]]) -> None:
        """Add rows as a JSON array, one row a line."""
        with self._zip.open(self._entry(name), "w") as file:
            head = b"[\n"
            async for row in rows:
                file.write(head + orjson.dumps(row))
                head = b",\n"
                await self._drain()
            file.write(b"[]\n" if head == b"[\n" else b"\n]\n")
        await self._drain()

    async def add_csv(self, name: str, columns: Sequence[str], rows: AsyncIterator[dict[str, Any]]) -> None:
        """Add rows as CSV (RFC 4180) in UTF-8 with its mark, so that spreadsheets read Chinese."""
        with self._zip.open(self._entry(name), "w") as file:
            file.write(b"\xef\xbb\xbf" + _line(columns))
            async for row in rows:
                file.write(_line([_cell(row[column]) for column in columns]))
                await self._drain()
        await self._drain()

    async def close(self) -> None:
        """Write the directory and the last part."""
        self._zip.close()
        await self._drain(1)


def _line(cells: Sequence[str]) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerow(cells)
    return file.getvalue().encode()


def _cell(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return "'" + text if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text
