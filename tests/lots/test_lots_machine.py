"""Earning, holding, spending, releasing, refunding, reversing, expiring in any order, against a model.

Points are spent by redemptions, as merchants have them; the model is a few lines without a database.
"""

import asyncio
import datetime
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from lots.purse import HOLD, Purse, Spent, programme, purse

from accounts.models import EntryKind
from app.embedded.stack import Stack
from app.jobs.service import make_partitions
from app.settings import Settings
from app.wiring import services
from dedup.periods import LOCAL
from points.redemption_states import Act
from points.repository import Part

if TYPE_CHECKING:
    from uuid import UUID

START = datetime.datetime(2026, 11, 20, 12, tzinfo=LOCAL)
POLICIES = [
    # how a reversal is made up for, and for how many days a refund restores
    ({"other_lots": True, "shortfall": "receivable"}, 30),
    ({"other_lots": False, "shortfall": "receivable"}, 0),
    ({"other_lots": True, "shortfall": "loss"}, 11),
]
LAST = datetime.timedelta(days=85)
"""What was on sale at the start is still, a month later."""


@dataclass
class Model:
    """One person's points. A lot lives to the end of the month after its own."""

    policy: dict[str, Any]
    restored_days: int
    lots: dict[datetime.date, int] = field(default_factory=dict)
    owed: int = 0
    lost: int = 0
    expired: int = 0
    held: int = 0
    merchant: int = 0
    credited: int = 0

    def earn(self, points: int, today: datetime.date) -> datetime.date:
        months = today.year * 12 + today.month + 1
        day = datetime.date(months // 12, months % 12 + 1, 1)
        repaid = min(self.owed, points)
        self.owed -= repaid
        self.lots[day] = self.lots.get(day, 0) + points - repaid
        self.credited += points
        return day

    def alive(self, today: datetime.date) -> list[datetime.date]:
        return sorted(day for day, left in self.lots.items() if day > today and left)

    def take(self, days: list[datetime.date], points: int) -> int:
        """How much of it was there."""
        wanted = points
        for day in days:
            part = min(self.lots[day], points)
            self.lots[day] -= part
            points -= part
        return wanted - points

    def reverse(self, points: int, own: datetime.date, today: datetime.date) -> None:
        alive = self.alive(today)
        missing = points - self.take([day for day in alive if day == own], points)
        if self.policy["other_lots"]:
            missing -= self.take([day for day in alive if day != own], missing)
        if self.policy["shortfall"] == "receivable":
            self.owed += missing
        else:
            self.lost += missing
        self.credited -= points

    def give_back(self, parts: tuple[Part, ...], today: datetime.date, *, released: bool) -> None:
        """A release gives back as it took; a refund restores what is over for some days, or loses it."""
        for part in parts:
            day = part.expires_on
            if not released and day <= today:
                if not self.restored_days:
                    self.expired += part.points
                    continue
                day = today + datetime.timedelta(days=self.restored_days)
            self.lots[day] = self.lots.get(day, 0) + part.points

    def expire(self, today: datetime.date) -> None:
        for day in [day for day in self.lots if day <= today]:
            self.expired += self.lots.pop(day)


class Lots(RuleBasedStateMachine):
    """One example has a person of its own; all share one database."""

    run: ClassVar[Callable[[Coroutine[Any, Any, Any]], Any]]
    purses: ClassVar[list[Purse]]

    def __init__(self) -> None:
        super().__init__()
        self.acts: list[tuple[UUID, int, datetime.date]] = []
        self.held: list[tuple[Spent, datetime.datetime]] = []
        self.spent: list[Spent] = []

    @initialize(policy=st.sampled_from(range(len(POLICIES))))
    def person(self, policy: int) -> None:
        self.purse = self.purses[policy]
        self.purse.now = START
        self.model = Model(*POLICIES[policy])
        self.phone, self.holder = self.run(self.purse.person())

    @property
    def today(self) -> datetime.date:
        return self.purse.now.astimezone(LOCAL).date()

    @rule(points=st.sampled_from([1, 3, 10, 50]))
    def earn(self, points: int) -> None:
        result = self.run(self.purse.report(self.phone, points))
        if result.outcome == "rejected":
            assert result.reason == "cap_reached"  # five a day
            return
        assert result.points == points
        self.acts.append((result.activity_id, points, self.model.earn(points, self.today)))

    @rule(points=st.integers(1, 60), confirm=st.booleans())
    def order(self, points: int, confirm: bool) -> None:
        placed = self.run(self.purse.order(self.holder, points, confirm=confirm))
        alive = self.model.alive(self.today)
        assert (placed is not None) == (sum(self.model.lots[day] for day in alive) >= points)
        if placed is not None:
            assert sum(part.points for part in placed.parts) == points
            self.model.take(alive, points)
            if confirm:
                self.model.merchant += points
                self.spent.append(placed)
            else:
                self.model.held += points
                self.held.append((placed, self.purse.now + HOLD))

    @rule(data=st.data(), act=st.sampled_from([Act.CONFIRM, Act.CANCEL]))
    def turn(self, data: st.DataObject, act: Act) -> None:
        """A hold that is over is not confirmed any more; cancelled or timed out, it gives back as it took."""
        if not self.held:
            return
        place = data.draw(st.integers(0, len(self.held) - 1))
        placed, until = self.held[place]
        over = until <= self.purse.now
        state = self.run(self.purse.turn(placed, act))
        if act is Act.CONFIRM and over:
            assert state == "redemption.timed_out"
            return
        self.held.pop(place)
        points = sum(part.points for part in placed.parts)
        self.model.held -= points
        if act is Act.CONFIRM:
            assert state == "fulfilled"
            self.model.merchant += points
            self.spent.append(placed)
        else:
            assert state == ("timed_out" if over else "cancelled")
            self.model.give_back(placed.parts, self.today, released=True)

    @rule()
    def time_out(self) -> None:
        self.run(self.purse.time_out())
        for placed, until in [each for each in self.held if each[1] <= self.purse.now]:
            self.held.remove((placed, until))
            self.model.held -= sum(part.points for part in placed.parts)
            self.model.give_back(placed.parts, self.today, released=True)

    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        if self.spent:
            spent = self.spent.pop(data.draw(st.integers(0, len(self.spent) - 1)))
            self.run(self.purse.refund(spent))
            self.model.merchant -= sum(part.points for part in spent.parts)
            self.model.give_back(spent.parts, self.today, released=False)

    @rule(data=st.data())
    def reverse(self, data: st.DataObject) -> None:
        if self.acts:
            self.undo(data.draw(st.integers(0, len(self.acts) - 1)))

    def undo(self, place: int) -> None:
        act, points, day = self.acts.pop(place)
        self.run(self.purse.reverse(act))
        self.model.reverse(points, day, self.today)

    @rule(points=st.sampled_from([3, 10]), again=st.sampled_from([1, 10, 50]))
    def spend_and_lose(self, points: int, again: int) -> None:
        """All is spent, the last act is reversed, and a day later there is another."""
        self.earn(points)
        if there := sum(self.model.lots[day] for day in self.model.alive(self.today)):
            self.order(there, confirm=True)
        if self.acts:
            self.undo(-1)
        self.move_on(1)
        self.earn(again)

    @rule()
    def expire(self) -> None:
        self.run(self.purse.expire())
        self.model.expire(self.today)

    @rule(days=st.sampled_from([1, 5, 11, 30]))
    def move_on(self, days: int) -> None:
        if self.purse.now < START + LAST:
            self.purse.now += datetime.timedelta(days=days)

    @invariant()
    def books_are_the_models(self) -> None:
        if not hasattr(self, "model"):
            return
        books, model = self.run(self.purse.books(self.holder)), self.model
        assert books["lots"] == {day.isoformat(): left for day, left in sorted(model.lots.items()) if left}
        assert books["points"] == sum(model.lots.values())
        assert books["owed"] == model.owed
        moved = books["moved"]
        assert books["held"] == model.held
        over = ("EXPIRY HOLDER_POINTS>BREAKAGE", "REFUND MERCHANT>BREAKAGE")
        assert sum(moved.get(name, 0) for name in over) == model.expired
        assert moved.get("SHORTFALL LOSS>PROGRAMME", 0) == model.lost
        # Nothing is invented: what was credited is there, on hold, with the merchant, over, or made up for otherwise.
        there = books["points"] + model.held + model.merchant + model.expired
        assert model.credited == there - model.owed - model.lost

    def teardown(self) -> None:
        assert self.run(self.purse.breaches()) == []


def test_any_sequence_comes_out_as_the_model_says(
    settings: Settings, stack: Stack, database_urls: tuple[str, str]
) -> None:
    with asyncio.Runner() as runner:
        exits = AsyncExitStack()

        async def begin() -> list[Purse]:
            service = await exits.enter_async_context(services(settings, database_urls[0], stack.redis_url))
            async with service.database.transaction() as session:
                await make_partitions(session, datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC))
            return [
                await exits.enter_async_context(
                    purse(service, START, programme(spent_reversal=policy, refund_restored_days=days))
                )
                for policy, days in POLICIES
            ]

        Lots.run = staticmethod(runner.run)  # type: ignore[assignment]
        Lots.purses = runner.run(begin())
        try:
            run_state_machine_as_test(Lots, settings=OF_MACHINE)  # type: ignore[no-untyped-call]
            assert runner.run(what_happened(Lots.purses[0])) >= {
                "CREDIT", "REVERSAL", "HOLD", "SPEND", "RELEASE", "REFUND", "EXPIRY", "SHORTFALL", "REPAYMENT"
            }  # fmt: skip
        finally:
            runner.run(exits.aclose())


async def what_happened(own: Purse) -> set[str]:
    """Kinds of entries of all."""
    async with own.service.database.driver_transaction() as driver:
        return {EntryKind(row[0]).name for row in await driver.fetch("SELECT DISTINCT kind FROM entries")}


OF_MACHINE = settings(
    max_examples=120,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
