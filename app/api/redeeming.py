"""What the doors of offers and redemptions share."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import Header, Path, Query, Request, Response

from accounts.errors import DomainError
from accounts.ids import parse_public_id
from app.api import idempotency
from app.api.http import JSON, media_type, read_body, stated_version
from app.problems import RequestError
from app.redeeming.desk import Ask, View
from points import redemption_errors as errors
from points.redemption_states import Command, Redemption

if TYPE_CHECKING:
    from app.auth.principal import Principal
    from app.wiring import Services

MAX_BYTES = 262_144
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="`version` that the write was made from")
]
OfferId = Annotated[str, Path(description="`ofr_…`", examples=["ofr_01a1fc693a86700e9ae525ac545ac6cd"])]
RedemptionId = Annotated[str, Path(description="`red_…`", examples=["red_01a1fc693a86700e9ae525ac545ac6cd"])]
OFFER_STEP = (
    errors.OfferNotFound,
    errors.OfferVersionMissing,
    errors.OfferEditedMeanwhile,
    errors.OfferWrongState,
    "request.idempotency_conflict",
)


async def read_raw(request: Request, limit: int = MAX_BYTES) -> bytes:
    """The body of a JSON request."""
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    return await read_body(request, limit)


def id_of(kind: str, text: str, missing: type[DomainError]) -> UUID:
    """The UUID of an id; what is none is not there."""
    found = parse_public_id(kind, text)
    if found is None:
        raise missing
    return found


def version_of(if_match: str | None) -> int:
    """The version of an offer that a write names."""
    return stated_version(if_match, errors.OfferVersionMissing)


async def ask(
    request: Request,
    principal: "Principal",
    services: "Services",
    body: bytes,
    command: Command,
    view: View,
) -> Response:
    """Carry a command out in a group, once for its Idempotency-Key."""
    key = idempotency.key_of(request, principal, services, body)
    told = await services.redemptions.ask(Ask(command, view, key))
    return Response(
        told.body, headers={"Idempotent-Replayed": "true"} if told.replayed else None, media_type=JSON
    )


def done(answer: Redemption | DomainError) -> Redemption:
    """The redemption; raises why it was refused."""
    if isinstance(answer, DomainError):
        raise answer
    return answer
