"""The doors of operators to registry accounts: limits, and orders that freeze one."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter

from accounts.ids import public_id
from accounts.registry import repository
from accounts.registry import service as registry
from accounts.registry.errors import (
    AccountEditedMeanwhile,
    AccountIfMatchMissing,
    AccountNotFound,
    NotFrozen,
)
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import address_of, cursor_of, json_response, operation, parse, stated_version
from app.api.market_schemas import (
    AccountLimits,
    FreezeLift,
    FreezeOrder,
    OperatorAccount,
    OperatorAccountPage,
)
from app.api.market_views import operator_view
from app.api.redeeming import Cursor, IfMatch, Limit, id_of, read_raw
from app.auth import audit, scopes
from app.auth.principal import Principal, prefix
from app.database import driver_of

if TYPE_CHECKING:
    import asyncpg
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.wiring import Services

router = APIRouter(prefix="/v1/operator/registry-accounts", tags=["operator registry accounts"])
Reader = Annotated[Principal, Depends(caller(scopes.REGISTRY_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.REGISTRY_WRITE))]
AccountId = Annotated[str, Path(description="`rac_…`", examples=["rac_" + "0" * 32], max_length=40)]
_LIMITS: TypeAdapter[AccountLimits] = TypeAdapter(AccountLimits)
_FREEZE: TypeAdapter[FreezeOrder] = TypeAdapter(FreezeOrder)
_LIFT: TypeAdapter[FreezeLift] = TypeAdapter(FreezeLift)
_KEPT = "request.idempotency_conflict"
Change = Callable[["asyncpg.Connection", registry.RegistryAccount], Awaitable[registry.RegistryAccount]]


async def _of_region(
    driver: "asyncpg.Connection", principal: Principal, account_id: str
) -> registry.RegistryAccount:
    account = await registry.get(driver, id_of("rac", account_id, AccountNotFound))
    if not principal.may_see_region(account.region):
        raise AccountNotFound
    return account


@router.get(
    "",
    response_model=OperatorAccountPage,
    summary="Registry accounts of the region",
    **operation(scopes.REGISTRY_READ, errors=("request.invalid",)),
)
async def list_accounts(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The one that was opened last first."""
    before = cursor_of("rac", cursor)
    async with services.database.snapshot() as driver:
        rows = await repository.page(driver, prefix(principal.region), before, limit + 1)
        items = [await operator_view(driver, registry.of_row(row)) for row in rows[:limit]]
    following = items[-1]["account_id"] if len(rows) > limit else None
    return json_response({"items": items, "next_cursor": following})


@router.get(
    "/{account_id}",
    response_model=OperatorAccount,
    summary="A registry account of the region",
    **operation(scopes.REGISTRY_READ, errors=(AccountNotFound,)),
)
async def read_account(account_id: AccountId, principal: Reader, services: ServicesDep) -> Response:
    """With its limits and the orders on it."""
    async with services.database.snapshot() as driver:
        return json_response(await operator_view(driver, await _of_region(driver, principal, account_id)))


@router.put(
    "/{account_id}/limits",
    response_model=OperatorAccount,
    summary="Change the limits of an account",
    **operation(
        scopes.REGISTRY_WRITE,
        body=AccountLimits,
        examples=[
            {
                "transfer_limit_kg": 5000000,
                "daily_limit_kg": 20000000,
                "approval_above_kg": 1000000,
                "reason": "agreed with the participant",
            }
        ],
        errors=(AccountNotFound, AccountIfMatchMissing, AccountEditedMeanwhile, _KEPT),
    ),
)
async def change_limits(
    account_id: AccountId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """What one transfer and a day may move, and above which a second client approves."""
    raw = await read_raw(request)
    body = parse(_LIMITS, raw)
    stated = stated_version(if_match, AccountIfMatchMissing)
    limits = (body.transfer_limit_kg, body.daily_limit_kg, body.approval_above_kg)

    async def change(
        driver: "asyncpg.Connection", account: registry.RegistryAccount
    ) -> registry.RegistryAccount:
        return await registry.set_limits(driver, account.id, limits, stated)

    told = ("registry_account.limits_changed", body.reason)
    return await _write(account_id, request, principal, services, raw, change, told)


@router.post(
    "/{account_id}/freeze",
    response_model=OperatorAccount,
    summary="Freeze an account by order",
    **operation(
        scopes.REGISTRY_WRITE,
        body=FreezeOrder,
        examples=[{"document": "(2026)粤03执保118号", "reason": "court order"}],
        errors=(AccountNotFound, _KEPT),
    ),
)
async def freeze_account(
    account_id: AccountId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """Nothing leaves it from then on: no transfer, no sale, no pledge, no retirement. What comes in stays."""
    raw = await read_raw(request)
    body = parse(_FREEZE, raw)
    now = services.intake.clock()

    async def change(
        driver: "asyncpg.Connection", account: registry.RegistryAccount
    ) -> registry.RegistryAccount:
        return await registry.freeze(driver, account.id, body.document, body.reason, principal.client_id, now)

    told = ("registry_account.frozen", body.document)
    return await _write(account_id, request, principal, services, raw, change, told)


@router.post(
    "/{account_id}/unfreezing",
    response_model=OperatorAccount,
    summary="Lift the orders on an account",
    **operation(
        scopes.REGISTRY_WRITE,
        body=FreezeLift,
        examples=[{"document": "(2026)粤03执保118号之一"}],
        errors=(AccountNotFound, NotFrozen, _KEPT),
    ),
)
async def unfreeze_account(
    account_id: AccountId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """All that are in force, by one document."""
    raw = await read_raw(request)
    body = parse(_LIFT, raw)
    now = services.intake.clock()

    async def change(
        driver: "asyncpg.Connection", account: registry.RegistryAccount
    ) -> registry.RegistryAccount:
        return await registry.unfreeze(driver, account.id, body.document, principal.client_id, now)

    told = ("registry_account.unfrozen", body.document)
    return await _write(account_id, request, principal, services, raw, change, told)


async def _write(
    account_id: str,
    request: Request,
    principal: Principal,
    services: "Services",
    raw: bytes,
    change: Change,
    told: tuple[str, str],
) -> Response:
    """Change an account of the region, and write down who did."""
    address = address_of(request)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        before = await _of_region(driver, principal, account_id)
        shown = await operator_view(driver, await change(driver, before))
        kept = ("frozen", "transfer_limit_kg", "daily_limit_kg", "approval_above_kg")
        await audit.append(
            session,
            principal,
            services.intake.clock(),
            told[0],
            ("registry_account", public_id("rac", before.id)),
            region=before.region,
            address=address,
            reason=told[1],
            before={"frozen": before.frozen_at is not None}
            | {name: getattr(before, name) for name in kept[1:]},
            after={name: shown[name] for name in kept},
        )
        return shown

    return await idempotency.write(request, principal, services, raw, act)
