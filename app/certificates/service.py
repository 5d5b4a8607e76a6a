"""Certificates: issued once for each thing, signed, reissued, revoked. A PDF is a rendering of what was signed.

Services never commit: the caller's transaction does.
"""

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.certificates import numbers, repository, signing
from app.certificates.content import CertificateKind, Content, signed
from app.certificates.errors import CertificateMistyped, CertificateRevoked, CertificateUnknown
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from accounts.repository import Driver, Row
    from app.auth.keys import KeyRing

NAME_WITHDRAWN = "不再显示姓名 the name is not shown any more"
NAME_SHOWN = "显示姓名 the name is shown"
NO_SEAL = "碳普惠 Tanpuhui"
"""Whose certificate it is where no operator of the region has uploaded a seal."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate in its present version. `number` is public, and leads to its page."""

    id: UUID
    number: str
    kind: CertificateKind
    subject_id: UUID
    region: str
    quantity_kg: int
    version: int
    issued_at: datetime.datetime
    revoked_at: datetime.datetime | None
    revocation_reason: str | None
    digest: bytes
    jws: str


async def issue(
    driver: "Driver",
    keys: "KeyRing",
    kind: CertificateKind,
    subject_id: UUID,
    content: Content,
    now: datetime.datetime,
) -> Certificate:
    """The certificate of a thing, which has one: the same subject again gives the first, whatever is said now."""
    found = await repository.of_subject(driver, kind, subject_id)
    if found is not None:
        return certificate_of(found)
    number = numbers.number_of(now.astimezone(LOCAL).year, os.urandom(numbers.RANDOM_BYTES))
    # Whoever comes second waits here until the first has committed, and reads it by the statement after.
    certificate_id = await repository.add(driver, number, kind, subject_id, content, now)
    if certificate_id is None:
        found = await repository.of_subject(driver, kind, subject_id)
    else:
        seal = await repository.seal_of(driver, content.region)
        said = signed(
            content,
            number=number,
            kind=kind,
            version=1,
            issued_at=now,
            authority=NO_SEAL if seal is None else seal["authority"],
            seal_sha256=None if seal is None else signing.digest(seal["image"]).hex(),
        )
        await _write(driver, keys, certificate_id, said, None if seal is None else seal["id"], "", now)
        found = await repository.of_number(driver, number)
    if found is None:
        raise CertificateUnknown
    return certificate_of(found)


async def find(driver: "Driver", number: str) -> Certificate:
    """The certificate of a number, however it was typed. Raises `CertificateMistyped`, `CertificateUnknown`."""
    row = await repository.of_number(driver, known_number(number))
    if row is None:
        raise CertificateUnknown
    return certificate_of(row)


async def reissue(
    driver: "Driver",
    keys: "KeyRing",
    number: str,
    changed: Mapping[str, str],
    reason: str,
    now: datetime.datetime,
) -> Certificate:
    """A next version under the same number: `changed` are `beneficiary` or `name`; the seal is the present one.

    What was retired, when and for what stays as it was first signed. Raises `CertificateRevoked`.
    """
    row = await repository.lock(driver, number)
    if row is None:
        raise CertificateUnknown
    if row["revoked_at"] is not None:
        raise CertificateRevoked
    seal = await repository.seal_of(driver, row["region"])
    said = said_by(row["jws"]) | {
        "version": row["version"] + 1,
        "issued_at": now.astimezone(LOCAL).isoformat(timespec="seconds"),
        "authority": NO_SEAL if seal is None else seal["authority"],
        "seal_sha256": None if seal is None else signing.digest(seal["image"]).hex(),
        "replaces": row["digest"].hex(),
        **{name: changed[name] for name in ("beneficiary", "name") if name in changed},
    }
    await _write(driver, keys, row["id"], said, None if seal is None else seal["id"], reason, now)
    await repository.advance(driver, row["id"], said["version"], now)
    if "name" in changed:
        await repository.forget_names(driver, row["id"])
    found = await repository.of_number(driver, number)
    if found is None:
        raise CertificateUnknown
    return certificate_of(found)


async def revoke(driver: "Driver", number: str, reason: str, now: datetime.datetime) -> None:
    """It does not count any more, for good, and its page says why. Raises `CertificateRevoked`."""
    if not await repository.revoke(driver, number, reason, now):
        raise CertificateRevoked


async def choose_name(
    driver: "Driver", keys: "KeyRing", number: str, holder_id: UUID, name: str | None, now: datetime.datetime
) -> Certificate:
    """A resident has the own name put on a certificate, or taken off: a next version; the same again changes nothing.

    Raises `CertificateUnknown` for whose it is not, and `CertificateRevoked` for a name on one that does not count.
    """
    row = await repository.lock(driver, number)
    if row is None or row["holder_id"] != holder_id:
        raise CertificateUnknown
    if said_by(row["jws"])["name"] == (name or ""):
        return certificate_of(row)
    if row["revoked_at"] is not None:
        if name is not None:
            raise CertificateRevoked
        await _unname(driver, keys, row, now)
        return await find(driver, number)
    return await reissue(
        driver, keys, number, {"name": name or ""}, NAME_WITHDRAWN if name is None else NAME_SHOWN, now
    )


async def forget(driver: "Driver", keys: "KeyRing", holder_id: UUID, now: datetime.datetime) -> None:
    """An erased resident's certificates: units stay retired, and no name and no link to the resident is left."""
    for number in await repository.of_holder(driver, holder_id):
        await choose_name(driver, keys, number, holder_id, None, now)
    await repository.leave(driver, holder_id)


async def _unname(driver: "Driver", keys: "KeyRing", row: "Row", now: datetime.datetime) -> None:
    """A revoked one is not issued again, but its text is signed once more without the name."""
    said = said_by(row["jws"]) | {
        "version": row["version"] + 1,
        "name": "",
        "replaces": row["digest"].hex(),
    }
    await _write(driver, keys, row["id"], said, row["seal_id"], NAME_WITHDRAWN, now)
    await repository.advance(driver, row["id"], said["version"], now)
    await repository.forget_names(driver, row["id"])


def said_by(jws: str) -> dict[str, Any]:
    """What one of our own JWS says, read from where we keep it."""
    return dict(signing.unchecked(jws))


def known_number(text: str) -> str:
    """A number as it is kept. Raises `CertificateMistyped`."""
    found = numbers.parse(text)
    if found is None:
        raise CertificateMistyped
    return found


def certificate_of(row: "Row") -> Certificate:
    """A row with its present version."""
    return Certificate(
        id=row["id"],
        number=row["number"],
        kind=CertificateKind(row["kind"]),
        subject_id=row["subject_id"],
        region=row["region"],
        quantity_kg=row["quantity_kg"],
        version=row["version"],
        issued_at=row["issued_at"],
        revoked_at=row["revoked_at"],
        revocation_reason=row["revocation_reason"],
        digest=row["digest"],
        jws=row["jws"],
    )


async def _write(
    driver: "Driver",
    keys: "KeyRing",
    certificate_id: UUID,
    said: Mapping[str, Any],
    seal_id: UUID | None,
    reason: str,
    now: datetime.datetime,
) -> None:
    jws = signing.sign(keys, said, now)
    await repository.add_version(
        driver,
        certificate_id,
        said["version"],
        digest=signing.digest(jws.encode()),
        jws=jws,
        named=bool(said["name"]),
        seal_id=seal_id,
        reason=reason,
        now=now,
    )
