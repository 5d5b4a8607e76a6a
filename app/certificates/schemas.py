"""What doors of certificates take and give."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.certificates import signing

KindName = Literal["retirement", "neutral_event", "participant_share"]
StateName = Literal["valid", "revoked", "superseded"]
NUMBER_EXAMPLE = "TPH26-64S3-6D1N-6RVK-34"


class CertificateVersionView(BaseModel):
    """A version that was issued under the number, and why the one before was replaced."""

    version: int
    issued_at: str
    reason: str
    sha256: str


class PublicCertificateView(BaseModel):
    """A certificate as anybody may see it."""

    number: str = Field(examples=[NUMBER_EXAMPLE])
    kind: KindName
    state: Literal["valid", "revoked"]
    revoked_at: datetime | None
    revocation_reason: str | None
    certificate: dict[str, Any] = Field(description="What was signed, as it can be read from the JWS")
    jws: str = Field(description="JWS in compact form (EdDSA), with a key of `GET /v1/consent-texts/keys`")
    sha256: str = Field(description="Of the JWS")
    versions: list[CertificateVersionView] = Field(description="The latest first, 50 at the most")


class CertificateCheckInput(BaseModel):
    """A JWS, or the SHA-256 of a JWS or of a PDF. Files can be sent as they are, too."""

    model_config = ConfigDict(extra="forbid")

    jws: str | None = Field(default=None, min_length=1, max_length=signing.MAX_JWS)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class CertificateCheck(BaseModel):
    """Whether the service signed or made exactly this, and whether it counts now."""

    genuine: bool
    reason: Literal["signature", "unknown_key", "no_certificate", "unknown_file"] | None
    number: str | None
    version: int | None
    state: StateName | None
    sha256: str = Field(description="Of what was sent, or as it was sent")


class CertificateSummary(BaseModel):
    """A certificate in a list."""

    number: str
    kind: KindName
    region: str
    quantity_kg: int
    version: int
    issued_at: datetime
    state: Literal["valid", "revoked"]
    revocation_reason: str | None
    name_shown: bool = Field(description="Whether a resident had the name put on it")


class CertificateSummaryList(BaseModel):
    """A page of certificates, the latest first."""

    items: list[CertificateSummary]
    next_cursor: str | None


class ReissueInput(BaseModel):
    """Why it is issued anew, and what is put right."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=200, examples=["单位更名 The company changed its name"])
    beneficiary: str | None = Field(
        default=None,
        max_length=200,
        description="An organisation or an event, never a person; as it was where absent",
    )


class RevocationInput(BaseModel):
    """Why it does not count any more; the public page shows it."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=200, examples=["重复出具 Issued twice"])


class ShownNameInput(BaseModel):
    """The name that a resident wants on a certificate, for everybody to see; none takes it off."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(
        max_length=40, min_length=1, pattern=r"^[^\x00-\x1f\x7f<>]*\S[^\x00-\x1f\x7f<>]*$"
    )


class SealView(BaseModel):
    """An operator's seal."""

    region: str
    authority: str
    uploaded_at: datetime
    sha256: str = Field(description="Of the picture as it is kept: without anything but its pixels")


def summary(row: Any) -> dict[str, Any]:
    """A row as lists show it."""
    return CertificateSummary(
        number=row["number"],
        kind=row["kind"],
        region=row["region"],
        quantity_kg=row["quantity_kg"],
        version=row["version"],
        issued_at=row["issued_at"],
        state="valid" if row["revoked_at"] is None else "revoked",
        revocation_reason=row["revocation_reason"],
        name_shown=row["named"],
    ).model_dump(mode="json")


def public_view(row: Any, said: dict[str, Any], versions: list[Any]) -> dict[str, Any]:
    """A certificate with its versions as anybody may see it."""
    return PublicCertificateView(
        number=row["number"],
        kind=row["kind"],
        state="valid" if row["revoked_at"] is None else "revoked",
        revoked_at=row["revoked_at"],
        revocation_reason=row["revocation_reason"],
        certificate=said,
        jws=row["jws"],
        sha256=row["digest"].hex(),
        versions=[
            CertificateVersionView(
                version=each["version"],
                issued_at=each["issued_at"].isoformat(),
                reason=each["reason"],
                sha256=each["digest"].hex(),
            )
            for each in versions
        ],
    ).model_dump(mode="json")
