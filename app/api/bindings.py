"""Bindings of residents to source platforms, by a signed link that is redeemed once."""

import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import bindings, consents
from accounts.agreement_errors import (
    AccountClosed,
    BindingNotFound,
    LinkInvalid,
    LinkUsed,
    SourceUnknown,
    TextUnknown,
    UserBound,
)
from accounts.agreement_schemas import (
    SOURCE_ID,
    BindingLink,
    BindingList,
    BindingRedemption,
    BindingStart,
    BindingView,
    RedemptionAnswer,
)
from accounts.consents import Wish
from accounts.errors import Fault, HolderNotFound
from accounts.ids import parse_public_id, public_id
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.consents import scene_groups
from app.api.http import operation
from app.auth import scopes, signatures
from app.auth.principal import Principal
from app.database import driver_of
from app.problems import RequestError
from dedup.person_key import IdentifierRefused

router = APIRouter(tags=["bindings"])
_BINDING: TypeAdapter[BindingStart] = TypeAdapter(BindingStart)
_REDEMPTION: TypeAdapter[BindingRedemption] = TypeAdapter(BindingRedemption)
Platform = Annotated[Principal, Depends(caller(scopes.PLATFORM_HOLDERS_WRITE))]
BindingId = Annotated[str, Path(description="`bnd_…`", examples=["bnd_01a1fc693a86700e9ae525ac545ac6cd"])]


@router.get(
    "/v1/me/bindings",
    response_model=BindingList,
    summary="My bindings to platforms, the newest first",
    **operation(scopes.ME_READ, errors=(HolderNotFound, "request.invalid")),
)
async def my_bindings(
    principal: my.Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Those that wait to be redeemed, those that are bound, and those that ended."""
    before = my.place("bnd", cursor)
    async with services.database.reading() as session:
        rows = await bindings.page(await driver_of(session), my.own(principal), before, limit + 1)
    now = services.intake.clock()
    return my.listed(rows, limit, lambda row: _view(row, now), my.by_id("bnd"))


@router.post(
    "/v1/me/bindings",
    response_model=BindingLink,
    summary="Start a binding to a platform",
    **operation(
        scopes.ME_WRITE,
        body=BindingStart,
        examples=[{"source_id": SOURCE_ID, "consents": [{"scene_group": "trip", "text_version": "2026-11"}]}],
        errors=(SourceUnknown, TextUnknown, AccountClosed, "request.idempotency_conflict"),
    ),
)
async def start_binding(request: Request, principal: my.Writer, services: ServicesDep) -> Response:
    """The platform redeems the signed link once, while it lives. What is agreed to counts from then on."""
    raw, wanted = await my.body(request, _BINDING)
    holder, source_id = my.own(principal), my.source_id_of(wanted.source_id)
    wishes = [Wish(each.scene_group, each.text_version) for each in wanted.consents]

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await consents.check_source(driver, source_id)
        await consents.lock_active(driver, holder)
        now = services.intake.clock()
        consents.checked(services.consent_texts, scene_groups(services), wishes, now)
        lives = datetime.timedelta(seconds=services.settings.binding_link_seconds)
        binding, expires_at = await bindings.start(driver, holder, source_id, wishes, now, lives)
        name = public_id("bnd", binding)
        claims = {"jti": name, "src": public_id("org", source_id), "exp": int(expires_at.timestamp())}
        link = signatures.sign(services.tokens.keys, signatures.BINDING, claims, now)
        return {"binding_id": name, "link_token": link, "expires_at": expires_at.isoformat()}

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/v1/me/bindings/{binding_id}/end",
    response_model=BindingView,
    summary="End a binding of mine",
    **operation(scopes.ME_WRITE, errors=(BindingNotFound, AccountClosed, "request.idempotency_conflict")),
)
async def end_binding(
    binding_id: BindingId, request: Request, principal: my.Writer, services: ServicesDep
) -> Response:
    """The platform's user is nobody's any more, and the consents to the platform's reports are withdrawn."""
    holder, wanted = my.own(principal), my.id_of("bnd", binding_id, BindingNotFound)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await consents.lock_active(driver, holder)
        now = services.intake.clock()
        await bindings.end(driver, my.signer(services, now), holder, wanted, now)
        row = next(row for row in await bindings.page(driver, holder, _after(wanted), 1))
        return _view(row, now)

    return await idempotency.write(request, principal, services, b"", act)


@router.post(
    "/v1/bindings",
    response_model=RedemptionAnswer,
    summary="Redeem a resident's link for a user of mine",
    **operation(
        scopes.PLATFORM_HOLDERS_WRITE,
        body=BindingRedemption,
        examples=[{"link_token": "eyJhbGciOiJFZERTQSJ9.e30.c2ln", "user_id": "u-20931"}],
        errors=(LinkInvalid, LinkUsed, UserBound, AccountClosed, "request.idempotency_conflict"),
    ),
)
async def redeem_binding(request: Request, principal: Platform, services: ServicesDep) -> Response:
    """Once. From now on reports of this `source_user` are the resident's, whoever that is; the user's id is hashed."""
    raw, wanted = await my.body(request, _REDEMPTION)
    source = principal.organisation_id
    claims = signatures.read(
        services.tokens.keys, signatures.BINDING, wanted.link_token, services.intake.clock()
    )
    binding = None if claims is None else parse_public_id("bnd", str(claims["jti"]))
    if claims is None or binding is None or claims.get("src") != public_id("org", source):
        raise LinkInvalid
    try:
        token = DriverUUID(services.hasher.token(bindings.SCHEME, wanted.user_id, source.bytes.hex()))
    except IdentifierRefused as refused:
        raise RequestError("request.invalid", Fault("/user_id", refused.code)) from None

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        now = services.intake.clock()
        await bindings.redeem(
            driver, my.signer(services, now), services.consent_texts, (binding, source), token, now
        )
        return {"bound": True}

    return await idempotency.write(request, principal, services, raw, act)


def _after(wanted: UUID) -> UUID:
    """The next id: a page before it begins with the wanted row."""
    return UUID(int=wanted.int + 1)


def _state(row: Any, now: datetime.datetime) -> Literal["waiting", "expired", "bound", "ended"]:
    if row["ended_at"] is not None:
        return "ended"
    if row["redeemed_at"] is not None:
        return "bound"
    return "waiting" if row["expires_at"] > now else "expired"


def _view(row: Any, now: datetime.datetime) -> dict[str, Any]:
    return BindingView(
        binding_id=public_id("bnd", row["id"]),
        source_id=public_id("org", row["source_id"]),
        source_name=row["source_name"],
        state=_state(row, now),
        created_at=row["created_at"].isoformat(),
        redeemed_at=my.told(row["redeemed_at"]),
        ended_at=my.told(row["ended_at"]),
    ).model_dump()
