"""Transfers between registry accounts: offered, approved where they are large, accepted."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter

from accounts.registry import transfer_repository as repository
from accounts.registry import transfers
from accounts.registry.errors import (
    AccountFrozen,
    AccountNotFound,
    TransferApproveOwn,
    TransferDecided,
    TransferNotFound,
    TransferOverLimit,
    TransferToSelf,
)
from accounts.units.errors import InsufficientUnits
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import cursor_of, json_response, operation, parse
from app.api.market_schemas import (
    UnitTransferInput,
    UnitTransferPage,
    UnitTransferView,
)
from app.api.market_views import account_id_of, origin_id, transfer_view
from app.api.redeeming import Cursor, Limit, id_of, read_raw
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of

if TYPE_CHECKING:
    import asyncpg

    from app.wiring import Services

router = APIRouter(prefix="/v1/market", tags=["market transfers"])
Reader = Annotated[Principal, Depends(caller(scopes.MARKET_ACCOUNT_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.MARKET_TRANSFERS_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.MARKET_TRANSFERS_APPROVE))]
TransferId = Annotated[str, Path(description="`utr_…`", examples=["utr_" + "0" * 32], max_length=40)]
_TRANSFER: TypeAdapter[UnitTransferInput] = TypeAdapter(UnitTransferInput)
_KEPT = "request.idempotency_conflict"
_STEP = (TransferNotFound, TransferDecided, AccountFrozen, _KEPT)
Step = Callable[["asyncpg.Connection", UUID, UUID, str, Any], Awaitable[repository.Row]]


@router.post(
    "/transfers",
    response_model=UnitTransferView,
    summary="Offer units to another account",
    **operation(
        scopes.MARKET_TRANSFERS_WRITE,
        body=UnitTransferInput,
        examples=[
            {"to_account_id": "rac_01a1fc693a86700e9ae525ac545ac6cd", "quantity_kg": 1000, "note": "T-1"}
        ],
        errors=(AccountNotFound, AccountFrozen, TransferToSelf, TransferOverLimit, InsufficientUnits, _KEPT),
    ),
)
async def offer_transfer(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Held back at once, the lowest numbers first; the recipient has seven days to accept.

    Above the account's `approval_above_kg` it is `proposed` until a second client of the same organisation approves.
    """
    raw = await read_raw(request)
    body = parse(_TRANSFER, raw)
    to_account = id_of("rac", body.to_account_id, AccountNotFound)

    async def act(session: Any) -> Any:
        driver = await driver_of(session)
        own = await account_id_of(driver, principal, services)
        row = await transfers.propose(
            driver,
            own,
            to_account,
            origin_id(body.origin_id),
            body.quantity_kg,
            body.note,
            principal.client_id,
            services.intake.clock(),
        )
        return transfer_view(row, own)

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/transfers",
    response_model=UnitTransferPage,
    summary="Transfers that I offered, or that were offered to me",
    **operation(scopes.MARKET_ACCOUNT_READ, errors=("request.invalid",)),
)
async def list_transfers(
    principal: Reader,
    services: ServicesDep,
    direction: Annotated[Literal["in", "out"], Query(description="To my account, or out of it")] = "in",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The newest first."""
    before = cursor_of("utr", cursor)
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        own = await account_id_of(driver, principal, services)
        rows = await repository.page(driver, own, direction, before, limit + 1)
    items = [transfer_view(row, own) for row in rows[:limit]]
    following = items[-1]["transfer_id"] if len(rows) > limit else None
    return json_response({"items": items, "next_cursor": following})


@router.get(
    "/transfers/{transfer_id}",
    response_model=UnitTransferView,
    summary="One transfer of mine",
    **operation(scopes.MARKET_ACCOUNT_READ, errors=(TransferNotFound,)),
)
async def read_transfer(transfer_id: TransferId, principal: Reader, services: ServicesDep) -> Response:
    """As it is now."""
    known = id_of("utr", transfer_id, TransferNotFound)
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        own = await account_id_of(driver, principal, services)
        row = await repository.find(driver, known, own)
    if row is None:
        raise TransferNotFound
    return json_response(transfer_view(row, own))


async def _step(
    transfer_id: str, request: Request, principal: Principal, services: "Services", step: Step
) -> Response:
    known = id_of("utr", transfer_id, TransferNotFound)

    async def act(session: Any) -> Any:
        driver = await driver_of(session)
        own = await account_id_of(driver, principal, services)
        row = await step(driver, own, known, principal.client_id, services.intake.clock())
        return transfer_view(row, own)

    return await idempotency.write(request, principal, services, b"", act)


@router.post(
    "/transfers/{transfer_id}/approval",
    response_model=UnitTransferView,
    summary="Let a large transfer be offered that another client of mine proposed",
    **operation(scopes.MARKET_TRANSFERS_APPROVE, errors=(*_STEP, TransferApproveOwn)),
)
async def approve_transfer(
    transfer_id: TransferId, request: Request, principal: Approver, services: ServicesDep
) -> Response:
    """Four eyes: who proposed it cannot."""
    return await _step(transfer_id, request, principal, services, transfers.approve)


@router.post(
    "/transfers/{transfer_id}/acceptance",
    response_model=UnitTransferView,
    summary="Take what was offered to me",
    **operation(scopes.MARKET_TRANSFERS_WRITE, errors=_STEP),
)
async def accept_transfer(
    transfer_id: TransferId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """The units are mine from then on; an offer is accepted once."""
    return await _step(transfer_id, request, principal, services, transfers.accept)


@router.post(
    "/transfers/{transfer_id}/rejection",
    response_model=UnitTransferView,
    summary="Decline what was offered to me",
    **operation(scopes.MARKET_TRANSFERS_WRITE, errors=_STEP),
)
async def reject_transfer(
    transfer_id: TransferId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """The units are the sender's to use again."""
    return await _step(transfer_id, request, principal, services, transfers.decline)


@router.post(
    "/transfers/{transfer_id}/withdrawal",
    response_model=UnitTransferView,
    summary="Take an offer of mine back",
    **operation(scopes.MARKET_TRANSFERS_WRITE, errors=_STEP),
)
async def withdraw_transfer(
    transfer_id: TransferId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """As long as nobody accepted it."""
    return await _step(transfer_id, request, principal, services, transfers.withdraw)
