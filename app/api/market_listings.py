"""The doors of participants for units at fixed prices."""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from accounts.registry.errors import AccountFrozen
from app.api import idempotency
from app.api.access import ServicesDep
from app.api.http import cursor_of, json_response, operation, parse
from app.api.marketing import AGAIN, UNITS, ListingId, Trader, TradeReader, origin_of, page
from app.api.redeeming import Cursor, Limit, id_of, read_raw
from app.auth import scopes
from app.database import driver_of
from app.market import errors, listings, repository
from app.market.schemas import ListingInput, ListingList, ListingView, PurchaseInput, TradeView
from app.market.views import of_listing, of_trade

if TYPE_CHECKING:
    from uuid import UUID

    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.market.repository import Driver

router = APIRouter(prefix="/v1/market/listings", tags=["market"])
_LISTING: TypeAdapter[ListingInput] = TypeAdapter(ListingInput)
_PURCHASE: TypeAdapter[PurchaseInput] = TypeAdapter(PurchaseInput)


@router.post(
    "",
    response_model=ListingView,
    summary="Offer units at a fixed price",
    **operation(
        scopes.MARKET_TRADES_WRITE,
        body=ListingInput,
        examples=[
            {
                "origin_id": "uor_" + "0" * 32,
                "quantity_kg": 50_000,
                "price_fen_per_t": 3_621,
                "ends_at": "2036-12-31T17:00:00+08:00",
            }
        ],
        errors=(errors.QuantityRefused, *UNITS, *AGAIN),
    ),
)
async def open_listing(request: Request, principal: Trader, services: ServicesDep) -> Response:
    """The units, of one origin, are locked until they are sold or the listing ends."""
    raw = await read_raw(request)
    body = parse(_LISTING, raw)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        made = await listings.open_listing(
            driver, principal.organisation_id, body, origin_of(body.origin_id), services.intake.clock()
        )
        return await _shown(driver, made, principal.organisation_id)

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "",
    response_model=ListingList,
    summary="Open listings, or all of one's own",
    **operation(scopes.MARKET_TRADES_READ, errors=("request.invalid",)),
)
async def list_listings(
    principal: TradeReader,
    services: ServicesDep,
    mine: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The newest first. Who sells is not told."""
    before = cursor_of("lst", cursor)
    own = principal.organisation_id
    async with services.database.reading() as session:
        rows = await repository.page_of_listings(
            await driver_of(session), own if mine else None, services.intake.clock(), before, limit + 1
        )
    return page(ListingList, [of_listing(row, own) for row in rows], limit, "listing_id")


@router.get(
    "/{listing_id}",
    response_model=ListingView,
    summary="A listing",
    **operation(scopes.MARKET_TRADES_READ, errors=(errors.ListingNotFound,)),
)
async def read_listing(listing_id: ListingId, principal: TradeReader, services: ServicesDep) -> Response:
    """Also one that has ended."""
    known = id_of("lst", listing_id, errors.ListingNotFound)
    async with services.database.reading() as session:
        return json_response(await _shown(await driver_of(session), known, principal.organisation_id))


@router.post(
    "/{listing_id}/purchases",
    response_model=TradeView,
    summary="Buy of a listing",
    **operation(
        scopes.MARKET_TRADES_WRITE,
        body=PurchaseInput,
        examples=[{"quantity_kg": 2_000}],
        errors=(
            errors.ListingNotFound,
            errors.ListingOver,
            errors.OwnOffer,
            errors.QuantityRefused,
            errors.MoneyInsufficient,
            AccountFrozen,
            *AGAIN,
        ),
    ),
)
async def buy(listing_id: ListingId, request: Request, principal: Trader, services: ServicesDep) -> Response:
    """Paid out of available money and delivered in one commit, or neither."""
    known = id_of("lst", listing_id, errors.ListingNotFound)
    raw = await read_raw(request)
    body = parse(_PURCHASE, raw)

    async def act(session: "AsyncSession") -> Any:
        made = await listings.buy(
            await driver_of(session),
            principal.organisation_id,
            known,
            body.quantity_kg,
            services.intake.clock(),
        )
        return of_trade(made, principal.organisation_id).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/{listing_id}/withdrawal",
    response_model=ListingView,
    summary="Take a listing back",
    **operation(scopes.MARKET_TRADES_WRITE, errors=(errors.ListingNotFound, errors.ListingOver, *AGAIN)),
)
async def withdraw(
    listing_id: ListingId, request: Request, principal: Trader, services: ServicesDep
) -> Response:
    """What is not sold is free again."""
    known = id_of("lst", listing_id, errors.ListingNotFound)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        await listings.withdraw(driver, principal.organisation_id, known, services.intake.clock())
        return await _shown(driver, known, principal.organisation_id)

    return await idempotency.write(request, principal, services, b"", act)


async def _shown(driver: "Driver", listing_id: "UUID", caller: "UUID") -> Any:
    row = await repository.listing(driver, listing_id)
    if row is None:
        raise errors.ListingNotFound
    return of_listing(row, caller).model_dump(mode="json")
