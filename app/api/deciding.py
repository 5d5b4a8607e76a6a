"""What the doors of decisions about methodologies share: rights, the state a write was made from, the write."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import parse_public_id
from app.api import idempotency
from app.api.access import caller
from app.api.http import JSON, address_of, media_type, parse, read_body, stated_version
from app.auth import scopes
from app.auth.principal import Principal
from app.problems import RequestError
from app.versions import errors
from app.versions.drafts import Actor
from app.versions.occupancy import Rulebook
from app.wiring import Services

MAX_BYTES = 262_144
PREFIX = "/v1/operator/methodologies"
Model = TypeVar("Model", bound=BaseModel)
Reader = Annotated[Principal, Depends(caller(scopes.METHODOLOGIES_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.METHODOLOGIES_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.METHODOLOGIES_APPROVE))]
RevisionId = Annotated[str, Path(description="`mrv_…`", examples=["mrv_01a1fc693a86700e9ae525ac545ac6cd"])]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="`etag` of the state that the write was made from")
]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
REASON_EXAMPLE = {"reason": "council decision 2026-118"}


def revision_step(revision_id: RevisionId, if_match: IfMatch = None) -> tuple[UUID, int]:
    """The version that a step is about, and the state that the caller saw."""
    return id_of(revision_id), etag_of(if_match)


RevisionStep = Annotated[tuple[UUID, int], Depends(revision_step)]


async def write(
    request: Request,
    principal: Principal,
    services: Services,
    kind: type[Model],
    act: Callable[[AsyncSession, Model, Actor], Awaitable[BaseModel]],
) -> Response:
    """Read the body, decide in one transaction, and have all processes look once it is committed."""
    raw = await read(request)
    body = parse(TypeAdapter(kind), raw)

    async def decide(session: AsyncSession) -> Any:
        actor = Actor(principal, services.intake.clock(), address_of(request))
        return (await act(session, body, actor)).model_dump(mode="json")

    answer = await idempotency.write(request, principal, services, raw, decide)
    await services.live.tell()
    return answer


async def read(request: Request) -> bytes:
    """The JSON body of a request."""
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    return await read_body(request, MAX_BYTES)


def book_of(services: Services) -> Rulebook:
    """What a decision needs to know of this deployment."""
    return Rulebook(
        packs=services.catalogue,
        lead=services.live.lead,
        production=services.settings.production,
        clock=services.intake.clock,
    )


def id_of(text: str) -> UUID:
    """The id of a version that a path names; what is none is not there."""
    found = parse_public_id("mrv", text)
    if found is None:
        raise errors.RevisionNotFound
    return found


def etag_of(if_match: str | None) -> int:
    """The state that a write was made from."""
    return stated_version(if_match, errors.EtagMissing)
