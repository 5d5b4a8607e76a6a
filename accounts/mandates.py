"""归集授权: who may issue a holder's reductions, on which terms, from when to when. History is only appended to.

At any moment a holder has at most one mandate, so that a reduction can be issued by one applicant only.
"""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts import receipts
from accounts.agreement_errors import (
    MandateEnded,
    MandateNotFound,
    MandateOverlaps,
    TermsExist,
    TermsNotOffered,
)
from accounts.consent_texts import content_hash
from accounts.ids import public_id, uuid7

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.receipts import Sign
    from accounts.repository import Driver, Row

BOOKING_TAKES = datetime.timedelta(seconds=60)
"""Longest time between the moment that a booking is dated with and its commit: the limit of one statement.

A booking that waits for the lock of a withdrawal is dated before it, and committed after: so a mandate ends by this
much before the moment of its withdrawal.
"""

_LIVE_UNTIL = "least(m.valid_until, w.ends_at)"
_WITH_END = "mandates m LEFT JOIN mandate_withdrawals w ON w.holder_id = m.holder_id AND w.mandate_id = m.id"


@dataclass(frozen=True, slots=True)
class NewTerms:
    """Terms to publish: `holder_percent` of the proceeds are the holder's."""

    version: str
    holder_percent: int
    text_zh: str
    text_en: str


async def publish_terms(
    driver: "Driver", applicant_id: UUID, terms: NewTerms, now: datetime.datetime
) -> UUID:
    """Offer a new version of an applicant's terms in place of the one before; `TermsExist` where it has it."""
    terms_id = uuid7(now)
    row = await driver.fetchrow(
        """
        INSERT INTO mandate_terms (id, applicant_id, version, holder_percent, text_zh, text_en, content_hash,
                                   published_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (applicant_id, version) DO NOTHING RETURNING id
        """,
        terms_id,
        applicant_id,
        terms.version,
        terms.holder_percent,
        terms.text_zh,
        terms.text_en,
        content_hash(
            {
                "version": terms.version,
                "holder_percent": terms.holder_percent,
                "text": {"zh": terms.text_zh, "en": terms.text_en},
            }
        ),
        now,
    )
    if row is None:
        raise TermsExist
    return terms_id


_TERMS = """
    SELECT t.id, t.applicant_id, o.name AS applicant_name, t.version, t.holder_percent, t.text_zh, t.text_en,
           t.content_hash, t.published_at,
           NOT EXISTS (SELECT FROM mandate_terms n WHERE n.applicant_id = t.applicant_id AND n.id > t.id) AS offered
    FROM mandate_terms t JOIN organisations o ON o.id = t.applicant_id
"""


async def page_of_terms(driver: "Driver", before: UUID | None, limit: int) -> "Sequence[Row]":
    """Terms of all applicants, the newest first; `offered` are those that a mandate can be given on."""
    rows: Sequence[Row] = await driver.fetch(
        _TERMS
        + """
        WHERE t.id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY t.id DESC LIMIT $2
        """,
        before,
        limit,
    )
    return rows


async def grant(
    driver: "Driver",
    sign: "Sign",
    holder_id: UUID,
    terms_id: UUID,
    period: tuple[datetime.datetime | None, datetime.datetime | None],
    now: datetime.datetime,
) -> UUID:
    """Give a locked holder's mandate on terms that are offered, from now or later (`period`), until its end if any.

    Raises `TermsNotOffered`, `MandateOverlaps`.
    """
    terms = await driver.fetchrow(_TERMS + "WHERE t.id = $1", terms_id)
    if terms is None or not terms["offered"]:
        raise TermsNotOffered
    valid_from, valid_until = max(now, period[0] or now), period[1]
    overlapping = await driver.fetchval(
        f"""
        SELECT EXISTS (
            SELECT FROM {_WITH_END}
            WHERE m.holder_id = $1 AND ($3::timestamptz IS NULL OR m.valid_from < $3)
              AND coalesce({_LIVE_UNTIL}, 'infinity') > greatest($2::timestamptz, m.valid_from))
        """,
        holder_id,
        valid_from,
        valid_until,
    )
    if overlapping:
        raise MandateOverlaps
    mandate_id = uuid7(now)
    content = {
        "mandate_id": public_id("mdt", mandate_id),
        "applicant_id": public_id("org", terms["applicant_id"]),
        "applicant_name": terms["applicant_name"],
        "terms_version": terms["version"],
        "terms_sha256": terms["content_hash"],
        "holder_percent": terms["holder_percent"],
        "valid_from": valid_from.isoformat(),
        "valid_until": None if valid_until is None else valid_until.isoformat(),
    }
    receipt_id, _ = await receipts.issue(driver, sign, holder_id, "mandate_granted", content, now)
    await driver.execute(
        """
        INSERT INTO mandates (holder_id, id, applicant_id, terms_id, granted_at, valid_from, valid_until, receipt_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        holder_id,
        mandate_id,
        terms["applicant_id"],
        terms_id,
        now,
        valid_from,
        valid_until,
        receipt_id,
    )
    return mandate_id


async def withdraw(
    driver: "Driver", sign: "Sign", holder_id: UUID, mandate_id: UUID, now: datetime.datetime
) -> UUID:
    """End a locked holder's mandate for all that is not yet booked; answers the receipt's id.

    Raises `MandateNotFound`, `MandateEnded`.
    """
    found = await driver.fetchrow(
        f"SELECT {_LIVE_UNTIL} AS ends FROM {_WITH_END} WHERE m.holder_id = $1 AND m.id = $2",
        holder_id,
        mandate_id,
    )
    if found is None:
        raise MandateNotFound
    if found["ends"] is not None and found["ends"] <= now:
        raise MandateEnded
    content = {"mandate_id": public_id("mdt", mandate_id), "withdrawn_at": now.isoformat()}
    receipt_id, _ = await receipts.issue(driver, sign, holder_id, "mandate_withdrawn", content, now)
    await driver.execute(
        """
        INSERT INTO mandate_withdrawals (holder_id, mandate_id, withdrawn_at, ends_at, receipt_id)
        VALUES ($1, $2, $3, $4, $5)
        """,
        holder_id,
        mandate_id,
        now,
        now - BOOKING_TAKES,
        receipt_id,
    )
    return receipt_id


async def withdraw_all(driver: "Driver", sign: "Sign", holder_id: UUID, now: datetime.datetime) -> None:
    """End every mandate of a locked holder that is not over."""
    rows = await driver.fetch(
        f"SELECT m.id FROM {_WITH_END} WHERE m.holder_id = $1 AND coalesce({_LIVE_UNTIL}, 'infinity') > $2",
        holder_id,
        now,
    )
    for row in rows:
        await withdraw(driver, sign, holder_id, row[0], now)


async def page(driver: "Driver", holder_id: UUID, before: UUID | None, limit: int) -> "Sequence[Row]":
    """A holder's mandates, the newest first, with their terms and how they ended."""
    rows: Sequence[Row] = await driver.fetch(
        f"""
        SELECT m.id, m.applicant_id, o.name AS applicant_name, m.terms_id, t.version, t.holder_percent, m.granted_at,
               m.valid_from, m.valid_until, m.receipt_id, w.withdrawn_at, w.receipt_id AS withdrawal_receipt_id
        FROM {_WITH_END} JOIN mandate_terms t ON t.id = m.terms_id JOIN organisations o ON o.id = m.applicant_id
        WHERE m.holder_id = $1 AND m.id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY m.id DESC LIMIT $3
        """,
        holder_id,
        before,
        limit,
    )
    return rows
