"""A holder's own consents: granted text by text, withdrawn at once, each with a receipt."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts import receipts, repository
from accounts.agreement_errors import AccountClosed, SourceUnknown, TextUnknown
from accounts.errors import Fault
from accounts.ids import public_id
from accounts.models import HolderStatus
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from collections.abc import Collection

    from accounts.consent_texts import ConsentText, ConsentTexts
    from accounts.receipts import Sign
    from accounts.repository import Driver, Row


@dataclass(frozen=True, slots=True)
class Wish:
    """A scene group, and the version of the text that was agreed to."""

    scene_group: str
    text_version: str


def checked(
    texts: "ConsentTexts", groups: "Collection[str]", wishes: Sequence[Wish], now: datetime.datetime
) -> list["ConsentText"]:
    """The offered text of each wish; `TextUnknown` where a group or a version is not offered today."""
    today = now.astimezone(LOCAL).date()
    found = []
    for place, wish in enumerate(wishes):
        text = texts.offered(wish.scene_group, today) if wish.scene_group in groups else None
        if text is None or text.version != wish.text_version:
            raise TextUnknown(
                Fault(
                    f"/consents/{place}",
                    "not the text that is offered; see GET /v1/consent-texts",
                    "不是当前提供的文本,见 GET /v1/consent-texts",
                )
            )
        found.append(text)
    return found


async def check_source(driver: "Driver", source_id: UUID) -> str:
    """The name of a platform; `SourceUnknown` where there is none."""
    name = await driver.fetchval(
        "SELECT name FROM organisations WHERE id = $1 AND kind = 'platform'", source_id
    )
    if name is None:
        raise SourceUnknown
    return str(name)


async def lock_active(driver: "Driver", holder_id: UUID) -> None:
    """Take the holder's lock; `AccountClosed` where the account is not active."""
    statuses = await repository.lock_holders(driver, [holder_id])
    if statuses.get(holder_id) != HolderStatus.ACTIVE:
        raise AccountClosed


async def grant(
    driver: "Driver",
    sign: "Sign",
    holder_id: UUID,
    source: tuple[UUID, str],
    agreed: Sequence[tuple[Wish, "ConsentText"]],
    now: datetime.datetime,
) -> UUID | None:
    """Record what a locked holder agrees to now; answers the receipt's id, or None where all of it was live before.

    `source` is (id, name).
    """
    live = {
        (row[0], row[1])
        for row in await driver.fetch(
            """
            SELECT scene_group, text_version FROM consents
            WHERE holder_id = $1 AND source_id = $2 AND withdrawn_at IS NULL
            """,
            holder_id,
            source[0],
        )
    }
    new = {wish: text for wish, text in agreed if (wish.scene_group, wish.text_version) not in live}
    if not new:
        return None
    # Later than every withdrawal, whatever the clocks say: a newer consent lives.
    granted_at = await driver.fetchval(
        """
        SELECT greatest($4::timestamptz, max(withdrawn_at) + interval '1 microsecond') FROM consents
        WHERE holder_id = $1 AND source_id = $2 AND scene_group = ANY($3::varchar[])
        """,
        holder_id,
        source[0],
        [wish.scene_group for wish in new],
        now,
    )
    content = {
        "source_id": public_id("org", source[0]),
        "source_name": source[1],
        "granted_at": granted_at.isoformat(),
        "consents": [
            {
                "scene_group": wish.scene_group,
                "text_version": wish.text_version,
                "text_sha256": text.content_hash,
            }
            for wish, text in new.items()
        ],
    }
    receipt_id, _ = await receipts.issue(driver, sign, holder_id, "consent_granted", content, now)
    number = public_id("rcp", receipt_id)
    await repository.add_consents(
        driver,
        [
            (holder_id, source[0], wish.scene_group, granted_at, wish.text_version, number, now)
            for wish in new
        ],
    )
    return receipt_id


async def withdraw(
    driver: "Driver",
    sign: "Sign",
    holder_id: UUID,
    source_id: UUID | None,
    scene_group: str | None,
    now: datetime.datetime,
) -> tuple[int, UUID | None]:
    """End a locked holder's live consents: how many, and the receipt's id (None where none was live)."""
    ended = await repository.end_consents(driver, holder_id, source_id, scene_group, now)
    if not ended:
        return 0, None
    content = {
        "withdrawn_at": now.isoformat(),
        "consents": [
            {
                "source_id": public_id("org", row["source_id"]),
                "scene_group": row["scene_group"],
                "text_version": row["text_version"],
                "granted_at": row["granted_at"].isoformat(),
            }
            for row in ended
        ],
    }
    receipt_id, _ = await receipts.issue(driver, sign, holder_id, "consent_withdrawn", content, now)
    return len(ended), receipt_id


Place = tuple[UUID, str, datetime.datetime]
"""(source, scene group, granted at): where a page of consents ends."""
_FIRST: Place = (UUID(int=0), "", datetime.datetime.min.replace(tzinfo=datetime.UTC))


async def page(driver: "Driver", holder_id: UUID, after: Place | None, limit: int) -> "Sequence[Row]":
    """A holder's consents, live and withdrawn, by source, group and time, with the source's name."""
    rows: Sequence[Any] = await driver.fetch(
        """
        SELECT c.source_id, o.name AS source_name, c.scene_group, c.text_version, c.granted_at, c.withdrawn_at,
               c.receipt_id
        FROM consents c JOIN organisations o ON o.id = c.source_id
        WHERE c.holder_id = $1 AND (c.source_id, c.scene_group, c.granted_at) > ($2::uuid, $3::varchar, $4)
        ORDER BY c.source_id, c.scene_group, c.granted_at LIMIT $5
        """,
        holder_id,
        *(after or _FIRST),
        limit,
    )
    return rows
