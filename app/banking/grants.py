"""What a holder lets a bank see: granted and withdrawn under the holder's lock, asked for by `require` alone."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from accounts import receipts
from accounts.agreement_errors import TextUnknown
from accounts.consent_texts import BANKS
from accounts.errors import Fault
from accounts.ids import public_id, uuid7
from app.auth.errors import OfMinor
from app.banking import monitors, repository
from app.banking.errors import AccessRefused, BankGrantEnded, BankGrantNotFound, BankUnknown, PeriodRefused
from app.banking.terms import Purpose, Refusal, Scope
from app.my_data import access
from app.webhooks import events
from app.webhooks.outbox import Event, tell_now
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.consent_texts import ConsentTexts
    from accounts.receipts import Sign
    from accounts.repository import Driver, Row
    from app.my_data.access import What

LONGEST: Final = datetime.timedelta(days=5 * 366)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a holder grants: `text_version` is of the text that was shown."""

    bank_id: UUID
    purpose: Purpose
    scope: Scope
    valid_until: datetime.datetime
    text_version: str


@dataclass(frozen=True, slots=True)
class Given:
    """A new grant, and the name by which the bank knows the holder from then on."""

    grant_id: UUID
    reference: UUID
    receipt_id: UUID


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom a bank means: by its own reference, or by the token of an identifier; `holder_id` where that is known."""

    reference: UUID | None = None
    identity: UUID | None = None
    holder_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """What a bank wants to see, and for what."""

    bank_id: UUID
    bank_name: str
    purpose: Purpose
    scope: Scope
    what: "What"


@dataclass(frozen=True, slots=True)
class Grant:
    """A live grant, which cannot end before the transaction does."""

    id: UUID
    holder_id: UUID
    bank_id: UUID
    reference: UUID
    purpose: Purpose
    scope: Scope
    valid_until: datetime.datetime
    access_id: UUID
    """The record of this very answer in the holder's access log."""


async def grant(
    driver: "Driver",
    sign: "Sign",
    texts: "ConsentTexts",
    holder_id: UUID,
    wish: Wish,
    now: datetime.datetime,
) -> Given:
    """Let a bank see what a locked, active holder wishes, in place of what it was granted for this purpose before.

    Raises `BankUnknown`, `TextUnknown`, `PeriodRefused`, `OfMinor`.
    """
    text = texts.offered(BANKS, now.astimezone(LOCAL).date())
    if text is None or text.version != wish.text_version:
        raise TextUnknown(
            Fault(
                "/text_version",
                "not the text that is offered; see GET /v1/consent-texts",
                "不是当前提供的文本",
            )
        )
    if not now < wish.valid_until <= now + LONGEST:
        raise PeriodRefused
    name = await repository.bank_name(driver, wish.bank_id)
    if name is None:
        raise BankUnknown
    if await _is_minor(driver, holder_id):
        raise OfMinor
    replaced = [
        row["id"]
        for row in await repository.not_ended(driver, holder_id)
        if (row["bank_id"], row["purpose"]) == (wish.bank_id, wish.purpose)
    ]
    await repository.end_grants(driver, holder_id, replaced, "replaced", now)
    grant_id = uuid7(now)
    content = {
        "grant_id": public_id("bgr", grant_id),
        "bank_id": public_id("org", wish.bank_id),
        "bank_name": name,
        "purpose": wish.purpose.value,
        "scope": wish.scope.value,
        "valid_until": wish.valid_until.isoformat(),
        "text_version": text.version,
        "text_sha256": text.content_hash,
        "replaces": [public_id("bgr", each) for each in replaced],
    }
    receipt_id, _ = await receipts.issue(driver, sign, holder_id, "bank_access_granted", content, now)
    await repository.add_grant(
        driver,
        (
            holder_id,
            grant_id,
            wish.bank_id,
            wish.purpose.value,
            wish.scope.value,
            text.version,
            now,
            wish.valid_until,
            receipt_id,
        ),
    )
    reference = await repository.reference_of(driver, holder_id, wish.bank_id, now)
    await _tell(driver, events.GRANT_GIVEN, wish.bank_id, reference, _told(grant_id, wish), now)
    return Given(grant_id, reference, receipt_id)


def _told(grant_id: UUID, wish: Wish) -> dict[str, str]:
    return {
        "grant_id": public_id("bgr", grant_id),
        "purpose": wish.purpose.value,
        "scope": wish.scope.value,
        "valid_until": wish.valid_until.isoformat(),
    }


async def _tell(
    driver: "Driver",
    event_type: str,
    bank_id: UUID,
    reference: UUID,
    data: dict[str, str],
    now: datetime.datetime,
) -> None:
    """Tell the bank, by its own name for the customer."""
    subject = public_id("cus", reference)
    await tell_now(driver, [Event(bank_id, event_type, subject, {"reference": subject, **data})], now)


async def _is_minor(driver: "Driver", holder_id: UUID) -> bool:
    return bool(
        await driver.fetchval(
            "SELECT EXISTS (SELECT FROM minors WHERE holder_id = $1 AND ended_at IS NULL)", holder_id
        )
    )


async def withdraw(
    driver: "Driver", sign: "Sign", holder_id: UUID, grant_id: UUID, now: datetime.datetime
) -> UUID:
    """End a locked holder's grant: whoever asks once this is committed is refused. Answers the receipt's id.

    Raises `BankGrantNotFound`, `BankGrantEnded`.
    """
    found = await repository.find_grant(driver, holder_id, grant_id)
    if found is None:
        raise BankGrantNotFound
    if found["ended_at"] is not None or found["valid_until"] <= now:
        raise BankGrantEnded
    await repository.end_grants(driver, holder_id, [grant_id], "withdrawn", now)
    if found["purpose"] == Purpose.POST_LOAN_MONITORING:
        await monitors.stop(driver, found["bank_id"], holder_id)
    reference = await repository.reference_of(driver, holder_id, found["bank_id"], now)
    wish = Wish(found["bank_id"], Purpose(found["purpose"]), Scope(found["scope"]), found["valid_until"], "")
    await _tell(driver, events.GRANT_WITHDRAWN, wish.bank_id, reference, _told(grant_id, wish), now)
    content = {
        "grant_id": public_id("bgr", grant_id),
        "bank_id": public_id("org", found["bank_id"]),
        "purpose": found["purpose"],
        "withdrawn_at": now.isoformat(),
    }
    receipt_id, _ = await receipts.issue(driver, sign, holder_id, "bank_access_withdrawn", content, now)
    return receipt_id


async def withdraw_all(driver: "Driver", sign: "Sign", holder_id: UUID, now: datetime.datetime) -> None:
    """End every grant of a locked holder that is not over."""
    for row in await repository.not_ended(driver, holder_id):
        if row["valid_until"] > now:
            await withdraw(driver, sign, holder_id, row["id"], now)


async def forget(driver: "Driver", holder_id: UUID) -> None:
    """Destroy the names by which banks knew a holder that is erased."""
    await monitors.stop_all(driver, holder_id)
    await repository.forget_references(driver, holder_id)


async def require(driver: "Driver", ask: Ask, customer: Customer, now: datetime.datetime) -> Grant:
    """The grant by which a bank may see what it asks for; recorded in the holder's access log, refused or not.

    `AccessRefused` says to the bank the same of a customer that is unknown, another bank's, or did not agree; the
    holder reads why. It commits what was written before, so call this first of all. The grant cannot be withdrawn
    until the transaction ends: a withdrawal that was acknowledged has no answer after it.
    """
    (found,) = await look(driver, ask, [customer], now)
    if found is None:
        raise AccessRefused
    return found


async def look(
    driver: "Driver", ask: Ask, customers: "Sequence[Customer]", now: datetime.datetime
) -> list[Grant | None]:
    """The grants of many, in their order, None where there is none: in the same statements whomever it asks for."""
    meant = await _resolve(driver, ask, customers)
    holders = sorted({each.holder_id for each in meant})
    held = await repository.hold_grants(driver, holders, ask.bank_id, ask.purpose.value)
    history: dict[UUID, list[Row]] = {}
    if len(held) < len(holders):
        # One may have been replaced while we waited for it: the next statement sees what took its place.
        held |= await repository.hold_grants(driver, holders, ask.bank_id, ask.purpose.value)
        history = await repository.latest_grants(driver, holders, ask.bank_id)
    rows = [held.get(each.holder_id) for each in meant]
    reasons = [
        _refusal(ask, row, each, history.get(each.holder_id, []), now)
        for each, row in zip(meant, rows, strict=True)
    ]
    asked = [
        access.Asked(
            ask.bank_id,
            ask.bank_name,
            ask.what,
            ask.purpose.value,
            each.holder_id,
            public_id("bgr", row["id"]) if row is not None and reason is None else "",
            None if reason is None else reason.value,
        )
        for each, row, reason in zip(meant, rows, reasons, strict=True)
    ]
    ids = await access.record_asked(driver, asked, now)
    references = await repository.references_of(driver, holders, ask.bank_id)
    return [
        Grant(
            row["id"],
            row["holder_id"],
            ask.bank_id,
            references[row["holder_id"]],
            ask.purpose,
            Scope(row["scope"]),
            row["valid_until"],
            access_id,
        )
        if row is not None and reason is None
        else None
        for row, reason, access_id in zip(rows, reasons, ids, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Meant:
    """Whom a bank means, `NOBODY` where it is nobody; `others`: by another bank's name for it."""

    holder_id: UUID
    others: bool = False


async def _resolve(driver: "Driver", ask: Ask, customers: "Sequence[Customer]") -> list[_Meant]:
    references = [each.reference for each in customers if each.reference is not None]
    by_reference = await repository.holders_of(driver, references) if references else {}
    tokens = [each.identity for each in customers if each.identity is not None]
    by_identity = await repository.holders_of_identities(driver, tokens) if tokens else {}
    found = []
    for each in customers:
        holder_id, others = each.holder_id, False
        if each.reference in by_reference:
            holder_id, owner = by_reference[each.reference]
            others = owner != ask.bank_id
        elif each.identity is not None:
            holder_id = by_identity.get(each.identity)
        found.append(_Meant(holder_id or repository.NOBODY, others))
    return found


def _refusal(
    ask: Ask, held: "Row | None", meant: _Meant, history: "Sequence[Row]", now: datetime.datetime
) -> Refusal | None:
    """Why it is refused, for the holder; None where it is not."""
    if meant.others:
        return Refusal.OTHER_BANK
    if held is not None:
        if held["valid_until"] <= now:
            return Refusal.EXPIRED
        return None if Scope(held["scope"]).covers(ask.scope) else Refusal.SCOPE
    if any(row["purpose"] == ask.purpose for row in history):
        return Refusal.WITHDRAWN
    live = any(row["ended_at"] is None and row["valid_until"] > now for row in history)
    return Refusal.PURPOSE if live else Refusal.NO_CONSENT
