"""The doors through which operators issue statements of their region's merchants, resolve disputes, and pay."""

import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.errors import Fault
from accounts.fields import Moment, Region
from app.api import idempotency, settling
from app.api.access import ServicesDep, caller
from app.api.http import json_response, operation, parse
from app.api.redeeming import Cursor, IfMatch, Limit, read_raw
from app.api.settling import SettlementId
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.problems import RequestError
from app.settling import office
from points import settlement_errors as errors
from points import settlement_repository as repository
from points import settlements
from points.settlement_models import Settlement
from points.settlement_schemas import (
    LineList,
    PaymentProposal,
    PaymentStep,
    ResolutionInput,
    SettlementDetail,
    SettlementInput,
    SettlementList,
    SettlementPreview,
    SettlementStateWord,
    SettlementView,
    preview_view,
    settlement_view,
)
from points.settlements import Correction

router = APIRouter(prefix="/v1/operator/settlements", tags=["operator merchants"])
Reader = Annotated[Principal, Depends(caller(scopes.SETTLEMENTS_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.SETTLEMENTS_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.SETTLEMENTS_APPROVE))]
MerchantId = Annotated[str, Query(max_length=64, description="`org_…`")]
_ISSUE: TypeAdapter[SettlementInput] = TypeAdapter(SettlementInput)
_RESOLUTION: TypeAdapter[ResolutionInput] = TypeAdapter(ResolutionInput)
_PROPOSAL: TypeAdapter[PaymentProposal] = TypeAdapter(PaymentProposal)
_PAYMENT: TypeAdapter[PaymentStep] = TypeAdapter(PaymentStep)
_REASON = {"reason": "checked"}
_FIRST = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_LAST = datetime.datetime(9000, 1, 1, tzinfo=datetime.UTC)


@router.get(
    "",
    response_model=SettlementList,
    summary="Statements of the region's merchants, the newest first",
    **operation(scopes.SETTLEMENTS_READ, errors=("request.invalid", errors.MerchantNotFound)),
)
async def list_settlements(
    principal: Reader,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[SettlementStateWord | None, Query()] = None,
    merchant_id: MerchantId | None = None,
) -> Response:
    """`state=disputed` is what waits for a resolution, `state=in_payment` for an approval."""
    return await settling.listed(
        principal,
        services,
        of_merchant=False,
        merchant_id=None if merchant_id is None else settling.merchant_of(merchant_id),
        state=state,
        cursor=cursor,
        limit=limit,
    )


@router.get(
    "/preview",
    response_model=SettlementPreview,
    summary="What a statement would say",
    **operation(
        scopes.SETTLEMENTS_READ,
        errors=("request.invalid", errors.MerchantNotFound, errors.AlreadyIssued),
    ),
)
async def preview_settlement(
    principal: Reader,
    services: ServicesDep,
    merchant_id: MerchantId,
    region: Annotated[Region, Query(description="Whose programme owes")],
    ends_at: Annotated[Moment, Query()],
) -> Response:
    """Nothing is written. The period may be running still."""
    async with services.database.reading() as session:
        driver = await driver_of(session)
        account = await repository.find_account(driver, settling.merchant_of(merchant_id), region)
        if account is None or not principal.may_see_region(region):
            raise errors.MerchantNotFound
        found = await settlements.preview(driver, account, _bounded(ends_at))
    view = preview_view(
        found, settling.public_merchant(account.merchant_id), region, services.redemptions.clock()
    )
    return json_response(view.model_dump())


def _bounded(moment: datetime.datetime) -> datetime.datetime:
    """A moment that an id can tell of."""
    if not _FIRST <= moment < _LAST:
        raise RequestError("request.invalid", Fault("/ends_at", "out of range"))
    return moment


@router.post(
    "",
    response_model=SettlementView,
    summary="Issue a statement",
    **operation(
        scopes.SETTLEMENTS_WRITE,
        body=SettlementInput,
        examples=[
            {
                "merchant_id": "org_01a1fc693a86700e9ae525ac545ac6cd",
                "region": "440300",
                "ends_at": "2026-11-01T00:00:00+08:00",
            }
        ],
        errors=(
            errors.MerchantNotFound,
            errors.PeriodNotOver,
            errors.AlreadyIssued,
            errors.NothingDue,
            "request.idempotency_conflict",
        ),
    ),
)
async def issue_settlement(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Of all that was booked before a moment and is in no statement. The job does it for each month by itself."""
    raw = await read_raw(request)
    body = parse(_ISSUE, raw)
    merchant = settling.merchant_of(body.merchant_id)
    actor = settling.actor_of(request, principal, services)

    async def act(session: AsyncSession) -> Any:
        account = None
        if principal.may_see_region(body.region):
            account = await repository.find_account(await driver_of(session), merchant, body.region)
        if account is None:
            raise errors.MerchantNotFound
        settlement = await office.issue(session, account, _bounded(body.ends_at), actor)
        return settlement_view(settlement, to_operator=True).model_dump()

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/{settlement_id}",
    response_model=SettlementDetail,
    summary="One statement",
    **operation(scopes.SETTLEMENTS_READ, errors=(errors.SettlementNotFound,)),
)
async def read_settlement(settlement_id: SettlementId, principal: Reader, services: ServicesDep) -> Response:
    """With what was said of it."""
    return await settling.one(principal, services, settlement_id, of_merchant=False)


@router.get(
    "/{settlement_id}/lines",
    response_model=LineList,
    summary="Lines of a statement",
    **operation(scopes.SETTLEMENTS_READ, errors=(errors.SettlementNotFound, "request.invalid")),
)
async def list_lines(
    settlement_id: SettlementId,
    principal: Reader,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """By day, offer and shop."""
    return await settling.lines(
        principal, services, settlement_id, of_merchant=False, cursor=cursor, limit=limit
    )


@router.get(
    "/{settlement_id}/statement.csv",
    summary="A statement as CSV",
    **settling.described(
        operation(scopes.SETTLEMENTS_READ, errors=(errors.SettlementNotFound,)), settling.CSV
    ),
)
async def statement_csv(
    settlement_id: SettlementId, request: Request, principal: Reader, services: ServicesDep
) -> Response:
    """The same file that the merchant gets."""
    return await settling.csv_file(request, principal, services, settlement_id, of_merchant=False)


@router.get(
    "/{settlement_id}/statement.pdf",
    summary="A statement as PDF",
    **settling.described(
        operation(scopes.SETTLEMENTS_READ, errors=(errors.SettlementNotFound,)), settling.PDF
    ),
)
async def statement_pdf(settlement_id: SettlementId, principal: Reader, services: ServicesDep) -> Response:
    """The same file that the merchant gets."""
    return await settling.pdf_file(principal, services, settlement_id, of_merchant=False)


@router.post(
    "/{settlement_id}/resolution",
    response_model=SettlementView,
    summary="Correct a disputed statement, or uphold it",
    **operation(
        scopes.SETTLEMENTS_WRITE,
        body=ResolutionInput,
        examples=[
            {
                "reason": "checked with the till",
                "corrections": [{"line": 3, "fen": 1000, "reason": "two redemptions"}],
            },
            {"reason": "they were refunded the same day"},
        ],
        errors=(*settling.STEP, errors.LineUnknown),
    ),
)
async def resolve_dispute(
    settlement_id: SettlementId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """Corrections change its total. Without any, it is upheld. The merchant may dispute a corrected one again."""
    raw = await read_raw(request)
    body = parse(_RESOLUTION, raw)
    corrections = [Correction(each.fen, each.reason, each.line) for each in body.corrections]

    async def work(session: AsyncSession, settlement: Settlement) -> Settlement:
        now = services.redemptions.clock()
        return await settlements.resolve(
            session, settlement, corrections, body.reason, principal.client_id, now
        )

    return await settling.step(
        *(request, principal, services, raw, settlement_id, if_match),
        *("settlement.corrected" if corrections else "settlement.upheld", body.reason, work),
        of_merchant=False,
        with_account=True,
    )


@router.post(
    "/{settlement_id}/payment",
    response_model=SettlementView,
    summary="Propose the payment of a statement",
    **operation(
        scopes.SETTLEMENTS_WRITE,
        body=PaymentProposal,
        examples=[{"bank_reference": "20261103-000417", "paid_on": "2026-11-03"}],
        errors=(*settling.STEP, errors.NothingPayable),
    ),
)
async def propose_payment(
    settlement_id: SettlementId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """Of one that is agreed, corrected or upheld. It counts when another operator has approved it."""
    raw = await read_raw(request)
    body = parse(_PROPOSAL, raw)

    async def work(session: AsyncSession, settlement: Settlement) -> Settlement:
        now = services.redemptions.clock()
        return await settlements.propose_payment(
            session, settlement, body.bank_reference, body.paid_on, principal.client_id, now
        )

    return await settling.step(
        *(request, principal, services, raw, settlement_id, if_match),
        *("settlement.payment_proposed", body.reason, work),
        of_merchant=False,
    )


@router.post(
    "/{settlement_id}/payment/approval",
    response_model=SettlementView,
    summary="Approve a payment that another operator proposed",
    **operation(
        scopes.SETTLEMENTS_APPROVE,
        body=PaymentStep,
        examples=[_REASON],
        errors=(*settling.STEP, errors.ApproveOwn),
    ),
)
async def approve_payment(
    settlement_id: SettlementId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """Neither the one who proposed it nor the one who corrected the statement. It is paid, and never changes again."""
    raw = await read_raw(request)
    body = parse(_PAYMENT, raw)

    async def work(session: AsyncSession, settlement: Settlement) -> Settlement:
        now = services.redemptions.clock()
        return await settlements.approve_payment(session, settlement, principal.client_id, now)

    return await settling.step(
        *(request, principal, services, raw, settlement_id, if_match),
        *("settlement.paid", body.reason, work),
        of_merchant=False,
    )


@router.post(
    "/{settlement_id}/payment/rejection",
    response_model=SettlementView,
    summary="Reject a proposed payment",
    **operation(
        scopes.SETTLEMENTS_APPROVE,
        body=PaymentStep,
        examples=[{"reason": "no such transfer"}],
        errors=settling.STEP,
    ),
)
async def reject_payment(
    settlement_id: SettlementId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """The statement stands where it stood before, and another payment can be proposed."""
    raw = await read_raw(request)
    body = parse(_PAYMENT, raw)

    async def work(session: AsyncSession, settlement: Settlement) -> Settlement:
        return await settlements.reject_payment(session, settlement)

    return await settling.step(
        *(request, principal, services, raw, settlement_id, if_match),
        *("settlement.payment_rejected", body.reason, work),
        of_merchant=False,
    )
