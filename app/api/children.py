"""The doors of guardians: accounts of children under 14."""

import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter

from accounts import repository
from accounts.errors import Fault, HolderNotFound
from accounts.ids import parse_public_id, public_id, uuid7
from accounts.models import HolderKind
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import JSON, json_response, media_type, operation, parse, read_body
from app.api.sign_in import MAX_BYTES, own
from app.auth import resident_repository, scopes
from app.auth.errors import OfMinor, SessionNotFound, TooManyChildren
from app.auth.principal import Principal
from app.auth.resident_models import Minor
from app.auth.resident_schemas import ChildInput, ChildList, ChildToken, ChildView
from app.auth.residents import session_of
from app.database import driver_of
from app.problems import RequestError
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

router = APIRouter(prefix="/v1/me/children", tags=["sign-in"])
FULL_AGE_MONTHS = 14 * 12
MAX_CHILDREN = 10
Reader = Annotated[Principal, Depends(caller(scopes.ME_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.ME_WRITE))]
HolderId = Annotated[
    str, Path(description="`hld_…` of the child", examples=["hld_01a1fc693a86700e9ae525ac545ac6cd"])
]
_CHILD: TypeAdapter[ChildInput] = TypeAdapter(ChildInput)


def minor_until(birth_month: str) -> datetime.date:
    """The first day of the month by which somebody born in `YYYY-MM` is 14, whatever the day."""
    year, month = map(int, birth_month.split("-"))
    months = year * 12 + (month - 1) + FULL_AGE_MONTHS + 1
    return datetime.date(months // 12, months % 12 + 1, 1)


@router.post(
    "",
    response_model=ChildView,
    summary="Add a child's account",
    **operation(
        scopes.ME_WRITE,
        body=ChildInput,
        examples=[{"birth_month": "2016-03", "label": "Xiaoming"}],
        errors=(SessionNotFound, OfMinor, TooManyChildren, "request.idempotency_conflict"),
    ),
)
async def add_child(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """An account that its guardian opens and acts for. It is in no public rank."""
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    raw = await read_body(request, MAX_BYTES)
    body = parse(_CHILD, raw)
    guardian, now = own(principal), services.intake.clock()
    if session_of(principal) is None:
        raise SessionNotFound
    until, today = minor_until(body.birth_month), now.astimezone(LOCAL).date()
    if not today < until <= minor_until(f"{today:%Y-%m}"):
        raise RequestError("request.invalid", Fault("/birth_month", "not of a child under 14"))

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        await repository.lock_holders(driver, [guardian])
        if await resident_repository.find_minor(session, guardian) is not None:
            raise OfMinor
        if await resident_repository.count_children(session, guardian) >= MAX_CHILDREN:
            raise TooManyChildren
        child = uuid7(now)
        # No identifier of a child is asked for: its key is of its own account, not of its papers.
        key = services.person_keys.person_key("child_account", child.hex)
        region = body.region or principal.region
        await repository.add_holders(driver, [(child, HolderKind.PERSON, region, key, now)])
        minor = Minor(
            holder_id=child, guardian_id=guardian, label=body.label, minor_until=until, created_at=now
        )
        session.add(minor)
        await session.flush()
        return _view(minor).model_dump()

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "",
    response_model=ChildList,
    summary="Children in my care",
    **operation(scopes.ME_READ),
)
async def my_children(principal: Reader, services: ServicesDep) -> Response:
    """Those whose accounts I act for, the first added first."""
    async with services.database.reading() as session:
        rows = await resident_repository.children_of(session, own(principal))
    return json_response(ChildList(items=[_view(row) for row in rows]).model_dump())


@router.post(
    "/{holder_id}/token",
    response_model=ChildToken,
    summary="Act for a child",
    **operation(scopes.ME_WRITE, errors=(HolderNotFound, SessionNotFound)),
)
async def act_for_child(holder_id: HolderId, principal: Writer, services: ServicesDep) -> Response:
    """An access token for the child's account, until the child has taken the account over by a sign-in of its own."""
    child = parse_public_id("hld", holder_id)
    if session_of(principal) is None:
        raise SessionNotFound
    async with services.database.reading() as session:
        minor = None if child is None else await resident_repository.find_minor(session, child)
        if minor is None or minor.guardian_id != own(principal):
            raise HolderNotFound
        token, given = await services.sign_in.sessions.lend(
            session, principal, minor.holder_id, services.intake.clock()
        )
    answer = ChildToken(
        access_token=token,
        expires_in=services.settings.access_token_seconds,
        scope=" ".join(sorted(given.scopes)),
    )
    return json_response(answer.model_dump(), headers={"Cache-Control": "no-store"})


def _view(minor: Minor) -> ChildView:
    return ChildView(
        holder_id=public_id("hld", minor.holder_id),
        label=minor.label,
        minor_until=minor.minor_until.isoformat(),
    )
