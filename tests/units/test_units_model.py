"""Any sequence of steps leaves every unit in one place, and that is where a model of single units has it."""

import asyncio
import contextlib
import uuid
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from units.made import NOW, an_origin

from accounts.ids import uuid7
from accounts.units import service as units
from accounts.units import verification
from accounts.units.errors import InsufficientUnits
from accounts.units.service import Lock, LockKind, Purpose

ACCOUNTS = 3
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("issue", "lock", "pledge", "release", "part", "deliver", "retire", "use", "cancel", "void")
        ),
        st.integers(0, ACCOUNTS - 1),
        st.integers(0, ACCOUNTS - 1),
        st.integers(1, 40),
        st.integers(0, 3),
    ),
    min_size=4,
    max_size=30,
)


@dataclass
class Model:
    """Where each unit is: (account, status, lock). Whoever takes units takes the lowest numbers."""

    origins: dict[int, UUID] = field(default_factory=dict)
    places: dict[int, tuple[UUID, str, UUID | None]] = field(default_factory=dict)

    def there(self, account: UUID, lock: UUID | None, origin: UUID | None) -> list[int]:
        """Numbers that may be taken, the lowest first."""
        return [
            number
            for number, (owner, status, holder) in sorted(self.places.items())
            if owner == account
            and holder == lock
            and (lock is not None or status == "held")
            and origin in (None, self.origins[number])
        ]

    def take(self, numbers: list[int], place: tuple[UUID, str, UUID | None]) -> None:
        for number in numbers:
            self.places[number] = place


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_units_are_where_the_model_has_them(
    database_urls: tuple[str, str], steps: list[tuple[str, int, int, int, int]]
) -> None:
    asyncio.run(_run(database_urls[0], steps))


async def _run(url: str, steps: list[tuple[str, int, int, int, int]]) -> None:
    driver = await asyncpg.connect(url)
    transaction = driver.transaction()
    await transaction.start()
    try:
        await _play(driver, steps)
    finally:
        await transaction.rollback()
        await driver.close()


async def _play(driver: asyncpg.Connection, steps: list[tuple[str, int, int, int, int]]) -> None:
    model = Model()
    accounts: list[UUID] = [uuid7(NOW) for _ in range(ACCOUNTS)]
    for account in accounts:
        organisation = uuid.uuid4()
        await driver.execute(
            "INSERT INTO organisations (id, kind, name, region, created_at)"
            " VALUES ($1, 'participant', $2, '440300', $3)",
            organisation,
            organisation.hex,
            NOW,
        )
        await driver.execute(
            "INSERT INTO registry_accounts (id, organisation_id, region, opened_at) VALUES ($1, $2, '440300', $3)",
            account,
            organisation,
            NOW,
        )
    locks: list[Lock] = []
    origins: list[UUID] = []
    for step in [("issue", 0, 0, 40, 0), *steps]:
        await _step(driver, model, accounts, locks, origins, step)
    rows = await driver.fetch(
        "SELECT units, origin_id, account_id, status, lock_id FROM unit_holdings WHERE ended_at IS NULL"
    )
    stands: dict[int, tuple[UUID, str, UUID | None]] = {}
    for row in rows:
        for number in range(row["units"].lower, row["units"].upper):
            assert number not in stands
            assert model.origins[number] == row["origin_id"]
            stands[number] = (row["account_id"], row["status"], row["lock_id"])
    assert stands == model.places
    for rule, (meaning, query) in verification.QUERIES.items():
        assert await driver.fetchval(query) is None, (rule, meaning)


async def _step(
    driver: asyncpg.Connection,
    model: Model,
    accounts: list[UUID],
    locks: list[Lock],
    origins: list[UUID],
    step: tuple[str, int, int, int, int],
) -> None:
    what, first, second, quantity, pick = step
    account, other = accounts[first], accounts[second]
    if what == "issue":
        origin = an_origin()
        made = await units.issue(driver, origin, account, quantity, NOW)
        assert made.quantity_kg == quantity
        origins.append(origin.id)
        for number in range(made.first, made.end):
            model.origins[number] = origin.id
            model.places[number] = (account, "held", None)
        return
    of_lock = what in ("release", "part", "deliver", "use", "void")
    if of_lock and not locks:
        return
    lock = locks[pick % len(locks)] if of_lock else None
    origin_id = None if of_lock or pick == 0 else origins[pick % len(origins)]
    source = account if lock is None else lock.account_id
    there = model.there(source, lock and lock.id, origin_id)
    if lock is None:
        status = {"lock": "locked", "pledge": "pledged", "retire": "retired", "cancel": "cancelled"}[what]
    else:
        status = {"use": "retired", "void": "cancelled"}.get(what, "held")
    given_back = what == "release"
    enough = given_back or len(there) >= quantity
    with contextlib.nullcontext() if enough else pytest.raises(InsufficientUnits):
        made_lock = await _do(driver, what, (account, other), lock, origin_id, quantity)
        if made_lock is not None:
            locks.append(made_lock)
        to = other if what == "deliver" else source
        model.take(there if given_back else there[:quantity], (to, status, made_lock and made_lock.id))


async def _do(
    driver: asyncpg.Connection,
    what: str,
    accounts: tuple[UUID, UUID],
    lock: Lock | None,
    origin_id: UUID | None,
    quantity: int,
) -> Lock | None:
    """Take a step by the service; what it made of a lock."""
    source: UUID | Lock = accounts[0] if lock is None else lock
    subject = uuid.uuid4()
    if what in ("lock", "pledge"):
        kind = LockKind.PLEDGED if what == "pledge" else LockKind.LOCKED
        return await units.lock(driver, accounts[0], origin_id, quantity, what, subject, NOW, kind)
    if what in ("retire", "use"):
        await units.retire(driver, source, origin_id, quantity, Purpose.EVENT, "x", subject, NOW)
    elif what in ("cancel", "void"):
        await units.cancel(driver, source, origin_id, quantity, "x", subject, NOW)
    elif lock is not None and what == "deliver":
        await units.deliver(driver, lock.id, accounts[1], NOW, quantity_kg=quantity)
    elif lock is not None:
        await units.release(driver, lock.id, NOW, None if what == "release" else quantity)
    return None
