"""What an enterprise consists of. How many parts it has is decided under its lock; nothing here commits."""

import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from accounts.enterprises import repository
from accounts.enterprises.errors import (
    EnterpriseEditedMeanwhile,
    EnterpriseNotFound,
    LineNotFound,
    MeterNotFound,
    MeterNumberTaken,
    MeterRemoved,
    SiteNotFound,
    TooManyParts,
)
from accounts.errors import DomainError, Fault
from accounts.ids import parse_public_id, uuid7

if TYPE_CHECKING:
    import asyncpg

    from accounts.enterprises.repository import Row
    from accounts.enterprises.schemas import (
        LineCreation,
        MeterCreation,
        MeterInput,
        SiteInput,
    )

MAX_SITES: Final = 200
MAX_LINES: Final = 2_000
MAX_METERS: Final = 10_000
"""Of one enterprise, removed ones too."""


class MeterUnfit(DomainError):
    """What is said of a meter does not fit what it is."""

    code = "request.invalid"


async def _enter(driver: "asyncpg.Connection", holder_id: UUID, table: str, most: int) -> None:
    """Lock an enterprise that may have one more of something."""
    if await repository.lock_enterprise(driver, holder_id) is None:
        raise EnterpriseNotFound
    if await repository.count(driver, table, holder_id) >= most:
        raise TooManyParts


async def add_site(
    driver: "asyncpg.Connection", holder_id: UUID, site: "SiteInput", now: datetime.datetime
) -> UUID:
    """Enter a site; raises `TooManyParts`."""
    await _enter(driver, holder_id, "enterprise_sites", MAX_SITES)
    made = uuid7(now)
    await repository.add_site(driver, (holder_id, made, site.name, site.region, now))
    return made


async def change_site(
    driver: "asyncpg.Connection", holder_id: UUID, site_id: UUID, version: int, site: "SiteInput"
) -> "Row":
    """Edit the version of a site that was read; answers it as it was. Raises `EnterpriseEditedMeanwhile`."""
    before = await repository.find_site(driver, holder_id, site_id, lock=True)
    if before is None:
        raise SiteNotFound
    _same(before, version)
    await repository.change_site(driver, holder_id, site_id, site.name, site.region)
    return before


async def add_line(
    driver: "asyncpg.Connection", holder_id: UUID, line: "LineCreation", now: datetime.datetime
) -> UUID:
    """Enter a line of a site; raises `SiteNotFound` or `TooManyParts`."""
    await _enter(driver, holder_id, "enterprise_lines", MAX_LINES)
    site_id = await _site(driver, holder_id, line.site_id)
    made = uuid7(now)
    await repository.add_line(driver, (holder_id, made, site_id, line.name, now))
    return made


async def change_line(
    driver: "asyncpg.Connection", holder_id: UUID, line_id: UUID, version: int, name: str
) -> "Row":
    """Edit the version of a line that was read; answers it as it was. Raises `EnterpriseEditedMeanwhile`."""
    before = await repository.find_line(driver, holder_id, line_id, lock=True)
    if before is None:
        raise LineNotFound
    _same(before, version)
    await repository.change_line(driver, holder_id, line_id, name)
    return before


async def add_meter(
    driver: "asyncpg.Connection", holder_id: UUID, meter: "MeterCreation", now: datetime.datetime
) -> UUID:
    """Enter a meter; raises `SiteNotFound`, `LineNotFound`, `MeterNumberTaken` or `TooManyParts`."""
    await _enter(driver, holder_id, "meters", MAX_METERS)
    site_id = await _site(driver, holder_id, meter.site_id)
    line_id = await _line(driver, holder_id, site_id, meter.line_id)
    made = uuid7(now)
    row = (
        holder_id,
        made,
        site_id,
        line_id,
        meter.number,
        meter.carrier.value,
        meter.flow.value,
        meter.reading.value,
        meter.register_max,
        meter.counts,
        meter.installed_at,
        now,
    )
    if not await repository.add_meter(driver, row):
        raise MeterNumberTaken
    return made


async def change_meter(
    driver: "asyncpg.Connection", holder_id: UUID, meter_id: UUID, version: int, meter: "MeterInput"
) -> "Row":
    """Edit the version of a meter that was read; answers it as it was. Raises `MeterRemoved` and what adding does."""
    before = await _present_meter(driver, holder_id, meter_id, version)
    if meter.register_max is not None and before["reading"] != "cumulative":
        raise MeterUnfit(Fault("/register_max", "only a cumulative register begins anew", "仅累计表有翻转值"))
    await repository.change_meter(
        driver,
        holder_id,
        meter_id,
        line_id=await _line(driver, holder_id, before["site_id"], meter.line_id),
        counts=meter.counts,
        register_max=meter.register_max,
        removed_at=None,
    )
    return before


async def remove_meter(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    meter_id: UUID,
    version: int,
    removed_at: datetime.datetime,
) -> "Row":
    """Say when a meter was taken away; answers it as it was. What it measured stays."""
    before = await _present_meter(driver, holder_id, meter_id, version)
    if removed_at < before["installed_at"]:
        raise MeterUnfit(Fault("/removed_at", "before it was installed", "早于安装时间"))
    await repository.change_meter(
        driver,
        holder_id,
        meter_id,
        line_id=before["line_id"],
        counts=before["counts"],
        register_max=before["register_max"],
        removed_at=removed_at,
    )
    return before


async def _present_meter(
    driver: "asyncpg.Connection", holder_id: UUID, meter_id: UUID, version: int
) -> "Row":
    found = await repository.find_meter(driver, holder_id, meter_id, lock=True)
    if found is None:
        raise MeterNotFound
    if found["removed_at"] is not None:
        raise MeterRemoved
    _same(found, version)
    return found


async def _site(driver: "asyncpg.Connection", holder_id: UUID, text: str) -> UUID:
    """A site that a body names. None is ever removed, so that it is still there when this commits."""
    site_id = parse_public_id("sit", text)
    if site_id is None or await repository.find_site(driver, holder_id, site_id) is None:
        raise SiteNotFound
    return site_id


async def _line(
    driver: "asyncpg.Connection", holder_id: UUID, site_id: UUID, text: str | None
) -> UUID | None:
    if text is None:
        return None
    line_id = parse_public_id("lin", text)
    found = None if line_id is None else await repository.find_line(driver, holder_id, line_id)
    if found is None or found["site_id"] != site_id:
        raise LineNotFound
    return line_id


def _same(row: "Row", version: int) -> None:
    if row["version"] != version:
        raise EnterpriseEditedMeanwhile
