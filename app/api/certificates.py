"""The public doors of certificates: a page and JSON by number, the signed data, the PDF, and a check of any of them."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import TypeAdapter

from accounts.errors import Fault
from app.api.access import ServicesDep
from app.api.http import JSON, json_response, media_type, operation, parse, read_body
from app.api.settling import PDF, described
from app.certificates import files, page, repository, service, signing
from app.certificates.errors import CertificateMistyped, CertificateUnknown
from app.certificates.schemas import (
    NUMBER_EXAMPLE,
    CertificateCheck,
    CertificateCheckInput,
    PublicCertificateView,
    public_view,
)
from app.credit_reports.service import known_keys
from app.database import driver_of
from app.problems import RequestError

if TYPE_CHECKING:
    from accounts.repository import Row
    from app.wiring import Services

router = APIRouter(tags=["certificates"])
JOSE = "application/jose"
MAX_FILE = 2 * 1024 * 1024
FRESH = {"Cache-Control": "no-cache"}
Number = Annotated[
    str,
    Path(
        max_length=64,
        description="Case and dashes do not matter",
        examples=[NUMBER_EXAMPLE],
    ),
]
_CHECK: TypeAdapter[CertificateCheckInput] = TypeAdapter(CertificateCheckInput)
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_MEDIA = {
    JSON: {
        "schema": {"$ref": "#/components/schemas/CertificateCheckInput"},
        "examples": {"digest": {"value": {"sha256": "ab" * 32}}},
    },
    JOSE: {"schema": {"type": "string"}},
    PDF: _BINARY,
}


async def _found(services: "Services", number: str) -> "tuple[Row, list[Row]]":
    async with services.database.reading() as session:
        driver = await driver_of(session)
        row = await repository.of_number(driver, service.known_number(number))
        if row is None:
            raise CertificateUnknown
        return row, await repository.versions(driver, row["id"])


@router.get(
    "/v1/public/certificates/{number}",
    response_model=PublicCertificateView,
    summary="A certificate by its number, with its signed data and whether it counts",
    **operation(errors=(CertificateUnknown, CertificateMistyped)),
)
async def read_certificate(number: Number, services: ServicesDep) -> Response:
    """Anybody may ask. Nothing on it names a person who did not wish it."""
    row, versions = await _found(services, number)
    return json_response(public_view(row, service.said_by(row["jws"]), versions), headers=FRESH)


@router.get(
    "/v1/public/certificates/{number}/certificate.jws",
    summary="The signed data alone",
    **described(operation(errors=(CertificateUnknown, CertificateMistyped)), JOSE),
)
async def read_signed(number: Number, services: ServicesDep) -> Response:
    """A JWS in compact form, for a check without this service."""
    row, _ = await _found(services, number)
    headers = FRESH | {"Content-Disposition": f'attachment; filename="{row["number"]}.jws"'}
    return Response(row["jws"], media_type=JOSE, headers=headers)


@router.get(
    "/v1/public/certificates/{number}/certificate.pdf",
    summary="The certificate as PDF in Chinese",
    **described(operation(errors=(CertificateUnknown, CertificateMistyped)), PDF),
)
async def read_certificate_pdf(number: Number, services: ServicesDep) -> Response:
    """A rendering of what was signed, with the signed data attached; a revoked one bears a stamp that says so."""
    row, _ = await _found(services, number)
    made = await files.pdf_of(services.database, row, services.settings.public_url, services.intake.clock())
    headers = FRESH | {"Content-Disposition": f'inline; filename="{row["number"]}.pdf"'}
    return Response(made, media_type=PDF, headers=headers)


@router.post(
    "/v1/public/certificates/verification",
    response_model=CertificateCheck,
    summary="Check a certificate: its signed data, its PDF, or the digest of either",
    **operation(media=_MEDIA),
)
async def verify_certificate(request: Request, services: ServicesDep) -> Response:
    """Any change of the signed data breaks its signature; any change of a PDF makes it a file that is not known here.

    Everybody may ask, and nothing sent is kept. The signature alone can be checked offline with
    `GET /v1/consent-texts/keys`.
    """
    kind = media_type(request)
    if kind not in _MEDIA:
        raise RequestError("request.media_type")
    raw = await read_body(request, MAX_FILE)
    if kind == JSON:
        body = parse(_CHECK, raw)
        if (body.jws is None) == (body.sha256 is None):
            raise RequestError("request.invalid", Fault("", "either jws or sha256"))
        if body.sha256 is not None:
            return json_response(await _by_digest(services, body.sha256))
        raw = (body.jws or "").encode()
    elif kind == PDF:
        return json_response(await _by_digest(services, signing.digest(raw).hex()))
    return json_response(await _by_signature(services, raw.strip()))


async def _by_digest(services: "Services", sha256: str) -> dict[str, Any]:
    async with services.database.reading() as session:
        row = await repository.version_by_digest(await driver_of(session), bytes.fromhex(sha256))
    if row is None:
        return _told("unknown_file", None, None, sha256)
    return _told(None, row, row["found_version"], sha256)


async def _by_signature(services: "Services", jws: bytes) -> dict[str, Any]:
    sha256 = signing.digest(jws).hex()
    if len(jws) > signing.MAX_JWS:
        return _told("no_certificate", None, None, sha256)
    async with services.database.reading() as session:
        found = signing.check(jws.decode("ascii", "replace"), await known_keys(session))
        if found.reason is not None:
            return _told(found.reason, None, None, sha256)
        row = await repository.of_number(await driver_of(session), found.certificate["number"])
    return _told(None, row, found.certificate["version"], sha256)


def _told(reason: Any, row: "Row | None", version: int | None, sha256: str) -> dict[str, Any]:
    state: Any = None
    if row is not None:
        superseded = "valid" if version == row["version"] else "superseded"
        state = superseded if row["revoked_at"] is None else "revoked"
    return CertificateCheck(
        genuine=reason is None,
        reason=reason,
        number=None if row is None else row["number"],
        version=version,
        state=state,
        sha256=sha256,
    ).model_dump()


@router.get("/certificates/{number}", include_in_schema=False)
async def certificate_page(number: str, services: ServicesDep) -> Response:
    """Where the QR code leads."""
    try:
        row, versions = await _found(services, number)
    except CertificateMistyped:
        return _html(page.check_page("编号有误：校验位不符 No such number: its check digits do not fit"), 404)
    except CertificateUnknown:
        return _html(page.check_page("没有这个编号的证书 There is no certificate of this number"), 404)
    view = public_view(row, service.said_by(row["jws"]), versions)
    return _html(page.certificate_page(view, view["certificate"], view["versions"]))


@router.get("/certificates", include_in_schema=False)
async def check_page(
    services: ServicesDep, number: Annotated[str | None, Query(max_length=64)] = None
) -> Response:
    """Where a number is typed, or a file is checked."""
    return _html(page.check_page()) if number is None else await certificate_page(number, services)


def _html(content: str, status: int = 200) -> Response:
    return HTMLResponse(content, status, headers=page.HEADERS)
