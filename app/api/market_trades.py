"""The doors of participants for their trades and their money in the market."""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from accounts.registry.errors import AccountFrozen
from app.api import idempotency
from app.api.access import ServicesDep
from app.api.http import cursor_of, json_response, operation, parse, read_json
from app.api.marketing import AGAIN, FundingId, TradeId, Trader, TradeReader, page
from app.api.payments import MAX_INPUT_BYTES, PaymentInput, PaymentParameters
from app.api.redeeming import Cursor, Limit, id_of, read_raw
from app.auth import scopes
from app.database import driver_of
from app.market import desk, errors, repository, settlement
from app.market.models import TradeState
from app.market.schemas import (
    FundingInput,
    FundingList,
    FundingView,
    MarketWithdrawalInput,
    MarketWithdrawalList,
    MarketWithdrawalView,
    MoneyEntryList,
    MoneyView,
    TradeList,
    TradeView,
)
from app.market.trading import Trade
from app.market.views import of_entry, of_funding, of_trade, of_withdrawal
from points.payments.errors import NotPayable, PaymentRefused, PaymentsAway, PaymentsNotOffered
from points.payments.models import Subject

if TYPE_CHECKING:
    from uuid import UUID

    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.market.repository import Driver

router = APIRouter(prefix="/v1/market", tags=["market"])
_FUNDING: TypeAdapter[FundingInput] = TypeAdapter(FundingInput)
_WITHDRAWAL: TypeAdapter[MarketWithdrawalInput] = TypeAdapter(MarketWithdrawalInput)
_PAYMENT: TypeAdapter[PaymentInput] = TypeAdapter(PaymentInput)


class FundingBegun(FundingView):
    """Money on its way in, and what the payer's app opens the payment with."""

    wechat_pay: PaymentParameters


@router.get(
    "/trades",
    response_model=TradeList,
    summary="What I bought and sold",
    **operation(scopes.MARKET_TRADES_READ, errors=("request.invalid",)),
)
async def list_trades(
    principal: TradeReader,
    services: ServicesDep,
    state: TradeState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The newest first; who stands on the other side is not told."""
    before = cursor_of("trd", cursor)
    own = principal.organisation_id
    async with services.database.reading() as session:
        rows = await repository.page_of_trades(await driver_of(session), own, state, before, limit + 1)
    return page(TradeList, [of_trade(Trade(**dict(row)), own) for row in rows], limit, "trade_id")


@router.get(
    "/trades/{trade_id}",
    response_model=TradeView,
    summary="A trade of mine",
    **operation(scopes.MARKET_TRADES_READ, errors=(errors.TradeNotFound,)),
)
async def read_trade(trade_id: TradeId, principal: TradeReader, services: ServicesDep) -> Response:
    """As buyer or as seller."""
    known = id_of("trd", trade_id, errors.TradeNotFound)
    async with services.database.reading() as session:
        return json_response(await _trade(await driver_of(session), known, principal.organisation_id))


@router.post(
    "/trades/{trade_id}/payment",
    response_model=TradeView,
    summary="Pay what is due for a trade",
    **operation(
        scopes.MARKET_TRADES_WRITE,
        errors=(
            errors.TradeNotFound,
            errors.TradeOver,
            errors.MoneyInsufficient,
            AccountFrozen,
            *AGAIN,
        ),
    ),
)
async def pay_trade(
    trade_id: TradeId, request: Request, principal: Trader, services: ServicesDep
) -> Response:
    """The rest, out of available money; the units come in the same commit."""
    known = id_of("trd", trade_id, errors.TradeNotFound)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        await settlement.pay(driver, principal.organisation_id, known, services.intake.clock())
        return await _trade(driver, known, principal.organisation_id)

    return await idempotency.write(request, principal, services, b"", act)


@router.get(
    "/money",
    response_model=MoneyView,
    summary="My money in the market",
    **operation(scopes.MARKET_TRADES_READ),
)
async def read_money(principal: TradeReader, services: ServicesDep) -> Response:
    """What may be spent, and what is held."""
    async with services.database.reading() as session:
        found = await desk.balance(await driver_of(session), principal.organisation_id)
    return json_response({"available_fen": found.available_fen, "held_fen": found.held_fen})


@router.get(
    "/money/entries",
    response_model=MoneyEntryList,
    summary="What moved my money",
    **operation(scopes.MARKET_TRADES_READ, errors=("request.invalid",)),
)
async def list_entries(
    principal: TradeReader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The newest first."""
    before = cursor_of("mme", cursor)
    own = principal.organisation_id
    async with services.database.reading() as session:
        rows = await desk.page_of_entries(await driver_of(session), own, before, limit + 1)
    return page(MoneyEntryList, [of_entry(row, own) for row in rows], limit, "entry_id")


@router.post(
    "/fundings",
    response_model=FundingView,
    summary="Bring money by the provider of payments",
    **operation(
        scopes.MARKET_TRADES_WRITE,
        body=FundingInput,
        examples=[{"amount_fen": 500_000}],
        errors=(PaymentsNotOffered, *AGAIN),
    ),
)
async def begin_funding(request: Request, principal: Trader, services: ServicesDep) -> Response:
    """It waits half an hour for its payment. Money by bank is recorded by the operator."""
    if services.payments is None:
        raise PaymentsNotOffered
    raw = await read_raw(request)
    body = parse(_FUNDING, raw)

    async def act(session: "AsyncSession") -> Any:
        made = await desk.begin_funding(
            await driver_of(session), principal, body.amount_fen, services.intake.clock()
        )
        return of_funding(made.model_dump()).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/fundings/{funding_id}/payment",
    response_model=FundingBegun,
    summary="Pay a funding",
    **operation(
        scopes.MARKET_TRADES_WRITE,
        body=PaymentInput,
        examples=[{"payer_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}],
        errors=(errors.FundingNotFound, NotPayable, PaymentsNotOffered, PaymentRefused, PaymentsAway),
    ),
)
async def pay_funding(
    funding_id: FundingId, request: Request, principal: Trader, services: ServicesDep
) -> Response:
    """One funding has one payment: asked again, it is the same one, with parameters signed anew."""
    if services.payments is None:
        raise PaymentsNotOffered
    known = id_of("mfu", funding_id, errors.FundingNotFound)
    body = await read_json(request, _PAYMENT, MAX_INPUT_BYTES)
    _, parameters = await services.payments.begin(
        Subject.MARKET_FUNDING, principal.organisation_id, known, body.payer_openid
    )
    async with services.database.reading() as session:
        row = await desk.read(await driver_of(session), "market_fundings", known)
    return json_response(
        {**of_funding(row).model_dump(mode="json"), "wechat_pay": parameters},
        headers={"Cache-Control": "no-store"},
    )


@router.get(
    "/fundings",
    response_model=FundingList,
    summary="Money that I brought",
    **operation(scopes.MARKET_TRADES_READ, errors=("request.invalid",)),
)
async def list_fundings(
    principal: TradeReader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The newest first."""
    before = cursor_of("mfu", cursor)
    async with services.database.reading() as session:
        rows = await desk.page(
            await driver_of(session), "market_fundings", principal.organisation_id, "", before, limit + 1
        )
    return page(FundingList, [of_funding(row) for row in rows], limit, "funding_id")


@router.post(
    "/withdrawals",
    response_model=MarketWithdrawalView,
    summary="Have available money paid out",
    **operation(
        scopes.MARKET_TRADES_WRITE,
        body=MarketWithdrawalInput,
        examples=[{"amount_fen": 500_000}],
        errors=(errors.MoneyInsufficient, *AGAIN),
    ),
)
async def ask_withdrawal(request: Request, principal: Trader, services: ServicesDep) -> Response:
    """It is held from now on, until the operator has paid it by bank or sent it back."""
    raw = await read_raw(request)
    body = parse(_WITHDRAWAL, raw)

    async def act(session: "AsyncSession") -> Any:
        made = await desk.ask_withdrawal(
            await driver_of(session), principal, body.amount_fen, services.intake.clock()
        )
        return of_withdrawal(made.model_dump()).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/withdrawals",
    response_model=MarketWithdrawalList,
    summary="Money that I had paid out",
    **operation(scopes.MARKET_TRADES_READ, errors=("request.invalid",)),
)
async def list_withdrawals(
    principal: TradeReader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The newest first."""
    before = cursor_of("mwd", cursor)
    async with services.database.reading() as session:
        rows = await desk.page(
            await driver_of(session), "market_withdrawals", principal.organisation_id, "", before, limit + 1
        )
    return page(MarketWithdrawalList, [of_withdrawal(row) for row in rows], limit, "withdrawal_id")


async def _trade(driver: "Driver", trade_id: "UUID", caller: "UUID") -> Any:
    row = await repository.trade(driver, trade_id)
    if row is None or caller not in (row["buyer_id"], row["seller_id"]):
        raise errors.TradeNotFound
    return of_trade(Trade(**dict(row)), caller).model_dump(mode="json")
