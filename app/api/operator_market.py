"""The doors of operators for the market: auctions announced, and money by bank."""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from app.api import idempotency
from app.api.access import ServicesDep
from app.api.http import cursor_of, operation, parse
from app.api.market_auctions import to_reach
from app.api.marketing import (
    AGAIN,
    AuctionId,
    FundingId,
    MarketApprover,
    MarketClerk,
    MarketReader,
    WithdrawalId,
    page,
)
from app.api.redeeming import Cursor, Limit, id_of, read_raw
from app.auth import scopes
from app.auth.principal import prefix
from app.database import driver_of
from app.market import auctions, desk, errors, repository
from app.market.models import AuctionState
from app.market.schemas import (
    AuctionRejection,
    FundingList,
    FundingView,
    MarketWithdrawalList,
    MarketWithdrawalView,
    OwnAuctionList,
    OwnAuctionView,
    PayoutInput,
    TransferInput,
)
from app.market.views import of_funding, of_own_auction, of_withdrawal

if TYPE_CHECKING:
    from uuid import UUID

    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.auth.principal import Principal
    from app.market.repository import Driver
    from app.wiring import Services

router = APIRouter(prefix="/v1/operator/market", tags=["operator"])
_REJECTION: TypeAdapter[AuctionRejection] = TypeAdapter(AuctionRejection)
_TRANSFER: TypeAdapter[TransferInput] = TypeAdapter(TransferInput)
_PAYOUT: TypeAdapter[PayoutInput] = TypeAdapter(PayoutInput)
_STEP = (errors.AuctionNotFound, errors.AuctionWrongState, *AGAIN)
_FUNDING = (errors.FundingNotFound, errors.FundingDecided, errors.SameClient, *AGAIN)


@router.get(
    "/auctions",
    response_model=OwnAuctionList,
    summary="Auctions of the region's sellers",
    **operation(scopes.MARKET_READ, errors=("request.invalid",)),
)
async def list_auctions(
    principal: MarketReader,
    services: ServicesDep,
    state: AuctionState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The newest first."""
    before = cursor_of("auc", cursor)
    states = tuple(AuctionState) if state is None else (state,)
    async with services.database.reading() as session:
        driver = await driver_of(session)
        rows = await repository.page_of_auctions(
            driver, states, None, prefix(principal.region), before, limit + 1
        )
        now = services.intake.clock()
        items = [of_own_auction(row, await to_reach(driver, row, now)) for row in rows]
    return page(OwnAuctionList, items, limit, "auction_id")


@router.post(
    "/auctions/{auction_id}/announcement",
    response_model=OwnAuctionView,
    summary="Announce an auction",
    **operation(scopes.MARKET_APPROVE, errors=_STEP),
)
async def announce(
    auction_id: AuctionId, request: Request, principal: MarketApprover, services: ServicesDep
) -> Response:
    """It takes place as its seller proposed it, and everybody may read its notice."""
    known = id_of("auc", auction_id, errors.AuctionNotFound)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        await auctions.announce(driver, principal, known, services.intake.clock())
        return await _auction(driver, known)

    return await idempotency.write(request, principal, services, b"", act)


@router.post(
    "/auctions/{auction_id}/rejection",
    response_model=OwnAuctionView,
    summary="Send a proposed auction back",
    **operation(
        scopes.MARKET_APPROVE,
        body=AuctionRejection,
        examples=[{"remarks": "保留价依据不足"}],
        errors=_STEP,
    ),
)
async def reject(
    auction_id: AuctionId, request: Request, principal: MarketApprover, services: ServicesDep
) -> Response:
    """Its units are free again."""
    known = id_of("auc", auction_id, errors.AuctionNotFound)
    raw = await read_raw(request)
    body = parse(_REJECTION, raw)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        await auctions.reject(driver, principal, known, body.remarks, services.intake.clock())
        return await _auction(driver, known)

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/fundings",
    response_model=FundingList,
    summary="Money that the region's participants brought",
    **operation(scopes.MARKET_READ, errors=("request.invalid",)),
)
async def list_fundings(
    principal: MarketReader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The newest first."""
    before = cursor_of("mfu", cursor)
    async with services.database.reading() as session:
        rows = await desk.page(
            await driver_of(session), "market_fundings", None, prefix(principal.region), before, limit + 1
        )
    return page(FundingList, [of_funding(row) for row in rows], limit, "funding_id")


@router.post(
    "/fundings",
    response_model=FundingView,
    summary="Record money of a participant that came by bank",
    **operation(
        scopes.MARKET_WRITE,
        body=TransferInput,
        examples=[
            {"organisation_id": "org_" + "0" * 32, "amount_fen": 200_000_000, "reference": "2026112100017"}
        ],
        errors=(errors.ParticipantNotFound, errors.ReferenceUsed, *AGAIN),
    ),
)
async def record_transfer(request: Request, principal: MarketClerk, services: ServicesDep) -> Response:
    """It counts when a second client has approved it."""
    raw = await read_raw(request)
    body = parse(_TRANSFER, raw)
    organisation = id_of("org", body.organisation_id, errors.ParticipantNotFound)

    async def act(session: "AsyncSession") -> Any:
        made = await desk.record_transfer(
            await driver_of(session),
            principal,
            organisation,
            body.amount_fen,
            body.reference,
            services.intake.clock(),
        )
        return of_funding(made.model_dump()).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/fundings/{funding_id}/approval",
    response_model=FundingView,
    summary="Approve money by bank that another client recorded",
    **operation(scopes.MARKET_APPROVE, errors=_FUNDING),
)
async def approve_transfer(
    funding_id: FundingId, request: Request, principal: MarketApprover, services: ServicesDep
) -> Response:
    """It is the participant's to spend from now on."""
    return await _decide_transfer(funding_id, request, principal, services, approved=True)


@router.post(
    "/fundings/{funding_id}/rejection",
    response_model=FundingView,
    summary="Reject money by bank that another client recorded",
    **operation(scopes.MARKET_APPROVE, errors=_FUNDING),
)
async def reject_transfer(
    funding_id: FundingId, request: Request, principal: MarketApprover, services: ServicesDep
) -> Response:
    """Nothing is booked."""
    return await _decide_transfer(funding_id, request, principal, services, approved=False)


@router.get(
    "/withdrawals",
    response_model=MarketWithdrawalList,
    summary="Money that the region's participants want out",
    **operation(scopes.MARKET_READ, errors=("request.invalid",)),
)
async def list_withdrawals(
    principal: MarketReader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The newest first."""
    before = cursor_of("mwd", cursor)
    async with services.database.reading() as session:
        rows = await desk.page(
            await driver_of(session), "market_withdrawals", None, prefix(principal.region), before, limit + 1
        )
    return page(MarketWithdrawalList, [of_withdrawal(row) for row in rows], limit, "withdrawal_id")


@router.post(
    "/withdrawals/{withdrawal_id}/payout",
    response_model=MarketWithdrawalView,
    summary="Record that a withdrawal was paid by bank",
    **operation(
        scopes.MARKET_APPROVE,
        body=PayoutInput,
        examples=[{"reference": "2026112100018"}],
        errors=(errors.WithdrawalNotFound, errors.WithdrawalDecided, errors.ReferenceUsed, *AGAIN),
    ),
)
async def pay_out(
    withdrawal_id: WithdrawalId, request: Request, principal: MarketApprover, services: ServicesDep
) -> Response:
    """The participant asked for it, the operator paid it: two have decided."""
    known = id_of("mwd", withdrawal_id, errors.WithdrawalNotFound)
    raw = await read_raw(request)
    body = parse(_PAYOUT, raw)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        await desk.decide_withdrawal(driver, principal, known, body.reference, services.intake.clock())
        return await _withdrawal(driver, known)

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/withdrawals/{withdrawal_id}/rejection",
    response_model=MarketWithdrawalView,
    summary="Send a withdrawal back",
    **operation(scopes.MARKET_APPROVE, errors=(errors.WithdrawalNotFound, errors.WithdrawalDecided, *AGAIN)),
)
async def reject_withdrawal(
    withdrawal_id: WithdrawalId, request: Request, principal: MarketApprover, services: ServicesDep
) -> Response:
    """The money is available again."""
    known = id_of("mwd", withdrawal_id, errors.WithdrawalNotFound)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        await desk.decide_withdrawal(driver, principal, known, None, services.intake.clock())
        return await _withdrawal(driver, known)

    return await idempotency.write(request, principal, services, b"", act)


async def _decide_transfer(
    funding_id: str, request: Request, principal: "Principal", services: "Services", *, approved: bool
) -> Response:
    known = id_of("mfu", funding_id, errors.FundingNotFound)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        await desk.decide_transfer(driver, principal, known, services.intake.clock(), approved=approved)
        row = await desk.read(driver, "market_fundings", known)
        return of_funding(row).model_dump(mode="json")

    return await idempotency.write(request, principal, services, b"", act)


async def _auction(driver: "Driver", auction_id: "UUID") -> Any:
    row = await repository.auction(driver, auction_id)
    if row is None:
        raise errors.AuctionNotFound
    return of_own_auction(row, None).model_dump(mode="json")


async def _withdrawal(driver: "Driver", withdrawal_id: "UUID") -> Any:
    row = await desk.read(driver, "market_withdrawals", withdrawal_id)
    return of_withdrawal(row).model_dump(mode="json")
