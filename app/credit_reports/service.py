"""A report is built from one transaction, signed whole, kept, and given; the PDF is a rendering of what was signed."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.errors import HolderNotFound
from accounts.ids import public_id, uuid7
from app.auth import repository as auth
from app.credit_reports import enterprise, repository, resident, signing
from app.credit_reports.layout import laid_out
from app.credit_reports.models import CreditReport
from app.documents.pdf import typeset
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.repository import Driver
    from app.banking.grants import Grant
    from app.wiring import Services


@dataclass(frozen=True, slots=True)
class Asked:
    """For whom a report is made, and what for."""

    bank_id: UUID
    bank_name: str
    reference: str


async def issue(
    services: "Services", driver: "Driver", grant: "Grant", asked: Asked, now: datetime.datetime
) -> CreditReport:
    """Build, sign and keep a report of the holder who granted it. Raises `HolderNotFound`."""
    holder = await repository.holder(driver, grant.holder_id)
    if holder is None:
        raise HolderNotFound
    as_of = now.astimezone(LOCAL).date()
    kind = "enterprise" if holder["kind"] == "organisation" else "resident"
    build = enterprise.build if kind == "enterprise" else resident.build
    report_id = uuid7(now)
    report = {
        "report_id": public_id("crr", report_id),
        "kind": kind,
        "as_of": as_of.isoformat(),
        "issued_at": now.astimezone(LOCAL).isoformat(timespec="seconds"),
        "bank_id": public_id("org", asked.bank_id),
        "bank_name": asked.bank_name,
        "reference": asked.reference,
        "purpose": grant.purpose.value,
        "grant_id": public_id("bgr", grant.id),
        "sections": await build(driver, services.live.score_cards(), grant.holder_id, holder, as_of, now),
    }
    jws = signing.sign(services.tokens.keys, report, now)
    made = CreditReport(
        holder_id=grant.holder_id,
        id=report_id,
        bank_id=asked.bank_id,
        grant_id=grant.id,
        purpose=grant.purpose.value,
        kind=kind,
        as_of=as_of,
        issued_at=now,
        digest=signing.digest(jws),
        jws=jws,
    )
    await repository.keep(driver, made)
    return made


async def known_keys(session: "AsyncSession") -> dict[str, bytes]:
    """Every key that ever signed, by its id: a report is proof for as long as it is kept."""
    return dict(await auth.public_keys(session))


async def pdf_of(jws: str, report: Mapping[str, Any], kid: str, now: datetime.datetime) -> bytes:
    """The pages of a signed report, with the JWS attached."""
    return await typeset(
        "credit_report.typ",
        {
            **laid_out(report),
            "jws": jws,
            "kid": kid,
            "digest": signing.digest(jws).hex(),
            "generated_at": stamp(now),
        },
        now,
    )


def stamp(moment: datetime.datetime) -> str:
    """The local time, to the minute."""
    return moment.astimezone(LOCAL).strftime("%Y-%m-%d %H:%M")
