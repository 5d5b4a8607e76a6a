"""Keeps a process's rules at what the database says, ahead of the moment from which it counts.

Every process looks at the database when another tells of a change (Redis), and every few seconds anyway. A version
is loaded as soon as its activation is decided, and counts from its moment on by the time of booking, so that
processes switch together. A process whose last look is older than half the lead that every decision keeps may
have missed one: it credits nothing until it has looked again.
"""

import asyncio
import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from accounts.labels.rules import LabelTexts
from app import metrics
from app.clocks.repository import clocks_of
from app.crediting.prepare import NEVER
from app.crediting.repository import know_methodologies
from app.programmes.live import LivePoints
from app.scoring.in_force import CardsInForce
from app.versions import repository
from app.versions.repository import Versions
from methodologies import Catalogue, Methodology, rebuild

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from app.crediting.prepare import Preparer
    from app.crediting.rules import Rules
    from app.database import Database

log = structlog.get_logger(__name__)
CHANNEL = "tanpuhui:methodologies"
LOOK_LIMIT_S = 5


class LiveMethodologies:
    """The rules of one process, exchanged when operators change them."""

    def __init__(
        self,
        database: "Database",
        redis: "Redis",
        packs: Catalogue,
        preparer: "Preparer",
        clock: Callable[[], datetime.datetime],
        *,
        lead_s: float,
        poll_s: float,
        cards: CardsInForce,
    ) -> None:
        self.packs = packs
        self.lead = datetime.timedelta(seconds=lead_s)
        self._database = database
        self._redis = redis
        self._preparer = preparer
        self._clock = clock
        self._poll_s = poll_s
        self._known: Versions | None = None
        self._built: dict[str, Methodology] = {}
        self._points = LivePoints(preparer.rules.programmes, cards)
        self._wake = asyncio.Event()
        self._looking = asyncio.Lock()
        self._watched = False

    @property
    def labels(self) -> LabelTexts:
        """The approved rules of labels, as of the last look."""
        return self._points.labels

    def score_cards(self) -> CardsInForce:
        """The score cards, and where they are in force, as far as this process knows."""
        return self._points.cards

    async def refresh(self) -> None:
        """Look at the database once, and exchange the rules where something changed. Raises what the database does."""
        async with self._looking, asyncio.timeout(LOOK_LIMIT_S):
            asked_at = self._clock()
            async with self._database.driver_transaction() as driver:
                found = await repository.read_versions(driver)
            if found != self._known:
                await self._exchange(found, asked_at)
            self._preparer.extend(self._known_until(asked_at))

    async def run(self) -> None:
        """Stay up to date until cancelled. From here on, a process that cannot look credits nothing."""
        self._watched = True
        listening = asyncio.create_task(self._listen())
        try:
            while True:
                try:
                    await self.refresh()
                    pause_s = self._poll_s
                except Exception as error:  # noqa: BLE001 - whatever it is, it has to look again or credit nothing
                    metrics.METHODOLOGY_REFRESH_FAILURES.inc()
                    log.warning("methodologies not refreshed", error=type(error).__name__)
                    pause_s = min(self._poll_s, 1.0)
                    # A crowd that is refused must not make it look without a pause.
                    await asyncio.sleep(pause_s / 4)
                await self._pause(pause_s)
        finally:
            listening.cancel()

    async def tell(self) -> None:
        """Something changed and is committed: have all processes look at once, this one included."""
        self._wake.set()
        try:
            await self._redis.publish(CHANNEL, b"changed")
        except (RedisError, OSError, TimeoutError) as error:
            # The others look by themselves, well before anything counts.
            log.warning("change of methodologies not told", error=type(error).__name__)

    def _known_until(self, asked_at: datetime.datetime) -> datetime.datetime:
        return asked_at + self.lead / 2 if self._watched else NEVER

    async def _exchange(self, found: Versions, now: datetime.datetime) -> None:
        missing = [hash_ for hash_, _ in found.revisions if hash_ not in self._built]
        async with self._database.driver_transaction() as driver:
            for content in await repository.read_contents(driver, missing):
                built = rebuild(content)
                self._built[built.content_hash] = built
            await self._points.learn(driver, found.points)
            approved = [self._built[hash_] for hash_, _ in found.revisions]
            # A pack's word makes nothing issuable: a second operator's does, here.
            texts = [(m, m.issuable) for m in approved] + [(m, False) for m in self.packs.methodologies]
            ids = await know_methodologies(
                driver,
                [
                    (m.region, m.scene, m.code, m.version, m.content_hash, m.content, issuable)
                    for m, issuable in texts
                ],
                now,
            )
        decided = [*(moment for _, moment in found.revisions), *(each[2] for each in found.ends)]
        moments = sorted({moment for moment in decided if moment is not None and moment > now})
        rules = self._rules(found, now, ids)
        later = [(moment, self._rules(found, moment, ids)) for moment in moments]
        self._preparer.exchange(rules, later, self._known_until(now), self._wake.set)
        self._known = found
        log.info("methodologies loaded", operators=len(found.revisions), scheduled=len(moments))

    def _rules(self, found: Versions, moment: datetime.datetime, ids: dict[str, int]) -> "Rules":
        counting = [self._built[hash_] for hash_, from_ in found.revisions if from_ <= moment]
        catalogue = self.packs.with_versions(counting, found.ends_at(moment), found.adoptions)
        return self._preparer.rules.succeeded_by(
            catalogue,
            ids,
            found.exclusions,
            self._points.programmes,
            self._points.campaigns,
            self._points.reviews,
            clocks_of(found.clocks),
            self._points.agreements,
        )

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    # What was told before we listened.
                    self._wake.set()
                    while True:
                        message = await pubsub.get_message(
                            ignore_subscribe_messages=True, timeout=self._poll_s
                        )
                        if message is not None:
                            self._wake.set()
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(self._poll_s)
