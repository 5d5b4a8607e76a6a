"""Finds or makes the account that a sign-in opens, under the locks that keep one person from becoming two."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID

from accounts import next_keys, repository
from accounts.enterprises.members import hand_over as hand_over_enterprises
from accounts.ids import uuid7
from accounts.models import HolderKind, HolderStatus
from accounts.offsetting.repository import move_footprints
from accounts.teams.service import hand_over
from app.auth import people_repository, resident_repository
from app.auth.errors import AgeUndeclared, HolderClosed, OfMinor
from app.auth.people import Account, Decision, PhoneProof, Proof, Step, decide, merge
from app.crediting.errors import StorageUnavailable
from app.database import driver_of
from app.events.repository import move as move_events
from app.ranks.repository import move_choice
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.auth.people_repository import KnownIdentity
    from dedup.person_key import IdentityHasher, PersonKeys

PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Proven:
    """What a sign-in proved: identities at a provider (token, scheme), the most specific last; and perhaps a phone."""

    provider: tuple[tuple[UUID, str], ...] = ()
    phone: str | None = field(default=None, repr=False)
    phone_by: Proof = Proof.SMS


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person says beside it; counts for a new account, and for a number with a new owner."""

    region: str
    is_14_or_older: bool = False
    new_owner: bool = False


@dataclass(slots=True)
class Entered:
    """The account that is open now. `events` are for the audit trail: (action, holder)."""

    holder_id: UUID
    created: bool = False
    absorbed: UUID | None = None
    absorbed_epoch: int = 0
    events: list[tuple[str, UUID]] = field(default_factory=list)


class Door:
    """Opens accounts; in the caller's transaction."""

    def __init__(
        self, hasher: "IdentityHasher", person_keys: "PersonKeys", trust: datetime.timedelta
    ) -> None:
        self._hasher = hasher
        self._person_keys = person_keys
        self._trust = trust

    def tokens(self, identifiers: Sequence[tuple[str, str, str]]) -> tuple[tuple[UUID, str], ...]:
        """(token, scheme) of identifiers (scheme, value, scope)."""
        return tuple((DriverUUID(self._hasher.token(*each)), each[0]) for each in identifiers)

    async def is_known(self, session: "AsyncSession", proven: Proven) -> bool:
        """Whether a provider's identity leads to an account."""
        return bool(await people_repository.known(await driver_of(session), [t for t, _ in proven.provider]))

    async def enter(
        self,
        session: "AsyncSession",
        proven: Proven,
        wish: Wish,
        now: datetime.datetime,
        current: UUID | None = None,
    ) -> Entered:
        """The account that was proven; `current` is the one that is signed in to already and gets a sign-in more.

        Raises the errors of `decide`, `AgeUndeclared`, `HolderClosed`, `OfMinor`.
        """
        driver = await driver_of(session)
        phones = () if proven.phone is None else self.tokens([(PHONE, proven.phone, "")])
        entered = None
        if current is None:
            entered = await self._reopen(driver, phones, proven, wish, now)
        if entered is None:
            entered = await self._settle(session, driver, phones, proven, wish, now, current)
        await self._check_age(session, entered, now, current)
        if proven.phone is not None:
            mine = [(entered.holder_id, (PHONE, proven.phone, ""))]
            await next_keys.keep_next_keys(driver, next_keys.next_keys(mine, self._person_keys))
        return entered

    async def _reopen(
        self,
        driver: "asyncpg.Connection",
        phones: Sequence[tuple[UUID, str]],
        proven: Proven,
        wish: Wish,
        now: datetime.datetime,
    ) -> Entered | None:
        """The usual case without the onboarding's lock: all is known, and leads to one account that may be opened."""
        tokens = [token for token, _ in (*phones, *proven.provider)]
        found = await people_repository.known(driver, tokens)
        holders = {each.holder_id for each in found.values()}
        if len(found) != len(tokens) or len(holders) != 1:
            return None
        known = _account(found[proven.provider[-1][0]]) if proven.provider else None
        phone = PhoneProof(proven.phone_by, _account(found[phones[0][0]]), wish.new_owner) if phones else None
        decision = decide(known, phone, self._trust, now)
        if decision.step is not Step.OPEN:
            return None
        holder = holders.pop()
        if (await repository.lock_holders(driver, [holder])).get(holder) != HolderStatus.ACTIVE:
            raise HolderClosed
        renewed = [(Proof.PROVIDER, [token for token, _ in proven.provider])]
        if phones and proven.phone_by is Proof.SMS:
            renewed.append((Proof.SMS, [phones[0][0]]))
        for proof, mine in renewed:
            if not await people_repository.confirm(driver, holder, mine, proof, now):
                # An identity went to another account between the look and the lock.
                raise StorageUnavailable
        return Entered(holder)

    async def _settle(
        self,
        session: "AsyncSession",
        driver: "asyncpg.Connection",
        phones: Sequence[tuple[UUID, str]],
        proven: Proven,
        wish: Wish,
        now: datetime.datetime,
        current: UUID | None,
    ) -> Entered:
        await repository.lock_onboarding(driver)
        found = await people_repository.known(driver, [token for token, _ in (*phones, *proven.provider)])
        holders = {each.holder_id for each in found.values()} | ({current} - {None})
        statuses = await repository.lock_holders(driver, sorted(holder for holder in holders if holder))
        accounts = {
            token: _account(each, blank=await people_repository.is_blank(driver, each.holder_id))
            for token, each in found.items()
        }
        owner = next((accounts[t] for t, _ in reversed(proven.provider) if t in accounts), None)
        phone = PhoneProof(proven.phone_by, accounts.get(phones[0][0]), wish.new_owner) if phones else None
        if current is None:
            decision = decide(owner, phone, self._trust, now)
        else:
            blank = await people_repository.is_blank(driver, current)
            mine = Account(current, Proof.PROVIDER, now, blank)
            if owner is not None and owner.holder_id != current:
                decision = merge(mine, owner)
            else:
                decision = decide(mine, phone, self._trust, now)
        for holder in (decision.holder, decision.absorbed):
            if holder is not None and statuses.get(holder) != HolderStatus.ACTIVE:
                raise HolderClosed
        entered = await self._apply(session, driver, decision, proven, wish, now)
        # What somebody has stays theirs, but for a number that was proven by SMS.
        mine_now = [each for each in proven.provider if each[0] not in found]
        if mine_now:
            await people_repository.attach(driver, entered.holder_id, mine_now, Proof.PROVIDER, now)
        if phones and (proven.phone_by is Proof.SMS or phones[0][0] not in found):
            await people_repository.attach(driver, entered.holder_id, phones, proven.phone_by, now)
        return entered

    async def _apply(
        self,
        session: "AsyncSession",
        driver: "asyncpg.Connection",
        decision: Decision,
        proven: Proven,
        wish: Wish,
        now: datetime.datetime,
    ) -> Entered:
        if decision.holder is None:
            entered = Entered(await self._create(driver, proven, wish, now), created=True)
        else:
            entered = Entered(decision.holder)
        if decision.step is Step.TAKE_NUMBER:
            entered.events.append(("holder.number_taken", entered.holder_id))
        if decision.step is Step.ABSORB and decision.absorbed is not None:
            entered.absorbed = decision.absorbed
            entered.absorbed_epoch = await absorb(session, entered.holder_id, decision.absorbed, now)
            entered.events.append(("holder.absorbed", decision.absorbed))
        return entered

    async def _create(
        self, driver: "asyncpg.Connection", proven: Proven, wish: Wish, now: datetime.datetime
    ) -> UUID:
        if proven.phone is None:
            raise ValueError("an account is made for a phone number")
        if not wish.is_14_or_older:
            raise AgeUndeclared
        holder = uuid7(now)
        key = self._person_keys.person_key(PHONE, proven.phone)
        if await people_repository.person_key_taken(driver, key):
            # The number's former owner has the key of the number, and the claims made under it.
            key = self._person_keys.person_key("phone_owner", proven.phone, holder.hex)
        await repository.add_holders(driver, [(holder, HolderKind.PERSON, wish.region, key, now)])
        return holder

    async def _check_age(
        self, session: "AsyncSession", entered: Entered, now: datetime.datetime, current: UUID | None
    ) -> None:
        """A child's account is its guardian's to open until it is 14; its own sign-in ends the guardianship."""
        minor = await resident_repository.find_minor(session, entered.holder_id)
        if minor is None:
            return
        if minor.minor_until > now.astimezone(LOCAL).date() or entered.holder_id != current:
            raise OfMinor
        await resident_repository.end_guardianship(session, entered.holder_id, now)


async def absorb(session: "AsyncSession", holder: UUID, absorbed: UUID, now: datetime.datetime) -> int:
    """Make a blank account part of another; both are locked. Answers the absorbed one's last epoch.

    A child's account and a guardian's are not absorbed.
    """
    if await resident_repository.find_minor(session, absorbed) or await resident_repository.children_of(
        session, absorbed
    ):
        raise OfMinor
    driver = await driver_of(session)
    await people_repository.absorb(driver, holder, absorbed, now)
    await move_footprints(driver, holder, absorbed)
    await move_events(driver, holder, absorbed)
    await move_choice(driver, holder, absorbed, now)
    await hand_over(driver, holder, absorbed, now)
    await hand_over_enterprises(driver, holder, absorbed, now)
    await resident_repository.end_sessions(session, absorbed, now, "absorbed")
    return await resident_repository.next_epoch(session, absorbed, now)


def _account(known: "KnownIdentity", *, blank: bool = False) -> Account:
    return Account(known.holder_id, Proof(known.proof), known.proven_at, blank, known.founding)
