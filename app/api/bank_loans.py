"""The doors of banks for the loans that they granted on quotes."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter

from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import cursor_of, json_response, operation, parse, stated_version
from app.api.redeeming import Cursor, IfMatch, Limit, id_of, read_raw
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.lending import errors, loans, repository
from app.lending.schemas import LoanCorrection, LoanInput, LoanList, LoanVersions, LoanView

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

router = APIRouter(prefix="/v1/bank/loans", tags=["bank loans"])
Lender = Annotated[Principal, Depends(caller(scopes.BANK_PRODUCTS_WRITE))]
LoanId = Annotated[str, Path(description="`gln_…`", examples=["gln_01a1fc693a86700e9ae525ac545ac6cd"])]
_LOAN: TypeAdapter[LoanInput] = TypeAdapter(LoanInput)
_CORRECTION: TypeAdapter[LoanCorrection] = TypeAdapter(LoanCorrection)
_FIGURES = {
    "amount_fen": 30000000,
    "rate_bp": 400,
    "granted_on": "2026-11-21",
    "ends_on": "2027-11-20",
    "funded_co2e_g": "1200000",
}


@router.post(
    "",
    response_model=LoanView,
    summary="Report a loan that was granted on a quote",
    **operation(
        scopes.BANK_PRODUCTS_WRITE,
        body=LoanInput,
        examples=[{"number": "L-2026-000017", "quote_id": "quo_" + "0" * 32, **_FIGURES}],
        errors=(
            errors.QuoteNotFound,
            errors.QuoteNotEligible,
            errors.QuoteNotValidThen,
            errors.LoanNumberTaken,
            "request.idempotency_conflict",
        ),
    ),
)
async def report_loan(request: Request, principal: Lender, services: ServicesDep) -> Response:
    """Once for its number: the same again answers what is there, another under it is refused."""
    raw = await read_raw(request)
    body = parse(_LOAN, raw)

    async def act(session: "AsyncSession") -> Any:
        made = await loans.report(
            await driver_of(session),
            principal.organisation_id,
            principal.client_id,
            body,
            services.intake.clock(),
        )
        return made.model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "",
    response_model=LoanList,
    summary="My loans, the newest first",
    **operation(scopes.BANK_PRODUCTS_WRITE, errors=("request.invalid",)),
)
async def list_loans(
    principal: Lender, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Each in its latest version."""
    before = cursor_of("gln", cursor)
    async with services.database.reading() as session:
        rows = await repository.page_of_loans(
            await driver_of(session), principal.organisation_id, before, limit + 1
        )
    shown = [loans.loan_view(row) for row in rows[:limit]]
    following = shown[-1].loan_id if len(rows) > limit else None
    return json_response(LoanList(items=shown, next_cursor=following).model_dump(mode="json"))


@router.get(
    "/{loan_id}",
    response_model=LoanVersions,
    summary="Everything that was said of one of my loans",
    **operation(scopes.BANK_PRODUCTS_WRITE, errors=(errors.LoanNotFound,)),
)
async def read_loan(loan_id: LoanId, principal: Lender, services: ServicesDep) -> Response:
    """The latest version, which counts, comes first."""
    known = id_of("gln", loan_id, errors.LoanNotFound)
    async with services.database.reading() as session:
        rows = await repository.loan_versions(await driver_of(session), principal.organisation_id, known)
    if not rows:
        raise errors.LoanNotFound
    return json_response(LoanVersions(items=[loans.loan_view(row) for row in rows]).model_dump(mode="json"))


@router.put(
    "/{loan_id}",
    response_model=LoanView,
    summary="Correct a loan, or cancel it",
    **operation(
        scopes.BANK_PRODUCTS_WRITE,
        body=LoanCorrection,
        examples=[{**_FIGURES, "amount_fen": 29000000, "reason": "amount mistyped"}],
        errors=(
            errors.LoanNotFound,
            errors.LoanIfMatchMissing,
            errors.LoanCorrectedMeanwhile,
            errors.QuoteNotValidThen,
            "request.idempotency_conflict",
        ),
    ),
)
async def correct_loan(
    loan_id: LoanId, request: Request, principal: Lender, services: ServicesDep, if_match: IfMatch = None
) -> Response:
    """A new version with all figures; what was said before is kept."""
    known = id_of("gln", loan_id, errors.LoanNotFound)
    raw = await read_raw(request)
    body = parse(_CORRECTION, raw)
    stated = stated_version(if_match, errors.LoanIfMatchMissing)

    async def act(session: "AsyncSession") -> Any:
        made = await loans.correct(
            await driver_of(session),
            principal.organisation_id,
            principal.client_id,
            known,
            stated,
            body,
            services.intake.clock(),
        )
        return made.model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)
