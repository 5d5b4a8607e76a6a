"""People who earn and spend by a clock that the test moves, through the functions that the service uses."""

import asyncio
import datetime
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crediting.desk import Desk
from redeeming.ledgers import Accounts, Sold

from accounts.errors import DomainError
from accounts.models import AccountKind, EntryKind
from app.auth.principal import Principal
from app.auth.scopes import ACTIVITIES_WRITE
from app.crediting import queries as activities
from app.crediting import reversal
from app.crediting.intake import Intake
from app.crediting.prepare import Prepared, Preparer
from app.crediting.rules import Rules
from app.crediting.schemas import ActivityReport
from app.crediting.service import Result
from app.verification import queries
from app.wiring import Services
from dedup.periods import LOCAL
from points import redemption_repository, redemptions
from points.expiry import expire_some
from points.programmes import Programme, Programmes
from points.redemption_errors import PointsShort
from points.redemption_states import Act, Command, Order, Redemption, Step
from points.redemptions import Policy
from points.repository import Part

HOLD = datetime.timedelta(minutes=15)


@dataclass(frozen=True)
class Spent:
    """A redemption, and the lots that its points came from."""

    id: UUID
    holder: UUID
    parts: tuple[Part, ...]


def programme(**over: Any) -> Programme:
    """A made-up programme of the whole nation: a point a gram, a month and what is left of this one."""
    text = {
        "region": "100000",
        "name": {"zh": "试验", "en": "Test"},
        "from": "2000-01-01",
        "points_per_g": 1,
        "expiry_months": 1,
        "scenes": {"recycling.clothes": {"points": 1, "per": 1, "of": "mass_g"}},
        **over,
    }
    if "expiry_years" in over:
        del text["expiry_months"]
    return Programme.model_validate(text)


class Purse:
    """One source and the people whose acts it reports, under programmes of the test's own."""

    def __init__(self, service: Services, intake: Intake, source: UUID, start: datetime.datetime) -> None:
        self.service = service
        self.intake = intake
        self.source = source
        self.now = start
        self.desk = Desk(service)
        self._stalls: dict[datetime.date, tuple[UUID, UUID]] = {}
        self._at_stall: dict[UUID, datetime.date] = {}
        self._opening = asyncio.Lock()

    def local(self, *parts: int) -> datetime.datetime:
        self.now = datetime.datetime(*parts, tzinfo=LOCAL)  # type: ignore[arg-type, misc]
        return self.now

    async def person(self) -> tuple[str, UUID]:
        return await self.desk.person(self.source)

    def prepared(self, phone: str, points: int, **over: Any) -> Prepared:
        """An act of so many points: a gram of clothes each, under the programme's rule for them."""
        at = self.now - datetime.timedelta(minutes=1)
        body = {
            "event_id": uuid.uuid4().hex,
            "scene": "recycling.clothes",
            "region": "510500",
            "subject": {"scheme": "phone", "value": phone},
            "occurred_at": at.isoformat(),
            "mass_g": points,
            "order_no": uuid.uuid4().hex,
            "issuer": "recycler",
            **over,
        }
        body = {name: value for name, value in body.items() if value is not None}
        report = ActivityReport.model_validate(body)
        return self.intake.preparer.prepare(report, self.source, self.now)

    async def report(self, phone: str, points: int, **over: Any) -> Result:
        return await self.intake.report(self.prepared(phone, points, **over))

    async def earn(self, phone: str, points: int, **over: Any) -> UUID:
        result = await self.report(phone, points, **over)
        assert result.outcome == "credited", result
        assert result.points == points, result
        assert result.activity_id is not None
        return result.activity_id

    async def order(self, holder: UUID, points: int, *, confirm: bool) -> Spent | None:
        """Order so many things of a point each; None where there are not enough points."""
        answer = await self._ask(Order(holder, await self._offer(), points, confirm))
        if isinstance(answer, PointsShort):
            return None
        assert isinstance(answer, Redemption), answer
        async with self.service.database.driver_transaction() as driver:
            parts = await redemption_repository.read_parts(driver, [holder], [answer.id])
        return Spent(answer.id, holder, tuple(parts[answer.id]))

    async def spend(self, holder: UUID, points: int) -> Spent | None:
        """Spend at a merchant; None where there is not enough."""
        return await self.order(holder, points, confirm=True)

    async def turn(self, spent: Spent, act: Act) -> str:
        """Take a redemption a step further; answers its state, or why it is refused."""
        mine = act in (Act.CONFIRM, Act.CANCEL)
        merchant = None if mine else self._stalls[self._at_stall[spent.id]][0]
        answer = await self._ask(Step(act, spent.id, spent.holder if mine else None, merchant))
        return answer.code if isinstance(answer, DomainError) else answer.state

    async def refund(self, spent: Spent) -> None:
        """Have the merchant give the points back."""
        assert await self.turn(spent, Act.REFUND) == "refunded"

    async def together(self, spent: Spent, points: int) -> tuple[str, Redemption]:
        """A refund and an order of the same holder, in one group."""
        merchant = self._stalls[self._at_stall[spent.id]][0]
        commands = [
            Step(Act.REFUND, spent.id, merchant_id=merchant),
            Order(spent.holder, await self._offer(), points),
        ]
        async with self.service.database.driver_transaction() as driver:
            refunded, ordered = await redemptions.carry_out(driver, commands, self._policy, self.now)
        assert isinstance(refunded, Redemption), refunded
        assert isinstance(ordered, Redemption), ordered
        self._at_stall[ordered.id] = self._today
        return refunded.state, ordered

    async def time_out(self) -> None:
        """Return what was held for too long."""
        async with self.service.database.driver_transaction() as driver:
            while await redemptions.return_due(driver, self._policy, self.now):
                pass

    async def _ask(self, command: Command) -> Redemption | DomainError:
        async with self.service.database.driver_transaction() as driver:
            answer = (await redemptions.carry_out(driver, [command], self._policy, self.now))[0]
        if isinstance(command, Order) and isinstance(answer, Redemption):
            self._at_stall[answer.id] = self._today
        return answer

    @property
    def _today(self) -> datetime.date:
        return self.now.astimezone(LOCAL).date()

    @property
    def _policy(self) -> Policy:
        programmes, today = self.intake.preparer.rules.programmes, self._today
        return Policy(HOLD, lambda region: programmes.of(region, today).refund_restored_days)

    async def _offer(self) -> UUID:
        """An offer of today's: what is sold has its time."""
        async with self._opening:
            if self._today not in self._stalls:
                merchant, (offer,) = await Accounts(self.service).offers([Sold(1, "none")], self.now)
                self._stalls[self._today] = merchant, offer
        return self._stalls[self._today][1]

    def principal(self) -> Principal:
        return Principal(
            "cli_test", self.source, "test", "100000", frozenset({ACTIVITIES_WRITE}), 2_000_000_000
        )

    async def reverse(self, activity_id: UUID) -> None:
        principal = self.principal()
        async with self.service.database.transaction() as session:
            activity = await activities.visible_activity(session, principal, activity_id)
            await reversal.reverse(session, self.intake.preparer.rules, activity, principal, "test", self.now)

    async def expire(self, limit: int = 500) -> int:
        """Run the expiry until nothing is due; answers how many slices it took."""
        slices = 0
        while True:
            async with self.service.database.driver_transaction() as driver:
                if not await expire_some(driver, self.now, limit):
                    return slices
            slices += 1

    async def books(self, holder: UUID) -> dict[str, Any]:
        """What is left, owed, and where all points came from and went."""
        async with self.service.database.driver_transaction() as driver:
            balance = await driver.fetchrow(
                "SELECT points, held_points, owed_points FROM balances WHERE holder_id = $1", holder
            )
            left = await driver.fetch(
                "SELECT expires_on, remaining FROM lots WHERE holder_id = $1 AND remaining > 0 ORDER BY 1",
                holder,
            )
            moved = await driver.fetch(
                """
                SELECT kind, debit, credit, sum(amount)::bigint FROM entries
                WHERE holder_id = $1 AND asset_id IN (SELECT id FROM assets WHERE kind = 'points')
                GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
                """,
                holder,
            )
        return {
            "points": balance[0],
            "held": balance[1],
            "owed": balance[2],
            "lots": {row[0].isoformat(): row[1] for row in left},
            "moved": {
                f"{EntryKind(row[0]).name} {AccountKind(row[1]).name}>{AccountKind(row[2]).name}": row[3]
                for row in moved
            },
        }

    async def breaches(self) -> list[str]:
        async with self.service.database.snapshot() as driver:
            return [name for name, (_, query) in queries().items() if await driver.fetchval(query)]


@asynccontextmanager
async def purse(service: Services, start: datetime.datetime, *programmes: Programme) -> AsyncIterator[Purse]:
    known = service.preparer.rules
    rules = Rules(known.catalogue, Programmes(programmes), known._ids)
    preparer = Preparer(rules, service.hasher, service.token_maker)
    source = await Desk(service).source()
    made: list[Purse] = []
    intake = Intake(service.database, preparer, lambda: made[0].now, committers=2, group_max=100)
    made.append(Purse(service, intake, source, start))
    try:
        yield made[0]
    finally:
        await intake.close()
