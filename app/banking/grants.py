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
    from accounts.consent_texts import ConsentTexts
    from accounts.receipts import Sign
    from accounts.repository import Driver
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
    holder_id, others = await _resolve(driver, ask, customer)
    place = (holder_id or repository.NOBODY, ask.bank_id, ask.purpose.value)
    held = await repository.hold_grant(driver, *place)
    if held is None:
        # It may have been replaced while we waited for it: the next statement sees what took its place.
        held = await repository.hold_grant(driver, *place)
    if held is None or held["valid_until"] <= now or not Scope(held["scope"]).covers(ask.scope) or others:
        why = await _refusal(driver, ask, holder_id, others=others, now=now)
        await _record(driver, ask, holder_id or repository.NOBODY, ("", why.value), now)
        raise AccessRefused
    access_id = await _record(driver, ask, held["holder_id"], (public_id("bgr", held["id"]), None), now)
    return Grant(
        held["id"],
        held["holder_id"],
        held["bank_id"],
        ask.purpose,
        Scope(held["scope"]),
        held["valid_until"],
        access_id,
    )


async def _resolve(driver: "Driver", ask: Ask, customer: Customer) -> tuple[UUID | None, bool]:
    """The holder that is meant, if any, and whether it was named by another bank's reference."""
    if customer.reference is not None:
        found = await repository.holder_of(driver, customer.reference)
        return (None, False) if found is None else (found["holder_id"], found["bank_id"] != ask.bank_id)
    if customer.identity is not None:
        return await repository.holder_of_identity(driver, customer.identity), False
    return customer.holder_id, False


async def _refusal(
    driver: "Driver", ask: Ask, holder_id: UUID | None, *, others: bool, now: datetime.datetime
) -> Refusal:
    """Why, for the holder. It is looked up for nobody as well, so that the time tells nothing."""
    rows = await repository.latest_grants(driver, holder_id or repository.NOBODY, ask.bank_id)
    if others:
        return Refusal.OTHER_BANK
    same = next((row for row in rows if row["purpose"] == ask.purpose), None)
    if same is None:
        live = any(row["ended_at"] is None and row["valid_until"] > now for row in rows)
        return Refusal.PURPOSE if live else Refusal.NO_CONSENT
    if same["ended_at"] is not None:
        return Refusal.WITHDRAWN
    return Refusal.EXPIRED if same["valid_until"] <= now else Refusal.SCOPE


async def _record(
    driver: "Driver", ask: Ask, holder_id: UUID, outcome: tuple[str, str | None], now: datetime.datetime
) -> UUID:
    """Write down what was asked of a holder; `outcome` is (the grant's public id, why it was refused)."""
    asked = access.Asked(
        ask.bank_id, ask.bank_name, ask.what, ask.purpose.value, holder_id, outcome[0], outcome[1]
    )
    return (await access.record_asked(driver, [asked], now))[0]
