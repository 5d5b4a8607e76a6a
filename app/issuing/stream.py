"""What an issuance takes, out of PostgreSQL in its binary COPY format: rows of one width, read as arrays."""

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from accounts.issuance.selection import arguments, counted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg
    from numpy.typing import NDArray

    from accounts.issuance.models import Issuance

_UUID, _DAY = ">i4", ">i4"
ROW = np.dtype(
    [
        ("fields", ">i2"),
        *[
            part
            for name, kind, width in (
                ("id", "V16", 16),
                ("holder", "V16", 16),
                ("who", "V16", 16),
                ("amount", ">i8", 8),
                ("day", ">i4", 4),
                ("kind", ">i2", 2),
            )
            for part in ((f"{name}_length", ">i4"), (name, kind))
            if width
        ],
    ]
)
"""`day` is days since 2000-01-01, local; `kind` 0 a credit, 1 a reversal of a credit of the period, 2 of an earlier."""
_HEADER = 19
_COLUMNS = """e.id, e.holder_id, e.who, e.amount, (e.booked_at AT TIME ZONE 'Asia/Shanghai')::date,
    CASE WHEN NOT e.reversal THEN 0 WHEN e.credited_at >= $3 THEN 1 ELSE 2 END::smallint"""
_ROWS = 1 << 16
_AHEAD = 4
"""Batches that may wait for who reads them."""


async def taken(
    driver: "asyncpg.Connection", issuance: "Issuance", *, everywhere: bool
) -> "AsyncIterator[NDArray[np.void]]":
    """The entries of an issuance, some ten thousand at a time, in no order."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)
    waiting = bytearray()
    begun = False
    whole = _ROWS * ROW.itemsize

    async def put(data: bytes) -> None:
        nonlocal begun
        waiting.extend(data)
        if not begun:
            if len(waiting) < _HEADER:
                return
            del waiting[:_HEADER]
            begun = True
        while len(waiting) >= whole:
            await queue.put(bytes(waiting[:whole]))
            del waiting[:whole]

    async def copy() -> None:
        try:
            await driver.copy_from_query(
                counted(_COLUMNS, everywhere=everywhere), *arguments(issuance), output=put, format="binary"
            )
            # Two bytes end the stream.
            await queue.put(bytes(waiting[:-2]))
        finally:
            await queue.put(None)

    copying = asyncio.create_task(copy())
    try:
        while (data := await queue.get()) is not None:
            if data:
                yield np.frombuffer(data, ROW)
        await copying
    finally:
        if not copying.done():
            copying.cancel()
            await asyncio.gather(copying, return_exceptions=True)
