"""Onboarding holders in batches: identities hashed, one person key each, consents recorded."""

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID

from accounts import repository
from accounts.ids import epoch_ms, uuid7_batch
from dedup.person_key import IdentifierRefused

if TYPE_CHECKING:
    from accounts.repository import Driver
    from dedup.person_key import IdentityHasher, PersonKeys

STRENGTH = ("id_no", "uscc", "phone", "source_user")
"""From which identifier the person key comes: the first of these that is given, else the first given."""


@dataclass(frozen=True, slots=True)
class ConsentGrant:
    """A consent to record."""

    source_id: UUID
    scene_group: str
    granted_at: datetime.datetime
    text_version: str
    receipt_id: str


@dataclass(slots=True)
class Newcomer:
    """A holder to onboard; `identities` are (scheme, value, scope), in the clear until `hashed`."""

    kind: str
    region: str
    identities: Sequence[tuple[str, str, str]]
    consents: Sequence[ConsentGrant]
    error: str | None = None
    tokens: list[tuple[UUID, str]] = field(default_factory=list)
    person_key: bytes = b""
    holder_id: UUID | None = None
    created: bool = False


def hash_identities(newcomers: Iterable[Newcomer], hasher: "IdentityHasher") -> None:
    """Replace identifiers by tokens; a refused one is the newcomer's error."""
    for newcomer in newcomers:
        if newcomer.error is not None:
            continue
        try:
            newcomer.tokens = [
                (DriverUUID(hasher.token(scheme, value, scope)), scheme)
                for scheme, value, scope in newcomer.identities
            ]
        except IdentifierRefused as refused:
            newcomer.error = refused.code


def compute_person_keys(newcomers: Iterable[Newcomer], keys: "PersonKeys") -> None:
    """Compute the person keys: about 50 µs each, so not on the event loop, and once for each identifier."""
    computed: dict[tuple[str, str, str], bytes] = {}
    for newcomer in newcomers:
        strongest = _strongest(newcomer)
        if strongest not in computed:
            computed[strongest] = keys.person_key(*strongest)
        newcomer.person_key = computed[strongest]


def _strongest(newcomer: Newcomer) -> tuple[str, str, str]:
    return min(
        newcomer.identities,
        key=lambda identity: STRENGTH.index(identity[0]) if identity[0] in STRENGTH else len(STRENGTH),
    )


def identified(newcomers: Iterable[Newcomer]) -> list[tuple[UUID, tuple[str, str, str]]]:
    """Holders of newcomers who were onboarded, each with the identifier that person keys come from."""
    return [
        (newcomer.holder_id, _strongest(newcomer))
        for newcomer in newcomers
        if newcomer.error is None and newcomer.holder_id is not None
    ]


def by_identifier(newcomers: Iterable[Newcomer]) -> list[tuple[list[UUID], tuple[str, str, str]]]:
    """Identity tokens of newcomers whose identities were taken, with the identifier that person keys come from."""
    return [
        ([token for token, _ in newcomer.tokens], _strongest(newcomer))
        for newcomer in newcomers
        if newcomer.error is None
    ]


async def known_tokens(driver: "Driver", newcomers: Sequence[Newcomer]) -> set[UUID]:
    """Those of the newcomers' identity tokens that somebody has already."""
    tokens = [token for newcomer in newcomers for token, _ in newcomer.tokens]
    return set(await repository.resolve(driver, tokens)) if tokens else set()


async def forgotten(driver: "Driver", newcomers: Sequence[Newcomer]) -> list[Newcomer]:
    """Those without a person key, since somebody had their identities, whom nobody has any more: erased meanwhile.

    Nobody is onboarded or erased from here on until the transaction ends.
    """
    known = [newcomer for newcomer in newcomers if newcomer.error is None and not newcomer.person_key]
    if not known:
        return []
    await repository.lock_onboarding(driver)
    tokens = await known_tokens(driver, known)
    return [newcomer for newcomer in known if not any(token in tokens for token, _ in newcomer.tokens)]


async def onboard(
    driver: "Driver",
    newcomers: Sequence[Newcomer],
    may_see: Callable[[str], bool],
    now: datetime.datetime,
) -> None:
    """Give each newcomer its holder, new or known, and record identities and consents.

    A newcomer whose identities belong to different holders gets the error `identity_conflict`; one whose holder
    lies outside the caller's rights gets `out_of_region`.
    """
    await repository.lock_onboarding(driver)
    usable = [newcomer for newcomer in newcomers if newcomer.error is None]
    tokens = [token for newcomer in usable for token, _ in newcomer.tokens]
    owners = {token: found[0] for token, found in (await repository.resolve(driver, tokens)).items()}
    by_key = await repository.holders_by_person_key(driver, [n.person_key for n in usable if n.person_key])
    regions = await repository.regions_of(driver, list({*owners.values(), *by_key.values()}))
    ids = iter(uuid7_batch(epoch_ms(now), len(usable))) if usable else iter(())
    for newcomer in usable:
        found = {owners[token] for token, _ in newcomer.tokens if token in owners}
        if newcomer.person_key in by_key and not found:
            found.add(by_key[newcomer.person_key])
        if len(found) > 1:
            newcomer.error = "identity_conflict"
            continue
        if found:
            newcomer.holder_id = found.pop()
            if not may_see(regions[newcomer.holder_id]):
                newcomer.error, newcomer.holder_id = "out_of_region", None
                continue
        else:
            newcomer.holder_id, newcomer.created = next(ids), True
            regions[newcomer.holder_id] = newcomer.region
            by_key[newcomer.person_key] = newcomer.holder_id
        for token, _ in newcomer.tokens:
            owners[token] = newcomer.holder_id
    await _store(driver, [newcomer for newcomer in usable if newcomer.error is None], now)


async def _store(driver: "Driver", newcomers: Sequence[Newcomer], now: datetime.datetime) -> None:
    await repository.add_holders(
        driver,
        [(n.holder_id, n.kind, n.region, n.person_key, now) for n in newcomers if n.created],
    )
    await repository.add_identities(
        driver, [(token, n.holder_id, scheme, now) for n in newcomers for token, scheme in n.tokens]
    )
    granting = {n.holder_id for n in newcomers if n.consents and n.holder_id is not None}
    await repository.lock_holders(driver, list(granting))
    await repository.add_consents(
        driver,
        [
            (n.holder_id, c.source_id, c.scene_group, c.granted_at, c.text_version, c.receipt_id, now)
            for n in newcomers
            for c in n.consents
        ],
    )
