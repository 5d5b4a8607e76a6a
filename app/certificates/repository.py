"""SQL of certificates."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import uuid7
from app.certificates.models import CertificateSeal

if TYPE_CHECKING:
    from accounts.repository import Driver, Row
    from app.certificates.content import CertificateKind, Content

_CERTIFICATE = """
    c.id, c.number, c.kind, c.subject_id, c.region, c.quantity_kg, c.holder_id, c.organisation_id, c.version,
    c.issued_at, c.revoked_at, c.revocation_reason
"""
_WITH_VERSION = f"""
    SELECT {_CERTIFICATE}, v.digest, v.jws, v.named, v.seal_id, v.reason AS version_reason
    FROM certificates c JOIN certificate_versions v ON v.certificate_id = c.id AND v.version = c.version
"""


async def of_subject(driver: "Driver", kind: "CertificateKind", subject_id: UUID) -> "Row | None":
    """The certificate of a thing, in its present version."""
    return await driver.fetchrow(
        f"{_WITH_VERSION} WHERE c.kind = $1 AND c.subject_id = $2", kind.value, subject_id
    )


async def of_number(driver: "Driver", number: str) -> "Row | None":
    """The certificate of a number, in its present version."""
    return await driver.fetchrow(f"{_WITH_VERSION} WHERE c.number = $1", number)


async def lock(driver: "Driver", number: str) -> "Row | None":
    """The same, locked: one caller at a time takes it a step further."""
    if await driver.fetchval("SELECT id FROM certificates WHERE number = $1 FOR UPDATE", number) is None:
        return None
    return await of_number(driver, number)


async def add(
    driver: "Driver",
    number: str,
    kind: "CertificateKind",
    subject_id: UUID,
    content: "Content",
    now: datetime.datetime,
) -> UUID | None:
    """A first version's row; None where the thing has a certificate."""
    found: UUID | None = await driver.fetchval(
        """
        INSERT INTO certificates (id, number, kind, subject_id, region, quantity_kg, holder_id, organisation_id,
                                  version, issued_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)
        ON CONFLICT (kind, subject_id) DO NOTHING RETURNING id
        """,
        uuid7(now),
        number,
        kind.value,
        subject_id,
        content.region,
        content.quantity_kg,
        content.holder_id,
        content.organisation_id,
        now,
    )
    return found


async def add_version(
    driver: "Driver",
    certificate_id: UUID,
    version: int,
    *,
    digest: bytes,
    jws: str,
    named: bool,
    seal_id: UUID | None,
    reason: str,
    now: datetime.datetime,
) -> None:
    """What was signed."""
    await driver.execute(
        """
        INSERT INTO certificate_versions (certificate_id, version, issued_at, reason, named, seal_id, digest, jws)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        certificate_id,
        version,
        now,
        reason,
        named,
        seal_id,
        digest,
        jws,
    )


async def advance(driver: "Driver", certificate_id: UUID, version: int, now: datetime.datetime) -> None:
    """The version that counts from now on."""
    await driver.execute(
        "UPDATE certificates SET version = $2, issued_at = $3 WHERE id = $1", certificate_id, version, now
    )


async def revoke(driver: "Driver", number: str, reason: str, now: datetime.datetime) -> bool:
    """Revoke, once; whether this call did it."""
    found = await driver.fetchval(
        """
        UPDATE certificates SET revoked_at = $2, revocation_reason = $3
        WHERE number = $1 AND revoked_at IS NULL RETURNING id
        """,
        number,
        now,
        reason,
    )
    return found is not None


async def forget_names(driver: "Driver", certificate_id: UUID) -> None:
    """Old versions that name a resident, and their files: nothing is left but digests."""
    await driver.execute(
        """
        UPDATE certificate_versions v SET jws = NULL FROM certificates c
        WHERE c.id = $1 AND v.certificate_id = c.id AND v.version < c.version AND v.named
        """,
        certificate_id,
    )
    await driver.execute(
        """
        UPDATE certificate_files f SET pdf = NULL FROM certificate_versions v
        WHERE f.certificate_id = $1 AND v.certificate_id = f.certificate_id AND v.version = f.version
          AND v.named AND v.jws IS NULL
        """,
        certificate_id,
    )


async def of_holder(driver: "Driver", holder_id: UUID) -> list[str]:
    """Numbers of all certificates of a resident."""
    rows = await driver.fetch("SELECT number FROM certificates WHERE holder_id = $1 ORDER BY id", holder_id)
    return [row["number"] for row in rows]


async def leave(driver: "Driver", holder_id: UUID) -> None:
    """No certificate leads to the resident any more."""
    await driver.execute("UPDATE certificates SET holder_id = NULL WHERE holder_id = $1", holder_id)


async def page(
    driver: "Driver",
    *,
    region_prefix: str = "",
    holder_id: UUID | None = None,
    organisation_id: UUID | None = None,
    kind: str | None = None,
    before: UUID | None,
    limit: int,
) -> "list[Row]":
    """The latest first: of a region, of a resident, or of an organisation."""
    rows: list[Row] = await driver.fetch(
        f"""
        {_WITH_VERSION}
        WHERE starts_with(c.region, $1) AND ($2::uuid IS NULL OR c.holder_id = $2)
          AND ($3::uuid IS NULL OR c.organisation_id = $3)
          AND ($4::varchar IS NULL OR c.kind = $4) AND ($5::uuid IS NULL OR c.id < $5)
        ORDER BY c.id DESC LIMIT $6
        """,
        region_prefix,
        holder_id,
        organisation_id,
        kind,
        before,
        limit,
    )
    return rows


async def version_by_digest(driver: "Driver", digest: bytes) -> "Row | None":
    """The certificate that a JWS or a file is of, by its SHA-256, and which version that was."""
    return await driver.fetchrow(
        f"""
        SELECT {_CERTIFICATE}, f.version AS found_version, f.what
        FROM (SELECT certificate_id, version, 'jws' AS what FROM certificate_versions WHERE digest = $1
              UNION ALL SELECT certificate_id, version, 'pdf' FROM certificate_files WHERE digest = $1) f
        JOIN certificates c ON c.id = f.certificate_id LIMIT 1
        """,
        digest,
    )


async def versions(driver: "Driver", certificate_id: UUID) -> "list[Row]":
    """What was issued under a number, the latest first."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT version, issued_at, reason, digest FROM certificate_versions
        WHERE certificate_id = $1 ORDER BY version DESC LIMIT 50
        """,
        certificate_id,
    )
    return rows


async def add_seal(driver: "Driver", seal: CertificateSeal) -> None:
    """An operator's seal from now on."""
    await driver.execute(
        """
        INSERT INTO certificate_seals (id, organisation_id, region, authority, image, uploaded_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        *seal.model_dump().values(),
    )


async def seal_of(driver: "Driver", region: str) -> "Row | None":
    """The seal under which a region's certificates are issued: its own operator's, else of the region above."""
    return await driver.fetchrow(
        """
        SELECT id, organisation_id, region, authority, image, uploaded_at FROM certificate_seals
        WHERE region = ANY($1) ORDER BY region DESC, id DESC LIMIT 1
        """,
        [region, region[:4] + "00", region[:2] + "0000", "100000"],
    )


async def own_seal(driver: "Driver", organisation_id: UUID) -> "Row | None":
    """An operator's own latest seal."""
    return await driver.fetchrow(
        """
        SELECT id, organisation_id, region, authority, image, uploaded_at FROM certificate_seals
        WHERE organisation_id = $1 ORDER BY id DESC LIMIT 1
        """,
        organisation_id,
    )


async def seal(driver: "Driver", seal_id: UUID) -> "Row":
    """A seal by its id."""
    row: Row = await driver.fetchrow(
        "SELECT id, authority, image FROM certificate_seals WHERE id = $1", seal_id
    )
    return row


async def file_of(driver: "Driver", certificate_id: UUID, version: int, *, revoked: bool) -> bytes | None:
    """The PDF of a version, where it was made."""
    found: bytes | None = await driver.fetchval(
        "SELECT pdf FROM certificate_files WHERE certificate_id = $1 AND version = $2 AND revoked = $3",
        certificate_id,
        version,
        revoked,
    )
    return found


async def keep_file(
    driver: "Driver",
    certificate_id: UUID,
    version: int,
    *,
    revoked: bool,
    digest: bytes,
    pdf: bytes,
    now: datetime.datetime,
) -> None:
    """Keep a PDF; of two that are made at once, the first is kept.

    Of a version that is replaced meanwhile nothing is kept: it may name a person who does not wish it any more.
    """
    await driver.execute(
        """
        INSERT INTO certificate_files (digest, certificate_id, version, revoked, made_at, pdf)
        SELECT $1, id, $3, $4, $5, $6 FROM certificates WHERE id = $2 AND version = $3 FOR SHARE
        ON CONFLICT DO NOTHING
        """,
        digest,
        certificate_id,
        version,
        revoked,
        now,
        pdf,
    )
