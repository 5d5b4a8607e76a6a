"""What an enterprise enters with evidence: fuels of meters, green certificates, process emissions."""

import datetime
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from asyncpg import UniqueViolationError

from accounts.emissions.errors import (
    CertificateNotFound,
    CertificateUsed,
    FuelUnfit,
    ProcessNotFound,
    ProcessReplaced,
)
from accounts.emissions.factors import COALS, FUELS, FURNACES
from accounts.enterprises.carriers import Carrier
from accounts.enterprises.errors import LineNotFound, MeterNotFound, SiteNotFound
from accounts.ids import uuid7

if TYPE_CHECKING:
    import asyncpg

Row: TypeAlias = "asyncpg.Record"


@dataclass(frozen=True)
class Document:
    """What an entry rests on: a reference under which it is found, and its SHA-256."""

    reference: str
    digest: bytes


@dataclass(frozen=True)
class Entering:
    """Who enters something for an enterprise, and when."""

    holder_id: UUID
    by: str
    now: datetime.datetime


def same_number(number: str) -> str:
    """A certificate's number as it is compared: width, case and spaces make no other certificate."""
    return "".join(unicodedata.normalize("NFKC", number).upper().split())


async def declare_fuel(
    driver: "asyncpg.Connection",
    who: Entering,
    meter_id: UUID,
    from_month: datetime.date,
    fuel: str,
    furnace: str | None,
    reference: str,
) -> Row:
    """Say what a meter's coal, oil or gas is; raises `MeterNotFound` or `FuelUnfit`."""
    carrier = await driver.fetchval(
        "SELECT carrier FROM meters WHERE holder_id = $1 AND id = $2", who.holder_id, meter_id
    )
    if carrier is None:
        raise MeterNotFound
    if fuel not in FUELS.get(Carrier(carrier), ()):
        raise FuelUnfit
    if (fuel in COALS) != (furnace in FURNACES) or (furnace is not None and fuel not in COALS):
        raise FuelUnfit
    return await driver.fetchrow(
        """
        INSERT INTO meter_fuels
            (holder_id, id, meter_id, from_month, fuel, furnace, document_reference, entered_by, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING *
        """,
        who.holder_id,
        uuid7(who.now),
        meter_id,
        from_month,
        fuel,
        furnace,
        reference,
        who.by,
        who.now,
    )


async def enter_certificate(
    driver: "asyncpg.Connection",
    who: Entering,
    number: str,
    issuer: str,
    energy_wh: int,
    months: tuple[datetime.date, datetime.date],
    cancelled_on: datetime.date,
    document: Document,
) -> Row:
    """Enter a cancelled certificate. The index on numbers lets one of many callers through: `CertificateUsed`."""
    row = await driver.fetchrow(
        """
        INSERT INTO green_certificates
            (holder_id, id, number, issuer, energy_wh, first_month, last_month, cancelled_on, document_reference,
             document_hash, entered_by, created_at, withdrawn_reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '')
        ON CONFLICT (number) WHERE withdrawn_at IS NULL DO NOTHING RETURNING *
        """,
        who.holder_id,
        uuid7(who.now),
        same_number(number),
        issuer,
        energy_wh,
        *months,
        cancelled_on,
        document.reference,
        document.digest,
        who.by,
        who.now,
    )
    if row is None:
        raise CertificateUsed
    return row


async def withdraw_certificate(
    driver: "asyncpg.Connection", who: Entering, certificate_id: UUID, reason: str
) -> Row:
    """Take back what was entered wrongly; its row stays, its number is free. Raises `CertificateNotFound`."""
    row = await driver.fetchrow(
        """
        UPDATE green_certificates SET withdrawn_at = $3, withdrawn_by = $4, withdrawn_reason = $5
        WHERE holder_id = $1 AND id = $2 AND withdrawn_at IS NULL RETURNING *
        """,
        who.holder_id,
        certificate_id,
        who.now,
        who.by,
        reason,
    )
    if row is None:
        raise CertificateNotFound
    return row


async def enter_process(
    driver: "asyncpg.Connection",
    who: Entering,
    place: tuple[UUID, UUID | None],
    month: datetime.date,
    process: str,
    co2e_mg: int,
    document: Document,
) -> Row:
    """Enter emissions of a process at a site, or at one of its lines; raises `SiteNotFound` or `LineNotFound`."""
    site_id, line_id = place
    if not await driver.fetchval(
        "SELECT true FROM enterprise_sites WHERE holder_id = $1 AND id = $2", who.holder_id, site_id
    ):
        raise SiteNotFound
    if line_id is not None and not await driver.fetchval(
        "SELECT true FROM enterprise_lines WHERE holder_id = $1 AND id = $2 AND site_id = $3",
        who.holder_id,
        line_id,
        site_id,
    ):
        raise LineNotFound
    return await _add_process(driver, who, (site_id, line_id, month, process), co2e_mg, document, None, "")


async def replace_process(
    driver: "asyncpg.Connection",
    who: Entering,
    process_id: UUID,
    co2e_mg: int,
    document: Document,
    reason: str,
) -> Row:
    """Correct an entry by another row, 0 taking it back; raises `ProcessNotFound` or `ProcessReplaced`."""
    old = await driver.fetchrow(
        "SELECT * FROM process_emissions WHERE holder_id = $1 AND id = $2", who.holder_id, process_id
    )
    if old is None:
        raise ProcessNotFound
    place = (old["site_id"], old["line_id"], old["month"], old["process"])
    try:
        async with driver.transaction():
            return await _add_process(driver, who, place, co2e_mg, document, process_id, reason)
    except UniqueViolationError:
        raise ProcessReplaced from None


async def _add_process(
    driver: "asyncpg.Connection",
    who: Entering,
    place: Sequence[object],
    co2e_mg: int,
    document: Document,
    replaces: UUID | None,
    reason: str,
) -> Row:
    return await driver.fetchrow(
        """
        INSERT INTO process_emissions
            (holder_id, id, site_id, line_id, month, process, co2e_mg, document_reference, document_hash, replaces,
             reason, entered_by, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING *
        """,
        who.holder_id,
        uuid7(who.now),
        *place,
        co2e_mg,
        document.reference,
        document.digest,
        replaces,
        reason,
        who.by,
        who.now,
    )


async def page(
    driver: "asyncpg.Connection", table: str, holder_id: UUID, before: UUID | None, limit: int
) -> list[Row]:
    """Entries of an enterprise, the newest first. `table` is one of this module's, never a caller's word."""
    rows: list[Row] = await driver.fetch(
        f"SELECT * FROM {table} WHERE holder_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        holder_id,
        before,
        limit,
    )
    return rows
