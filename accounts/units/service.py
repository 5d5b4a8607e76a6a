"""The one way holdings change. All within the caller's transaction; nothing here commits.

Each step takes the lock of the account that units leave. Who moves units of several accounts in one transaction goes
through them in the order of their ids. A refusal leaves nothing behind, so that the transaction can go on.
"""

import datetime
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import epoch_ms, uuid7, uuid7_batch
from accounts.registry.errors import AccountFrozen, AccountNotFound
from accounts.units import repository
from accounts.units.errors import AlreadyIssued, InsufficientUnits, LockNotFound, SubjectUsed
from accounts.units.ranges import UnitRange, total_kg
from accounts.units.serials import Origin, format_serial

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from accounts.errors import DomainError

REFUSALS: "dict[str, type[DomainError]]" = {
    "missing": AccountNotFound,
    "frozen": AccountFrozen,
    "insufficient": InsufficientUnits,
}


class LockKind(enum.StrEnum):
    """What holds units back: a step that is under way, or a bank's loan."""

    LOCKED = "locked"
    PLEDGED = "pledged"


class Purpose(enum.StrEnum):
    """What units were used for."""

    OBLIGATION = "obligation"
    EVENT = "event"
    VOLUNTARY = "voluntary"


@dataclass(frozen=True, slots=True)
class Lock:
    """Units that are held back for a subject; `ranges` are those that it still has."""

    id: UUID
    account_id: UUID
    kind: LockKind
    reason: str
    subject_id: UUID
    ranges: tuple[UnitRange, ...]

    @property
    def quantity_kg(self) -> int:
        """Units that it still has."""
        return total_kg(self.ranges)


@dataclass(frozen=True, slots=True)
class Retirement:
    """Units used once, with their serials."""

    id: UUID
    account_id: UUID
    subject_id: UUID
    purpose: Purpose
    beneficiary: str
    obligation_period: str | None
    retired_at: datetime.datetime
    ranges: tuple[UnitRange, ...]
    serials: tuple[str, ...]

    @property
    def quantity_kg(self) -> int:
        """Units that were used."""
        return total_kg(self.ranges)


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Units made void."""

    id: UUID
    account_id: UUID
    subject_id: UUID
    reason: str
    cancelled_at: datetime.datetime
    ranges: tuple[UnitRange, ...]


async def issue(
    driver: "asyncpg.Connection",
    origin: Origin,
    account_id: UUID,
    quantity_kg: int,
    now: datetime.datetime,
) -> UnitRange:
    """Number the units of an issuance or a stock, one after the other, and put them into an account.

    Raises `AlreadyIssued` for a subject that has units, `AccountNotFound` without the account, `ValueError` for an
    origin that no serial can tell.
    """
    if quantity_kg <= 0:
        raise ValueError("units are issued by whole kg above 0")
    format_serial(origin, UnitRange(1, 2))
    if not await repository.account_exists(driver, account_id):
        raise AccountNotFound
    # The row of the next number is locked to the end: whoever issues comes one after the other.
    units = await repository.take_numbers(driver, quantity_kg)
    if not await repository.add_origin(driver, origin, units, now):
        await repository.give_numbers_back(driver, quantity_kg)
        raise AlreadyIssued
    await repository.add_issued(driver, uuid7(now), origin, account_id, units, now)
    return units


async def lock(
    driver: "asyncpg.Connection",
    account_id: UUID,
    origin_id: UUID | None,
    quantity_kg: int,
    reason: str,
    subject_id: UUID,
    now: datetime.datetime,
    kind: LockKind = LockKind.LOCKED,
) -> Lock:
    """Hold back units of an account for a subject, the lowest numbers first; of one origin where it is named.

    The same subject again is the same lock, with what it still has. Raises `InsufficientUnits`, `AccountFrozen`,
    `AccountNotFound`, and `SubjectUsed` where the subject holds back another account's units or for another reason.
    """
    lock_id = uuid7(now)
    async with driver.transaction():
        if not await repository.add_lock(driver, lock_id, account_id, kind, reason, subject_id, now):
            found = await find_lock(driver, subject_id)
            if (found.account_id, found.kind, found.reason) != (account_id, kind, reason):
                raise SubjectUsed
            return found
        moved = await _move(
            driver,
            lock_id,
            kind,
            account_id,
            None,
            origin_id,
            quantity_kg,
            (None, kind, lock_id),
            subject_id,
            now,
        )
    return Lock(lock_id, account_id, kind, reason, subject_id, moved)


async def hold(
    driver: "asyncpg.Connection",
    account_id: UUID,
    origin_id: UUID | None,
    quantity_kg: int,
    reason: str,
    subject_id: UUID,
    now: datetime.datetime,
    kind: LockKind = LockKind.LOCKED,
) -> Lock:
    """As `lock`, for a subject that the caller has just made: nobody else knows it, which saves looking."""
    moved = await _move(
        driver,
        subject_id,
        kind,
        account_id,
        None,
        origin_id,
        quantity_kg,
        (None, kind, subject_id),
        subject_id,
        now,
    )
    if not await repository.add_lock(driver, subject_id, account_id, kind, reason, subject_id, now):
        raise SubjectUsed
    return Lock(subject_id, account_id, kind, reason, subject_id, moved)


async def find_lock(driver: "asyncpg.Connection", subject_id: UUID) -> Lock:
    """The lock of a subject with what it still has; `LockNotFound` without one."""
    return await _lock(driver, await repository.lock_of_subject(driver, subject_id))


async def get_lock(driver: "asyncpg.Connection", lock_id: UUID) -> Lock:
    """A lock with what it still has; `LockNotFound` where there is none."""
    return await _lock(driver, await repository.lock_by_id(driver, lock_id))


async def release(
    driver: "asyncpg.Connection", lock_id: UUID, now: datetime.datetime, quantity_kg: int | None = None
) -> tuple[UnitRange, ...]:
    """Give what a lock has, or a part of it, back to its account; of an empty one nothing, so that it may come twice.

    Raises `LockNotFound`, and `InsufficientUnits` where a part is more than it has.
    """
    held = await get_lock(driver, lock_id)
    if quantity_kg is None and not held.ranges:
        return ()
    to = (None, "held", None)
    return await _move(
        driver, uuid7(now), "released", held.account_id, lock_id, None, quantity_kg, to, held.subject_id, now
    )


async def deliver(
    driver: "asyncpg.Connection",
    lock_id: UUID,
    to_account_id: UUID,
    now: datetime.datetime,
    quantity_kg: int | None = None,
    origin_id: UUID | None = None,
) -> tuple[UnitRange, ...]:
    """Hand what a lock has, or a part of it, to another account, which holds it freely then.

    Raises `LockNotFound`, `InsufficientUnits` where it has not so much left (or nothing), `AccountFrozen`,
    `AccountNotFound`.
    """
    held = await get_lock(driver, lock_id)
    if not await repository.account_exists(driver, to_account_id):
        raise AccountNotFound
    return await hand_over(driver, held, to_account_id, now, quantity_kg, origin_id)


async def hand_over(
    driver: "asyncpg.Connection",
    held: Lock,
    to_account_id: UUID,
    now: datetime.datetime,
    quantity_kg: int | None = None,
    origin_id: UUID | None = None,
) -> tuple[UnitRange, ...]:
    """As `deliver`, of a lock and to an account that the caller has just read; the lock's `ranges` do not matter."""
    return await _move(
        driver,
        uuid7(now),
        "transferred",
        held.account_id,
        held.id,
        origin_id,
        quantity_kg,
        (to_account_id, "held", None),
        held.subject_id,
        now,
    )


async def deliver_parts(
    driver: "asyncpg.Connection",
    lock_id: UUID,
    parts: "Sequence[tuple[UUID, int, UUID]]",
    now: datetime.datetime,
) -> None:
    """Hand parts of a lock (account, kg, subject) to accounts that are there, as so many deliveries would.

    Raises `LockNotFound`, `InsufficientUnits`, `AccountFrozen`; then nothing is delivered.
    """
    held = await get_lock(driver, lock_id)
    movements = uuid7_batch(epoch_ms(now), len(parts))
    rows = [(movement, *part) for movement, part in zip(movements, parts, strict=True)]
    outcome = await repository.move_parts(driver, lock_id, held.account_id, rows, now)
    if outcome in REFUSALS:
        raise REFUSALS[outcome]


async def retire(
    driver: "asyncpg.Connection",
    source: "UUID | Lock",
    origin_id: UUID | None,
    quantity_kg: int,
    purpose: Purpose,
    beneficiary: str,
    subject_id: UUID,
    now: datetime.datetime,
    obligation_period: str | None = None,
) -> Retirement:
    """Use units of an account, or of a lock, once and for good.

    The same subject again is the same retirement. Raises `InsufficientUnits`, `AccountFrozen`, `AccountNotFound`, and
    `SubjectUsed` where the subject retired something else.
    """
    retirement_id = uuid7(now)
    account_id, lock_id = (source.account_id, source.id) if isinstance(source, Lock) else (source, None)
    row = (retirement_id, account_id, subject_id, purpose.value, beneficiary, obligation_period, now)
    async with driver.transaction():
        if not await repository.add_retirement(driver, row):
            found = await find_retirement(driver, subject_id)
            same = (account_id, purpose, beneficiary, obligation_period, quantity_kg)
            if found is None or same != (
                found.account_id,
                found.purpose,
                found.beneficiary,
                found.obligation_period,
                found.quantity_kg,
            ):
                raise SubjectUsed
            return found
        await _move(
            driver,
            retirement_id,
            "retired",
            account_id,
            lock_id,
            origin_id,
            quantity_kg,
            (None, "retired", None),
            subject_id,
            now,
        )
    made = await find_retirement(driver, subject_id)
    if made is None:
        raise LookupError("a retirement that was just written")
    return made


async def find_retirement(driver: "asyncpg.Connection", subject_id: UUID) -> Retirement | None:
    """What was retired for a subject, with its serials."""
    row = await repository.retirement_of(driver, subject_id)
    if row is None:
        return None
    parts = await repository.parts_of(driver, row["id"])
    return Retirement(
        row["id"],
        row["account_id"],
        row["subject_id"],
        Purpose(row["purpose"]),
        row["beneficiary"],
        row["obligation_period"],
        row["retired_at"],
        tuple(units for _, units in parts),
        tuple(format_serial(origin, units) for origin, units in parts),
    )


async def cancel(
    driver: "asyncpg.Connection",
    source: "UUID | Lock",
    origin_id: UUID | None,
    quantity_kg: int,
    reason: str,
    subject_id: UUID,
    now: datetime.datetime,
) -> Cancellation:
    """Make units void, which is no use of them; also where the account is frozen.

    Raises `InsufficientUnits`, `AccountNotFound`, and `SubjectUsed` for a subject that cancelled units before.
    """
    cancellation_id = uuid7(now)
    account_id, lock_id = (source.account_id, source.id) if isinstance(source, Lock) else (source, None)
    async with driver.transaction():
        if not await repository.add_cancellation(
            driver, (cancellation_id, account_id, subject_id, reason, now)
        ):
            raise SubjectUsed
        moved = await _move(
            driver,
            cancellation_id,
            "cancelled",
            account_id,
            lock_id,
            origin_id,
            quantity_kg,
            (None, "cancelled", None),
            subject_id,
            now,
        )
    return Cancellation(cancellation_id, account_id, subject_id, reason, now, moved)


async def available(
    driver: "asyncpg.Connection", account_id: UUID, origin_id: UUID | None = None
) -> list[tuple[Origin, int]]:
    """What an account holds freely: origins, the lowest numbers first, and kg."""
    return await repository.held_by_origin(driver, account_id, origin_id)


async def origin_of(driver: "asyncpg.Connection", subject_id: UUID) -> Origin | None:
    """What the units of an issuance or a stock came of; None before they are issued."""
    return await repository.origin_of(driver, subject_id)


async def _lock(driver: "asyncpg.Connection", row: "repository.Row | None") -> Lock:
    if row is None:
        raise LockNotFound
    return Lock(
        row["id"],
        row["account_id"],
        LockKind(row["kind"]),
        row["reason"],
        row["subject_id"],
        await repository.ranges_of_lock(driver, row["id"]),
    )


async def _move(
    driver: "asyncpg.Connection",
    movement_id: UUID,
    kind: str,
    account_id: UUID,
    lock_id: UUID | None,
    origin_id: UUID | None,
    quantity_kg: int | None,
    to: tuple[UUID | None, str, UUID | None],
    subject_id: UUID,
    now: datetime.datetime,
) -> tuple[UnitRange, ...]:
    if quantity_kg is not None and quantity_kg <= 0:
        raise ValueError("units move by whole kg above 0")
    outcome, moved = await repository.move(
        driver, movement_id, kind, account_id, lock_id, origin_id, quantity_kg, to, subject_id, now
    )
    if outcome in REFUSALS:
        raise REFUSALS[outcome]
    return moved
