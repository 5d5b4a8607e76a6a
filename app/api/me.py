"""The doors of residents: the account page and its entries."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from sqlmodel import col, select

from accounts import queries
from accounts.errors import HolderNotFound
from accounts.schemas import EntryList
from app.account.overview import MyAccount, overview
from app.api.access import ServicesDep, caller
from app.api.http import cursor_of, json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.crediting.models import Activity

router = APIRouter(prefix="/v1/me", tags=["me"])
Resident = Annotated[Principal, Depends(caller(scopes.ME_READ))]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]


def _own(principal: Principal) -> UUID:
    if principal.holder_id is None:
        raise HolderNotFound
    return principal.holder_id


@router.get(
    "/account",
    response_model=MyAccount,
    summary="My carbon account",
    **operation(scopes.ME_READ, errors=(HolderNotFound,)),
)
async def my_account(principal: Resident, services: ServicesDep) -> Response:
    """Grams and points, when points go, today and this month, streak, level, and what the grams are like."""
    async with services.database.statement() as driver:
        found = await overview(driver, _own(principal), services.intake.clock())
    return json_response(found.model_dump())


@router.get(
    "/entries",
    response_model=EntryList,
    summary="My entries, the newest first",
    **operation(scopes.ME_READ, errors=("request.invalid",)),
)
async def my_entries(
    principal: Resident, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What was booked, with the activity it came from."""
    before = cursor_of("ent", cursor)
    async with services.database.reading() as session:
        rows = await queries.page_of_entries(session, _own(principal), before, limit + 1)
        page = rows[:limit]
        ids = {entry.cause_id for entry, _ in page}
        scenes = dict(
            (
                await session.exec(
                    select(Activity.id, Activity.scene).where(
                        col(Activity.holder_id) == principal.holder_id, col(Activity.id).in_(ids)
                    )
                )
            ).all()
        )
        items = [queries.entry_view(entry, asset, scenes).model_dump() for entry, asset in page]
    more = len(rows) > limit
    return json_response({"items": items, "next_cursor": items[-1]["entry_id"] if more else None})
