"""What the doors of residents have in common: whose data it is, pages, bodies, signing."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from accounts.agreement_errors import SourceUnknown
from accounts.errors import Fault, HolderNotFound, NotFound
from accounts.ids import parse_public_id, public_id
from app.api.access import caller
from app.api.http import JSON, json_response, media_type, parse, read_body
from app.auth import scopes, signatures
from app.auth.principal import Principal
from app.problems import RequestError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from accounts.receipts import Sign
    from app.wiring import Services

Reader = Annotated[Principal, Depends(caller(scopes.ME_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.ME_WRITE))]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before")]
MAX_BYTES = 65_536
Model = TypeVar("Model")


def own(principal: Principal) -> UUID:
    """The holder that the token speaks for."""
    if principal.holder_id is None:
        raise HolderNotFound
    return principal.holder_id


def wrong_cursor() -> RequestError:
    """The cursor is none of this list's."""
    return RequestError("request.invalid", Fault("/cursor", "not a cursor of this list", "不是本列表的游标"))


def place(prefix: str, cursor: str | None) -> UUID | None:
    """The id that a cursor names, None for the first page."""
    if cursor is None:
        return None
    found = parse_public_id(prefix, cursor)
    if found is None:
        raise wrong_cursor()
    return found


def listed(
    rows: Sequence[Any], limit: int, view: Callable[[Any], dict[str, Any]], cursor: Callable[[Any], str]
) -> Response:
    """A page of `limit` out of `limit + 1` rows."""
    shown = rows[:limit]
    more = len(rows) > limit
    return json_response(
        {"items": [view(row) for row in shown], "next_cursor": cursor(shown[-1]) if more else None}
    )


def by_id(prefix: str, name: str = "id") -> Callable[[Any], str]:
    """The cursor of lists that are in order of an id."""
    return lambda row: public_id(prefix, row[name])


async def body(request: Request, adapter: "TypeAdapter[Model]") -> tuple[bytes, Model]:
    """A small JSON body, as sent and as understood."""
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    raw = await read_body(request, MAX_BYTES)
    return raw, parse(adapter, raw)


def id_of(prefix: str, text: str, missing: type[NotFound]) -> UUID:
    """The UUID of a public id; where it is none, it is not there."""
    found = parse_public_id(prefix, text)
    if found is None:
        raise missing
    return found


def source_id_of(text: str) -> UUID:
    """The id of a source."""
    return id_of("org", text, SourceUnknown)


def told(moment: datetime | None) -> str | None:
    """A time in an answer."""
    return None if moment is None else moment.isoformat()


def signer(services: "Services", now: datetime) -> "Sign":
    """Signs receipts."""
    return lambda claims: signatures.sign(services.tokens.keys, signatures.RECEIPT, claims, now)
