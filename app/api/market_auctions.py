"""The doors of participants and of the public for auctions."""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from accounts.ids import parse_public_id
from app.api import idempotency
from app.api.access import ServicesDep
from app.api.http import cursor_of, json_response, operation, parse
from app.api.marketing import AGAIN, UNITS, AuctionId, Trader, TradeReader, origin_of, page
from app.api.redeeming import Cursor, Limit, id_of, read_raw
from app.auth import scopes
from app.database import driver_of
from app.market import auctions, errors, repository
from app.market.models import AuctionState, MarketBid
from app.market.schemas import (
    AuctionInput,
    AuctionList,
    AuctionView,
    BidInput,
    BidList,
    BidView,
    OwnAuctionList,
    OwnAuctionView,
)
from app.market.views import of_auction, of_bid, of_own_auction

if TYPE_CHECKING:
    import datetime
    from uuid import UUID

    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.market.repository import Driver, Row

router = APIRouter(tags=["market"])
_AUCTION: TypeAdapter[AuctionInput] = TypeAdapter(AuctionInput)
_BID: TypeAdapter[BidInput] = TypeAdapter(BidInput)
TOLD = (AuctionState.ANNOUNCED, AuctionState.ENDED)


async def to_reach(driver: "Driver", row: "Row", now: "datetime.datetime") -> int | None:
    """What a new bid has to offer, where an auction takes bids."""
    if row["state"] != AuctionState.ANNOUNCED or not row["opens_at"] <= now < row["ends_at"]:
        return None
    return await auctions.reach(driver, row)


@router.get(
    "/v1/auctions",
    response_model=AuctionList,
    summary="Auctions that were announced, and how they ended",
    **operation(errors=("request.invalid", "storage.unavailable")),
)
async def list_auctions(services: ServicesDep, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The newest first. Anybody may read it."""
    before = cursor_of("auc", cursor)
    async with services.database.reading() as session:
        driver = await driver_of(session)
        rows = await repository.page_of_auctions(driver, TOLD, None, "", before, limit + 1)
        now = services.intake.clock()
        items = [of_auction(row, await to_reach(driver, row, now)) for row in rows]
    return page(AuctionList, items, limit, "auction_id")


@router.get(
    "/v1/auctions/{auction_id}",
    response_model=AuctionView,
    summary="The notice of an auction, and how it ended",
    **operation(errors=(errors.AuctionNotFound, "storage.unavailable")),
)
async def read_auction(auction_id: AuctionId, services: ServicesDep) -> Response:
    """Anybody may read it, from its announcement on."""
    known = id_of("auc", auction_id, errors.AuctionNotFound)
    async with services.database.reading() as session:
        driver = await driver_of(session)
        row = await repository.auction(driver, known)
        if row is None or row["state"] not in TOLD:
            raise errors.AuctionNotFound
        shown = of_auction(row, await to_reach(driver, row, services.intake.clock()))
    return json_response(shown.model_dump(mode="json"))


@router.post(
    "/v1/market/auctions",
    response_model=OwnAuctionView,
    summary="Propose an auction, or its next round",
    **operation(
        scopes.MARKET_TRADES_WRITE,
        body=AuctionInput,
        examples=[
            {
                "title": "河源市连平县陂头镇陂头村等 11 个林业碳汇碳普惠项目竞价",
                "origin_id": "uor_" + "0" * 32,
                "quantity_kg": 47_350_000,
                "floor_fen_per_t": 3_621,
                "opens_at": "2036-05-08T14:00:00+08:00",
                "ends_at": "2036-05-08T15:00:00+08:00",
            }
        ],
        errors=(errors.QuantityRefused, errors.AuctionNotFound, errors.RoundRefused, *UNITS, *AGAIN),
    ),
)
async def propose(request: Request, principal: Trader, services: ServicesDep) -> Response:
    """The units are locked; an operator announces it or sends it back."""
    raw = await read_raw(request)
    body = parse(_AUCTION, raw)
    previous = None if body.previous_id is None else parse_public_id("auc", body.previous_id)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        made = await auctions.propose(
            driver, principal, body, origin_of(body.origin_id), previous, services.intake.clock()
        )
        return await _own(driver, made, principal.organisation_id)

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/v1/market/auctions",
    response_model=OwnAuctionList,
    summary="One's own auctions",
    **operation(scopes.MARKET_TRADES_READ, errors=("request.invalid",)),
)
async def list_own(
    principal: TradeReader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """In whatever state, the newest first."""
    before = cursor_of("auc", cursor)
    async with services.database.reading() as session:
        driver = await driver_of(session)
        rows = await repository.page_of_auctions(
            driver, tuple(AuctionState), principal.organisation_id, "", before, limit + 1
        )
        now = services.intake.clock()
        items = [of_own_auction(row, await to_reach(driver, row, now)) for row in rows]
    return page(OwnAuctionList, items, limit, "auction_id")


@router.post(
    "/v1/market/auctions/{auction_id}/withdrawal",
    response_model=OwnAuctionView,
    summary="Take one's own auction back",
    **operation(
        scopes.MARKET_TRADES_WRITE, errors=(errors.AuctionNotFound, errors.AuctionWrongState, *AGAIN)
    ),
)
async def withdraw(
    auction_id: AuctionId, request: Request, principal: Trader, services: ServicesDep
) -> Response:
    """Until it opens; its units are free again."""
    known = id_of("auc", auction_id, errors.AuctionNotFound)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        await auctions.withdraw(driver, principal.organisation_id, known, services.intake.clock())
        return await _own(driver, known, principal.organisation_id)

    return await idempotency.write(request, principal, services, b"", act)


@router.post(
    "/v1/market/auctions/{auction_id}/bids",
    response_model=BidView,
    summary="Bid, or replace one's own bid",
    **operation(
        scopes.MARKET_TRADES_WRITE,
        body=BidInput,
        examples=[{"price_fen_per_t": 3_621, "quantity_kg": 47_350_000}],
        errors=(
            errors.AuctionNotFound,
            errors.AuctionNotOpen,
            errors.OwnOffer,
            errors.QuantityRefused,
            errors.BidTooLow,
            errors.BidLowered,
            errors.MoneyInsufficient,
            *AGAIN,
        ),
    ),
)
async def place_bid(
    auction_id: AuctionId, request: Request, principal: Trader, services: ServicesDep
) -> Response:
    """Binding. The deposit is held until the auction has ended; at the same price the earlier bid comes first."""
    known = id_of("auc", auction_id, errors.AuctionNotFound)
    raw = await read_raw(request)
    body = parse(_BID, raw)

    async def act(session: "AsyncSession") -> Any:
        made = await auctions.bid(
            await driver_of(session),
            principal.organisation_id,
            known,
            body.price_fen_per_t,
            body.quantity_kg,
            services.intake.clock(),
        )
        return of_bid(made).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/v1/market/bids",
    response_model=BidList,
    summary="One's own bids",
    **operation(scopes.MARKET_TRADES_READ, errors=("request.invalid",)),
)
async def list_bids(
    principal: TradeReader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """In all auctions, the newest first. Those of others are nobody's to see."""
    before = cursor_of("bid", cursor)
    async with services.database.reading() as session:
        rows = await repository.page_of_bids(
            await driver_of(session), principal.organisation_id, before, limit + 1
        )
    return page(BidList, [of_bid(MarketBid(**dict(row))) for row in rows], limit, "bid_id")


async def _own(driver: "Driver", auction_id: "UUID", seller: "UUID") -> Any:
    row = await repository.auction(driver, auction_id)
    if row is None or row["seller_id"] != seller:
        raise errors.AuctionNotFound
    return of_own_auction(row, None).model_dump(mode="json")
