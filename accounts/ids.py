"""Identifiers: UUIDv7 inside, prefixed and sortable outside (`act_0192…`)."""

import os
import uuid
from datetime import datetime

from asyncpg.pgproto.pgproto import UUID as DriverUUID

HEX_LENGTH = 32


def epoch_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970 of a zoned time."""
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def uuid7_batch(now_ms: int, count: int) -> list[uuid.UUID]:
    """`count` UUIDv7 of one moment in ascending order (RFC 9562, method 1: a 26-bit counter, then random)."""
    if not 0 < count < 1 << 25:
        raise ValueError("count must be between 1 and 2^25 - 1")
    head = now_ms.to_bytes(6, "big")
    random = os.urandom(6 * count + 3)
    # The counter starts at random in the lower half of its range, so that it never wraps within a batch.
    start = int.from_bytes(random[-3:], "big")
    ids = []
    for i in range(count):
        counter = start + i
        middle = (0x7000 | counter >> 14) << 16 | 0x8000 | counter & 0x3FFF
        ids.append(DriverUUID(head + middle.to_bytes(4, "big") + random[6 * i : 6 * i + 6]))
    return ids


def uuid7(now: datetime) -> uuid.UUID:
    """One UUIDv7 of the given moment."""
    return uuid7_batch(epoch_ms(now), 1)[0]


def lowest_uuid7(moment: datetime) -> uuid.UUID:
    """The value below every UUIDv7 of this moment and after: the bound of a time partition."""
    return uuid.UUID(bytes=epoch_ms(moment).to_bytes(6, "big") + bytes(10))


def moment_ms(value: uuid.UUID) -> int:
    """Milliseconds since 1970 that a UUIDv7 carries."""
    return int.from_bytes(value.bytes[:6], "big")


def public_id(prefix: str, value: uuid.UUID) -> str:
    """`act_` and 32 hex digits."""
    return prefix + "_" + value.bytes.hex()


PLATFORM_CLAIM = 8
"""UUID version of the ids of platforms' claims; those of activities have 7."""


def is_platform_claim(owner: uuid.UUID) -> bool:
    """Whether who holds a claim is a platform with its own accounts, and no activity."""
    return owner.bytes[6] >> 4 == PLATFORM_CLAIM


def owner_id(owner: uuid.UUID) -> str:
    """The public id of who holds a claim: `act_…` or `clm_…`."""
    return public_id("clm" if is_platform_claim(owner) else "act", owner)


def parse_public_id(prefix: str, text: str) -> uuid.UUID | None:
    """The UUID of a public id, or None where the text is no such id."""
    head, _, digits = text.partition("_")
    if head != prefix or len(digits) != HEX_LENGTH or not set(digits) <= set("0123456789abcdef"):
        return None
    return uuid.UUID(hex=digits)
