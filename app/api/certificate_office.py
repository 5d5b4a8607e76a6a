"""The doors of operators for certificates and their seal, and those of residents for their own."""

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter

from accounts.ids import public_id, uuid7
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import address_of, cursor_of, json_response, media_type, operation, parse, read_body
from app.api.redeeming import read_raw
from app.auth import audit, scopes
from app.auth.principal import Principal, covers, prefix
from app.certificates import repository, seals, service, signing
from app.certificates.errors import (
    CertificateMistyped,
    CertificateRevoked,
    CertificateUnknown,
    NoSeal,
    SealUnfit,
)
from app.certificates.models import CertificateSeal
from app.certificates.schemas import (
    NUMBER_EXAMPLE,
    CertificateSummary,
    CertificateSummaryList,
    KindName,
    ReissueInput,
    RevocationInput,
    SealView,
    ShownNameInput,
    summary,
)
from app.database import driver_of
from app.problems import RequestError

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.repository import Driver, Row
    from app.wiring import Services

router = APIRouter()
Reader = Annotated[Principal, Depends(caller(scopes.CERTIFICATES_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.CERTIFICATES_WRITE))]
Number = Annotated[str, Path(max_length=64, examples=[NUMBER_EXAMPLE])]
PNG = "image/png"
OPERATORS: list[str | Enum] = ["operator certificates"]
RESIDENTS: list[str | Enum] = ["me"]
_REISSUE: TypeAdapter[ReissueInput] = TypeAdapter(ReissueInput)
_REVOCATION: TypeAdapter[RevocationInput] = TypeAdapter(RevocationInput)
_NAME: TypeAdapter[ShownNameInput] = TypeAdapter(ShownNameInput)
_STEP = (CertificateUnknown, CertificateMistyped, CertificateRevoked, "request.idempotency_conflict")


async def _page(services: "Services", cursor: str | None, limit: int, **whose: Any) -> Response:
    before = cursor_of("cft", cursor)
    async with services.database.reading() as session:
        rows = await repository.page(await driver_of(session), before=before, limit=limit + 1, **whose)
    following = public_id("cft", rows[limit - 1]["id"]) if len(rows) > limit else None
    return json_response({"items": [summary(row) for row in rows[:limit]], "next_cursor": following})


@router.get(
    "/v1/operator/certificates",
    tags=OPERATORS,
    response_model=CertificateSummaryList,
    summary="Certificates of the region, the latest first",
    **operation(scopes.CERTIFICATES_READ, errors=("request.invalid",)),
)
async def list_certificates(
    principal: Reader,
    services: ServicesDep,
    kind: Annotated[KindName | None, Query()] = None,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
) -> Response:
    """By numbers; what each says is on its public page."""
    return await _page(services, cursor, limit, region_prefix=prefix(principal.region), kind=kind)


@router.post(
    "/v1/operator/certificates/{number}/reissue",
    tags=OPERATORS,
    response_model=CertificateSummary,
    summary="Issue a certificate anew under its number",
    **operation(
        scopes.CERTIFICATES_WRITE,
        body=ReissueInput,
        examples=[{"reason": "单位更名 The company changed its name", "beneficiary": "江西绿能有限公司"}],
        errors=_STEP,
    ),
)
async def reissue_certificate(
    number: Number, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """With the present seal, and the beneficiary put right; what was retired stays as it was. The page tells why."""
    raw = await read_raw(request)
    body = parse(_REISSUE, raw)
    changed = {} if body.beneficiary is None else {"beneficiary": body.beneficiary}

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        row = await _of_region(driver, number, principal)
        now = services.intake.clock()
        await service.reissue(driver, services.tokens.keys, row["number"], changed, body.reason, now)
        found = await repository.of_number(driver, row["number"])
        await _write_down(session, request, principal, services, "certificate.reissued", row, body.reason)
        return summary(found)

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/v1/operator/certificates/{number}/revocation",
    tags=OPERATORS,
    response_model=CertificateSummary,
    summary="Revoke a certificate, for good",
    **operation(
        scopes.CERTIFICATES_WRITE,
        body=RevocationInput,
        examples=[{"reason": "重复出具 Issued twice"}],
        errors=_STEP,
    ),
)
async def revoke_certificate(
    number: Number, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """Its page says so and why. The retired units stay retired: what is final is not undone by a paper."""
    raw = await read_raw(request)
    body = parse(_REVOCATION, raw)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        row = await _of_region(driver, number, principal)
        await service.revoke(driver, row["number"], body.reason, services.intake.clock())
        await _write_down(session, request, principal, services, "certificate.revoked", row, body.reason)
        return summary(await repository.of_number(driver, row["number"]))

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/v1/operator/certificate-seal",
    tags=OPERATORS,
    response_model=SealView,
    summary="The seal of one's own certificates",
    **operation(scopes.CERTIFICATES_READ, errors=(NoSeal,)),
)
async def read_seal(principal: Reader, services: ServicesDep) -> Response:
    """The latest that the organisation uploaded."""
    async with services.database.reading() as session:
        row = await repository.own_seal(await driver_of(session), principal.organisation_id)
    if row is None:
        raise NoSeal
    return json_response(_seal_view(row))


@router.put(
    "/v1/operator/certificate-seal",
    tags=OPERATORS,
    response_model=SealView,
    summary="Upload the seal of the region's certificates",
    **operation(
        scopes.CERTIFICATES_WRITE,
        media={PNG: {"schema": {"type": "string", "format": "binary"}}},
        errors=(SealUnfit,),
    ),
)
async def upload_seal(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """A PNG of 100 to 1,024 pixels a side, 256 KiB at the most; certificates issued from now on bear it."""
    if media_type(request) != PNG:
        raise RequestError("request.media_type")
    image = seals.cleaned(await read_body(request, seals.MAX_BYTES))
    if image is None:
        raise SealUnfit
    now = services.intake.clock()
    made = CertificateSeal(
        id=uuid7(now),
        organisation_id=principal.organisation_id,
        region=principal.region,
        authority=principal.name,
        image=image,
        uploaded_at=now,
    )
    async with services.database.transaction() as session:
        await repository.add_seal(await driver_of(session), made)
        await audit.append(
            session,
            principal,
            now,
            "certificate_seal.uploaded",
            ("certificate_seal", public_id("sea", made.id)),
            region=principal.region,
            address=address_of(request),
            after={"sha256": signing.digest(image).hex()},
        )
    return json_response(_seal_view(made.model_dump()))


@router.get(
    "/v1/me/certificates",
    tags=RESIDENTS,
    response_model=CertificateSummaryList,
    summary="My certificates, the latest first",
    **operation(scopes.ME_READ, errors=("request.invalid",)),
)
async def my_certificates(
    principal: my.Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Of what was retired for me, and of my shares in events."""
    return await _page(services, cursor, limit, holder_id=my.own(principal))


@router.put(
    "/v1/me/certificates/{number}/name",
    tags=RESIDENTS,
    response_model=CertificateSummary,
    summary="Have my name put on a certificate of mine, or taken off",
    **operation(
        scopes.ME_WRITE,
        body=ShownNameInput,
        examples=[{"name": "王小绿"}],
        errors=_STEP,
    ),
)
async def choose_name(
    number: Number, request: Request, principal: my.Writer, services: ServicesDep
) -> Response:
    """Everybody who has the number can read it. Once taken off, no earlier version with it is kept."""
    raw = await read_raw(request)
    body = parse(_NAME, raw)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        known = service.known_number(number)
        name = None if body.name is None else body.name.strip()
        await service.choose_name(
            driver, services.tokens.keys, known, my.own(principal), name, services.intake.clock()
        )
        return summary(await repository.of_number(driver, known))

    return await idempotency.write(request, principal, services, raw, act)


async def _of_region(driver: "Driver", number: str, principal: Principal) -> "Row":
    row = await repository.lock(driver, service.known_number(number))
    if row is None or not covers(principal.region, row["region"]):
        raise CertificateUnknown
    return row


async def _write_down(
    session: "AsyncSession",
    request: Request,
    principal: Principal,
    services: "Services",
    action: str,
    row: "Row",
    reason: str,
) -> None:
    await audit.append(
        session,
        principal,
        services.intake.clock(),
        action,
        ("certificate", row["number"]),
        region=row["region"],
        address=address_of(request),
        reason=reason,
        before={"version": row["version"]},
    )


def _seal_view(row: Any) -> dict[str, Any]:
    return SealView(
        region=row["region"],
        authority=row["authority"],
        uploaded_at=row["uploaded_at"],
        sha256=signing.digest(row["image"]).hex(),
    ).model_dump(mode="json")
