"""Ranks in Redis: sorted sets of mg for each city: of persons by period, of teams by kind. All can be built again.

All sets of one build carry its generation; a key tells which generation counts, so that a new one takes over at once.
The generation's cursor is the moment up to which bookings are in it; it moves with the sets in one transaction.
"""

import datetime
import uuid
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from redis.exceptions import RedisError, WatchError

from accounts.ids import epoch_ms
from app.ranks.errors import RanksUnavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from accounts.teams.repository import TeamTotal
    from app.ranks.repository import Score

CURRENT = "ranks:generation"
KEPT = datetime.timedelta(days=70)
"""How long a month's ranks stay, from when they were last written."""
_MUNICIPALITIES = ("11", "12", "31", "50")
_STAGED = datetime.timedelta(hours=1)
# Adds what was staged in one command: the commands of a busy minute, one for each holder, hold the event loop up.
_ADD = """
local staged = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
for i = 1, #staged, 2 do redis.call('ZINCRBY', KEYS[1], staged[i + 1], staged[i]) end
"""
AWAY = (RedisError, OSError, TimeoutError)


def city_of(region: str) -> str:
    """The city of a region: districts rank with their city, those of Beijing, Tianjin, Shanghai, Chongqing too."""
    return region[:2] + "0000" if region[:2] in _MUNICIPALITIES else region[:4] + "00"


def _key(generation: str, region: str, period: str) -> str:
    return f"ranks:{generation}:{city_of(region)}:{period or 'all'}"


@dataclass(frozen=True)
class Place:
    """A place in a rank; who has the same has the same place."""

    rank: int
    holder_id: UUID
    mg: int


class Ranks:
    """The sorted sets. Raises `RanksUnavailable` where they cannot be read or are not built."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def cursor(self) -> tuple[str, datetime.datetime] | None:
        """The generation that counts and its cursor; None where there is none."""
        generation = _text(await self._redis.get(CURRENT))
        moment = _text(await self._redis.get(f"ranks:{generation}:cursor")) if generation else ""
        if not moment:
            return None
        return generation, datetime.datetime.fromtimestamp(int(moment) / 1000, datetime.UTC)

    async def build(
        self, pages: AsyncIterable[list["Score"]], teams: Sequence["TeamTotal"], until: datetime.datetime
    ) -> int:
        """Write a new generation and let it count; answers how many scores it has. For one builder at a time."""
        generation = uuid.uuid4().hex
        number = 0
        async for page in pages:
            number += len(page)
            async with self._redis.pipeline(transaction=False) as pipe:
                for (region, period), scores in _by_set(page).items():
                    key = _key(generation, region, period)
                    pipe.zadd(key, scores)
                    if period:
                        pipe.expire(key, KEPT)
                await pipe.execute()
        async with self._redis.pipeline(transaction=True) as pipe:
            _put_teams(pipe, generation, teams)
            pipe.set(f"ranks:{generation}:cursor", epoch_ms(until))
            pipe.set(CURRENT, generation)
            await pipe.execute()
        async for key in self._redis.scan_iter("ranks:*", count=1000):
            name = _text(key)
            if name != CURRENT and not name.startswith(f"ranks:{generation}:"):
                await self._redis.unlink(name)
        return number

    async def advance(
        self,
        at: tuple[str, datetime.datetime],
        until: datetime.datetime,
        booked: AsyncIterable[list["Score"]],
        chosen: Sequence[tuple[UUID, str]],
        totals: Sequence["Score"],
        teams: Sequence["TeamTotal"],
        month: str,
    ) -> bool:
        """Add what was booked between the cursor and `until`, once; False where somebody else moved the cursor.

        It is staged page by page, and counts with the cursor. Who chose meanwhile leaves, and comes back with the
        totals where the choice is to be seen.
        """
        generation, since = at
        cursor = f"ranks:{generation}:cursor"
        staged = await self._stage(generation, booked)
        async with self._redis.pipeline(transaction=True) as pipe:
            await pipe.watch(CURRENT, cursor)
            if _text(await pipe.get(CURRENT)) != generation or _text(await pipe.get(cursor)) != str(
                epoch_ms(since)
            ):
                return False
            pipe.multi()  # type: ignore[no-untyped-call]
            for (region, period), key in staged.items():
                for each in (period, ""):
                    pipe.eval(_ADD, 2, _key(generation, region, each), key)
                pipe.expire(_key(generation, region, period), KEPT)
                pipe.unlink(key)
            for holder_id, region in chosen:
                for each in (month, ""):
                    pipe.zrem(_key(generation, region, each), holder_id.bytes)
            for holder_id, region, period, mg in totals:
                pipe.zadd(_key(generation, region, period), {holder_id.bytes: mg})
            _put_teams(pipe, generation, teams)
            pipe.set(cursor, epoch_ms(until))
            try:
                await pipe.execute()
            except WatchError:
                return False
        return True

    async def _stage(
        self, generation: str, booked: AsyncIterable[list["Score"]]
    ) -> dict[tuple[str, str], str]:
        attempt = f"ranks:{generation}:booked:{uuid.uuid4().hex}"
        staged: dict[tuple[str, str], str] = {}
        async for page in booked:
            async with self._redis.pipeline(transaction=False) as pipe:
                for (region, period), scores in _by_set(page).items():
                    key = staged.setdefault((region, period), f"{attempt}:{region}:{period}")
                    pipe.zadd(key, scores)
                    pipe.expire(key, _STAGED)
                await pipe.execute()
        return staged

    async def read(
        self, region: str, period: str, top: int, holder_id: UUID
    ) -> tuple[list[Place], Place | None, int, datetime.datetime]:
        """The first places, the holder's own, how many have a place, and up to when bookings are in it."""
        try:
            at = await self.cursor()
            if at is None:
                raise RanksUnavailable
            key = _key(at[0], region, period)
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.zrevrangebyscore(key, "+inf", "(0", start=0, num=top, withscores=True)
                pipe.zcount(key, "(0", "+inf")
                pipe.zscore(key, holder_id.bytes)
                rows, number, own = await pipe.execute()
            place = None
            if own is not None and own > 0:
                ahead = await self._redis.zcount(key, f"({int(own)}", "+inf")
                place = Place(int(ahead) + 1, holder_id, int(own))
        except AWAY:
            raise RanksUnavailable from None
        return _ranked(rows), place, int(number), at[1]


def _put_teams(pipe: Any, generation: str, teams: Sequence["TeamTotal"]) -> None:
    """Teams' totals are whole whenever they are written: twice is once."""
    for team in teams:
        key = _key(generation, team.region, "teams:" + team.kind)
        if team.closed:
            pipe.zrem(key, team.team_id.bytes)
        else:
            pipe.zadd(key, {team.team_id.bytes: team.mg})


def _ranked(rows: list[tuple[bytes, float]]) -> list[Place]:
    places: list[Place] = []
    for number, (member, score) in enumerate(rows, 1):
        same = bool(places) and places[-1].mg == int(score)
        places.append(Place(places[-1].rank if same else number, UUID(bytes=member), int(score)))
    return places


def _by_set(scores: Sequence["Score"]) -> dict[tuple[str, str], dict[Any, float]]:
    found: dict[tuple[str, str], dict[Any, float]] = {}
    for holder_id, region, period, mg in scores:
        found.setdefault((region, period), {})[holder_id.bytes] = mg
    return found


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
