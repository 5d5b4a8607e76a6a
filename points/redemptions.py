"""The one way points are spent: a group of orders and steps, decided together and written by one statement.

`docs/redemption.md` draws the states. Everything runs in a transaction that its caller commits. Locks are taken kind
by kind, each in key order: holders, then offers; what they guard is read by the next statements.
"""

import datetime
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.errors import DomainError
from accounts.ids import epoch_ms, uuid7_batch
from accounts.repository import lock_holders
from dedup.periods import LOCAL
from dedup.writes import Writes
from points import redemption_decisions as decisions
from points import redemption_repository as repository
from points.redemption_book import Book
from points.redemption_states import (
    PAYMENT_GRACE,
    UPLOAD_GRACE,
    Act,
    Command,
    Delivery,
    Order,
    Redemption,
    Step,
)
from points.repository import read_lots

if TYPE_CHECKING:
    import asyncpg

    from points.redemption_book import RestoredDays

_RETURNING = frozenset({Act.CANCEL, Act.TIME_OUT, Act.REFUND, Act.LAPSE})
"""Steps that may return stock."""
_SPENDING = frozenset({Act.CONFIRM, Act.PAY})
DUE_AT_ONCE = 500

Also = Callable[[Writes, Sequence[Redemption], datetime.datetime], None]


def nothing(_writes: Writes, _turned: Sequence[Redemption], _now: datetime.datetime) -> None:
    """Nothing follows elsewhere."""


@dataclass(frozen=True)
class Policy:
    """What holds for all redemptions: how long a hold lasts, and what a refund does with points that expired."""

    hold: datetime.timedelta
    restored_days: "RestoredDays"
    also: "Also" = nothing
    """Writes what follows elsewhere for redemptions that came to another state, in the same commit."""


async def lock(driver: "asyncpg.Connection", commands: Sequence[Command]) -> dict[UUID, int]:
    """Find whose the redemptions are and take the holders' locks; answers holder → status."""
    coded = [c for c in commands if isinstance(c, Step) and c.code is not None and c.merchant_id is not None]
    if coded:
        merchants = [c.merchant_id for c in coded if c.merchant_id is not None]
        codes = [c.code for c in coded if c.code is not None]
        found = await repository.redemptions_of_codes(driver, merchants, codes)
        for c, merchant, code in zip(coded, merchants, codes, strict=True):
            c.redemption_id, c.holder_id = found.get((merchant, code), (None, None))
    unknown = [
        c for c in commands if isinstance(c, Step) and c.holder_id is None and c.redemption_id is not None
    ]
    if unknown:
        holders = await repository.holders_of(driver, [c.redemption_id for c in unknown if c.redemption_id])
        for c in unknown:
            c.holder_id = holders.get(c.redemption_id) if c.redemption_id else None
    wanted = {c.holder_id for c in commands if c.holder_id is not None}
    return await lock_holders(driver, list(wanted)) if wanted else {}


async def decide(
    driver: "asyncpg.Connection",
    commands: Sequence[Command],
    statuses: dict[UUID, int],
    policy: Policy,
    now: datetime.datetime,
    writes: Writes,
) -> "list[Redemption | DomainError]":
    """Decide the commands of locked holders, in order; what follows from them is handed to `writes`."""
    book = Book(now, now.astimezone(LOCAL).date(), policy.hold, policy.restored_days, statuses)
    orders = [c for c in commands if isinstance(c, Order)]
    steps = [c for c in commands if isinstance(c, Step)]
    await _read_redemptions(driver, book, steps)
    await _read_offers(driver, book, orders, steps)
    await _read_people(driver, book, orders, steps)
    ids = iter(uuid7_batch(epoch_ms(now), len(orders)) if orders else ())
    answers: list[Redemption | DomainError] = []
    for command in commands:
        try:
            if isinstance(command, Order):
                answers.append(decisions.order(book, command, next(ids)))
            else:
                # As it stands after this step: a later one of the group may take it further.
                answers.append(copy(decisions.step(book, command)))
        except DomainError as refused:
            answers.append(refused)
    book.write(writes)
    if book.turned:
        policy.also(writes, list(book.turned.values()), now)
    return answers


async def carry_out(
    driver: "asyncpg.Connection", commands: Sequence[Command], policy: Policy, now: datetime.datetime
) -> "list[Redemption | DomainError]":
    """Lock, decide and write."""
    writes = Writes()
    statuses = await lock(driver, commands)
    answers = await decide(driver, commands, statuses, policy, now, writes)
    await writes.execute(driver)
    return answers


async def mark_paid(
    driver: "asyncpg.Connection",
    redemption_id: UUID,
    reference: str,
    paid_at: datetime.datetime,
    policy: Policy,
    now: datetime.datetime,
) -> "Redemption | DomainError":
    """Confirm an order that waits for its payment; `reference` is the payment's own, of which one payment has one.

    Told of again it answers the same. `TimedOut` and `RedemptionWrongState` mean that the payment is to be given back:
    it was made too late, the order was cancelled, or another payment paid it. Runs in the caller's transaction.
    """
    step = Step(Act.PAY, redemption_id, reference=reference, taken_at=paid_at)
    return (await carry_out(driver, [step], policy, now))[0]


async def return_due(driver: "asyncpg.Connection", policy: Policy, now: datetime.datetime) -> int:
    """Time out holds and lapse codes whose time has come, at most `DUE_AT_ONCE` of each; answers how many."""
    due = await repository.read_due(driver, now, PAYMENT_GRACE, UPLOAD_GRACE, DUE_AT_ONCE)
    steps = [Step(Act.LAPSE if code else Act.TIME_OUT, id_, holder) for holder, id_, code in due]
    if steps:
        await carry_out(driver, steps, policy, now)
    return len(steps)


async def _read_redemptions(driver: "asyncpg.Connection", book: Book, steps: Sequence[Step]) -> None:
    known = [s for s in steps if s.redemption_id is not None and s.holder_id is not None]
    if not known:
        return
    book.redemptions = await repository.read(
        driver,
        list({s.holder_id for s in known if s.holder_id}),
        list({s.redemption_id for s in known if s.redemption_id}),
    )
    returning = [r for s in known if s.act in _RETURNING and (r := _of(book, s)) is not None]
    if returning:
        book.parts = await repository.read_parts(
            driver, list({r.holder_id for r in returning}), list({r.id for r in returning})
        )


def _of(book: Book, step: Step) -> Redemption | None:
    return None if step.redemption_id is None else book.redemptions.get(step.redemption_id)


async def _read_offers(
    driver: "asyncpg.Connection", book: Book, orders: Sequence[Order], steps: Sequence[Step]
) -> None:
    """Lock the offers whose stock or codes may change; then read what they say."""
    pairs = [(s, r) for s in steps if (r := _of(book, s)) is not None]
    changing = {o.offer_id for o in orders}
    changing |= {r.offer_id for s, r in pairs if s.act in _RETURNING}
    # What a confirmation takes of a pool is guarded by the same lock; whether it does, the offer itself says.
    spending = {r.offer_id for s, r in pairs if s.act in _SPENDING} - changing
    if spending:
        book.terms = await repository.read_terms(driver, list(spending))
        changing |= {id_ for id_, terms in book.terms.items() if terms.delivery == Delivery.POOL}
    if changing:
        book.remaining = await repository.lock_stock(driver, list(changing))
    missing = ({r.offer_id for _, r in pairs} | changing) - (book.terms.keys() - changing)
    if missing:
        book.terms.update(await repository.read_terms(driver, list(missing)))
    for redemption in book.redemptions.values():
        redemption.terms = book.terms.get(redemption.offer_id)
    wanted: dict[UUID, int] = {}
    confirmed = [o.offer_id for o in orders if o.confirm] + [
        r.offer_id for s, r in pairs if s.act in _SPENDING
    ]
    for offer_id in confirmed:
        terms = book.terms.get(offer_id)
        if terms is not None and terms.delivery == Delivery.POOL:
            wanted[offer_id] = wanted.get(offer_id, 0) + 1
    if wanted:
        book.free_codes = await repository.read_free_codes(driver, list(wanted.items()))


async def _read_people(
    driver: "asyncpg.Connection", book: Book, orders: Sequence[Order], steps: Sequence[Step]
) -> None:
    if orders:
        book.lots = await read_lots(driver, list({o.holder_id for o in orders}), book.today)
        for holder_id in {o.holder_id for o in orders}:
            book.lots.setdefault(holder_id, [])
    keys = {
        (o.holder_id, terms.id, day)
        for o in orders
        if (terms := book.terms.get(o.offer_id)) is not None
        for day, _ in terms.limits(book.today)
    }
    keys |= {
        (r.holder_id, r.offer_id, day)
        for s in steps
        if s.act in _RETURNING and (r := _of(book, s)) is not None and r.terms is not None
        for day, _ in r.terms.limits(r.ordered_on)
    }
    if keys:
        book.used = await repository.read_limits(
            driver,
            list({key[0] for key in keys}),
            list({key[1] for key in keys}),
            {key[2] for key in keys},
        )
