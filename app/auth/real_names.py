"""Real names: an operator has seen a person's papers. The one proof by which two accounts of history may be one."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts import repository
from accounts.models import HolderStatus
from app.auth import people_repository, resident_repository
from app.auth.entering import PHONE, absorb
from app.auth.errors import AlreadyProven, BothHaveHistory, HolderClosed, OfMinor, RealNameNeeded
from app.auth.people import Account, Proof, merge
from app.database import driver_of
from dedup.periods import LOCAL
from dedup.person_key import normalise

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.auth.entering import Door

ID_NO = "id_no"
AGE = 14
_BIRTH = slice(6, 14)


def is_under_14(id_no: str, today: datetime.date) -> bool:
    """Whether a normalised identity number says so."""
    born = datetime.datetime.strptime(id_no[_BIRTH], "%Y%m%d").replace(tzinfo=LOCAL).date()
    return (today.year - born.year - ((today.month, today.day) < (born.month, born.day))) < AGE


async def prove(
    session: "AsyncSession",
    door: "Door",
    holder_id: UUID,
    id_no: str,
    phone: str | None,
    may_see: "Callable[[str], bool]",
    now: datetime.datetime,
) -> tuple[UUID, UUID | None]:
    """Have the identity number, and the phone that the person has now, lead to the holder.

    Answers the person's account and the blank one that became part of it. Raises `IdentifierRefused`, `OfMinor`,
    `AlreadyProven`, `BothHaveHistory`, `HolderClosed`.
    """
    if is_under_14(normalise(ID_NO, id_no), now.astimezone(LOCAL).date()):
        raise OfMinor
    if await resident_repository.find_minor(session, holder_id) is not None:
        raise OfMinor
    driver = await driver_of(session)
    papers = door.tokens([(ID_NO, id_no, "")])
    phones = () if phone is None else door.tokens([(PHONE, phone, "")])
    await repository.lock_onboarding(driver)
    found = await people_repository.known(driver, [token for token, _ in (*papers, *phones)])
    statuses = await repository.lock_holders(
        driver, sorted({holder_id, *(each.holder_id for each in found.values())})
    )
    own = await people_repository.has_scheme(driver, holder_id, ID_NO)
    if own is not None and own != papers[0][0]:
        raise AlreadyProven
    survivor, absorbed = holder_id, None
    other = found.get(papers[0][0])
    if other is not None and other.holder_id != holder_id:
        if not may_see(await people_repository.region_of(driver, other.holder_id)):
            raise AlreadyProven
        survivor, absorbed = await _one_of(driver, holder_id, other.holder_id, now)
    number = found.get(phones[0][0]) if phones else None
    if number is not None and number.holder_id not in (survivor, absorbed):
        raise AlreadyProven
    for each in (survivor, absorbed):
        if each is not None and statuses.get(each) != HolderStatus.ACTIVE:
            raise HolderClosed
    if absorbed is not None:
        await absorb(session, survivor, absorbed, now)
    await people_repository.attach(driver, survivor, [*papers, *phones], Proof.OPERATOR, now)
    return survivor, absorbed


async def _one_of(
    driver: "asyncpg.Connection", first: UUID, second: UUID, now: datetime.datetime
) -> tuple[UUID, UUID | None]:
    """Which of two accounts of one person stays, and which becomes part of it."""
    accounts = [
        Account(each, Proof.OPERATOR, now, await people_repository.is_blank(driver, each))
        for each in (first, second)
    ]
    try:
        decision = merge(*accounts)
    except RealNameNeeded:
        raise BothHaveHistory from None
    return decision.holder or first, decision.absorbed
