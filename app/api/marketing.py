"""What the doors of the market share."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Depends, Path

from accounts.ids import parse_public_id
from accounts.registry.errors import AccountFrozen
from accounts.units.errors import InsufficientUnits
from app.api.access import caller
from app.api.http import json_response
from app.auth import scopes
from app.auth.principal import Principal
from app.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel
    from starlette.responses import Response

Trader = Annotated[Principal, Depends(caller(scopes.MARKET_TRADES_WRITE))]
TradeReader = Annotated[Principal, Depends(caller(scopes.MARKET_TRADES_READ))]
MarketReader = Annotated[Principal, Depends(caller(scopes.MARKET_READ))]
MarketClerk = Annotated[Principal, Depends(caller(scopes.MARKET_WRITE))]
MarketApprover = Annotated[Principal, Depends(caller(scopes.MARKET_APPROVE))]
ListingId = Annotated[str, Path(description="`lst_…`", examples=["lst_" + "0" * 32])]
AuctionId = Annotated[str, Path(description="`auc_…`", examples=["auc_" + "0" * 32])]
TradeId = Annotated[str, Path(description="`trd_…`", examples=["trd_" + "0" * 32])]
FundingId = Annotated[str, Path(description="`mfu_…`", examples=["mfu_" + "0" * 32])]
WithdrawalId = Annotated[str, Path(description="`mwd_…`", examples=["mwd_" + "0" * 32])]
UNITS = (InsufficientUnits, AccountFrozen)
AGAIN = ("request.idempotency_conflict",)


def origin_of(text: str) -> UUID:
    """The origin that a body names, whose form is checked already."""
    found = parse_public_id("uor", text)
    if found is None:
        raise RequestError("request.invalid")
    return found


def page(model: Any, items: "Sequence[BaseModel]", limit: int, name: str) -> "Response":
    """A page out of one more than it has; `name` is the field of an item that its cursor is."""
    shown = list(items[:limit])
    following = getattr(shown[-1], name) if len(items) > limit else None
    return json_response(model(items=shown, next_cursor=following).model_dump(mode="json"))
