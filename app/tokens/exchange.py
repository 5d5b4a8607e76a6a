"""The end of a rotation: next person keys become the present ones, all at once, while no service runs."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.repository import lock_onboarding
from app.auth import audit
from app.auth.models import AuditRecord
from app.auth.principal import NATION
from app.database import driver_of
from app.settings import ConfigurationError, variable

if TYPE_CHECKING:
    from dedup.person_key import PersonKeys

EXCHANGED: Final = "person_keys.exchanged"
_TARGET: Final = ("person_keys", "deployment")


@dataclass(frozen=True)
class Holders:
    """How many active accounts there are, and how many of them have their next person key."""

    holders: int
    with_next: int

    @property
    def without_next(self) -> int:
        """Those who would be left behind."""
        return self.holders - self.with_next


async def count(session: AsyncSession) -> Holders:
    """Count holders; of those that are erased nothing is left to be claimed under."""
    driver = await driver_of(session)
    row = await driver.fetchrow(
        """
        SELECT count(*), count(h.next_person_key) FROM holders h
        JOIN balances b ON b.holder_id = h.id AND b.status = 1
        """
    )
    return Holders(row[0], row[1])


async def exchange(session: AsyncSession, keys: "PersonKeys", reason: str, now: datetime.datetime) -> Holders:
    """Make next person keys the present ones, and write to the trail which key is the present one from now on."""
    if keys.following is None:
        raise ConfigurationError(f"{variable('oprf_next_key')} is not set: there is no next key")
    driver = await driver_of(session)
    await lock_onboarding(driver)
    before = await count(session)
    await driver.execute(
        """
        UPDATE holders SET person_key = next_person_key, next_person_key = NULL WHERE next_person_key IS NOT NULL
        """
    )
    await audit.append_local(
        session,
        now,
        EXCHANGED,
        _TARGET,
        region=NATION,
        reason=reason,
        before={"key_id": keys.key_id},
        after={
            "key_id": keys.following.key_id,
            "exchanged": before.with_next,
            "left_behind": before.without_next,
        },
    )
    return before


async def check_present_key(session: AsyncSession, keys: "PersonKeys") -> None:
    """Refuse to go on with another key than holders' person keys were last exchanged to."""
    found = await session.exec(
        select(AuditRecord.after)
        .where(
            col(AuditRecord.target_type) == _TARGET[0],
            col(AuditRecord.target_id) == _TARGET[1],
            col(AuditRecord.action) == EXCHANGED,
        )
        .order_by(col(AuditRecord.id).desc())
        .limit(1)
    )
    told = found.first()
    if told is not None and orjson.loads(told)["key_id"] != keys.key_id:
        raise ConfigurationError(
            f"{variable('oprf_key')} is not the key that person keys were exchanged to: it is to be what "
            f"{variable('oprf_next_key')} was"
        )
