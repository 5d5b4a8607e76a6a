"""The doors of merchants for their offers, from draft to end."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.errors import Fault
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import cursor_of, json_response, media_type, operation, parse, read_body
from app.api.redeeming import (
    OFFER_STEP,
    Cursor,
    IfMatch,
    Limit,
    OfferId,
    id_of,
    read_raw,
    version_of,
)
from app.auth import scopes
from app.auth.principal import Principal, covers
from app.problems import RequestError
from app.wiring import Services
from dedup.periods import LOCAL
from points import offer_repository, offers
from points import redemption_errors as errors
from points.offer_schemas import (
    CodesAnswer,
    OfferInput,
    OfferList,
    OfferStateWord,
    OfferView,
    StockInput,
    offer_view,
)
from points.redemption_models import Offer
from points.redemption_states import OfferState

router = APIRouter(prefix="/v1/merchant", tags=["merchant"])
Publisher = Annotated[Principal, Depends(caller(scopes.MERCHANT_OFFERS))]
_OFFER: TypeAdapter[OfferInput] = TypeAdapter(OfferInput)
_STOCK: TypeAdapter[StockInput] = TypeAdapter(StockInput)
CSV = "text/csv"
MAX_CSV_BYTES = 4 * 1024 * 1024
_EXAMPLE = {
    "region": "440300",
    "kind": "cash_off",
    "title": {"zh": "咖啡立减 5 元", "en": "5 yuan off a coffee"},
    "price_points": 500,
    "settle_fen": 500,
    "stock": 1000,
    "per_person_day": 1,
    "valid_from": "2026-11-01T00:00:00+08:00",
    "valid_until": "2027-01-01T00:00:00+08:00",
}
_KEPT = ("request.idempotency_conflict",)


def merchant_of(principal: Principal, services: Services) -> offers.Merchant:
    """The caller's organisation as offers see it."""

    def programme_of(region: str) -> str:
        today = services.redemptions.clock().astimezone(LOCAL).date()
        return services.preparer.rules.programme(region, today).key

    return offers.Merchant(principal.organisation_id, principal.region, programme_of, covers)


@router.post(
    "/offers",
    response_model=OfferView,
    summary="Draft an offer",
    **operation(
        scopes.MERCHANT_OFFERS,
        body=OfferInput,
        examples=[_EXAMPLE],
        errors=(errors.OfferInvalid, errors.OfferOutOfRegion, *_KEPT),
    ),
)
async def draft_offer(request: Request, principal: Publisher, services: ServicesDep) -> Response:
    """Nobody sees it until an operator of the region has reviewed it."""
    raw = await read_raw(request)
    body = parse(_OFFER, raw)

    async def act(session: AsyncSession) -> Offer:
        return await offers.draft(
            session, merchant_of(principal, services), body, services.redemptions.clock()
        )

    return await _write(request, principal, services, raw, act)


@router.get(
    "/offers",
    response_model=OfferList,
    summary="My offers, the newest first",
    **operation(scopes.MERCHANT_OFFERS, errors=("request.invalid",)),
)
async def list_offers(
    principal: Publisher,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[OfferStateWord | None, Query()] = None,
) -> Response:
    """In whatever state."""
    return await page_of_offers(services, state, cursor, limit, merchant_id=principal.organisation_id)


@router.get(
    "/offers/{offer_id}",
    response_model=OfferView,
    summary="One of my offers",
    **operation(scopes.MERCHANT_OFFERS, errors=(errors.OfferNotFound,)),
)
async def read_offer(offer_id: OfferId, principal: Publisher, services: ServicesDep) -> Response:
    """With what is left of it."""
    async with services.database.reading() as session:
        found = await offer_repository.find_offer(session, id_of("ofr", offer_id, errors.OfferNotFound))
    if found is None or found[0].merchant_id != principal.organisation_id:
        raise errors.OfferNotFound
    return json_response(viewed(found))


@router.put(
    "/offers/{offer_id}",
    response_model=OfferView,
    summary="Say a draft anew",
    **operation(
        scopes.MERCHANT_OFFERS,
        body=OfferInput,
        examples=[_EXAMPLE],
        errors=(*OFFER_STEP, errors.OfferInvalid, errors.OfferOutOfRegion),
    ),
)
async def edit_offer(
    offer_id: OfferId,
    request: Request,
    principal: Publisher,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """What was handed in does not change."""
    raw = await read_raw(request)
    body = parse(_OFFER, raw)
    known, version = id_of("ofr", offer_id, errors.OfferNotFound), version_of(if_match)

    async def act(session: AsyncSession) -> Offer:
        merchant = merchant_of(principal, services)
        return await offers.edit(session, merchant, known, version, body, services.redemptions.clock())

    return await _write(request, principal, services, raw, act)


def _step(name: str, summary: str, told: str, *more: type[Exception]) -> Callable[[Any], Any]:
    """Register a step that needs no body."""

    def register(
        work: Callable[[AsyncSession, Principal, Offer, Services], Awaitable[Offer]],
    ) -> Callable[..., Awaitable[Response]]:
        async def door(
            offer_id: OfferId,
            request: Request,
            principal: Publisher,
            services: ServicesDep,
            if_match: IfMatch = None,
        ) -> Response:
            raw = await read_body(request, 4096)
            known, version = id_of("ofr", offer_id, errors.OfferNotFound), version_of(if_match)

            async def act(session: AsyncSession) -> Offer:
                offer = await offers.own_offer(session, principal.organisation_id, known, version)
                return await work(session, principal, offer, services)

            return await _write(request, principal, services, raw, act)

        door.__name__, door.__doc__ = work.__name__, told
        router.add_api_route(
            f"/offers/{{offer_id}}/{name}",
            door,
            methods=["POST"],
            response_model=OfferView,
            summary=summary,
            **operation(scopes.MERCHANT_OFFERS, errors=(*OFFER_STEP, *more)),  # type: ignore[arg-type]
        )
        return door

    return register


@_step("submission", "Hand a draft in for review", "Needs no body. An operator of the region reviews it.")
async def submit_offer(session: AsyncSession, _: Principal, offer: Offer, services: Services) -> Offer:
    """Hand in."""
    return await offers.submit(session, offer, services.redemptions.clock())


@_step("pause", "Sell no more for now", "Needs no body. Codes that were sold go on being taken.")
async def pause_offer(session: AsyncSession, _: Principal, offer: Offer, services: Services) -> Offer:
    """Pause."""
    return await offers.pause(session, offer, offers.BY_MERCHANT, services.redemptions.clock())


@_step(
    "resumption",
    "Sell on",
    "Needs no body. What an operator paused, an operator resumes.",
    errors.OfferSuspended,
)
async def resume_offer(session: AsyncSession, _: Principal, offer: Offer, services: Services) -> Offer:
    """Resume."""
    return await offers.resume(session, offer, offers.BY_MERCHANT, services.redemptions.clock())


@_step("end", "Sell never again", "Needs no body. Codes that were sold go on being taken.")
async def end_offer(session: AsyncSession, _: Principal, offer: Offer, services: Services) -> Offer:
    """End."""
    return await offers.end(session, offer, services.redemptions.clock())


@router.post(
    "/offers/{offer_id}/stock",
    response_model=OfferView,
    summary="Add pieces",
    **operation(
        scopes.MERCHANT_OFFERS,
        body=StockInput,
        examples=[{"add": 500}],
        errors=(errors.OfferNotFound, errors.OfferWrongState, *_KEPT),
    ),
)
async def add_stock(
    offer_id: OfferId, request: Request, principal: Publisher, services: ServicesDep
) -> Response:
    """While it is sold, too. Of a pool, upload codes instead."""
    raw = await read_raw(request)
    body = parse(_STOCK, raw)
    known = id_of("ofr", offer_id, errors.OfferNotFound)

    async def act(session: AsyncSession) -> Offer:
        offer = await offers.own_offer(session, principal.organisation_id, known)
        await offers.add_stock(session, offer, body.add)
        return offer

    return await _write(request, principal, services, raw, act)


@router.post(
    "/offers/{offer_id}/codes",
    response_model=CodesAnswer,
    summary="Upload codes of one's own",
    **operation(
        scopes.MERCHANT_OFFERS,
        media={CSV: {"schema": {"type": "string"}, "example": "code\nABCD-1234\nABCD-1235\n"}},
        errors=(
            errors.OfferNotFound,
            errors.OfferWrongState,
            errors.OfferInvalid,
            errors.CodesKnown,
            *_KEPT,
        ),
    ),
)
async def upload_codes(
    offer_id: OfferId, request: Request, principal: Publisher, services: ServicesDep
) -> Response:
    """CSV in UTF-8, the first column, at most 50,000 at a time; all of them or none. They are the stock."""
    if media_type(request) != CSV:
        raise RequestError("request.media_type")
    raw = await read_body(request, MAX_CSV_BYTES)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise RequestError("request.invalid", Fault("", "not UTF-8")) from None
    known = id_of("ofr", offer_id, errors.OfferNotFound)

    async def act(session: AsyncSession) -> Any:
        offer = await offers.own_offer(session, principal.organisation_id, known)
        added, remaining = await offers.add_codes(session, offer, text)
        return CodesAnswer(added=added, remaining=remaining).model_dump()

    return await idempotency.write(request, principal, services, raw, act)


async def _write(
    request: Request,
    principal: Principal,
    services: Services,
    raw: bytes,
    act: Callable[[AsyncSession], Awaitable[Offer]],
) -> Response:
    async def work(session: AsyncSession) -> Any:
        offer = await act(session)
        found = await offer_repository.find_offer(session, offer.id)
        if found is None:
            raise errors.OfferNotFound
        return viewed(found)

    return await idempotency.write(request, principal, services, raw, work)


async def page_of_offers(
    services: Services,
    state: str | None,
    cursor: str | None,
    limit: int,
    *,
    merchant_id: UUID | None = None,
    region_prefix: str = "",
) -> Response:
    """A page of the offers of one merchant, or of a region."""
    before = cursor_of("ofr", cursor)
    async with services.database.reading() as session:
        rows = await offer_repository.page_of_offers(
            session,
            state=None if state is None else OfferState(state),
            before=before,
            limit=limit + 1,
            merchant_id=merchant_id,
            region_prefix=region_prefix,
        )
    items = [viewed(row) for row in rows[:limit]]
    return json_response(
        {"items": items, "next_cursor": items[-1]["offer_id"] if len(rows) > limit else None}
    )


def viewed(row: offer_repository.OfferRow) -> dict[str, Any]:
    """The fields of `OfferView`."""
    offer, stock = row
    if stock is None or not offer.limited:
        return offer_view(offer, None, None).model_dump()
    return offer_view(offer, stock.added, stock.remaining).model_dump()
