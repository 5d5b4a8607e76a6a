"""What a seal may be."""

import struct
import zlib

import pytest
from certificates.seal import chunk, png

from app.certificates.seals import MAX_BYTES, cleaned


def test_only_the_picture_is_kept() -> None:
    plain = png()
    assert cleaned(plain) == plain
    assert cleaned(png(more=(chunk(b"tEXt", b"Author\0somebody"), chunk(b"eXIf", b"GPS")))) == plain
    assert cleaned(plain + b"what follows the end") == plain


def _head(width: int, height: int, depth: int = 8, colour: int = 6, interlaced: int = 0) -> bytes:
    return struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"GIF89a",
        png()[:-1],
        png()[: len(png()) // 2],
        png().replace(b"IDAT", b"IDAX"),
        png(side=99),
        png(head=_head(1025, 200)),
        png(head=_head(200, 201)),
        png(head=_head(200, 200, interlaced=1)),
        png(head=_head(200, 200, depth=16)),
        png(head=_head(200, 200, colour=5)),
        png(rows=bytes(200 * 801 + 1)),
        # A megabyte of nothing that packs to a kilobyte, and more than may be sent.
        png(rows=bytes(1 << 24)),
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", _head(200, 200)) + chunk(b"IEND", b""),
        png(more=(chunk(b"tEXt", bytes(MAX_BYTES)),)),
        png().replace(zlib.compress(b""), b"")[:60],
    ],
)
def test_what_is_no_seal_is_refused(image: bytes) -> None:
    assert cleaned(image) is None
