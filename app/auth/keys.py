"""Ed25519 keys that sign access tokens, kept encrypted in the database and rotated with overlap."""

import base64
import datetime
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.auth import repository, resident_repository
from app.auth.models import SigningKey

if TYPE_CHECKING:
    from uuid import UUID

ROTATION = datetime.timedelta(days=30)
OVERLAP = datetime.timedelta(days=1)
PUBLISHED_AHEAD = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Key:
    """A key in use."""

    kid: str
    public: Ed25519PublicKey
    private: Ed25519PrivateKey
    signs_from: datetime.datetime
    verifies_until: datetime.datetime | None

    def jwk(self) -> dict[str, str]:
        """The public part as RFC 8037 has it."""
        return jwk_of(self.kid, self.public.public_bytes_raw())


def jwk_of(kid: str, public: bytes) -> dict[str, str]:
    """A public key as RFC 8037 has it."""
    x = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x}


class KeyRing:
    """The keys of one process; refreshed from the database, so that all processes sign and verify alike."""

    def __init__(self, encryption_key: bytes) -> None:
        self._cipher = AESGCM(
            hashlib.blake2b(encryption_key, person=b"tph signing key", digest_size=32).digest()
        )
        self._keys: dict[str, Key] = {}
        self.disabled_clients: frozenset[str] = frozenset()
        """Disabled clients, and sessions of residents that ended while a token of theirs may be out."""
        self.epochs: dict[UUID, int] = {}
        """Holder → epoch, of those who signed out everywhere while a token of theirs may be out."""
        self.ended_members: frozenset[UUID] = frozenset()
        """Memberships of enterprises that ended while a token of theirs may be out."""
        self.remember = datetime.timedelta(minutes=16)

    def find(self, kid: str, now: datetime.datetime) -> Key | None:
        """The key of that id, while it verifies."""
        key = self._keys.get(kid)
        if key is None or (key.verifies_until is not None and key.verifies_until <= now):
            return None
        return key

    def signing(self, now: datetime.datetime) -> Key:
        """The newest key that signs already."""
        ready = [key for key in self._keys.values() if key.signs_from <= now]
        if not ready:
            raise LookupError("no key signs yet")
        return max(ready, key=lambda key: key.signs_from)

    def verifying(self, now: datetime.datetime) -> list[Key]:
        """The keys that verify now."""
        return [k for k in self._keys.values() if k.verifies_until is None or k.verifies_until > now]

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """What `/.well-known/jwks.json` answers."""
        return {"keys": [key.jwk() for key in self._keys.values()]}

    def forget_members(self, ended: Iterable["UUID"]) -> None:
        """Have this process refuse tokens of memberships that ended at once; the others learn of it with the keys."""
        self.ended_members |= set(ended)

    async def refresh(self, session: AsyncSession, now: datetime.datetime) -> None:
        """Read the keys that verify now, and the clients whose tokens do not count any more."""
        self._keys = {row.kid: self._open(row) for row in await repository.usable_keys(session, now)}
        since = now - self.remember
        ended = await resident_repository.ended_sessions(session, since)
        self.epochs = await resident_repository.epochs(session, since)
        self.ended_members = await repository.ended_members(session, since)
        self.disabled_clients = await repository.disabled_clients(session) | ended

    async def rotate(self, session: AsyncSession, now: datetime.datetime, *, force: bool = False) -> bool:
        """Make a new key where the newest is old; the one before verifies on for a while. Answers whether it did."""
        await session.connection()
        await session.exec(text("SELECT pg_advisory_xact_lock(hashtext('tanpuhui_signing_keys'))"))  # type: ignore[call-overload]
        rows = await repository.usable_keys(session, now)
        if rows and not force and rows[0].signs_from > now - ROTATION:
            return False
        # A first key signs at once. A later one is published before it signs, so that every verifier knows it.
        signs_from = now + PUBLISHED_AHEAD if rows else now
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        kid = hashlib.blake2b(public, digest_size=12).hexdigest()
        nonce = hashlib.blake2b(public, digest_size=12, person=b"tph key nonce").digest()
        sealed = self._cipher.encrypt(nonce, private.private_bytes_raw(), kid.encode())
        session.add(SigningKey(kid=kid, private_key=sealed, public_key=public, signs_from=signs_from))
        for row in rows:
            if row.verifies_until is None:
                row.verifies_until = signs_from + OVERLAP
                session.add(row)
        await session.flush()
        return True

    def _open(self, row: SigningKey) -> Key:
        nonce = hashlib.blake2b(row.public_key, digest_size=12, person=b"tph key nonce").digest()
        private = Ed25519PrivateKey.from_private_bytes(
            self._cipher.decrypt(nonce, row.private_key, row.kid.encode())
        )
        return Key(row.kid, private.public_key(), private, row.signs_from, row.verifies_until)
