"""What an enterprise enters with evidence: its meters' fuels, green certificates, process emissions."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter

from accounts.emissions import evidence
from accounts.emissions.correcting import day_of
from accounts.emissions.errors import (
    CertificateNotFound,
    CertificateUsed,
    FuelUnfit,
    ProcessNotFound,
    ProcessReplaced,
)
from accounts.emissions.evidence import Document, Entering
from accounts.emissions.schemas import (
    CertificateInput,
    CertificateList,
    CertificateView,
    CertificateWithdrawal,
    EvidenceInput,
    FuelInput,
    FuelList,
    FuelView,
    ProcessInput,
    ProcessList,
    ProcessReplacement,
    ProcessView,
)
from accounts.enterprises.errors import LineNotFound, MeterNotFound, SiteNotFound
from accounts.errors import Fault
from accounts.ids import public_id
from accounts.quantities import grams
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.carbon import read_json_raw
from app.api.enterprise_structure import id_in_path, own_enterprise
from app.api.http import cursor_of, json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.problems import RequestError

if TYPE_CHECKING:
    import asyncpg

    from app.wiring import Services

router = APIRouter(prefix="/v1/enterprises", tags=["enterprise emissions"])
Reader = Annotated[Principal, Depends(caller(scopes.REPORT_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.EVIDENCE_WRITE))]
CertificateId = Annotated[str, Path(description="`gec_…`", examples=["gec_" + "0" * 32], max_length=40)]
ProcessId = Annotated[str, Path(description="`prc_…`", examples=["prc_" + "0" * 32], max_length=40)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
REPEATED = ("request.idempotency_conflict",)
_FUEL: TypeAdapter[FuelInput] = TypeAdapter(FuelInput)
_CERTIFICATE: TypeAdapter[CertificateInput] = TypeAdapter(CertificateInput)
_WITHDRAWAL: TypeAdapter[CertificateWithdrawal] = TypeAdapter(CertificateWithdrawal)
_PROCESS: TypeAdapter[ProcessInput] = TypeAdapter(ProcessInput)
_REPLACEMENT: TypeAdapter[ProcessReplacement] = TypeAdapter(ProcessReplacement)
_EVIDENCE = {"reference": "检测报告 2026-118", "sha256": "ab" * 32}
_CERTIFICATE_EXAMPLE = {
    "number": "GEC-2026-330800-0000001",
    "issuer": "国家可再生能源信息管理中心",
    "energy_wh": 1_000_000,
    "first_month": "2026-03",
    "last_month": "2026-03",
    "cancelled_on": "2026-05-08",
    "evidence": _EVIDENCE,
}
_PROCESS_EXAMPLE = {
    "site_id": "sit_01a1fc693a86700e9ae525ac545ac6cd",
    "month": "2026-06",
    "process": "石灰石分解",
    "co2e_g": "12500000",
    "evidence": _EVIDENCE,
}
_FUEL_EXAMPLE = {
    "meter_id": "mtr_01a1fc693a86700e9ae525ac545ac6cd",
    "from_month": "2026-01",
    "fuel": "anthracite",
    "furnace": "industrial_boiler",
    "document_reference": "采购合同 2026-03",
}


def who_enters(principal: Principal, services: "Services") -> Entering:
    """An enterprise's own client, or the member whose session the token is of."""
    member = not principal.client_id.startswith("cli_")
    by = public_id("mem", principal.organisation_id) if member else principal.client_id
    return Entering(own_enterprise(principal), by, services.intake.clock())


def _grams_to_mg(text: str) -> int:
    whole, _, rest = text.partition(".")
    return int(whole) * 1000 + int(rest.ljust(3, "0") or 0)


def _document(given: EvidenceInput) -> Document:
    return Document(given.reference, bytes.fromhex(given.sha256))


def _evidence(row: evidence.Row) -> EvidenceInput:
    return EvidenceInput(reference=row["document_reference"], sha256=row["document_hash"].hex())


async def _write(
    request: Request,
    principal: Principal,
    services: "Services",
    raw: bytes,
    step: Callable[["asyncpg.Connection"], Awaitable[evidence.Row]],
    view: Callable[[evidence.Row], dict[str, Any]],
) -> Response:
    async def act(session: Any) -> Any:
        return view(await step(await driver_of(session)))

    return await idempotency.write(request, principal, services, raw, act)


async def _page(
    principal: Principal,
    services: "Services",
    table: str,
    named: tuple[str, str],
    limit: int,
    cursor: str | None,
    view: Callable[[evidence.Row], dict[str, Any]],
) -> Response:
    prefix, name = named
    before = cursor_of(prefix, cursor)
    async with services.database.snapshot() as driver:
        rows = await evidence.page(driver, table, own_enterprise(principal), before, limit + 1)
    items = [view(row) for row in rows[:limit]]
    return json_response({"items": items, "next_cursor": items[-1][name] if len(rows) > limit else None})


def fuel_view(row: evidence.Row) -> dict[str, Any]:
    """A word about a fuel."""
    return FuelView(
        fuel_id=public_id("fue", row["id"]),
        meter_id=public_id("mtr", row["meter_id"]),
        from_month=f"{row['from_month']:%Y-%m}",
        fuel=row["fuel"],
        furnace=row["furnace"],
        document_reference=row["document_reference"],
        entered_by=row["entered_by"],
        created_at=row["created_at"],
    ).model_dump(mode="json")


def certificate_view(row: evidence.Row) -> dict[str, Any]:
    """A certificate."""
    return CertificateView(
        certificate_id=public_id("gec", row["id"]),
        number=row["number"],
        issuer=row["issuer"],
        energy_wh=row["energy_wh"],
        first_month=f"{row['first_month']:%Y-%m}",
        last_month=f"{row['last_month']:%Y-%m}",
        cancelled_on=row["cancelled_on"],
        evidence=_evidence(row),
        entered_by=row["entered_by"],
        created_at=row["created_at"],
        withdrawn_at=row["withdrawn_at"],
        withdrawn_by=row["withdrawn_by"],
        withdrawn_reason=row["withdrawn_reason"],
    ).model_dump(mode="json")


def process_view(row: evidence.Row) -> dict[str, Any]:
    """Process emissions."""
    return ProcessView(
        process_id=public_id("prc", row["id"]),
        site_id=public_id("sit", row["site_id"]),
        line_id=None if row["line_id"] is None else public_id("lin", row["line_id"]),
        month=f"{row['month']:%Y-%m}",
        process=row["process"],
        co2e_g=grams(row["co2e_mg"]),
        evidence=_evidence(row),
        replaces=None if row["replaces"] is None else public_id("prc", row["replaces"]),
        reason=row["reason"],
        entered_by=row["entered_by"],
        created_at=row["created_at"],
    ).model_dump(mode="json")


@router.get(
    "/fuels",
    response_model=FuelList,
    summary="What was said of my meters' fuels, the newest first",
    **operation(scopes.REPORT_READ, errors=("request.invalid",)),
)
async def list_fuels(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The last word for a month counts; gas of which nothing was said is natural gas."""
    return await _page(principal, services, "meter_fuels", ("fue", "fuel_id"), limit, cursor, fuel_view)


@router.post(
    "/fuels",
    response_model=FuelView,
    summary="Say what a meter's coal, oil or gas is",
    **operation(
        scopes.EVIDENCE_WRITE,
        body=FuelInput,
        examples=[_FUEL_EXAMPLE],
        errors=(MeterNotFound, FuelUnfit, *REPEATED),
    ),
)
async def declare_fuel(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """From a month on. Coal and coke are said with the furnace, which decides how much of the carbon burns."""
    raw, body = await read_json_raw(request, _FUEL)
    who = who_enters(principal, services)
    meter_id = id_in_path("mtr", body.meter_id, MeterNotFound)
    month = day_of(body.from_month)

    async def step(driver: "asyncpg.Connection") -> evidence.Row:
        return await evidence.declare_fuel(
            driver, who, meter_id, month, body.fuel, body.furnace, body.document_reference
        )

    return await _write(request, principal, services, raw, step, fuel_view)


@router.get(
    "/green-certificates",
    response_model=CertificateList,
    summary="My green certificates, the newest first",
    **operation(scopes.REPORT_READ, errors=("request.invalid",)),
)
async def list_certificates(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Withdrawn ones too. How much of each is used is told by a report of its year."""
    return await _page(
        principal,
        services,
        "green_certificates",
        ("gec", "certificate_id"),
        limit,
        cursor,
        certificate_view,
    )


@router.post(
    "/green-certificates",
    response_model=CertificateView,
    summary="Enter a green certificate that was cancelled for us",
    **operation(
        scopes.EVIDENCE_WRITE,
        body=CertificateInput,
        examples=[_CERTIFICATE_EXAMPLE],
        errors=(CertificateUsed, *REPEATED),
    ),
)
async def enter_certificate(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Its number counts once in the whole deployment, for whichever enterprise entered it first."""
    raw, body = await read_json_raw(request, _CERTIFICATE)
    first, last = day_of(body.first_month), day_of(body.last_month)
    now = services.intake.clock()
    if last < first or last.year != first.year:
        raise RequestError(
            "request.invalid", Fault("/last_month", "must follow, in the same year", "须在同年且不早于起始月")
        )
    if body.cancelled_on < first or body.cancelled_on > now.date():
        raise RequestError(
            "request.invalid",
            Fault("/cancelled_on", "must lie between the first month and today", "须在起始月与今天之间"),
        )
    who = who_enters(principal, services)

    async def step(driver: "asyncpg.Connection") -> evidence.Row:
        return await evidence.enter_certificate(
            driver,
            who,
            body.number,
            body.issuer,
            body.energy_wh,
            (first, last),
            body.cancelled_on,
            _document(body.evidence),
        )

    return await _write(request, principal, services, raw, step, certificate_view)


@router.post(
    "/green-certificates/{certificate_id}/withdrawal",
    response_model=CertificateView,
    summary="Take back a certificate that was entered wrongly",
    **operation(
        scopes.EVIDENCE_WRITE,
        body=CertificateWithdrawal,
        examples=[{"reason": "电量录入有误"}],
        errors=(CertificateNotFound, *REPEATED),
    ),
)
async def withdraw_certificate(
    certificate_id: CertificateId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """Its row stays; its number can be entered again."""
    raw, body = await read_json_raw(request, _WITHDRAWAL)
    who, wanted = who_enters(principal, services), id_in_path("gec", certificate_id, CertificateNotFound)

    async def step(driver: "asyncpg.Connection") -> evidence.Row:
        return await evidence.withdraw_certificate(driver, who, wanted, body.reason)

    return await _write(request, principal, services, raw, step, certificate_view)


@router.get(
    "/process-emissions",
    response_model=ProcessList,
    summary="My process emissions, the newest first",
    **operation(scopes.REPORT_READ, errors=("request.invalid",)),
)
async def list_processes(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Replaced ones too: each row has who entered it, when, and its evidence."""
    return await _page(
        principal, services, "process_emissions", ("prc", "process_id"), limit, cursor, process_view
    )


@router.post(
    "/process-emissions",
    response_model=ProcessView,
    summary="Enter emissions of a process with their evidence",
    **operation(
        scopes.EVIDENCE_WRITE,
        body=ProcessInput,
        examples=[_PROCESS_EXAMPLE],
        errors=(SiteNotFound, LineNotFound, *REPEATED),
    ),
)
async def enter_process(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Of one month, at a site or at one of its lines."""
    raw, body = await read_json_raw(request, _PROCESS)
    who = who_enters(principal, services)
    site_id = id_in_path("sit", body.site_id, SiteNotFound)
    line_id = None if body.line_id is None else id_in_path("lin", body.line_id, LineNotFound)

    async def step(driver: "asyncpg.Connection") -> evidence.Row:
        return await evidence.enter_process(
            driver,
            who,
            (site_id, line_id),
            day_of(body.month),
            body.process,
            _grams_to_mg(body.co2e_g),
            _document(body.evidence),
        )

    return await _write(request, principal, services, raw, step, process_view)


@router.post(
    "/process-emissions/{process_id}/replacement",
    response_model=ProcessView,
    summary="Correct process emissions by another row",
    **operation(
        scopes.EVIDENCE_WRITE,
        body=ProcessReplacement,
        examples=[{"co2e_g": "12000000", "evidence": _EVIDENCE, "reason": "复核"}],
        errors=(ProcessNotFound, ProcessReplaced, *REPEATED),
    ),
)
async def replace_process(
    process_id: ProcessId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """The first row stays as it is and counts no more; `0` takes it back."""
    raw, body = await read_json_raw(request, _REPLACEMENT)
    who, wanted = who_enters(principal, services), id_in_path("prc", process_id, ProcessNotFound)

    async def step(driver: "asyncpg.Connection") -> evidence.Row:
        return await evidence.replace_process(
            driver, who, wanted, _grams_to_mg(body.co2e_g), _document(body.evidence), body.reason
        )

    return await _write(request, principal, services, raw, step, process_view)
