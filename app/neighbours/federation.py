"""Person keys of the federation of cities: computed where this is its evaluator, else asked for blindly.

A holder gets its key when the identifier that its person key is made of passes by: at onboarding, and at every sign-in
by phone until it has one. Identifiers are dropped afterwards as ever. An evaluator that is away keeps nobody waiting.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import structlog

from accounts.repository import Driver
from app import metrics
from app.neighbours import repository
from app.neighbours.client import Door, Identifier
from app.neighbours.errors import Unreachable

if TYPE_CHECKING:
    from app.database import Database
    from dedup.person_key import PersonKeys

log = structlog.get_logger(__name__)
PATIENCE_S = 10.0
"""How long an onboarding waits for the evaluator."""

PAUSE_S = 30.0

Found = dict[Identifier, tuple[bytes, bytes]]
"""Identifier → (the deployment's person key, the federation's)."""


class Evaluator(Protocol):
    """Makes person keys of the federation."""

    async def person_keys(self, identifiers: Sequence[Identifier]) -> list[bytes]:
        """One for each identifier, in order; raises `Unreachable`."""


class OwnEvaluator:
    """Has the federation's key itself."""

    def __init__(self, keys: "PersonKeys") -> None:
        self.keys = keys

    async def person_keys(self, identifiers: Sequence[Identifier]) -> list[bytes]:
        """Some 60 µs each, on a thread."""
        return await asyncio.to_thread(lambda: [self.keys.person_key(*each) for each in identifiers])


class AskedEvaluator:
    """Another deployment has it."""

    def __init__(self, door: Door, key_id: str) -> None:
        self._door = door
        self._key_id = key_id
        self.again_at = 0.0
        """Until then nobody waits for an evaluator that was away."""

    async def person_keys(self, identifiers: Sequence[Identifier]) -> list[bytes]:
        """Blinded, evaluated there, and unblinded here."""
        loop = asyncio.get_running_loop()
        if loop.time() < self.again_at:
            raise Unreachable("was away a moment ago")
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._door.person_keys(identifiers, self._key_id)
        except TimeoutError:
            self.again_at = loop.time() + PAUSE_S
            raise Unreachable("too slow") from None
        except Unreachable:
            self.again_at = loop.time() + PAUSE_S
            raise


class Federation:
    """Gives holders their key in the federation."""

    def __init__(self, database: "Database", person_keys: "PersonKeys", evaluator: Evaluator) -> None:
        self._database = database
        self._person_keys = person_keys
        self.evaluator = evaluator

    async def find(self, people: Sequence[tuple[Sequence[UUID], Identifier]]) -> Found:
        """Keys for people (identity tokens, identifier) whose holder has none yet. Never within a transaction."""
        tokens = [token for each, _ in people for token in each]
        if not tokens:
            return {}
        async with self._database.statement() as driver:
            known = await repository.people_by_identity(driver, tokens)
        having = {token for token, person in known.items() if person.federation_key is not None}
        wanted = list(dict.fromkeys(identifier for each, identifier in people if having.isdisjoint(each)))
        if not wanted:
            return {}
        try:
            keys = await self.evaluator.person_keys(wanted)
        except Unreachable as away:
            # They get theirs when they come by again; until then they are compared by numbers alone.
            metrics.FEDERATION_MISSED.inc(len(wanted))
            log.warning("no keys of the federation", reason=str(away), people=len(wanted))
            return {}
        present = await asyncio.to_thread(lambda: [self._person_keys.person_key(*each) for each in wanted])
        return dict(zip(wanted, zip(present, keys, strict=True), strict=True))

    async def keep(self, driver: Driver, holders: Iterable[tuple[UUID, Identifier]], found: Found) -> None:
        """Keep the keys of those whose person key is of the same identifier."""
        rows = [(holder, *found[identifier]) for holder, identifier in holders if identifier in found]
        if rows:
            await repository.keep_keys(driver, rows)
