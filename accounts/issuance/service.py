"""The steps of an issuance, each decided on a locked row. Services never commit."""

import datetime
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.errors import Fault
from accounts.ids import uuid7
from accounts.issuance import errors, repository
from accounts.issuance.models import Issuance, IssuanceObjection, Status
from accounts.issuance.selection import common_digits
from accounts.issuance.working_days import notice_end
from accounts.mandates import BOOKING_TAKES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg
    from sqlmodel.ext.asyncio.session import AsyncSession

SECRET_BYTES = 32
MG_PER_KG = 1_000_000


@dataclass(frozen=True, slots=True)
class NewIssuance:
    """What to close: the reductions of an applicant's holders under one text, of one year of acts, in one region."""

    applicant_id: UUID
    methodology_region: str
    methodology_code: str
    methodology_version: str
    region: str
    vintage: int
    booked_from: datetime.datetime | None
    booked_until: datetime.datetime


def divide(brought_mg: int, credits_mg: int, reversals_mg: int) -> tuple[int, int]:
    """(whole kg to issue, mg carried): the net is floored; a negative one issues nothing and is carried whole."""
    net = brought_mg + credits_mg - reversals_mg
    quantity = max(0, net // MG_PER_KG)
    return quantity, net - quantity * MG_PER_KG


async def open_issuance(
    session: "AsyncSession", driver: "asyncpg.Connection", new: NewIssuance, by: str, now: datetime.datetime
) -> Issuance:
    """Open the next issuance of a series. Nothing is closed by it.

    Raises `NotIssuable`, `NothingBooked`, `PeriodTaken`.
    """
    text = await repository.issuable_text(
        driver, new.methodology_region, new.methodology_code, new.methodology_version
    )
    if text is None or not new.region.startswith(common_digits(text["region"])):
        raise errors.NotIssuable
    asset = await repository.asset_of(driver, text["id"], new.vintage)
    if asset is None:
        raise errors.NothingBooked
    await repository.lock_opening(driver)
    before = await repository.of_asset(session, new.applicant_id, asset)
    own = [each for each in before if each.region == new.region]
    begins = own[-1].booked_until if own else new.booked_from
    if begins is None:
        raise errors.PeriodTaken(Fault("/booked_from", "the first issuance of a series says where it begins"))
    if own and new.booked_from not in (None, begins):
        raise errors.PeriodTaken(Fault("/booked_from", "begins where the one before ends"))
    if begins >= new.booked_until or any(_overlaps(each, new, begins) for each in before):
        raise errors.PeriodTaken(
            Fault("/booked_until", "is before its beginning, or another issuance has it")
        )
    place = len(own) + 1
    serial = await driver.fetchval("SELECT count(*) FROM issuances WHERE region = $1", new.region)
    made = Issuance(
        id=uuid7(now),
        number=f"{new.region}-{new.vintage}-{new.methodology_code}-{serial + 1:04d}",
        applicant_id=new.applicant_id,
        methodology_version_id=text["id"],
        asset_id=asset,
        region=new.region,
        vintage=new.vintage,
        place=place,
        booked_from=begins,
        booked_until=new.booked_until,
        status=Status.DRAFT,
        opened_by=by,
        opened_at=now,
        secret=secrets.token_bytes(SECRET_BYTES),
    )
    session.add(made)
    await session.flush()
    return made


def _overlaps(other: Issuance, new: NewIssuance, begins: datetime.datetime) -> bool:
    """Whether another region's issuance, of a part or of the whole, takes the same entries."""
    nested = new.region.startswith(common_digits(other.region)) or other.region.startswith(
        common_digits(new.region)
    )
    return nested and other.booked_from < new.booked_until and begins < other.booked_until


def expect(issuance: Issuance, *states: Status) -> None:
    """Raise `IssuanceWrongState` unless the issuance is in one of these states."""
    if issuance.status not in states:
        raise errors.IssuanceWrongState


async def begin_close(
    session: "AsyncSession", driver: "asyncpg.Connection", issuance: Issuance, by: str, now: datetime.datetime
) -> None:
    """Close the booking period: nothing is booked in it any more, and a job does the rest.

    Raises `IssuanceWrongState`, `PeriodRuns`, `EarlierOpen`.
    """
    expect(issuance, Status.DRAFT, Status.PREVIEWED)
    # A mandate that is withdrawn ends by `BOOKING_TAKES` before: then never within a period that is closed.
    if issuance.booked_until > now - BOOKING_TAKES:
        raise errors.PeriodRuns
    issuance.brought_mg = await brought(session, issuance)
    await repository.close_bookings(driver, issuance.asset_id, issuance.booked_until)
    issuance.status, issuance.closed_by, issuance.last_error = Status.CLOSING, by, ""


async def brought(session: "AsyncSession", issuance: Issuance) -> int:
    """What the issuance before this one carried, mg; raises `EarlierOpen` while it is not issued."""
    if issuance.place == 1:
        return 0
    series = await repository.of_asset(session, issuance.applicant_id, issuance.asset_id)
    earlier = [e for e in series if e.region == issuance.region and e.place == issuance.place - 1]
    if not earlier or earlier[0].status != Status.ISSUED or earlier[0].carried_mg is None:
        raise errors.EarlierOpen
    return earlier[0].carried_mg


def reopen(issuance: Issuance) -> None:
    """Give holders' grams back, by a job, so that the period can be looked at again; it takes no more entries."""
    expect(issuance, Status.SUBMITTED, Status.SIGNED, Status.RETURNED, Status.NOTICED)
    issuance.status = Status.OPENING


def withdraw(issuance: Issuance) -> None:
    """End an issuance that took nothing; its period is free for another."""
    expect(issuance, Status.DRAFT, Status.PREVIEWED)
    issuance.status = Status.WITHDRAWN


def state(
    issuance: Issuance, verifier_id: UUID, by: str, *, signed: bool, remarks: str, now: datetime.datetime
) -> None:
    """The verifier signs, or returns the issuance with remarks."""
    expect(issuance, Status.SUBMITTED)
    issuance.status = Status.SIGNED if signed else Status.RETURNED
    issuance.verifier_id, issuance.stated_by = verifier_id, by
    issuance.stated_at, issuance.remarks = now, remarks


def notice(
    issuance: Issuance, by: str, working_days: int, ends_on: datetime.date | None, now: datetime.datetime
) -> None:
    """Put a signed issuance on public notice; raises `CalendarEnds` where the calendar does not tell its last day."""
    expect(issuance, Status.SIGNED)
    issuance.notice_ends_on = notice_end(now, working_days, ends_on)
    issuance.status, issuance.noticed_by, issuance.noticed_at = Status.NOTICED, by, now


async def object_to(
    session: "AsyncSession",
    issuance: Issuance,
    objector: str,
    text: str,
    received_at: datetime.datetime,
    by: str,
    now: datetime.datetime,
) -> IssuanceObjection:
    """Record an objection that came in during the notice."""
    expect(issuance, Status.NOTICED)
    made = IssuanceObjection(
        id=uuid7(now),
        issuance_id=issuance.id,
        objector=objector,
        text=text,
        received_at=received_at,
        recorded_by=by,
    )
    session.add(made)
    await session.flush()
    return made


async def answer_objection(
    session: "AsyncSession",
    issuance: Issuance,
    objection_id: UUID,
    *,
    upheld: bool,
    answer: str,
    by: str,
    now: datetime.datetime,
) -> None:
    """Answer an objection once; one that is upheld keeps the issuance from its approval until it is closed anew."""
    found = {each.id: each for each in await repository.objections(session, issuance.id)}.get(objection_id)
    if found is None:
        raise errors.ObjectionNotFound
    if found.decided_at is not None:
        raise errors.ObjectionDecided
    found.upheld, found.answer, found.decided_by, found.decided_at = upheld, answer, by, now
    session.add(found)


async def check_approval(session: "AsyncSession", issuance: Issuance, by: str, today: datetime.date) -> None:
    """Raise what keeps an issuance from being issued by this operator."""
    expect(issuance, Status.NOTICED)
    if by == issuance.opened_by:
        raise errors.SecondOperator
    if issuance.notice_ends_on is None or today <= issuance.notice_ends_on:
        raise errors.NoticeRuns
    said: Sequence[IssuanceObjection] = await repository.objections(session, issuance.id)
    since = issuance.noticed_at
    if any(
        each.upheld is None
        or (each.upheld and since is not None and each.decided_at is not None and each.decided_at >= since)
        for each in said
    ):
        raise errors.ObjectionsOpen
