"""PDFs of certificates: made once for each version, kept, so that a file can be told by its digest."""

import asyncio
import datetime
from typing import TYPE_CHECKING, Final

import jwt

from app.certificates import repository, signing
from app.certificates.layout import laid_out
from app.certificates.service import said_by
from app.database import driver_of
from app.documents.pdf import typeset

if TYPE_CHECKING:
    from accounts.repository import Row
    from app.database import Database

_ONE_AT_A_TIME: Final = asyncio.Semaphore(1)
"""Anybody may ask, and a page takes a core for a while."""


def address_of(public_url: str, number: str) -> str:
    """The page of a certificate: what the QR code says."""
    return f"{public_url}/certificates/{number}"


async def pdf_of(database: "Database", row: "Row", public_url: str, now: datetime.datetime) -> bytes:
    """The pages of a certificate in its present version, from where they are kept or made now."""
    revoked = row["revoked_at"] is not None
    async with _ONE_AT_A_TIME:
        async with database.reading() as session:
            driver = await driver_of(session)
            known = await repository.file_of(driver, row["id"], row["version"], revoked=revoked)
            if known is not None:
                return known
            seal = None if row["seal_id"] is None else await repository.seal(driver, row["seal_id"])
        made = await render(row, public_url, None if seal is None else seal["image"])
        async with database.transaction() as session:
            driver = await driver_of(session)
            await repository.keep_file(
                driver,
                row["id"],
                row["version"],
                revoked=revoked,
                digest=signing.digest(made),
                pdf=made,
                now=now,
            )
            kept = await repository.file_of(driver, row["id"], row["version"], revoked=revoked)
    return kept or made


async def render(row: "Row", public_url: str, seal: bytes | None) -> bytes:
    """The pages themselves."""
    jws = row["jws"]
    return await typeset(
        "certificate.typ",
        {
            **laid_out(said_by(jws), address_of(public_url, row["number"])),
            "check_address": f"{public_url}/certificates",
            "seal": None if seal is None else list(seal),
            "jws": jws,
            "kid": str(jwt.get_unverified_header(jws).get("kid")),
            "digest": row["digest"].hex(),
            "revoked": row["revoked_at"] is not None,
        },
        row["issued_at"],
    )
