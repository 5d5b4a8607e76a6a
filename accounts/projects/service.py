"""Stock of projects: expected first, units once it is verified. Nothing here commits.

What is expected (forward stock) is no unit: it can be told, and cannot be held, sold, locked or retired.
"""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import uuid7
from accounts.projects import repository
from accounts.projects.errors import ProjectNotFound, StockVerified, VerifyOwn
from accounts.registry.service import account_of
from accounts.units.serials import Origin, OriginKind
from accounts.units.service import issue

if TYPE_CHECKING:
    from accounts.projects.schemas import DocumentInput
    from accounts.repository import Driver
    from accounts.units.ranges import UnitRange


async def verify(
    driver: "Driver",
    stock_id: UUID,
    quantity_kg: int,
    document: "DocumentInput",
    by: str,
    now: datetime.datetime,
) -> "UnitRange":
    """Accept a verification: the quantity that it states is issued, once, into the account of the project's owner.

    Raises `ProjectNotFound`, `StockVerified`, and `VerifyOwn` for who recorded the stock.
    """
    row = await repository.lock_stock(driver, stock_id)
    if row is None:
        raise ProjectNotFound
    if row["recorded_by"] == by:
        raise VerifyOwn
    if row["verified_kg"] is not None:
        raise StockVerified
    document_id = await repository.add_document(
        driver, row["project_id"], document.title, document.reference, bytes.fromhex(document.sha256), now
    )
    await repository.verified(driver, stock_id, quantity_kg, document_id, now)
    account = await account_of(driver, row["owner_id"], now)
    origin = Origin(
        id=uuid7(now),
        kind=OriginKind.PROJECT,
        subject_id=stock_id,
        region=row["region"],
        methodology=row["code"],
        vintage=row["vintage"],
        unit_type=row["unit_type"],
    )
    return await issue(driver, origin, account.id, quantity_kg, now)
