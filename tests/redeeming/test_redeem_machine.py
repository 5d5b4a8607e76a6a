"""Orders, payments, codes, refunds and time in any order, in groups, against a model that knows no database."""

import asyncio
import datetime
import uuid
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redeeming.ledgers import Accounts, Sold

from accounts.errors import DomainError
from app.embedded.stack import Stack
from app.settings import Settings
from app.verification import queries
from app.wiring import services, utc_now
from points import redemptions
from points.redemption_states import Act, Command, Order, Place, Step
from points.redemptions import Policy

T = TypeVar("T")
LOCAL = datetime.timezone(datetime.timedelta(hours=8))
MINUTE, DAY = datetime.timedelta(minutes=1), datetime.timedelta(days=1)
TILL = Place(uuid.UUID(int=21), uuid.UUID(int=22))
LAST = 45 * DAY
"""Partitions are there for so long, and more."""

# -- The model -------------------------------------------------------------------------------------------------


OFFERS = (
    Sold(30, "qr", stock=3, in_all=2),
    Sold(50, "generated", fen=100, on_a_day=2, returns=False),
    Sold(20, "none", stock=5),
    Sold(10, "pool", stock=3, code_days=6),
)


@dataclass
class Kept:
    """What the model holds of a redemption."""

    person: int
    offer: int
    quantity: int
    day: datetime.date
    hold_until: datetime.datetime
    parts: dict[datetime.date, int]
    state: str = "held"
    counted: bool = True
    code_until: datetime.datetime | None = None
    bound: bool = False
    paid_by: int | None = None

    @property
    def points(self) -> int:
        return sum(self.parts.values())


@dataclass
class Model:
    restored_days: int
    now: datetime.datetime
    lots: list[dict[datetime.date, int]] = field(default_factory=lambda: [{}, {}])
    kept: list[Kept] = field(default_factory=list)
    breakage: int = 0

    @property
    def today(self) -> datetime.date:
        return self.now.astimezone(LOCAL).date()

    def left(self, offer: int) -> int | None:
        stock = OFFERS[offer].stock
        taken = sum(k.quantity for k in self.kept if k.offer == offer and k.counted)
        return None if stock is None else stock - taken

    def had(self, person: int, offer: int, day: datetime.date | None) -> int:
        mine = [k for k in self.kept if (k.person, k.offer) == (person, offer) and k.counted]
        return sum(k.quantity for k in mine if day in (None, k.day))

    def order(self, person: int, number: int, quantity: int, *, confirm: bool) -> str:  # noqa: C901 - as it is read
        offer = OFFERS[number]
        if quantity > 1 and offer.delivery in ("generated", "pool"):
            return "offer.limit_reached"
        for cap, day in ((offer.in_all, None), (offer.on_a_day, self.today)):
            if cap is not None and self.had(person, number, day) + quantity > cap:
                return "offer.limit_reached"
        left = self.left(number)
        if left is not None and left < quantity:
            return "offer.out_of_stock"
        price, parts = offer.points * quantity, {}
        for expires in sorted(self.lots[person]):
            share = min(self.lots[person][expires], price) if expires > self.today else 0
            if share:
                parts[expires] = share
                price -= share
        if price:
            return "redemption.points_short"
        for expires, share in parts.items():
            self.lots[person][expires] -= share
        kept = Kept(person, number, quantity, self.today, self.now + 15 * MINUTE, parts)
        self.kept.append(kept)
        if offer.fen:
            kept.state = "awaiting_payment"
        elif confirm:
            self.spend(kept)
        return kept.state

    def spend(self, kept: Kept) -> None:
        offer = OFFERS[kept.offer]
        kept.state = "fulfilled" if offer.delivery == "none" else "confirmed"
        kept.code_until = self.now + offer.code_days * DAY

    def over(self, kept: Kept) -> bool:
        grace = 5 * MINUTE if kept.state == "awaiting_payment" else 0 * MINUTE
        return kept.state in ("held", "awaiting_payment") and kept.hold_until + grace <= self.now

    def give_back(self, kept: Kept, state: str, *, released: bool) -> str:
        lots = self.lots[kept.person]
        for expires, points in kept.parts.items():
            if released or expires > self.today:
                lots[expires] += points
            elif self.restored_days:
                until = self.today + self.restored_days * DAY
                lots[until] = lots.get(until, 0) + points
            else:
                self.breakage += points
        if released or (kept.state == "confirmed" and OFFERS[kept.offer].delivery != "pool"):
            kept.counted = False
        kept.state = state
        return state

    def step(self, act: str, index: int, reference: int, late: int) -> str:  # noqa: C901, PLR0911, PLR0912 - one a step
        kept = self.kept[index]
        offer, state = OFFERS[kept.offer], kept.state
        if act == "pay" and state in ("confirmed", "fulfilled") and kept.paid_by == reference:
            return state
        if state == "timed_out" and act != "pay":
            return "redemption.timed_out"
        if act == "confirm" and state == "held":
            if self.over(kept):
                return "redemption.timed_out"
            self.spend(kept)
            return kept.state
        if act == "confirm" and state == "awaiting_payment":
            return "redemption.payment_due"
        if act == "pay" and state == "awaiting_payment":
            if self.now - late * MINUTE >= kept.hold_until:
                return "redemption.timed_out"
            kept.paid_by = reference
            self.spend(kept)
            return kept.state
        if act == "pay" and state == "timed_out":
            return "redemption.timed_out"
        if act == "cancel" and state in ("held", "awaiting_payment"):
            return self.give_back(kept, "timed_out" if self.over(kept) else "cancelled", released=True)
        if act == "bind" and state == "confirmed":
            if offer.delivery != "qr":
                return "redemption.wrong_till"
            if kept.code_until is None or kept.code_until <= self.now:
                return "redemption.code_lapsed"
            kept.bound = True
            return state
        if act in ("verify", "verify_at_till"):
            if state == "fulfilled":
                return "redemption.already_fulfilled"
            if state == "lapsed":
                return "redemption.code_lapsed"
            if state == "confirmed":
                if kept.bound and act == "verify":
                    return "redemption.wrong_till"
                if kept.code_until is None or kept.code_until <= self.now:
                    return "redemption.code_lapsed"
                kept.state = "fulfilled"
                return kept.state
        if act == "refund" and state in ("confirmed", "fulfilled"):
            return self.give_back(kept, "refunded", released=False)
        return "redemption.wrong_state"

    def job(self) -> int:
        due = 0
        for kept in self.kept:
            if self.over(kept):
                due += 1
                self.give_back(kept, "timed_out", released=True)
            elif kept.state == "confirmed" and kept.code_until is not None:
                if kept.code_until + (7 * DAY if kept.bound else 0 * DAY) > self.now:
                    continue
                due += 1
                if OFFERS[kept.offer].returns:
                    self.give_back(kept, "lapsed", released=False)
                else:
                    self.breakage += kept.points
                    kept.state = "lapsed"
        return due


# -- The machine -----------------------------------------------------------------------------------------------

ACTS = ("confirm", "cancel", "pay", "bind", "verify", "verify_at_till", "refund")
orders = st.tuples(
    st.just("order"),
    st.integers(0, 1),
    st.integers(0, 3),
    st.sampled_from([1, 1, 1, 2]),
    st.sampled_from([True, True, False]),
)
steps = st.tuples(
    st.sampled_from(ACTS), st.integers(0, 30), st.integers(1, 2), st.sampled_from([0, 0, 4]), st.none()
)

WAITS = st.sampled_from([1, 5, 14, 15, 16, 20, 60 * 24, 60 * 24 * 3, 60 * 24 * 8])


class Redeeming(RuleBasedStateMachine):
    run: ClassVar[Callable[[Coroutine[Any, Any, T]], T]]  # type: ignore[misc]
    accounts: ClassVar[Accounts]
    seen: ClassVar[set[str]] = set()

    @initialize(restored_days=st.sampled_from([0, 30]))
    def begin(self, restored_days: int) -> None:
        self.began = utc_now()
        self.model = Model(restored_days, self.began)
        self.policy = Policy(15 * MINUTE, lambda _: restored_days)
        self.ids: list[UUID] = []

        async def work() -> None:
            self.people = await self.accounts.holders(2)
            self.merchant, self.offers = await self.accounts.offers(OFFERS, self.began)

        self.run(work())
        for person, days, points in ((0, 5, 60), (0, 20, 150), (1, 2, 90), (1, 35, 40)):
            self.earn(person, points, days)

    @rule(person=st.integers(0, 1), points=st.integers(1, 120), days=st.integers(1, 40))
    def earns(self, person: int, points: int, days: int) -> None:
        self.earn(person, points, days)

    def earn(self, person: int, points: int, days: int) -> None:
        expires = self.model.today + days * DAY
        self.run(self.accounts.earn(self.people[person], points, expires, self.model.now))
        lots = self.model.lots[person]
        lots[expires] = lots.get(expires, 0) + points

    @rule(wanted=st.lists(st.one_of(orders, steps), min_size=1, max_size=4))
    def together(self, wanted: list[Any]) -> None:
        """A group: decided as if one had come after the other."""
        commands: list[Command] = []
        expected = []
        known = len(self.ids)
        for each in wanted:
            if each[0] == "order":
                _, person, offer, quantity, confirm = each
                commands.append(Order(self.people[person], self.offers[offer], quantity, confirm))
                expected.append(self.model.order(person, offer, quantity, confirm=confirm))
            elif known:
                index = known - 1 - each[1] % known
                commands.append(self.command(each[0], index, each[2], each[3]))
                expected.append(self.model.step(each[0], index, each[2], each[3]))

        async def work() -> list[Any]:
            async with self.accounts.database.driver_transaction() as driver:
                return await redemptions.carry_out(driver, commands, self.policy, self.model.now)

        answers = self.run(work())
        assert [a.code if isinstance(a, DomainError) else a.state for a in answers] == expected
        self.seen.update(expected)
        placed = [a for c, a in zip(commands, answers, strict=True) if isinstance(c, Order)]
        self.ids += [a.id for a in placed if not isinstance(a, DomainError)]
        assert len(self.ids) == len(self.model.kept)

    def command(self, act: str, index: int, reference: int, late: int) -> Step:
        redemption = self.ids[index]
        if act in ("confirm", "cancel", "bind"):
            holder = self.people[self.model.kept[index].person]
            return Step(Act(act), redemption, holder, place=TILL if act == "bind" else Place())
        if act == "pay":
            paid_at = self.model.now - late * MINUTE
            return Step(Act.PAY, redemption, reference=f"p{reference}", taken_at=paid_at)
        place = TILL if act == "verify_at_till" else Place()
        kind = Act.REFUND if act == "refund" else Act.VERIFY
        return Step(kind, redemption, merchant_id=self.merchant, place=place)

    @rule(minutes=WAITS)
    def wait(self, minutes: int) -> None:
        self.model.now = min(self.model.now + minutes * MINUTE, self.began + LAST)

    @rule(wanted=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 5)), min_size=3, max_size=6))
    def one_after_the_other(self, wanted: list[tuple[str, int]]) -> None:
        """Steps of redemptions that are there, each in a group of its own."""
        for act, index in wanted if self.ids else ():
            self.together([(act, index, 1, 0, None)])

    @rule(
        person=st.integers(0, 1),
        offer=st.integers(0, 3),
        confirm=st.booleans(),
        acts=st.lists(st.sampled_from(ACTS), max_size=2),
        minutes=WAITS,
    )
    def a_life(self, person: int, offer: int, confirm: bool, acts: list[str], minutes: int) -> None:
        """An order, what is done with it, and the job some time later."""
        known = len(self.ids)
        self.together([("order", person, offer, 1, confirm)])
        if len(self.ids) > known:
            for act in acts:
                self.together([(act, 0, 1, 0, None)])
        self.wait(minutes)
        self.job()

    @rule()
    def job(self) -> None:
        async def work() -> None:
            async with self.accounts.database.driver_transaction() as driver:
                while await redemptions.return_due(driver, self.policy, self.model.now):
                    pass

        self.run(work())
        self.model.job()
        self.seen.update(kept.state for kept in self.model.kept)

    @invariant()
    def books(self) -> None:
        async def work() -> Any:
            async with self.accounts.database.driver_transaction() as driver:
                balances = await driver.fetch(
                    "SELECT holder_id, points, held_points FROM balances WHERE holder_id = ANY($1::uuid[])",
                    self.people,
                )
                lots = await driver.fetch(
                    "SELECT holder_id, expires_on, remaining FROM lots WHERE holder_id = ANY($1::uuid[])",
                    self.people,
                )
                stock = await driver.fetch(
                    "SELECT offer_id, remaining FROM offer_stock WHERE offer_id = ANY($1::uuid[])",
                    self.offers,
                )
                states = await driver.fetch(
                    "SELECT id, state FROM redemptions WHERE holder_id = ANY($1::uuid[])", self.people
                )
            return balances, lots, stock, states

        if not hasattr(self, "people"):
            return
        balances, lots, stock, states = self.run(work())
        for number, holder in enumerate(self.people):
            mine = {row[1]: row[2] for row in lots if row[0] == holder}
            assert mine == self.model.lots[number]
            held = sum(
                k.points
                for k in self.model.kept
                if k.person == number and k.state in ("held", "awaiting_payment")
            )
            row = next(row for row in balances if row[0] == holder)
            assert (row[1], row[2]) == (sum(mine.values()), held)
        assert {row[0]: row[1] for row in stock} == {
            self.offers[n]: self.model.left(n) for n, offer in enumerate(OFFERS) if offer.stock is not None
        }
        assert {row[0]: row[1] for row in states} == {
            id_: kept.state for id_, kept in zip(self.ids, self.model.kept, strict=True)
        }

    def teardown(self) -> None:
        async def work() -> list[str]:
            async with self.accounts.database.snapshot() as driver:
                return [name for name, (_, query) in queries().items() if await driver.fetchval(query)]

        if hasattr(self, "people"):
            assert self.run(work()) == []


def test_any_sequence_comes_out_as_the_model_says(
    settings: Settings, stack: Stack, database_urls: tuple[str, str]
) -> None:
    with asyncio.Runner() as runner:
        exits = AsyncExitStack()

        async def begin() -> Accounts:
            return Accounts(
                await exits.enter_async_context(services(settings, database_urls[0], stack.redis_url))
            )

        Redeeming.run = staticmethod(runner.run)  # type: ignore[assignment]
        Redeeming.accounts = runner.run(begin())
        try:
            run_state_machine_as_test(Redeeming, settings=OF_THE_MACHINE)  # type: ignore[no-untyped-call]
            # All of it happened, or the machine proves nothing.
            assert Redeeming.seen >= {
                *(
                    "held",
                    "awaiting_payment",
                    "confirmed",
                    "fulfilled",
                    "cancelled",
                    "timed_out",
                    "refunded",
                    "lapsed",
                ),
                *("offer.limit_reached", "offer.out_of_stock", "redemption.points_short"),
                *("redemption.timed_out", "redemption.payment_due", "redemption.wrong_till"),
                *("redemption.already_fulfilled", "redemption.code_lapsed", "redemption.wrong_state"),
            }
        finally:
            runner.run(exits.aclose())


OF_THE_MACHINE = settings(
    max_examples=120,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("seed", [1])
def test_the_model_itself_forgets_nothing(seed: int) -> None:
    """What left the lots is on hold, with merchants, or in breakage: a model that loses points proves nothing."""
    model = Model(0, datetime.datetime(2026, 11, 21, tzinfo=LOCAL))
    model.lots[0] = {datetime.date(2026, 11, 23): 40, datetime.date(2026, 12, 30): 40}
    assert model.order(0, 0, 2, confirm=True) == "confirmed"
    model.now += 4 * DAY
    assert model.job() == seed
    assert (model.lots[0], model.breakage) == (
        {datetime.date(2026, 11, 23): 0, datetime.date(2026, 12, 30): 40},
        40,
    )
