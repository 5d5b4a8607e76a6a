"""The registry account of a market participant: what it holds and what moved in it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from accounts.errors import Fault
from accounts.ids import public_id
from accounts.registry import repository
from accounts.registry import service as registry
from accounts.units import statements
from app.api.access import ServicesDep, caller
from app.api.carbon import own
from app.api.http import cursor_of, json_response, operation
from app.api.market_schemas import HoldingPage, MarketAccount, Statement, TrustAccount
from app.api.market_views import account_view, held_of, holding_view, line_view
from app.api.redeeming import Cursor, Limit
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.problems import RequestError

router = APIRouter(prefix="/v1", tags=["market accounts"])
Reader = Annotated[Principal, Depends(caller(scopes.MARKET_ACCOUNT_READ))]
Resident = Annotated[Principal, Depends(caller(scopes.ME_READ))]
NUMBER_DIGITS = 19
Status = Annotated[
    Literal["held", "locked", "pledged", "retired", "cancelled"], Query(description="Ranges of this status")
]


@router.get(
    "/market/account",
    response_model=MarketAccount,
    summary="My registry account and what it holds freely",
    **operation(scopes.MARKET_ACCOUNT_READ),
)
async def read_account(principal: Reader, services: ServicesDep) -> Response:
    """Opened when it is first asked for; one for each organisation."""
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        account = await registry.account_of(driver, principal.organisation_id, services.intake.clock())
        return json_response(await account_view(driver, account))


@router.get(
    "/market/account/holdings",
    response_model=HoldingPage,
    summary="The ranges of my account, with their serials",
    **operation(scopes.MARKET_ACCOUNT_READ, errors=("request.invalid",)),
)
async def list_holdings(
    principal: Reader,
    services: ServicesDep,
    status: Status = "held",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The lowest numbers first. What was retired or cancelled stays listed with the account that it was of."""
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < NUMBER_DIGITS):
        raise RequestError("request.invalid", Fault("/cursor", "not a cursor of this list"))
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        account = await registry.account_of(driver, principal.organisation_id, services.intake.clock())
        found = await statements.holdings(driver, account.id, status, int(cursor or 0), limit + 1)
    following = str(found[limit].units.first) if len(found) > limit else None
    page = HoldingPage(items=[holding_view(each) for each in found[:limit]], next_cursor=following)
    return json_response(page.model_dump(mode="json"))


@router.get(
    "/market/account/statement",
    response_model=Statement,
    summary="What moved in my account",
    **operation(scopes.MARKET_ACCOUNT_READ, errors=("request.invalid",)),
)
async def read_statement(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The newest first: each movement with its quantity and serials. Nothing that is told here ever changes."""
    before = cursor_of("umv", cursor)
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        account = await registry.account_of(driver, principal.organisation_id, services.intake.clock())
        found = await statements.lines(driver, account.id, before, limit + 1)
    items = [line_view(line, account.id) for line in found[:limit]]
    following = items[-1].movement_id if len(found) > limit else None
    return json_response(Statement(items=items, next_cursor=following).model_dump(mode="json"))


@router.get(
    "/me/units",
    response_model=TrustAccount,
    summary="Units that are kept in trust for me",
    **operation(scopes.ME_READ),
)
async def read_trust(principal: Resident, services: ServicesDep) -> Response:
    """A resident has no registry account of their own: the deployment keeps one for them as their trustee."""
    async with services.database.snapshot() as driver:
        row = await repository.of_holder(driver, own(principal))
        held = [] if row is None else await held_of(driver, row["id"])
    shown = TrustAccount(account_id=None if row is None else public_id("rac", row["id"]), held=held)
    return json_response(shown.model_dump(mode="json"))
