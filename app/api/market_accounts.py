"""The registry account of a market participant."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Response

from accounts.ids import public_id
from accounts.registry import service as registry
from accounts.units import service as units
from app.api.access import ServicesDep, caller
from app.api.http import json_response, operation
from app.api.market_schemas import MarketAccount
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of

if TYPE_CHECKING:
    import asyncpg

router = APIRouter(prefix="/v1/market", tags=["market accounts"])
Reader = Annotated[Principal, Depends(caller(scopes.MARKET_ACCOUNT_READ))]


@router.get(
    "/account",
    response_model=MarketAccount,
    summary="My registry account and what it holds freely",
    **operation(scopes.MARKET_ACCOUNT_READ),
)
async def read_account(principal: Reader, services: ServicesDep) -> Response:
    """Opened when it is first asked for; one for each organisation."""
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        account = await registry.account_of(driver, principal.organisation_id, services.intake.clock())
        return json_response(await _view(driver, account))


async def _view(driver: "asyncpg.Connection", account: registry.RegistryAccount) -> Any:
    held = [
        {
            "origin_id": public_id("uor", origin.id),
            "kind": origin.kind,
            "region": origin.region,
            "methodology": origin.methodology,
            "vintage": origin.vintage,
            "unit_type": origin.unit_type,
            "quantity_kg": quantity_kg,
        }
        for origin, quantity_kg in await units.available(driver, account.id)
    ]
    shown = MarketAccount.model_validate(
        {
            "account_id": public_id("rac", account.id),
            "region": account.region,
            "opened_at": account.opened_at,
            "frozen": account.frozen_at is not None,
            "held": held,
        }
    )
    return shown.model_dump(mode="json")
