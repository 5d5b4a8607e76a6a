"""Registry accounts with units in them, for tests."""

import datetime
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from accounts.ids import uuid7
from accounts.registry import service as registry
from accounts.units import service as units
from accounts.units.ranges import UnitRange
from accounts.units.serials import Origin, OriginKind
from app.auth.models import Organisation
from app.wiring import Services

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

T = TypeVar("T")
NOW = datetime.datetime(2026, 11, 21, 4, 0, tzinfo=datetime.UTC)


@dataclass
class Book:
    """Registry accounts of a running service; each step is a transaction of its own."""

    service: Services

    async def step(self, act: "Callable[[asyncpg.Connection], Awaitable[T]]") -> T:
        async with self.service.database.driver_transaction() as driver:
            return await act(driver)

    async def organisation(self, kind: str) -> UUID:
        organisation_id = uuid7(NOW)
        async with self.service.database.transaction() as session:
            session.add(
                Organisation(
                    id=organisation_id, kind=kind, name=uuid.uuid4().hex, region="440300", created_at=NOW
                )
            )
        return organisation_id

    async def account(self) -> UUID:
        organisation_id = await self.organisation("participant")
        return (await self.step(lambda driver: registry.account_of(driver, organisation_id, NOW))).id

    async def trust(self, holder_id: UUID) -> UUID:
        return (await self.step(lambda driver: registry.trustee_account(driver, holder_id, NOW))).id

    async def issue(self, account_id: UUID, quantity_kg: int) -> tuple[Origin, UnitRange]:
        origin = an_origin()
        return origin, await self.step(
            lambda driver: units.issue(driver, origin, account_id, quantity_kg, NOW)
        )

    async def held(self, account_id: UUID, origin: Origin | None = None) -> int:
        found = await self.step(lambda driver: units.available(driver, account_id, origin and origin.id))
        return sum(quantity_kg for _, quantity_kg in found)


def an_origin() -> Origin:
    return Origin(
        uuid.uuid4(),
        OriginKind.ISSUANCE,
        uuid.uuid4(),
        "440300",
        "SZ-LOW-CARBON-TRANSIT.metro",
        2026,
        "phcer",
    )
