"""Pledges of units to banks."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter

from accounts.registry import pledges
from accounts.registry import transfer_repository as repository
from accounts.registry.errors import AccountFrozen, BankNotFound, PledgeNotFound
from accounts.units.errors import InsufficientUnits
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import cursor_of, json_response, operation, parse
from app.api.market_schemas import PledgeInput, PledgePage, PledgeRelease, PledgeView
from app.api.market_views import account_id_of, origin_id, pledge_views
from app.api.redeeming import Cursor, Limit, id_of, read_raw
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of

if TYPE_CHECKING:
    import asyncpg

router = APIRouter(prefix="/v1", tags=["market pledges"])
Reader = Annotated[Principal, Depends(caller(scopes.MARKET_ACCOUNT_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.MARKET_TRANSFERS_WRITE))]
Banker = Annotated[Principal, Depends(caller(scopes.BANK_PLEDGES_WRITE))]
PledgeId = Annotated[str, Path(description="`upl_…`", examples=["upl_" + "0" * 32], max_length=40)]
_PLEDGE: TypeAdapter[PledgeInput] = TypeAdapter(PledgeInput)
_RELEASE: TypeAdapter[PledgeRelease] = TypeAdapter(PledgeRelease)
_KEPT = "request.idempotency_conflict"


@router.post(
    "/market/pledges",
    response_model=PledgeView,
    summary="Pledge units to a bank",
    **operation(
        scopes.MARKET_TRANSFERS_WRITE,
        body=PledgeInput,
        examples=[
            {
                "bank_id": "org_01a1fc693a86700e9ae525ac545ac6cd",
                "quantity_kg": 1000,
                "contract": "质押合同 2026-18",
            }
        ],
        errors=(BankNotFound, AccountFrozen, InsufficientUnits, _KEPT),
    ),
)
async def pledge_units(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Only the bank gives them free."""
    raw = await read_raw(request)
    body = parse(_PLEDGE, raw)
    bank = id_of("org", body.bank_id, BankNotFound)

    async def act(session: Any) -> Any:
        driver = await driver_of(session)
        row = await pledges.pledge(
            driver,
            await account_id_of(driver, principal, services),
            bank,
            origin_id(body.origin_id),
            body.quantity_kg,
            body.contract,
            principal.client_id,
            services.intake.clock(),
        )
        return (await pledge_views(driver, [row]))[0]

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/market/pledges",
    response_model=PledgePage,
    summary="My pledges",
    **operation(scopes.MARKET_ACCOUNT_READ, errors=("request.invalid",)),
)
async def list_pledges(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The newest first."""
    before = cursor_of("upl", cursor)
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        own = await account_id_of(driver, principal, services)
        return await _pledges(driver, "account_id", own, before, limit)


@router.get(
    "/market/pledges/{pledge_id}",
    response_model=PledgeView,
    summary="One pledge of mine",
    **operation(scopes.MARKET_ACCOUNT_READ, errors=(PledgeNotFound,)),
)
async def read_pledge(pledge_id: PledgeId, principal: Reader, services: ServicesDep) -> Response:
    """With what is left of it."""
    known = id_of("upl", pledge_id, PledgeNotFound)
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        row = await repository.pledge_of_account(
            driver, known, await account_id_of(driver, principal, services)
        )
        if row is None:
            raise PledgeNotFound
        return json_response((await pledge_views(driver, [row]))[0])


@router.get(
    "/bank/pledges",
    response_model=PledgePage,
    summary="Pledges to my bank",
    **operation(scopes.BANK_PLEDGES_WRITE, errors=("request.invalid",)),
)
async def list_received(
    principal: Banker, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The newest first."""
    before = cursor_of("upl", cursor)
    async with services.database.snapshot() as driver:
        return await _pledges(driver, "bank_id", principal.organisation_id, before, limit)


@router.post(
    "/bank/pledges/{pledge_id}/release",
    response_model=PledgeView,
    summary="Give pledged units free",
    **operation(
        scopes.BANK_PLEDGES_WRITE,
        body=PledgeRelease,
        examples=[{"quantity_kg": 500}, {}],
        errors=(PledgeNotFound, InsufficientUnits, _KEPT),
    ),
)
async def release_pledge(
    pledge_id: PledgeId, request: Request, principal: Banker, services: ServicesDep
) -> Response:
    """All that are left, or a part."""
    known = id_of("upl", pledge_id, PledgeNotFound)
    raw = await read_raw(request)
    body = parse(_RELEASE, raw)

    async def act(session: Any) -> Any:
        driver = await driver_of(session)
        row = await pledges.release(
            driver,
            principal.organisation_id,
            known,
            body.quantity_kg,
            principal.client_id,
            services.intake.clock(),
        )
        return (await pledge_views(driver, [row]))[0]

    return await idempotency.write(request, principal, services, raw, act)


async def _pledges(
    driver: "asyncpg.Connection", whose: str, owner_id: UUID, before: UUID | None, limit: int
) -> Response:
    rows = await repository.page_of_pledges(driver, whose, owner_id, before, limit + 1)
    items = await pledge_views(driver, rows[:limit])
    following = items[-1]["pledge_id"] if len(rows) > limit else None
    return json_response({"items": items, "next_cursor": following})
