"""The door of redemptions: orders and steps that arrive together are committed together, each with its answer kept."""

import datetime
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from accounts.errors import DomainError
from app.groups import Groups, transact
from app.problems import RequestError
from app.redeeming import answers
from dedup.periods import LOCAL
from dedup.writes import Writes
from points import redemptions
from points.redemption_states import Command, Redemption

if TYPE_CHECKING:
    from app.crediting.prepare import Preparer
    from app.database import Chain, Database

MOST_ROUNDS = 200
"""Of a run of the job: what is left is for the next one."""
View = Callable[[Redemption, datetime.datetime], dict[str, Any]]
Key = tuple[bytes, bytes]
"""Token of an Idempotency-Key, and the keyed MAC of the body that it came with."""


class Unprocessable(DomainError):
    """The database refuses this very redemption."""

    code = "redemption.unprocessable"


@dataclass(frozen=True, slots=True)
class Ask:
    """A command, what its caller sees of the outcome, and the key under which the answer is kept."""

    command: Command
    view: View
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as JSON; `replayed`: the first answer to the same key, again."""

    body: bytes
    replayed: bool = False


class RedemptionDesk:
    """Commits redemptions in groups; every caller gets the outcome of its own, refusals as exceptions."""

    def __init__(
        self,
        database: "Database",
        preparer: "Preparer",
        clock: Callable[[], datetime.datetime],
        *,
        hold: datetime.timedelta,
        also: redemptions.Also = redemptions.nothing,
        committers: int,
        group_max: int,
    ) -> None:
        self.clock = clock
        self.policy = redemptions.Policy(hold, self._restored_days, also)
        self._preparer = preparer
        self._database = database
        self._groups: Groups[Ask, Told | DomainError] = Groups(
            database, self._attempt, Unprocessable, committers=committers, group_max=group_max
        )

    async def ask(self, ask: Ask) -> Told:
        """Carry one command out together with those that wait at the same time; raises why it is refused."""
        told = await self._groups.submit(ask)
        if isinstance(told, DomainError):
            raise told
        return told

    async def return_due(self, now: datetime.datetime) -> None:
        """Time out holds and lapse codes whose time has come, some hundreds in a transaction."""

        async def work(driver: asyncpg.Connection) -> int:
            return await redemptions.return_due(driver, self.policy, now)

        for _ in range(MOST_ROUNDS):
            if await transact(self._database.chain(), work) < redemptions.DUE_AT_ONCE:
                return

    def committing(self) -> bool:
        """Whether answers of the database are waited for."""
        return self._groups.committing()

    async def close(self) -> None:
        """Wait for what is being committed."""
        await self._groups.close()

    def _restored_days(self, region: str) -> int:
        today = self.clock().astimezone(LOCAL).date()
        return self._preparer.rules.programme(region, today).refund_restored_days

    async def _attempt(self, chain: "Chain", batch: Sequence[Ask]) -> list[Told | DomainError]:
        async def work(driver: asyncpg.Connection) -> list[Told | DomainError]:
            return await self._carry_out(driver, batch)

        try:
            return await transact(chain, work)
        except asyncpg.UniqueViolationError:
            # Another process kept an answer under the same key, for another body: now it is there to be compared.
            return await transact(chain, work)

    async def _carry_out(self, driver: asyncpg.Connection, batch: Sequence[Ask]) -> list[Told | DomainError]:
        """A key counts once within the group; what is kept under a key is read behind the holder's lock."""
        first_of: dict[bytes, int] = {}
        for index, ask in enumerate(batch):
            if ask.key is not None:
                first_of.setdefault(ask.key[0], index)
        firsts = [i for i, ask in enumerate(batch) if ask.key is None or first_of[ask.key[0]] == i]
        statuses = await redemptions.lock(driver, [batch[i].command for i in firsts])
        kept = await answers.read(driver, list(first_of)) if first_of else {}
        told: dict[int, Told | DomainError] = {}
        for index in firsts:
            key = batch[index].key
            if key is not None and key[0] in kept:
                told[index] = _again(key, *kept[key[0]])
        fresh = [index for index in firsts if index not in told]
        if fresh:
            told |= await self._decide(driver, batch, fresh, statuses)
        for index, ask in enumerate(batch):
            if index in told or ask.key is None:
                continue
            first = first_of[ask.key[0]]
            told[index] = _repeated(ask.key, batch[first].key or ask.key, told[first])
        return [told[index] for index in range(len(batch))]

    async def _decide(
        self, driver: asyncpg.Connection, batch: Sequence[Ask], fresh: Sequence[int], statuses: dict[Any, int]
    ) -> dict[int, Told | DomainError]:
        now = self.clock()
        writes = Writes()
        commands = [batch[index].command for index in fresh]
        decided = await redemptions.decide(driver, commands, statuses, self.policy, now, writes)
        told: dict[int, Told | DomainError] = {}
        rows: list[tuple[bytes, bytes, bytes]] = []
        for index, answer in zip(fresh, decided, strict=True):
            if isinstance(answer, DomainError):
                told[index] = answer
                continue
            body = orjson.dumps(batch[index].view(answer, now))
            told[index] = Told(body)
            if (key := batch[index].key) is not None:
                rows.append((*key, body))
        if rows:
            answers.keep(writes, rows, now)
        await writes.execute(driver)
        return told


def _again(key: Key, mac: bytes, body: bytes) -> Told | DomainError:
    if not hmac.compare_digest(mac, key[1]):
        return RequestError("request.idempotency_conflict")
    return Told(body, replayed=True)


def _repeated(key: Key, first: Key, told: Told | DomainError) -> Told | DomainError:
    """The answer to a key that came before in the same group."""
    if isinstance(told, Told):
        return _again(key, first[1], told.body)
    return told if hmac.compare_digest(first[1], key[1]) else RequestError("request.idempotency_conflict")
