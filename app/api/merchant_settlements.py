"""The doors through which merchants read their statements, agree with them, or dispute them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from app.api import settling
from app.api.access import ServicesDep, caller
from app.api.http import operation, parse
from app.api.redeeming import Cursor, IfMatch, Limit, read_raw
from app.api.settling import SettlementId
from app.auth import scopes
from app.auth.principal import Principal
from points import settlement_errors as errors
from points import settlements
from points.settlement_models import Settlement
from points.settlement_schemas import (
    AgreementInput,
    DisputeInput,
    LineList,
    SettlementDetail,
    SettlementList,
    SettlementStateWord,
    SettlementView,
)
from points.settlements import Objection

router = APIRouter(prefix="/v1/merchant/settlements", tags=["merchant"])
Reader = Annotated[Principal, Depends(caller(scopes.MERCHANT_SETTLEMENTS_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.MERCHANT_SETTLEMENTS_WRITE))]
_AGREEMENT: TypeAdapter[AgreementInput] = TypeAdapter(AgreementInput)
_DISPUTE: TypeAdapter[DisputeInput] = TypeAdapter(DisputeInput)


@router.get(
    "",
    response_model=SettlementList,
    summary="My statements, the newest first",
    **operation(scopes.MERCHANT_SETTLEMENTS_READ, errors=("request.invalid",)),
)
async def list_own_settlements(
    principal: Reader,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[SettlementStateWord | None, Query()] = None,
) -> Response:
    """One for each month and region with anything to settle, and those that an operator issued in between."""
    return await settling.listed(
        principal, services, of_merchant=True, state=state, cursor=cursor, limit=limit
    )


@router.get(
    "/{settlement_id}",
    response_model=SettlementDetail,
    summary="One of my statements",
    **operation(scopes.MERCHANT_SETTLEMENTS_READ, errors=(errors.SettlementNotFound,)),
)
async def read_own_settlement(
    settlement_id: SettlementId, principal: Reader, services: ServicesDep
) -> Response:
    """With what was said of it."""
    return await settling.one(principal, services, settlement_id, of_merchant=True)


@router.get(
    "/{settlement_id}/lines",
    response_model=LineList,
    summary="Lines of a statement: an offer at a shop on a day",
    **operation(scopes.MERCHANT_SETTLEMENTS_READ, errors=(errors.SettlementNotFound, "request.invalid")),
)
async def list_own_lines(
    settlement_id: SettlementId,
    principal: Reader,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """By day, offer and shop."""
    return await settling.lines(
        principal, services, settlement_id, of_merchant=True, cursor=cursor, limit=limit
    )


@router.get(
    "/{settlement_id}/statement.csv",
    summary="A statement as CSV, a row for each redemption",
    **settling.described(
        operation(scopes.MERCHANT_SETTLEMENTS_READ, errors=(errors.SettlementNotFound,)), settling.CSV
    ),
)
async def own_statement_csv(
    settlement_id: SettlementId, request: Request, principal: Reader, services: ServicesDep
) -> Response:
    """For spreadsheets. The column of fen adds up to the total. Chinese headings, English with Accept-Language."""
    return await settling.csv_file(request, principal, services, settlement_id, of_merchant=True)


@router.get(
    "/{settlement_id}/statement.pdf",
    summary="A statement as PDF",
    **settling.described(
        operation(scopes.MERCHANT_SETTLEMENTS_READ, errors=(errors.SettlementNotFound,)), settling.PDF
    ),
)
async def own_statement_pdf(
    settlement_id: SettlementId, principal: Reader, services: ServicesDep
) -> Response:
    """Its sums by offer, shop and day, in Chinese and English."""
    return await settling.pdf_file(principal, services, settlement_id, of_merchant=True)


@router.post(
    "/{settlement_id}/agreement",
    response_model=SettlementView,
    summary="Agree with a statement",
    **operation(
        scopes.MERCHANT_SETTLEMENTS_WRITE,
        body=AgreementInput,
        examples=[{"note": "checked"}],
        errors=settling.STEP,
    ),
)
async def agree(
    settlement_id: SettlementId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """It can be paid then. What was agreed is not disputed any more."""
    raw = await read_raw(request)
    body = parse(_AGREEMENT, raw)

    async def work(session: AsyncSession, settlement: Settlement) -> Settlement:
        now = services.redemptions.clock()
        return await settlements.agree(session, settlement, principal.client_id, now)

    return await settling.step(
        *(request, principal, services, raw, settlement_id, if_match),
        *("settlement.agreed", body.note, work),
        of_merchant=True,
    )


@router.post(
    "/{settlement_id}/dispute",
    response_model=SettlementView,
    summary="Dispute a statement",
    **operation(
        scopes.MERCHANT_SETTLEMENTS_WRITE,
        body=DisputeInput,
        examples=[{"lines": [{"line": 3, "reason": "two redemptions of 5 October are missing"}]}],
        errors=(*settling.STEP, errors.LineUnknown),
    ),
)
async def dispute(
    settlement_id: SettlementId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """With a reason for the whole, for lines, or both. An operator corrects it or upholds it."""
    raw = await read_raw(request)
    body = parse(_DISPUTE, raw)
    objections = [Objection(each.reason, each.line) for each in body.lines]
    if body.reason is not None:
        objections.append(Objection(body.reason))

    async def work(session: AsyncSession, settlement: Settlement) -> Settlement:
        now = services.redemptions.clock()
        return await settlements.dispute(session, settlement, objections, principal.client_id, now)

    return await settling.step(
        *(request, principal, services, raw, settlement_id, if_match),
        *("settlement.disputed", body.reason or body.lines[0].reason, work),
        of_merchant=True,
    )
