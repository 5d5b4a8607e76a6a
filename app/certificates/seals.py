"""The image of a seal: a PNG that is small, whole, and has nothing but its picture. Pure."""

import struct
import zlib
from typing import Final

MAX_BYTES: Final = 256 * 1024
LEAST_SIDE: Final = 100
MOST_SIDE: Final = 1024
_HEAD: Final = b"\x89PNG\r\n\x1a\n"
_KEPT: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel by colour type."""
_DEPTHS: Final = {0: (1, 2, 4, 8), 2: (8,), 3: (1, 2, 4, 8), 4: (8,), 6: (8,)}


def cleaned(image: bytes) -> bytes | None:
    """The same picture without any other chunk: no text, no profile, nothing after its end. None where it is no seal.

    It is not interlaced, has at most 8 bits a sample, and sides of 100 to 1,024 pixels; its pixels are unpacked here
    once, to exactly as many bytes as its head promises.
    """
    chunks = _chunks(image) if len(image) <= MAX_BYTES and image.startswith(_HEAD) else None
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13 or chunks[-1][0] != b"IEND":  # noqa: PLR2004
        return None
    width, height, depth, colour, packing, filtering, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if not (LEAST_SIDE <= width <= MOST_SIDE and LEAST_SIDE <= height <= MOST_SIDE):
        return None
    if depth not in _DEPTHS.get(colour, ()) or packing or filtering or interlaced:
        return None
    size = height * (1 + (width * _CHANNELS[colour] * depth + 7) // 8)
    if _unpacked(b"".join(data for kind, data in chunks if kind == b"IDAT"), size) != size:
        return None
    kept = (each for each in chunks if each[0] in _KEPT)
    return _HEAD + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in kept
    )


def _chunks(image: bytes) -> list[tuple[bytes, bytes]] | None:
    found: list[tuple[bytes, bytes]] = []
    place = len(_HEAD)
    while not found or found[-1][0] != b"IEND":
        if place + 12 > len(image):
            return None
        (length,) = struct.unpack(">I", image[place : place + 4])
        kind, data = image[place + 4 : place + 8], image[place + 8 : place + 8 + length]
        ends = place + 8 + length
        if ends + 4 > len(image) or struct.unpack(">I", image[ends : ends + 4])[0] != zlib.crc32(kind + data):
            return None
        found.append((kind, data))
        place = ends + 4
    return found


def _unpacked(packed: bytes, size: int) -> int:
    """How many bytes it unpacks to, told up to one more than expected; -1 where it is broken."""
    reader = zlib.decompressobj()
    try:
        return len(reader.decompress(packed, size + 1))
    except zlib.error:
        return -1
