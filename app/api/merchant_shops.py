"""The doors of merchants for their shops and tills."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import cursor_of, json_response, operation, parse, read_body
from app.api.redeeming import Cursor, Limit, id_of, read_raw
from app.auth import scopes
from app.auth.principal import Principal
from points import offer_repository, offers
from points import redemption_errors as errors
from points.offer_schemas import (
    ShopInput,
    ShopList,
    ShopView,
    TillInput,
    TillList,
    TillView,
    shop_view,
    till_view,
)

router = APIRouter(prefix="/v1/merchant", tags=["merchant"])
Publisher = Annotated[Principal, Depends(caller(scopes.MERCHANT_OFFERS))]
ShopId = Annotated[str, Path(description="`shp_…`", examples=["shp_01a1fc693a86700e9ae525ac545ac6cd"])]
TillId = Annotated[str, Path(description="`til_…`", examples=["til_01a1fc693a86700e9ae525ac545ac6cd"])]
_SHOP: TypeAdapter[ShopInput] = TypeAdapter(ShopInput)
_TILL: TypeAdapter[TillInput] = TypeAdapter(TillInput)
_KEPT = ("request.idempotency_conflict",)


@router.post(
    "/shops",
    response_model=ShopView,
    summary="Open a shop",
    **operation(
        scopes.MERCHANT_OFFERS, body=ShopInput, examples=[{"name": "福田店", "address": ""}], errors=_KEPT
    ),
)
async def open_shop(request: Request, principal: Publisher, services: ServicesDep) -> Response:
    """A place where offers are taken."""
    raw = await read_raw(request)
    body = parse(_SHOP, raw)

    async def act(session: AsyncSession) -> Any:
        shop = await offers.open_shop(
            session, principal.organisation_id, body.name, body.address, services.redemptions.clock()
        )
        return shop_view(shop).model_dump()

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/shops",
    response_model=ShopList,
    summary="My shops",
    **operation(scopes.MERCHANT_OFFERS, errors=("request.invalid",)),
)
async def list_shops(
    principal: Publisher, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The oldest first."""
    after = cursor_of("shp", cursor)
    async with services.database.reading() as session:
        rows = await offer_repository.page_of_shops(session, principal.organisation_id, after, limit + 1)
    items = [shop_view(shop).model_dump() for shop in rows[:limit]]
    return json_response({"items": items, "next_cursor": items[-1]["shop_id"] if len(rows) > limit else None})


@router.post(
    "/shops/{shop_id}/tills",
    response_model=TillView,
    summary="Open a till",
    **operation(
        scopes.MERCHANT_OFFERS,
        body=TillInput,
        examples=[{"name": "收银台 1"}],
        errors=(errors.ShopNotFound, *_KEPT),
    ),
)
async def open_till(
    shop_id: ShopId, request: Request, principal: Publisher, services: ServicesDep
) -> Response:
    """The answer has the number that the till shows, so that codes can be bound to it."""
    raw = await read_raw(request)
    body = parse(_TILL, raw)
    shop = id_of("shp", shop_id, errors.ShopNotFound)

    async def act(session: AsyncSession) -> Any:
        till = await offers.open_till(
            session, principal.organisation_id, shop, body.name, services.redemptions.clock()
        )
        return till_view(till).model_dump()

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/shops/{shop_id}/tills",
    response_model=TillList,
    summary="A shop's tills",
    **operation(scopes.MERCHANT_OFFERS, errors=(errors.ShopNotFound, "request.invalid")),
)
async def list_tills(
    shop_id: ShopId, principal: Publisher, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The oldest first."""
    after = cursor_of("til", cursor)
    shop = id_of("shp", shop_id, errors.ShopNotFound)
    async with services.database.reading() as session:
        if shop not in await offer_repository.find_shops(session, principal.organisation_id, [shop]):
            raise errors.ShopNotFound
        rows = await offer_repository.page_of_tills(session, shop, after, limit + 1)
    items = [till_view(till).model_dump() for till in rows[:limit]]
    return json_response({"items": items, "next_cursor": items[-1]["till_id"] if len(rows) > limit else None})


@router.post(
    "/shops/{shop_id}/closure",
    response_model=ShopView,
    summary="Close a shop",
    **operation(scopes.MERCHANT_OFFERS, errors=(errors.ShopNotFound, *_KEPT)),
)
async def close_shop(
    shop_id: ShopId, request: Request, principal: Publisher, services: ServicesDep
) -> Response:
    """Needs no body. None of its tills takes codes any more; what they took before may still be told of."""
    raw = await read_body(request, 4096)
    shop = id_of("shp", shop_id, errors.ShopNotFound)

    async def act(session: AsyncSession) -> Any:
        now = services.redemptions.clock()
        return shop_view(await offers.close_shop(session, principal.organisation_id, shop, now)).model_dump()

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/tills/{till_id}/closure",
    response_model=TillView,
    summary="Close a till",
    **operation(scopes.MERCHANT_OFFERS, errors=(errors.ShopNotFound, *_KEPT)),
)
async def close_till(
    till_id: TillId, request: Request, principal: Publisher, services: ServicesDep
) -> Response:
    """Needs no body. For one that was lost, too: no code is bound to it any more."""
    raw = await read_body(request, 4096)
    till = id_of("til", till_id, errors.ShopNotFound)

    async def act(session: AsyncSession) -> Any:
        now = services.redemptions.clock()
        return till_view(await offers.close_till(session, principal.organisation_id, till, now)).model_dump()

    return await idempotency.write(request, principal, services, raw, act)
