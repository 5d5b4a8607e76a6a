"""Statements with merchants: issued once for every entry, agreed with or disputed, corrected or upheld, paid."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.errors import Fault
from accounts.ids import epoch_ms, moment_ms, uuid7, uuid7_batch
from dedup.periods import LOCAL
from points import settlement_errors as errors
from points import settlement_queries as queries
from points import settlement_repository as repository
from points.settlement_models import Settlement, SettlementAdjustment, SettlementDispute
from points.settlement_repository import Account, Sums
from points.settlement_states import FOLLOWS, State, Step, next_end, starts_at, whole_ms

if TYPE_CHECKING:
    import asyncpg
    from sqlmodel.ext.asyncio.session import AsyncSession


@dataclass(frozen=True, slots=True)
class Preview:
    """What a statement would say if it were issued now, with whatever its period still brings."""

    starts_at: datetime.datetime
    ends_at: datetime.datetime
    opening_fen: int
    sums: Sums


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a merchant does not agree with a line, or with the whole."""

    reason: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """Fen that are owed beside the entries (below zero: not owed), for a line or for the whole."""

    fen: int
    reason: str
    line: int | None = None


async def preview(driver: "asyncpg.Connection", account: Account, ends_at: datetime.datetime) -> Preview:
    """What a statement up to a moment would say; the moment may lie ahead."""
    ends_at = whole_ms(ends_at)
    if account.settled_until is not None and ends_at <= account.settled_until:
        raise errors.AlreadyIssued
    oldest = _moment_of(await repository.oldest_unsettled(driver, account, ends_at))
    sums = await repository.preview(driver, account, ends_at)
    opening = await repository.open_carry(driver, account)
    return Preview(starts_at(account.settled_until, oldest, ends_at), ends_at, opening, sums)


async def issue(
    session: "AsyncSession",
    driver: "asyncpg.Connection",
    account: Account,
    ends_at: datetime.datetime,
    by: str,
    now: datetime.datetime,
) -> Settlement:
    """A statement of all that was booked before a moment and is in no other one.

    Raises `PeriodNotOver`, `AlreadyIssued`, `NothingDue`. An entry that becomes visible after its period's statement is
    in the next one.
    """
    ends_at = whole_ms(ends_at)
    if ends_at > now:
        raise errors.PeriodNotOver
    account = await repository.lock_account(driver, account)
    if account.settled_until is not None and ends_at <= account.settled_until:
        raise errors.AlreadyIssued
    await repository.lock_plans(driver)
    oldest = _moment_of(await repository.oldest_unsettled(driver, account, ends_at))
    opening = await repository.open_carry(driver, account)
    # What merchants owe waits for what they earn; what they are owed does not.
    if oldest is None and opening <= 0:
        raise errors.NothingDue
    settlement_id = uuid7(now)
    await repository.take_entries(driver, account, ends_at, settlement_id)
    sums = await repository.write_lines(driver, settlement_id)
    await repository.take_carry(driver, account)
    await repository.mark_settled(driver, account, ends_at)
    settlement = Settlement(
        id=settlement_id,
        number=await repository.next_number(driver, account.region, now.astimezone(LOCAL).year),
        merchant_id=account.merchant_id,
        asset_id=account.asset_id,
        region=account.region,
        starts_at=starts_at(account.settled_until, oldest, ends_at),
        ends_at=ends_at,
        opening_fen=opening,
        adjusted_fen=0,
        carried_fen=0,
        redeemed=sums.redeemed,
        refunded=sums.refunded,
        points=sums.points,
        spent_fen=sums.spent_fen,
        refunded_fen=sums.refunded_fen,
        state=State.ISSUED,
        issued_at=now,
        issued_by=by,
    )
    session.add(settlement)
    await session.flush()
    return settlement


async def next_monthly(
    driver: "asyncpg.Connection", account: Account, month: datetime.datetime
) -> datetime.datetime | None:
    """The end of the next monthly statement of an account, at most the beginning of `month`; None where none is due."""
    oldest = _moment_of(await repository.oldest_unsettled(driver, account, month))
    if oldest is not None:
        ends_at = next_end(account.settled_until, oldest)
        return ends_at if ends_at <= month else None
    return month if await repository.open_carry(driver, account) > 0 else None


def _moment_of(entry_id: UUID | None) -> datetime.datetime | None:
    if entry_id is None:
        return None
    return datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(
        milliseconds=moment_ms(entry_id)
    )


async def agree(
    session: "AsyncSession", settlement: Settlement, by: str, now: datetime.datetime
) -> Settlement:
    """The merchant agrees."""
    _follows(settlement, Step.AGREE)
    settlement.state, settlement.agreed_at, settlement.agreed_by = State.AGREED, now, by
    return await _kept(session, settlement)


async def dispute(
    session: "AsyncSession",
    settlement: Settlement,
    objections: Sequence[Objection],
    by: str,
    now: datetime.datetime,
) -> Settlement:
    """The merchant does not agree, with a reason for lines or for the whole. An earlier resolution is in question."""
    _follows(settlement, Step.DISPUTE)
    await _know_lines(session, settlement, [each.line for each in objections], "/lines")
    for each, row_id in zip(objections, uuid7_batch(epoch_ms(now), len(objections)), strict=True):
        session.add(
            SettlementDispute(
                id=row_id,
                settlement_id=settlement.id,
                line=each.line,
                reason=each.reason,
                raised_at=now,
                raised_by=by,
            )
        )
    settlement.state, settlement.disputed_at, settlement.disputed_by = State.DISPUTED, now, by
    settlement.resolution = settlement.resolved_at = settlement.resolved_by = None
    settlement.resolution_note = ""
    return await _kept(session, settlement)


async def resolve(
    session: "AsyncSession",
    settlement: Settlement,
    corrections: Sequence[Correction],
    note: str,
    by: str,
    now: datetime.datetime,
) -> Settlement:
    """The operator corrects a disputed statement, or upholds it where there is nothing to correct.

    The account has to be locked: a statement that is issued meanwhile takes over what this one comes to.
    """
    _follows(settlement, Step.RESOLVE)
    await _know_lines(session, settlement, [each.line for each in corrections], "/corrections")
    if corrections:
        for each, row_id in zip(corrections, uuid7_batch(epoch_ms(now), len(corrections)), strict=True):
            session.add(
                SettlementAdjustment(
                    id=row_id,
                    settlement_id=settlement.id,
                    line=each.line,
                    fen=each.fen,
                    reason=each.reason,
                    made_at=now,
                    made_by=by,
                )
            )
    settlement.adjusted_fen += sum(each.fen for each in corrections)
    settlement.state = State.CORRECTED if corrections else State.UPHELD
    settlement.resolution, settlement.resolution_note = str(settlement.state), note
    settlement.resolved_at, settlement.resolved_by = now, by
    return await _kept(session, settlement)


async def propose_payment(
    session: "AsyncSession",
    settlement: Settlement,
    bank_reference: str,
    paid_on: datetime.date,
    by: str,
    now: datetime.datetime,
) -> Settlement:
    """An operator says with which transfer it is paid; it counts when another one has approved it."""
    _follows(settlement, Step.PROPOSE)
    if not settlement.payable_fen:
        raise errors.NothingPayable
    settlement.state = State.IN_PAYMENT
    settlement.bank_reference, settlement.paid_on = bank_reference, paid_on
    settlement.proposed_at, settlement.proposed_by = now, by
    return await _kept(session, settlement)


async def reject_payment(session: "AsyncSession", settlement: Settlement) -> Settlement:
    """The proposed payment does not count; the statement stands where it stood before."""
    _follows(settlement, Step.REJECT)
    settlement.state = settlement.resolution or State.AGREED
    if settlement.agreed_at is not None and (
        settlement.resolved_at is None or settlement.agreed_at > settlement.resolved_at
    ):
        settlement.state = State.AGREED
    settlement.bank_reference = settlement.paid_on = settlement.proposed_at = settlement.proposed_by = None
    return await _kept(session, settlement)


async def approve_payment(
    session: "AsyncSession", settlement: Settlement, by: str, now: datetime.datetime
) -> Settlement:
    """The second operator's word: it is paid, and never changes again."""
    _follows(settlement, Step.PAY)
    if by in (settlement.proposed_by, settlement.resolved_by):
        raise errors.ApproveOwn
    settlement.state, settlement.paid_at, settlement.paid_by = State.PAID, now, by
    return await _kept(session, settlement)


def _follows(settlement: Settlement, step: Step) -> None:
    if settlement.state not in FOLLOWS[step]:
        raise errors.SettlementWrongState


async def _know_lines(
    session: "AsyncSession", settlement: Settlement, lines: Sequence[int | None], place: str
) -> None:
    wanted = [line for line in lines if line is not None]
    known = await queries.known_lines(session, settlement.id, wanted)
    faults = [
        Fault(f"{place}/{index}/line", "no line of this statement", "结算单没有这一行")
        for index, line in enumerate(lines)
        if line is not None and line not in known
    ]
    if faults:
        raise errors.LineUnknown(*faults)


async def _kept(session: "AsyncSession", settlement: Settlement) -> Settlement:
    settlement.version += 1
    session.add(settlement)
    await session.flush()
    return settlement
