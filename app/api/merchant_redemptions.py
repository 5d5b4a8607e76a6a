"""The doors through which merchants take codes, tell what a till took offline, and give points back."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.errors import DomainError
from accounts.ids import public_id
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import address_of, cursor_of, json_response, operation, parse
from app.api.redeeming import Cursor, Limit, RedemptionId, ask, done, id_of, read_raw
from app.auth import audit, scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.redeeming.signing import verifier
from app.wiring import Services
from points import offer_repository, redemption_codes, redemption_repository, redemptions
from points import redemption_errors as errors
from points.redemption_schemas import (
    AcceptanceBatch,
    AcceptanceBatchAnswer,
    MerchantRedemption,
    MerchantRedemptionList,
    RefundInput,
    StateWord,
    VerificationInput,
    merchant_view,
)
from points.redemption_states import Act, Place, Redemption, Step

router = APIRouter(prefix="/v1/merchant/redemptions", tags=["merchant"])
Cashier = Annotated[Principal, Depends(caller(scopes.MERCHANT_REDEMPTIONS))]
_VERIFICATION: TypeAdapter[VerificationInput] = TypeAdapter(VerificationInput)
_BATCH: TypeAdapter[AcceptanceBatch] = TypeAdapter(AcceptanceBatch)
_REFUND: TypeAdapter[RefundInput] = TypeAdapter(RefundInput)
_CODE = "AQAB…"
_TILL = "til_01a1fc693a86700e9ae525ac545ac6cd"


@router.get(
    "",
    response_model=MerchantRedemptionList,
    summary="Redemptions of my offers, the newest first",
    **operation(scopes.MERCHANT_REDEMPTIONS, errors=("request.invalid",)),
)
async def list_redemptions(
    principal: Cashier,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[StateWord | None, Query()] = None,
) -> Response:
    """Nothing of who redeems."""
    before = cursor_of("red", cursor)
    now = services.redemptions.clock()
    async with services.database.reading() as session:
        rows = await redemption_repository.page_of_merchant(
            await driver_of(session), principal.organisation_id, state, before, limit + 1
        )
    items = [merchant_view(redemption, now) for redemption in rows[:limit]]
    return json_response(
        {"items": items, "next_cursor": items[-1]["redemption_id"] if len(rows) > limit else None}
    )


@router.get(
    "/{redemption_id}",
    response_model=MerchantRedemption,
    summary="One redemption of my offers",
    **operation(scopes.MERCHANT_REDEMPTIONS, errors=(errors.RedemptionNotFound,)),
)
async def read_redemption(redemption_id: RedemptionId, principal: Cashier, services: ServicesDep) -> Response:
    """As it stands now."""
    known = id_of("red", redemption_id, errors.RedemptionNotFound)
    async with services.database.reading() as session:
        found = await redemption_repository.find(await driver_of(session), known)
    if found is None or found.merchant_id != principal.organisation_id:
        raise errors.RedemptionNotFound
    return json_response(merchant_view(found, services.redemptions.clock()))


@router.post(
    "/verification",
    response_model=MerchantRedemption,
    summary="Take a code: the redemption is fulfilled, once",
    **operation(
        scopes.MERCHANT_REDEMPTIONS,
        body=VerificationInput,
        examples=[{"code": _CODE, "till_id": _TILL}],
        errors=(
            errors.CodeInvalid,
            errors.RedemptionNotFound,
            errors.AlreadyFulfilled,
            errors.RedemptionWrongState,
            errors.CodeLapsed,
            errors.WrongTill,
            errors.OfferNotAvailable,
            errors.ShopNotFound,
            "redemption.unprocessable",
            "request.idempotency_conflict",
        ),
    ),
)
async def verify(request: Request, principal: Cashier, services: ServicesDep) -> Response:
    """What a till read from a QR, or a text code as the customer has it. `fulfilled` comes once for each."""
    raw = await read_raw(request)
    body = parse(_VERIFICATION, raw)
    place = Place() if body.till_id is None else await _place(services, principal, body.till_id)
    step = Step(Act.VERIFY, merchant_id=principal.organisation_id, place=place)
    code = body.code.strip()
    if redemption_codes.is_payload(code):
        now = services.redemptions.clock()
        shown = redemption_codes.read(code, now, verifier(services.tokens.keys, now))
        if shown.till_id not in (None, place.till_id):
            raise errors.WrongTill
        step.redemption_id, step.nonce = shown.redemption_id, shown.nonce
    else:
        step.code = code
    return await ask(request, principal, services, raw, step, merchant_view)


@router.post(
    "/offline",
    response_model=AcceptanceBatchAnswer,
    summary="Tell what a till took without the network",
    **operation(
        scopes.MERCHANT_REDEMPTIONS,
        body=AcceptanceBatch,
        examples=[
            {
                "till_id": _TILL,
                "items": [{"code": _CODE, "accepted_at": "2026-11-21T12:00:00+08:00"}],
            }
        ],
        errors=(errors.ShopNotFound, "request.idempotency_conflict"),
    ),
)
async def upload_offline(request: Request, principal: Cashier, services: ServicesDep) -> Response:
    """Only codes that were bound to this till count. The same again is answered the same."""
    raw = await read_raw(request)
    body = parse(_BATCH, raw)
    place = await _place(services, principal, body.till_id, closed=True)
    steps: list[Step | DomainError] = []
    for item in body.items:
        try:
            shown = redemption_codes.read_accepted(item.code.strip())
        except errors.CodeInvalid as refused:
            steps.append(refused)
            continue
        if shown.till_id != place.till_id:
            steps.append(errors.WrongTill())
            continue
        steps.append(
            Step(
                Act.VERIFY,
                shown.redemption_id,
                merchant_id=principal.organisation_id,
                place=place,
                nonce=shown.nonce,
                taken_at=item.accepted_at,
            )
        )

    async def act(session: AsyncSession) -> Any:
        now = services.redemptions.clock()
        known = [step for step in steps if isinstance(step, Step)]
        driver = await driver_of(session)
        decided = iter(await redemptions.carry_out(driver, known, services.redemptions.policy, now))
        answers = [next(decided) if isinstance(step, Step) else step for step in steps]
        return {
            "items": [
                {"redemption": None, "error": answer.code}
                if isinstance(answer, DomainError)
                else {"redemption": merchant_view(answer, now), "error": None}
                for answer in answers
            ]
        }

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/{redemption_id}/refund",
    response_model=MerchantRedemption,
    summary="Give the points of a redemption back",
    **operation(
        scopes.MERCHANT_REDEMPTIONS,
        body=RefundInput,
        examples=[{"reason": "sold out"}],
        errors=(errors.RedemptionNotFound, errors.RedemptionWrongState, "request.idempotency_conflict"),
    ),
)
async def refund(
    redemption_id: RedemptionId, request: Request, principal: Cashier, services: ServicesDep
) -> Response:
    """Confirmed or fulfilled. Points return to the lots they came from, with their old expiry."""
    raw = await read_raw(request)
    body = parse(_REFUND, raw)
    known = id_of("red", redemption_id, errors.RedemptionNotFound)
    step = Step(Act.REFUND, known, merchant_id=principal.organisation_id)

    async def act(session: AsyncSession) -> Any:
        return await refund_in(session, services, principal, step, body.reason, address_of(request))

    return await idempotency.write(request, principal, services, raw, act)


async def refund_in(
    session: AsyncSession,
    services: Services,
    principal: Principal,
    step: Step,
    reason: str,
    address: str,
) -> dict[str, Any]:
    """Refund a redemption and write down who did it; answers the merchant's view."""
    now = services.redemptions.clock()
    driver = await driver_of(session)
    redemption: Redemption = done(
        (await redemptions.carry_out(driver, [step], services.redemptions.policy, now))[0]
    )
    region = redemption.terms.region if redemption.terms is not None else ""
    await audit.append(
        session,
        principal,
        now,
        "redemption.refunded",
        ("redemption", public_id("red", redemption.id)),
        region=region,
        address=address,
        reason=reason,
        after={"points": redemption.points, "fen": redemption.fen, "settle_fen": redemption.settle_fen},
    )
    return merchant_view(redemption, now)


async def _place(services: Services, principal: Principal, till_id: str, *, closed: bool = False) -> Place:
    known = id_of("til", till_id, errors.ShopNotFound)
    find = offer_repository.find_till if closed else offer_repository.find_open_till
    async with services.database.reading() as session:
        till = await find(session, known, principal.organisation_id)
    if till is None:
        raise errors.ShopNotFound
    return Place(till.shop_id, till.id)
