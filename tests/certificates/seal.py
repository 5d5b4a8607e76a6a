"""Pictures of seals, for tests."""

import struct
import zlib


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    side: int = 200, *, rows: bytes | None = None, head: bytes | None = None, more: tuple[bytes, ...] = ()
) -> bytes:
    """A red ring on nothing."""
    if rows is None:
        rows = b"".join(b"\0" + b"".join(_pixel(x, y, side) for x in range(side)) for y in range(side))
    head = head or struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    parts = [
        chunk(b"IHDR", head),
        *more,
        chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _pixel(x: int, y: int, side: int) -> bytes:
    away = (2 * x - side) ** 2 + (2 * y - side) ** 2
    return bytes((200, 30, 30, 200 if (side * 88 // 100) ** 2 < away < (side * 96 // 100) ** 2 else 0))
