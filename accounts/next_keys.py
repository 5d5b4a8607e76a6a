"""Person keys under the key that comes next, for holders whose identifier passes by while keys rotate.

A person key cannot be computed from another one. So a holder gets its next one when the identifier that its present
one is made of is onboarded again or signs in; which identifier that is, the present key itself tells.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import asyncpg

    from dedup.person_key import PersonKeys

Identified = tuple[UUID, tuple[str, str, str]]
"""(holder, (scheme, value, scope)) of an identifier that is the holder's."""
NextKey = tuple[UUID, bytes, bytes]
"""(holder, present key, next key)."""


def next_keys(people: Iterable[Identified], keys: "PersonKeys") -> list[NextKey]:
    """Both keys of each identifier, some 120 µs; none where no key comes next."""
    following = keys.following
    if following is None:
        return []
    return [
        (holder, keys.person_key(*identifier), following.person_key(*identifier))
        for holder, identifier in people
    ]


async def keep_next_keys(driver: "asyncpg.Connection", found: list[NextKey]) -> None:
    """Keep next keys with the holders whose present key is of the same identifier."""
    if not found:
        return
    holders, present, following = map(list, zip(*found, strict=True))
    await driver.execute(
        """
        UPDATE holders h SET next_person_key = k.following
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS k (holder, present, following)
        WHERE h.id = k.holder AND h.person_key = k.present AND h.next_person_key IS DISTINCT FROM k.following
        """,
        holders,
        present,
        following,
    )
