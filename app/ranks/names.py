"""Names that ranks show: from a keyed hash, never from anything that the person is called."""

import hashlib
import hmac
from uuid import UUID

_ADJECTIVES = (
    ("青", "Green"),
    ("晴", "Sunny"),
    ("清", "Clear"),
    ("静", "Quiet"),
    ("暖", "Warm"),
    ("轻", "Light"),
    ("新", "New"),
    ("远", "Far"),
)
_NOUNS = (
    ("竹", "Bamboo"),
    ("松", "Pine"),
    ("溪", "Brook"),
    ("云", "Cloud"),
    ("雀", "Sparrow"),
    ("鹿", "Deer"),
    ("荷", "Lotus"),
    ("岭", "Ridge"),
)


def pseudonym(key: bytes, holder_id: UUID) -> tuple[str, str]:
    """A holder's lasting name in ranks, Chinese and English. 6.4 million names: two holders may share one."""
    digest = hmac.digest(key, b"rank name" + holder_id.bytes, hashlib.blake2b)
    number = int.from_bytes(digest[:8], "big")
    adjective, noun = _ADJECTIVES[number % 8], _NOUNS[number // 8 % 8]
    tail = f"{number // 64 % 100_000:05d}"
    return f"{adjective[0]}{noun[0]}{tail}", f"{adjective[1]} {noun[1]} {tail}"
