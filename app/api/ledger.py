"""What anybody may see of the ledger: the roots of its days."""

import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from accounts.errors import Fault
from accounts.proofs import heads
from app.api.access import ServicesDep
from app.api.http import json_response, operation
from app.problems import RequestError

router = APIRouter(prefix="/v1/ledger", tags=["ledger"])


class LedgerHeadView(BaseModel):
    """A day of the ledger in one hash that holds all days before it. SHA-256, hexadecimal."""

    day: datetime.date
    entries: int = Field(description="Entries booked since the head before it", examples=[57_042])
    root: str = Field(description="Root of the tree over these entries")
    previous: str = Field(description="`head` of the day before; zeros for the first")
    head: str = Field(description="Hash of previous head, day, count and root")
    taken_at: str


class LedgerHeadList(BaseModel):
    """A page of heads, the latest first."""

    items: list[LedgerHeadView]
    next_cursor: str | None


@router.get(
    "/heads",
    response_model=LedgerHeadList,
    summary="Daily heads of the ledger, the latest first",
    **operation(errors=("request.invalid",)),
)
async def ledger_heads(
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[
        str | None, Query(max_length=10, description="`next_cursor` of the page before")
    ] = None,
) -> Response:
    """Whoever kept a head sees whether anything that was booked before it has changed since."""
    try:
        before = None if cursor is None else datetime.date.fromisoformat(cursor)
    except ValueError:
        raise RequestError(
            "request.invalid", Fault("/cursor", "not a cursor of this list", "不是本列表的游标")
        ) from None
    async with services.database.statement() as driver:
        rows = await heads.page(driver, before, limit + 1)
    items = [_view(row) for row in rows[:limit]]
    more = len(rows) > limit
    return json_response({"items": items, "next_cursor": items[-1]["day"] if more else None})


def _view(row: Any) -> dict[str, Any]:
    return {
        "day": row["day"].isoformat(),
        "entries": row["entries"],
        **{name: row[name].hex() for name in ("root", "previous", "head")},
        "taken_at": row["taken_at"].isoformat(),
    }
