"""The doors through which residents see offers, order, confirm, and show their codes."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import queries
from accounts.errors import HolderNotFound
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import cursor_of, json_response, operation, parse, read_body
from app.api.redeeming import (
    Cursor,
    Limit,
    OfferId,
    RedemptionId,
    ask,
    done,
    id_of,
    read_raw,
)
from app.auth import scopes
from app.auth.principal import NATION, Principal
from app.database import driver_of
from app.redeeming.signing import signer
from app.wiring import Services
from points import offer_repository, redemption_codes, redemption_repository, redemptions
from points import redemption_errors as errors
from points.offer_schemas import Kind, PublicOffer, PublicOfferList, public_offer
from points.redemption_schemas import (
    BindingInput,
    CodeView,
    OrderInput,
    RedemptionList,
    RedemptionView,
    own_view,
)
from points.redemption_states import Act, Delivery, OfferState, Order, Place, Redemption, State, Step

router = APIRouter(prefix="/v1/me", tags=["me"])
Reader = Annotated[Principal, Depends(caller(scopes.ME_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.ME_WRITE))]
_ORDER: TypeAdapter[OrderInput] = TypeAdapter(OrderInput)
_BINDING: TypeAdapter[BindingInput] = TypeAdapter(BindingInput)
MAX_ORDER_BYTES = 4096
_STEP = (
    errors.RedemptionNotFound,
    errors.RedemptionWrongState,
    errors.TimedOut,
    "request.idempotency_conflict",
)


def _own(principal: Principal) -> UUID:
    if principal.holder_id is None:
        raise HolderNotFound
    return principal.holder_id


@router.get(
    "/offers",
    response_model=PublicOfferList,
    summary="What my points can be spent on, the newest first",
    **operation(scopes.ME_READ, errors=(HolderNotFound, "request.invalid")),
)
async def offers_for_me(
    principal: Reader,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    kind: Annotated[Kind | None, Query()] = None,
) -> Response:
    """Live offers of my city, its province and the nation that are not sold out."""
    before = cursor_of("ofr", cursor)
    async with services.database.reading() as session:
        found = await queries.find_holder(session, _own(principal))
        if found is None:
            raise HolderNotFound
        region = found[0].region
        rows = await offer_repository.page_of_live(
            session,
            [region, region[:4] + "00", region[:2] + "0000", NATION],
            services.redemptions.clock(),
            kind=kind,
            before=before,
            limit=limit + 1,
        )
    items = [
        public_offer(offer, stock.remaining if stock and offer.limited else None).model_dump()
        for offer, stock in rows[:limit]
    ]
    more = len(rows) > limit
    return json_response({"items": items, "next_cursor": items[-1]["offer_id"] if more else None})


@router.get(
    "/offers/{offer_id}",
    response_model=PublicOffer,
    summary="One offer",
    **operation(scopes.ME_READ, errors=(errors.OfferNotFound,)),
)
async def offer_for_me(
    offer_id: OfferId,
    principal: Reader,  # noqa: ARG001 - it signs in
    services: ServicesDep,
) -> Response:
    """Also one that is paused or ended, since I may have redeemed it."""
    async with services.database.reading() as session:
        found = await offer_repository.find_offer(session, id_of("ofr", offer_id, errors.OfferNotFound))
    if found is None or found[0].state in (OfferState.DRAFT, OfferState.IN_REVIEW):
        raise errors.OfferNotFound
    offer, stock = found
    return json_response(
        public_offer(offer, stock.remaining if stock and offer.limited else None).model_dump()
    )


@router.post(
    "/redemptions",
    response_model=RedemptionView,
    summary="Order: puts a hold on points and stock",
    **operation(
        scopes.ME_WRITE,
        body=OrderInput,
        examples=[{"offer_id": "ofr_01a1fc693a86700e9ae525ac545ac6cd", "confirm": True}],
        errors=(
            errors.OfferNotFound,
            errors.OfferNotAvailable,
            errors.OutOfStock,
            errors.LimitReached,
            errors.PointsShort,
            errors.HolderNotActive,
            "redemption.unprocessable",
            "request.idempotency_conflict",
        ),
    ),
)
async def place_order(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """`confirm` spends the points in the same commit. With money to pay it waits for the payment, or times out."""
    raw = await read_raw(request, MAX_ORDER_BYTES)
    body = parse(_ORDER, raw)
    offer_id = id_of("ofr", body.offer_id, errors.OfferNotFound)
    order = Order(_own(principal), offer_id, body.quantity, body.confirm)
    return await ask(request, principal, services, raw, order, own_view)


@router.get(
    "/redemptions",
    response_model=RedemptionList,
    summary="My redemptions, the newest first",
    **operation(scopes.ME_READ, errors=("request.invalid",)),
)
async def my_redemptions(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Text codes are at each redemption of its own."""
    before = cursor_of("red", cursor)
    now = services.redemptions.clock()
    async with services.database.reading() as session:
        driver = await driver_of(session)
        rows = await redemption_repository.page_of_holder(driver, _own(principal), before, limit + 1)
    items = [own_view(redemption, now) for redemption in rows[:limit]]
    more = len(rows) > limit
    return json_response({"items": items, "next_cursor": items[-1]["redemption_id"] if more else None})


@router.get(
    "/redemptions/{redemption_id}",
    response_model=RedemptionView,
    summary="One redemption, with its text code where it has one",
    **operation(scopes.ME_READ, errors=(errors.RedemptionNotFound,)),
)
async def my_redemption(redemption_id: RedemptionId, principal: Reader, services: ServicesDep) -> Response:
    """A hold that ran out reads `timed_out`, whether or not it was returned yet."""
    redemption = await _find(services, principal, redemption_id)
    return json_response(
        own_view(redemption, services.redemptions.clock()), headers={"Cache-Control": "no-store"}
    )


@router.post(
    "/redemptions/{redemption_id}/confirmation",
    response_model=RedemptionView,
    summary="Confirm an order: its points are spent",
    **operation(scopes.ME_WRITE, errors=(*_STEP, errors.PaymentDue)),
)
async def confirm(
    redemption_id: RedemptionId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """Needs no body. What costs money beside points is confirmed by its payment."""
    return await _step(request, principal, services, Act.CONFIRM, redemption_id)


@router.post(
    "/redemptions/{redemption_id}/cancellation",
    response_model=RedemptionView,
    summary="Cancel an order that is not confirmed: points and stock go back",
    **operation(scopes.ME_WRITE, errors=_STEP),
)
async def cancel(
    redemption_id: RedemptionId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """Needs no body."""
    return await _step(request, principal, services, Act.CANCEL, redemption_id)


@router.get(
    "/redemptions/{redemption_id}/code",
    response_model=CodeView,
    summary="The QR to show at the till, new every 30 seconds",
    **operation(scopes.ME_READ, errors=(errors.RedemptionNotFound, errors.RedemptionWrongState)),
)
async def show_code(redemption_id: RedemptionId, principal: Reader, services: ServicesDep) -> Response:
    """Signed, and taken once, by a till that asks the service. For a till without the network, bind it."""
    redemption = await _find(services, principal, redemption_id)
    terms = redemption.terms
    if redemption.state != State.CONFIRMED or terms is None or terms.delivery != Delivery.QR:
        raise errors.RedemptionWrongState
    now = services.redemptions.clock()
    code, until = redemption_codes.rotating(redemption.id, now, signer(services.tokens.keys, now))
    return _code(code, until)


@router.post(
    "/redemptions/{redemption_id}/binding",
    response_model=CodeView,
    summary="Bind a code to a till that has no network",
    **operation(
        scopes.ME_WRITE,
        body=BindingInput,
        examples=[{"till_number": "20481937"}],
        errors=(
            errors.RedemptionNotFound,
            errors.RedemptionWrongState,
            errors.ShopNotFound,
            errors.WrongTill,
            errors.CodeLapsed,
            errors.OfferNotAvailable,
            "request.idempotency_conflict",
        ),
    ),
)
async def bind_code(
    redemption_id: RedemptionId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """That till takes the code for 5 minutes without asking. From then on no other till ever takes this redemption."""
    raw = await read_raw(request, MAX_ORDER_BYTES)
    body = parse(_BINDING, raw)
    known = id_of("red", redemption_id, errors.RedemptionNotFound)
    holder = _own(principal)

    async def act(session: AsyncSession) -> Any:
        till = await offer_repository.till_of_number(session, body.till_number)
        if till is None:
            raise errors.ShopNotFound
        now = services.redemptions.clock()
        step = Step(Act.BIND, known, holder, till.merchant_id, place=Place(till.shop_id, till.id))
        driver = await driver_of(session)
        redemption = done((await redemptions.carry_out(driver, [step], services.redemptions.policy, now))[0])
        if redemption.binding_nonce is None or redemption.bound_until is None:
            raise errors.RedemptionWrongState
        code, until = redemption_codes.bound(
            redemption.id,
            till.id,
            redemption.binding_nonce,
            redemption.bound_until,
            signer(services.tokens.keys, now),
        )
        return {"code": code, "valid_until": until.isoformat()}

    answer = await idempotency.write(request, principal, services, raw, act)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _code(code: str, until: Any) -> Response:
    answer = CodeView(code=code, valid_until=until.isoformat())
    return json_response(answer.model_dump(), headers={"Cache-Control": "no-store"})


async def _step(
    request: Request, principal: Principal, services: Services, act: Act, redemption_id: str
) -> Response:
    raw = await read_body(request, MAX_ORDER_BYTES)
    step = Step(act, id_of("red", redemption_id, errors.RedemptionNotFound), _own(principal))
    return await ask(request, principal, services, raw, step, own_view)


async def _find(services: Services, principal: Principal, redemption_id: str) -> Redemption:
    known = id_of("red", redemption_id, errors.RedemptionNotFound)
    async with services.database.reading() as session:
        driver = await driver_of(session)
        found = await redemption_repository.find_own(driver, _own(principal), known)
    if found is None:
        raise errors.RedemptionNotFound
    return found
