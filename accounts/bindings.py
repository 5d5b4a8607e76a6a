"""Bindings: a platform's user is this holder, by a link that the holder starts and the platform redeems, once.

Neither side learns more: the platform gets no id of the holder, and its user's id is kept as a keyed hash only.
"""

import datetime
import json
from typing import TYPE_CHECKING
from uuid import UUID

from accounts import consents, receipts, repository
from accounts.agreement_errors import BindingNotFound, LinkInvalid, LinkUsed, UserBound
from accounts.ids import public_id, uuid7

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.consent_texts import ConsentText, ConsentTexts
    from accounts.consents import Wish
    from accounts.receipts import Sign
    from accounts.repository import Driver, Row

SCHEME = "source_user"


async def start(
    driver: "Driver",
    holder_id: UUID,
    source_id: UUID,
    wishes: "Sequence[Wish]",
    now: datetime.datetime,
    lives: datetime.timedelta,
) -> tuple[UUID, datetime.datetime]:
    """Begin a binding, with the consents that come with it; answers its id and when its link expires."""
    binding_id, expires_at = uuid7(now), now + lives
    await driver.execute(
        """
        INSERT INTO bindings (holder_id, id, source_id, agreed, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        holder_id,
        binding_id,
        source_id,
        json.dumps([[wish.scene_group, wish.text_version] for wish in wishes]),
        now,
        expires_at,
    )
    return binding_id, expires_at


async def redeem(
    driver: "Driver",
    sign: "Sign",
    texts: "ConsentTexts",
    link: tuple[UUID, UUID],
    identity_token: UUID,
    now: datetime.datetime,
) -> None:
    """Make the platform's user the holder's, and record the consents as agreed. `link` is (binding, platform).

    Raises `LinkInvalid`, `LinkUsed`, `UserBound`, `AccountClosed`.
    """
    binding_id, source_id = link
    await repository.lock_onboarding(driver)
    found = await driver.fetchrow(
        """
        SELECT b.holder_id, b.agreed, b.created_at, o.name FROM bindings b JOIN organisations o ON o.id = b.source_id
        WHERE b.id = $1 AND b.source_id = $2
        """,
        binding_id,
        source_id,
    )
    if found is None:
        raise LinkInvalid
    holder_id = found["holder_id"]
    await consents.lock_active(driver, holder_id)
    await repository.add_identities(driver, [(identity_token, holder_id, SCHEME, now)])
    owners = await repository.resolve(driver, [identity_token])
    if owners[identity_token][0] != holder_id:
        raise UserBound
    # The write lets one caller through.
    redeemed = await driver.fetchval(
        """
        UPDATE bindings SET redeemed_at = $3, identity_token = $4
        WHERE holder_id = $1 AND id = $2 AND redeemed_at IS NULL AND ended_at IS NULL AND expires_at > $3
        RETURNING id
        """,
        holder_id,
        binding_id,
        now,
        identity_token,
    )
    if redeemed is None:
        raise LinkUsed
    agreed = _texts_of(texts, found["agreed"])
    if agreed:
        await consents.grant(driver, sign, holder_id, (source_id, found["name"]), agreed, now)


def _texts_of(texts: "ConsentTexts", agreed: str) -> "list[tuple[Wish, ConsentText]]":
    """The texts that were on offer when the binding began: the newest of today may be newer."""
    found = []
    for group, version in json.loads(agreed):
        text = texts.of_version(group, version)
        if text is not None:
            found.append((consents.Wish(group, version), text))
    return found


async def end(
    driver: "Driver", sign: "Sign", holder_id: UUID, binding_id: UUID, now: datetime.datetime
) -> None:
    """End a locked holder's binding: the platform's user is nobody's any more, and its consents are withdrawn."""
    found = await driver.fetchrow(
        "SELECT source_id, identity_token, ended_at FROM bindings WHERE holder_id = $1 AND id = $2",
        holder_id,
        binding_id,
    )
    if found is None:
        raise BindingNotFound
    if found["ended_at"] is not None:
        return
    await driver.execute(
        "UPDATE bindings SET ended_at = $3, identity_token = NULL WHERE holder_id = $1 AND id = $2",
        holder_id,
        binding_id,
        now,
    )
    if found["identity_token"] is None:
        return
    await driver.execute(
        "DELETE FROM identities WHERE token = $1 AND holder_id = $2", found["identity_token"], holder_id
    )
    content = {"binding_id": public_id("bnd", binding_id), "ended_at": now.isoformat()}
    await receipts.issue(driver, sign, holder_id, "binding_ended", content, now)
    bound_still = await driver.fetchval(
        """
        SELECT EXISTS (SELECT FROM bindings WHERE holder_id = $1 AND source_id = $2 AND identity_token IS NOT NULL)
        """,
        holder_id,
        found["source_id"],
    )
    if not bound_still:
        await consents.withdraw(driver, sign, holder_id, found["source_id"], None, now)


async def end_all(driver: "Driver", holder_id: UUID, now: datetime.datetime) -> None:
    """End a locked holder's bindings, begun ones too; whoever ends all of them sees to identities and consents."""
    await driver.execute(
        """
        UPDATE bindings SET ended_at = $2, identity_token = NULL WHERE holder_id = $1 AND ended_at IS NULL
        """,
        holder_id,
        now,
    )


async def page(driver: "Driver", holder_id: UUID, before: UUID | None, limit: int) -> "Sequence[Row]":
    """A holder's bindings, the newest first."""
    rows: Sequence[Row] = await driver.fetch(
        """
        SELECT b.id, b.source_id, o.name AS source_name, b.created_at, b.expires_at, b.redeemed_at, b.ended_at
        FROM bindings b JOIN organisations o ON o.id = b.source_id
        WHERE b.holder_id = $1 AND b.id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY b.id DESC LIMIT $3
        """,
        holder_id,
        before,
        limit,
    )
    return rows
