"""The doors of banks for signed reports of customers who granted them, and the public one that verifies a report."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from accounts.errors import HolderNotFound
from accounts.ids import parse_public_id, public_id
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.bank_door import bank_caller
from app.api.http import JSON, json_response, media_type, operation, parse, read_body
from app.api.redeeming import id_of, read_raw
from app.api.settling import PDF, described
from app.auth import scopes
from app.auth.principal import Principal
from app.banking import grants
from app.banking.errors import AccessRefused
from app.banking.terms import Purpose, Scope
from app.credit_reports import repository, service, signing
from app.credit_reports.errors import CreditReportNotFound
from app.database import driver_of
from app.problems import RequestError
from app.wiring import Services

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.repository import Row

router = APIRouter(tags=["credit reports"])
Asking = Annotated[Principal, Depends(bank_caller("report", scopes.BANK_REPORTS_READ))]
Reader = Annotated[Principal, Depends(caller(scopes.BANK_REPORTS_READ))]
ReportId = Annotated[str, Path(description="`crr_…`", examples=["crr_01a1fc693a86700e9ae525ac545ac6cd"])]
ReportPurpose = Literal["loan_application", "post_loan_monitoring"]


class CreditReportInput(BaseModel):
    """Of whom, and for what."""

    model_config = ConfigDict(extra="forbid")

    reference: str = Field(
        max_length=64,
        description="`cus_…`: the name by which this bank alone knows the customer",
        examples=["cus_8f0f6a2f6cf14a5d9c4b7d0e3a52c9b1"],
    )
    purpose: ReportPurpose = "loan_application"


class CreditReportView(BaseModel):
    """A report: what was signed, and the JWS that proves it."""

    report_id: str
    kind: Literal["resident", "enterprise"]
    sha256: str = Field(description="Of the JWS")
    report: dict[str, Any] = Field(description="What was signed, as it can be read from the JWS")
    jws: str = Field(description="JWS in compact form (EdDSA), with a key of `GET /v1/consent-texts/keys`")


class VerificationRequest(BaseModel):
    """A report to be checked."""

    model_config = ConfigDict(extra="forbid")

    jws: str = Field(min_length=1, max_length=signing.MAX_JWS, examples=["e30.e30.e30"])


class ReportVerification(BaseModel):
    """Whether the service signed exactly this."""

    valid: bool
    reason: Literal["signature", "unknown_key", "no_report"] | None
    report_id: str | None
    kind: str | None
    as_of: str | None
    issued_at: str | None
    key_id: str | None
    sha256: str


_INPUT: TypeAdapter[CreditReportInput] = TypeAdapter(CreditReportInput)
_VERIFICATION: TypeAdapter[VerificationRequest] = TypeAdapter(VerificationRequest)


def _ask(principal: Principal, purpose: str) -> grants.Ask:
    return grants.Ask(principal.organisation_id, principal.name, Purpose(purpose), Scope.REPORT, "report")


@router.post(
    "/v1/bank/reports",
    response_model=CreditReportView,
    summary="Have a signed report of a customer made",
    **operation(
        scopes.BANK_REPORTS_READ,
        body=CreditReportInput,
        examples=[{"reference": "cus_" + "0" * 32, "purpose": "loan_application"}],
        errors=(AccessRefused, HolderNotFound, "request.idempotency_conflict"),
    ),
)
async def make_report(request: Request, principal: Asking, services: ServicesDep) -> Response:
    """Needs the customer's grant of `report`. A resident's, or an enterprise's; parts without data say so."""
    raw = await read_raw(request)
    body = parse(_INPUT, raw)
    customer = grants.Customer(reference=parse_public_id("cus", body.reference))
    ask = _ask(principal, body.purpose)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        now = services.intake.clock()
        granted = await grants.require(driver, ask, customer, now)
        asked = service.Asked(principal.organisation_id, principal.name, body.reference)
        made = await service.issue(services, driver, granted, asked, now)
        return _view(made.model_dump(), await service.known_keys(session))

    answer = await idempotency.write(request, principal, services, raw, act)
    if "Idempotent-Replayed" in answer.headers:
        # A withdrawal ends what is kept for retries as well.
        async with services.database.transaction() as session:
            await grants.require(await driver_of(session), ask, customer, services.intake.clock())
    answer.headers["Cache-Control"] = "no-store"
    return answer


@router.get(
    "/v1/bank/reports/{report_id}",
    response_model=CreditReportView,
    summary="One of my reports again",
    **operation(scopes.BANK_REPORTS_READ, errors=(CreditReportNotFound, AccessRefused)),
)
async def read_report(report_id: ReportId, principal: Reader, services: ServicesDep) -> Response:
    """As it was signed, while the customer still lets the bank see reports."""
    row, keys = await _again(report_id, principal, services)
    return json_response(_view(row, keys), headers={"Cache-Control": "no-store"})


@router.get(
    "/v1/bank/reports/{report_id}/report.pdf",
    summary="The same as PDF in Chinese",
    **described(operation(scopes.BANK_REPORTS_READ, errors=(CreditReportNotFound, AccessRefused)), PDF),
)
async def read_report_pdf(report_id: ReportId, principal: Reader, services: ServicesDep) -> Response:
    """A rendering of what was signed; the JWS is attached to the file."""
    row, keys = await _again(report_id, principal, services)
    found = signing.verify(row["jws"], keys)
    made = await service.pdf_of(row["jws"], found.report, found.kid, row["issued_at"])
    headers = {
        "Content-Disposition": f'attachment; filename="{report_id}.pdf"',
        "Cache-Control": "no-store",
    }
    return Response(made, media_type=PDF, headers=headers)


@router.post(
    "/v1/reports/verification",
    response_model=ReportVerification,
    summary="Check whether a report was signed by this service",
    **operation(body=VerificationRequest, examples=[{"jws": "e30.e30.e30"}]),
)
async def verify_report(request: Request, services: ServicesDep) -> Response:
    """Everybody may ask. The same can be done offline with `GET /v1/consent-texts/keys`; nothing sent is kept."""
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    body = parse(_VERIFICATION, await read_body(request, signing.MAX_JWS + 1024))
    async with services.database.reading() as session:
        keys = await service.known_keys(session)
    found = signing.verify(body.jws, keys)
    view = ReportVerification(
        valid=found.reason is None,
        reason=found.reason,
        report_id=found.report.get("report_id"),
        kind=found.report.get("kind"),
        as_of=found.report.get("as_of"),
        issued_at=found.report.get("issued_at"),
        key_id=found.kid or None,
        sha256=signing.digest(body.jws).hex(),
    )
    return json_response(view.model_dump())


async def _again(report_id: str, principal: Principal, services: Services) -> "tuple[Row, dict[str, bytes]]":
    """A report of the caller's, whose customer lets it be seen now; recorded like any query."""
    known = id_of("crr", report_id, CreditReportNotFound)
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        row = await repository.find(driver, principal.organisation_id, known)
        if row is None or row["jws"] is None:
            raise CreditReportNotFound
        customer = grants.Customer(holder_id=row["holder_id"])
        await grants.require(driver, _ask(principal, row["purpose"]), customer, services.intake.clock())
        return row, await service.known_keys(session)


def _view(row: Any, keys: dict[str, bytes]) -> dict[str, Any]:
    return CreditReportView(
        report_id=public_id("crr", row["id"]),
        kind=row["kind"],
        sha256=row["digest"].hex(),
        report=dict(signing.verify(row["jws"], keys).report),
        jws=row["jws"],
    ).model_dump(mode="json")
