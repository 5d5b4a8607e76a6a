"""Sessions of residents: short access tokens, and refresh tokens that are used once and end with their family."""

import base64
import binascii
import datetime
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import jwt

from accounts.ids import parse_public_id, public_id, uuid7
from accounts.models import Balance, HolderStatus
from accounts.queries import find_holder
from app.auth import resident_repository, scopes
from app.auth.errors import BindingInvalid, HolderClosed, RefreshInvalid
from app.auth.principal import Principal
from app.auth.resident_models import ResidentSession
from app.auth.tokens import ISSUER

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.models import Holder
    from app.auth.tokens import Tokens

PREFIX = "rft_"
FAMILY_BYTES, SECRET_BYTES = 16, 32
MAX_SESSIONS = 10
"""Devices of one holder; a further one ends the one that was not used for longest."""
KEPT = datetime.timedelta(days=30)
"""How long a session is told of after it ended."""
BINDING_AUDIENCE = "tanpuhui binding"
BINDING_S = 600
SCOPES = frozenset({scopes.ME_READ, scopes.ME_WRITE})


@dataclass(frozen=True, slots=True)
class Pass:
    """What a device gets: both tokens, each once."""

    principal: Principal
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    refresh_expires_at: datetime.datetime
    session_id: UUID


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of a refresh token: the next pass, or the session that it ended."""

    given: Pass | None
    ended: UUID | None


class Sessions:
    """Begins, renews and ends sessions; in the caller's transaction."""

    def __init__(
        self, tokens: "Tokens", key: bytes, idle: datetime.timedelta, longest: datetime.timedelta
    ) -> None:
        self._tokens = tokens
        self._key = hashlib.blake2b(key, person=b"tph refresh key", digest_size=32).digest()
        self._idle = idle
        self._longest = longest

    async def begin(
        self, session: "AsyncSession", holder_id: UUID, method: str, device: str, now: datetime.datetime
    ) -> Pass:
        """A session of a locked holder; the least used one beyond `MAX_SESSIONS` ends."""
        holder = await _active(session, holder_id)
        raw = secrets.token_bytes(FAMILY_BYTES + SECRET_BYTES)
        row = ResidentSession(
            id=uuid7(now),
            holder_id=holder_id,
            method=method,
            device=device,
            family_hash=self._hash(raw[:FAMILY_BYTES]),
            token_hash=self._hash(raw),
            created_at=now,
            last_used_at=now,
            expires_at=now + min(self._idle, self._longest),
        )
        session.add(row)
        await session.flush()
        live = await resident_repository.live_sessions(session, holder_id, now)
        if surplus := [each.id for each in live[MAX_SESSIONS:]]:
            await resident_repository.end_sessions(session, holder_id, now, "replaced", surplus)
        return await self._pass(session, holder, row, raw, now)

    async def refresh(self, session: "AsyncSession", token: str, now: datetime.datetime) -> Refreshed:
        """The next pass of a family; or its end, where the token was used before: to be committed, and refused.

        Raises `RefreshInvalid` where nothing is to be kept.
        """
        raw = _raw(token)
        row = await resident_repository.lock_family(session, self._hash(raw[:FAMILY_BYTES]))
        if row is None or row.ended_at is not None or row.expires_at <= now:
            raise RefreshInvalid
        if not hmac.compare_digest(row.token_hash, self._hash(raw)):
            # Only tokens of this family carry its first part: this one was replaced, so two have had it.
            row.ended_at, row.end_reason = now, "reused"
            session.add(row)
            return Refreshed(None, row.id)
        holder = await _active(session, row.holder_id)
        following = raw[:FAMILY_BYTES] + secrets.token_bytes(SECRET_BYTES)
        row.token_hash = self._hash(following)
        row.last_used_at = now
        row.expires_at = min(now + self._idle, row.created_at + self._longest)
        session.add(row)
        await session.flush()
        return Refreshed(await self._pass(session, holder, row, following, now), None)

    async def end(
        self, session: "AsyncSession", holder_id: UUID, session_id: UUID, now: datetime.datetime
    ) -> bool:
        """End one session of the holder; answers whether there was one."""
        ended = await resident_repository.end_sessions(session, holder_id, now, "signed_out", [session_id])
        return bool(ended)

    async def end_all(
        self, session: "AsyncSession", holder_id: UUID, now: datetime.datetime
    ) -> tuple[int, int]:
        """End every session of a locked holder and begin an epoch; answers how many ended, and the epoch.

        No access token that is out counts any more, whoever issued it: tell this process by `forget_holder` once it
        is committed, the others learn of it when they read the keys anew.
        """
        ended = await resident_repository.end_sessions(session, holder_id, now, "signed_out")
        return len(ended), await resident_repository.next_epoch(session, holder_id, now)

    def forget_session(self, session_id: UUID) -> None:
        """Have this process refuse a session's access tokens at once."""
        keys = self._tokens.keys
        keys.disabled_clients |= {public_id("ses", session_id)}

    def forget_holder(self, holder_id: UUID, epoch: int) -> None:
        """Have this process refuse a holder's access tokens of earlier epochs at once."""
        self._tokens.keys.epochs[holder_id] = epoch

    async def lend(
        self, session: "AsyncSession", guardian: Principal, child_id: UUID, now: datetime.datetime
    ) -> tuple[str, Principal]:
        """An access token for a child's account that ends with its guardian's session."""
        child = await _active(session, child_id)
        principal = await self._principal(session, child, guardian.client_id, now)
        return self._tokens.issue(principal, now), principal

    def seal_binding(self, provider: tuple[tuple[UUID, str], ...], now: datetime.datetime) -> str:
        """A token that says, for ten minutes, who somebody is at a provider: by keyed hashes, signed."""
        key = self._tokens.keys.signing(now)
        claims = {
            "iss": ISSUER,
            "aud": BINDING_AUDIENCE,
            "exp": int(now.timestamp()) + BINDING_S,
            "ids": [[token.hex, scheme] for token, scheme in provider],
        }
        return jwt.encode(claims, key.private, algorithm="EdDSA", headers={"kid": key.kid})

    def open_binding(self, token: str, now: datetime.datetime) -> tuple[tuple[UUID, str], ...]:
        """The identities of a binding token; `BindingInvalid` otherwise."""
        try:
            key = self._tokens.keys.find(str(jwt.get_unverified_header(token).get("kid")), now)
            if key is None:
                raise BindingInvalid
            claims = jwt.decode(
                token,
                key.public,
                algorithms=["EdDSA"],
                audience=BINDING_AUDIENCE,
                issuer=ISSUER,
                options={"require": ["exp", "ids"]},
            )
        except (jwt.PyJWTError, UnicodeError, RecursionError):
            raise BindingInvalid from None
        return tuple((UUID(hex=token), scheme) for token, scheme in claims["ids"])

    async def _pass(
        self,
        session: "AsyncSession",
        holder: "Holder",
        row: ResidentSession,
        raw: bytes,
        now: datetime.datetime,
    ) -> Pass:
        principal = await self._principal(session, holder, public_id("ses", row.id), now)
        return Pass(
            principal,
            self._tokens.issue(principal, now),
            _text(raw),
            row.expires_at,
            row.id,
        )

    async def _principal(
        self, session: "AsyncSession", holder: "Holder", session_id: str, now: datetime.datetime
    ) -> Principal:
        return Principal(
            client_id=session_id,
            # Whose idempotency keys these are: everybody's own.
            organisation_id=holder.id,
            name="resident",
            region=holder.region,
            scopes=SCOPES,
            expires_at=int(now.timestamp()) + self._tokens.lifetime_s,
            holder_id=holder.id,
            epoch=await resident_repository.epoch_of(session, holder.id),
        )

    def _hash(self, raw: bytes) -> bytes:
        return hashlib.blake2b(raw, key=self._key, digest_size=32).digest()


def session_of(principal: Principal) -> UUID | None:
    """The session that a resident's token belongs to; None where an operator issued it."""
    return parse_public_id("ses", principal.client_id)


async def forget_sessions(session: "AsyncSession", now: datetime.datetime) -> None:
    """Drop what nobody asks for any more."""
    await resident_repository.forget_sessions(session, now - KEPT)


async def _active(session: "AsyncSession", holder_id: UUID) -> "Holder":
    found = await find_holder(session, holder_id)
    if found is None:
        raise HolderClosed
    holder, balance = found
    if not _is_active(balance):
        raise HolderClosed
    return holder


def _is_active(balance: Balance) -> bool:
    return balance.status == HolderStatus.ACTIVE


def _text(raw: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(raw).decode()


def _raw(token: str) -> bytes:
    """The bytes of a refresh token; `RefreshInvalid` where it is none."""
    body = token.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(body, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise RefreshInvalid from None
    if len(raw) != FAMILY_BYTES + SECRET_BYTES or token != _text(raw):
        raise RefreshInvalid
    return raw
