"""One-time codes by SMS, in Redis: counted before they are sent, bounded in tries, used once. Fails closed."""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from app.problems import RequestError
from integrations.errors import CodeRefused

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from integrations.sign_in import SmsGateway

DIGITS = 6
LIFETIME_S = 300
TRIES = 5
RESEND_S = 60
HOUR_S, DAY_S = 3600, 86400
PER_PHONE = ((1, RESEND_S), (5, HOUR_S), (10, DAY_S))
"""(number, seconds): codes that one phone gets."""
PER_DEVICE = ((10, HOUR_S),)
IPV6_NETWORK = 64

_TAKE = """
local wait = 0
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[2 * i - 1]) then
    wait = math.max(wait, redis.call('TTL', key), 1)
  end
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
  if redis.call('INCR', key) == 1 then redis.call('EXPIRE', key, ARGV[2 * i]) end
end
return 0
"""
_TRY = """
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
if redis.call('HINCRBY', KEYS[1], 'tries', 1) > tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1])
  return false
end
return redis.call('HGET', KEYS[1], 'mac')
"""
_USE = """
if redis.call('HGET', KEYS[1], 'mac') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


def network_of(address: str) -> str:
    """What an address is counted under: itself, or the /64 that one subscriber has of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, IPV6_NETWORK), strict=False))
    return str(parsed)


@asynccontextmanager
async def _failing_closed() -> AsyncIterator[None]:
    """Nobody is let in unchecked: Redis away is `auth.unavailable`."""
    try:
        yield
    except (RedisError, OSError, TimeoutError):
        raise RequestError("auth.unavailable", retry_after_s=5) from None


class PhoneCodes:
    """Codes and counters of one deployment. Redis sees keyed hashes of phones, devices and addresses only."""

    def __init__(self, redis: "Redis", key: bytes, *, codes_per_address: int, tries_per_address: int) -> None:
        self._redis = redis
        self._key = hashlib.blake2b(key, person=b"tph phone code", digest_size=32).digest()
        self._codes_per_address = codes_per_address
        self._tries_per_address = tries_per_address

    async def send(self, gateway: "SmsGateway", phone: str, device: str | None, address: str) -> None:
        """Make a code for a normalised phone number and have it sent; a former one counts no more.

        Raises `request.rate_limited`, `auth.unavailable`, and what the gateway raises.
        """
        address = network_of(address)
        counters = [("address", address, (self._codes_per_address, HOUR_S))]
        counters += [("device", device, limit) for limit in PER_DEVICE if device is not None]
        # First who asks, then who is asked for: what is refused here does not use up the phone's own.
        await self._take(counters)
        await self._take([("phone", phone, limit) for limit in PER_PHONE])
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        place = self._place(phone)
        async with _failing_closed(), self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(place)
            pipe.hset(place, mapping={"mac": self._mac("code", phone, code), "tries": "0"})
            pipe.expire(place, LIFETIME_S)
            await pipe.execute()
        await gateway.send_code(phone, code)

    async def check(self, phone: str, code: str) -> None:
        """Use up the code of a phone; `sign_in.code_wrong` where it is wrong, used, too old or tried too often."""
        place = self._place(phone)
        async with _failing_closed():
            kept = await self._run(_TRY, [place], [TRIES])
            if kept is None or not hmac.compare_digest(bytes(kept), self._mac("code", phone, code)):
                raise CodeRefused
            if await self._run(_USE, [place], [kept]) != 1:
                # Somebody used it in between, or a newer one took its place.
                raise CodeRefused

    async def check_address(self, address: str) -> None:
        """Take one attempt at signing in from an address."""
        await self._take([("sign-in", network_of(address), (self._tries_per_address, HOUR_S))])

    async def _take(self, counters: Sequence[tuple[str, Any, tuple[int, int]]]) -> None:
        keys = [
            f"codes:{self._mac(kind, str(subject), str(window)).hex()}"
            for kind, subject, (_, window) in counters
        ]
        limits = [number for _, _, limit in counters for number in limit]
        async with _failing_closed():
            wait = await self._run(_TAKE, keys, limits)
        if wait:
            raise RequestError("request.rate_limited", retry_after_s=int(wait))

    async def _run(self, script: str, keys: list[str], arguments: Sequence[Any]) -> Any:
        return await self._redis.eval(script, len(keys), *keys, *arguments)

    def _place(self, phone: str) -> str:
        return "code:" + self._mac("place", phone).hex()

    def _mac(self, *parts: str) -> bytes:
        text = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()
