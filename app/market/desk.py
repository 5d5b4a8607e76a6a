"""Money that comes into the market and leaves it."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import uuid7
from app.market import errors, money, repository
from app.market.models import FundingState, MarketFunding, MarketWithdrawal, Way, WithdrawalState
from points.payments.errors import NotPayable
from points.payments.models import Subject
from points.payments.service import Payable

if TYPE_CHECKING:
    import asyncpg

    from app.auth.principal import Principal
    from app.market.repository import Row

TO_PAY = datetime.timedelta(minutes=30)
"""So long a funding waits for its payment."""


class FundingOrders:
    """Fundings as payments know them."""

    async def payable(
        self, driver: "asyncpg.Connection", payer_id: UUID, subject_id: UUID, now: datetime.datetime
    ) -> Payable:
        """The participant's funding that waits for its payment; `FundingNotFound`, or `NotPayable` if it does not."""
        row = await driver.fetchrow(
            "SELECT * FROM market_fundings WHERE id = $1 AND organisation_id = $2 AND way = 'provider'",
            subject_id,
            payer_id,
        )
        if row is None:
            raise errors.FundingNotFound
        if row["state"] != FundingState.AWAITING or row["expires_at"] <= now:
            raise NotPayable
        return Payable(
            subject=Subject.MARKET_FUNDING,
            subject_id=row["id"],
            payer_id=payer_id,
            region=row["region"],
            amount_fen=row["amount_fen"],
            expires_at=row["expires_at"],
            description="碳市场交易资金",
        )

    async def mark_paid(
        self,
        driver: "asyncpg.Connection",
        subject_id: UUID,
        reference: str,
        paid_at: datetime.datetime,
        now: datetime.datetime,
    ) -> bool:
        """Book the money; False where it came too late, so that it goes back."""
        row = await _lock(driver, "market_fundings", subject_id)
        if row is None or row["state"] != FundingState.AWAITING or paid_at > row["expires_at"]:
            return False
        await _book(driver, row, reference, None, now)
        return True


async def begin_funding(
    driver: "asyncpg.Connection", participant: "Principal", amount_fen: int, now: datetime.datetime
) -> MarketFunding:
    """Money that is to be paid through the provider."""
    made = MarketFunding(
        id=uuid7(now),
        organisation_id=participant.organisation_id,
        region=participant.region,
        way=Way.PROVIDER,
        amount_fen=amount_fen,
        state=FundingState.AWAITING,
        asked_by=participant.client_id,
        asked_at=now,
        expires_at=now + TO_PAY,
    )
    await repository.insert(driver, made)
    return made


async def record_transfer(
    driver: "asyncpg.Connection",
    operator: "Principal",
    organisation_id: UUID,
    amount_fen: int,
    reference: str,
    now: datetime.datetime,
) -> MarketFunding:
    """Money that came by bank; it counts when a second client of the operator has approved it."""
    region = await driver.fetchval(
        "SELECT region FROM organisations WHERE id = $1 AND kind = 'participant'",
        organisation_id,
    )
    if region is None or not operator.may_see_region(region):
        raise errors.ParticipantNotFound
    if await driver.fetchval("SELECT true FROM market_fundings WHERE reference = $1", reference):
        raise errors.ReferenceUsed
    made = MarketFunding(
        id=uuid7(now),
        organisation_id=organisation_id,
        region=region,
        way=Way.BANK,
        amount_fen=amount_fen,
        reference=reference,
        state=FundingState.AWAITING,
        asked_by=operator.client_id,
        asked_at=now,
    )
    await repository.insert(driver, made)
    return made


async def decide_transfer(
    driver: "asyncpg.Connection",
    operator: "Principal",
    funding_id: UUID,
    now: datetime.datetime,
    *,
    approved: bool,
) -> None:
    """Approve or reject a transfer that another client recorded."""
    row = await _lock(driver, "market_fundings", funding_id)
    if row is None or row["way"] != Way.BANK or not operator.may_see_region(row["region"]):
        raise errors.FundingNotFound
    if row["state"] != FundingState.AWAITING:
        raise errors.FundingDecided
    if row["asked_by"] == operator.client_id:
        raise errors.SameClient
    if approved:
        await _book(driver, row, row["reference"], operator.client_id, now)
    else:
        await _decide(driver, "market_fundings", row, FundingState.REJECTED, None, operator.client_id, now)


async def ask_withdrawal(
    driver: "asyncpg.Connection", participant: "Principal", amount_fen: int, now: datetime.datetime
) -> MarketWithdrawal:
    """Have available money paid out; it is held until an operator has paid or rejected it."""
    made = MarketWithdrawal(
        id=uuid7(now),
        organisation_id=participant.organisation_id,
        region=participant.region,
        amount_fen=amount_fen,
        state=WithdrawalState.REQUESTED,
        asked_by=participant.client_id,
        asked_at=now,
    )
    owner = participant.organisation_id
    await money.lock(driver, (owner,))
    move = money.Move("withdrawal", made.id, money.free(owner), money.held(owner), amount_fen)
    await money.book(driver, [move], now)
    await repository.insert(driver, made)
    return made


async def decide_withdrawal(
    driver: "asyncpg.Connection",
    operator: "Principal",
    withdrawal_id: UUID,
    reference: str | None,
    now: datetime.datetime,
) -> None:
    """Paid by bank under its reference; or, without one, rejected."""
    row = await _lock(driver, "market_withdrawals", withdrawal_id)
    if row is None or not operator.may_see_region(row["region"]):
        raise errors.WithdrawalNotFound
    if row["state"] != WithdrawalState.REQUESTED:
        raise errors.WithdrawalDecided
    if reference is not None and await driver.fetchval(
        "SELECT true FROM market_withdrawals WHERE reference = $1", reference
    ):
        raise errors.ReferenceUsed
    owner = row["organisation_id"]
    await money.lock(driver, (owner,))
    if reference is None:
        state, reason, to = WithdrawalState.REJECTED, "withdrawal_return", money.free(owner)
    else:
        state, reason, to = WithdrawalState.PAID, "payout", money.OUTSIDE
    await money.book(driver, [money.Move(reason, row["id"], money.held(owner), to, row["amount_fen"])], now)
    await _decide(driver, "market_withdrawals", row, state, reference, operator.client_id, now)


async def read(driver: "asyncpg.Connection", table: str, row_id: UUID) -> "Row":
    """A funding or a withdrawal that is there."""
    row = await driver.fetchrow(f"SELECT * FROM {table} WHERE id = $1", row_id)
    if row is None:
        raise LookupError("a row that was just written")
    return row


async def page(
    driver: "asyncpg.Connection",
    table: str,
    organisation_id: UUID | None,
    within: str,
    before: UUID | None,
    limit: int,
) -> "list[Row]":
    """Fundings or withdrawals of a participant, or of a region, the newest first."""
    rows: list[Row] = await driver.fetch(
        f"""
        SELECT * FROM {table} WHERE ($1::uuid IS NULL OR organisation_id = $1) AND starts_with(region, $2)
            AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4
        """,
        organisation_id,
        within,
        before,
        limit,
    )
    return rows


async def page_of_entries(
    driver: "asyncpg.Connection", organisation_id: UUID, before: UUID | None, limit: int
) -> "list[Row]":
    """What moved a participant's money, the newest first."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT * FROM (
            (SELECT * FROM market_money_entries WHERE debit_id = $1 AND ($2::uuid IS NULL OR id < $2)
                ORDER BY id DESC LIMIT $3)
            UNION
            (SELECT * FROM market_money_entries WHERE credit_id = $1 AND ($2::uuid IS NULL OR id < $2)
                ORDER BY id DESC LIMIT $3)) e
        ORDER BY id DESC LIMIT $3
        """,
        organisation_id,
        before,
        limit,
    )
    return rows


async def balance(driver: "asyncpg.Connection", organisation_id: UUID) -> money.Balance:
    """A participant's money; nothing where none ever came."""
    row = await driver.fetchrow("SELECT * FROM market_money WHERE organisation_id = $1", organisation_id)
    return money.Balance(0, 0) if row is None else money.Balance(row["available_fen"], row["held_fen"])


async def _lock(driver: "asyncpg.Connection", table: str, row_id: UUID) -> "Row | None":
    return await driver.fetchrow(f"SELECT * FROM {table} WHERE id = $1 FOR UPDATE", row_id)


async def _book(
    driver: "asyncpg.Connection", row: "Row", reference: str, decided_by: str | None, now: datetime.datetime
) -> None:
    owner = row["organisation_id"]
    await money.lock(driver, (owner,))
    await money.book(
        driver, [money.Move("funding", row["id"], money.OUTSIDE, money.free(owner), row["amount_fen"])], now
    )
    await _decide(driver, "market_fundings", row, FundingState.BOOKED, reference, decided_by, now)


async def _decide(
    driver: "asyncpg.Connection",
    table: str,
    row: "Row",
    state: str,
    reference: str | None,
    decided_by: str | None,
    now: datetime.datetime,
) -> None:
    await driver.execute(
        f"""
        UPDATE {table} SET state = $2, reference = coalesce($3, reference), decided_by = $4, decided_at = $5
        WHERE id = $1
        """,
        row["id"],
        state,
        reference,
        decided_by,
        now,
    )
