"""A resident's doors to enterprises: to join one, to speak for it, to leave it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.enterprises import member_repository, members
from accounts.enterprises.errors import (
    AlreadyEnterpriseMember,
    EnterpriseNotFound,
    InvitationInvalid,
    LastOwner,
    TooManyParts,
)
from accounts.enterprises.member_schemas import (
    EnterpriseToken,
    InvitationUse,
    MembershipList,
    MembershipView,
)
from accounts.enterprises.roles import Role
from accounts.errors import HolderNotFound
from accounts.ids import public_id
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.carbon import own, read_json_raw
from app.api.enterprise_structure import id_in_path
from app.api.http import address_of, json_response, operation
from app.auth import audit, resident_repository, scopes
from app.auth.errors import OfMinor, SessionNotFound
from app.auth.principal import Principal
from app.auth.residents import session_of
from app.database import driver_of

router = APIRouter(prefix="/v1/me/enterprises", tags=["me"])
Reading = Annotated[Principal, Depends(caller(scopes.ME_READ))]
Writing = Annotated[Principal, Depends(caller(scopes.ME_WRITE))]
EnterpriseId = Annotated[str, Path(description="`hld_…`", examples=["hld_" + "0" * 32], max_length=40)]
REPEATED = ("request.idempotency_conflict",)
_USE: TypeAdapter[InvitationUse] = TypeAdapter(InvitationUse)


def _view(row: member_repository.Row) -> dict[str, Any]:
    return MembershipView(
        enterprise_id=public_id("hld", row["holder_id"]),
        name=row["name"],
        member_id=public_id("emb", row["id"]),
        role=row["role"],
        joined_at=row["joined_at"],
    ).model_dump(mode="json")


async def _mine(driver: Any, member_id: UUID) -> dict[str, Any]:
    rows = await member_repository.memberships(driver, member_id)
    return {"items": [_view(row) for row in rows], "next_cursor": None}


@router.get(
    "",
    response_model=MembershipList,
    summary="Enterprises that I belong to, the first first",
    **operation(scopes.ME_READ),
)
async def my_enterprises(principal: Reading, services: ServicesDep) -> Response:
    """With my role in each."""
    async with services.database.snapshot() as driver:
        return json_response(await _mine(driver, own(principal)))


@router.post(
    "/join",
    response_model=MembershipView,
    summary="Join an enterprise by an invitation",
    **operation(
        scopes.ME_WRITE,
        body=InvitationUse,
        examples=[{"code": "7K3M9PQ2TX7K3M9PQ2TX"}],
        errors=(
            InvitationInvalid,
            AlreadyEnterpriseMember,
            TooManyParts,
            OfMinor,
            HolderNotFound,
            EnterpriseNotFound,
            "auth.unavailable",
            *REPEATED,
        ),
    ),
)
async def join_enterprise(request: Request, principal: Writing, services: ServicesDep) -> Response:
    """Codes cannot be tried out: attempts are limited, and refused where they cannot be counted."""
    member_id = own(principal)
    raw, body = await read_json_raw(request, _USE)
    await services.limiter.check_secret(f"enterprise:{member_id.hex}")
    now = services.intake.clock()

    async def act(session: AsyncSession) -> Any:
        if await resident_repository.find_minor(session, member_id) is not None:
            raise OfMinor
        driver = await driver_of(session)
        holder_id = await members.join(driver, member_id, body.code, now)
        row = await members.membership(driver, holder_id, member_id)
        shown = _view(row)
        await audit.append(
            session,
            principal,
            now,
            "enterprise.member_joined",
            ("enterprise_member", shown["member_id"]),
            region=row["region"],
            address=address_of(request),
            after={"enterprise_id": shown["enterprise_id"], "role": shown["role"]},
        )
        return shown

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/{enterprise_id}/token",
    response_model=EnterpriseToken,
    summary="Speak for an enterprise",
    **operation(scopes.ME_WRITE, errors=(EnterpriseNotFound, SessionNotFound)),
)
async def speak_for(enterprise_id: EnterpriseId, principal: Writing, services: ServicesDep) -> Response:
    """An access token with what my role may; it ends with my session, and with the membership."""
    wanted = id_in_path("hld", enterprise_id, EnterpriseNotFound)
    if session_of(principal) is None:
        raise SessionNotFound
    now, lifetime = services.intake.clock(), services.settings.access_token_seconds
    async with services.database.reading() as session:
        row = await members.membership(await driver_of(session), wanted, own(principal))
        epoch = await resident_repository.epoch_of(session, wanted)
    speaker = Principal(
        client_id=principal.client_id,
        organisation_id=UUID(bytes=row["id"].bytes),
        name=public_id("emb", row["id"]),
        region=row["region"],
        scopes=scopes.ROLES[Role(row["role"])],
        expires_at=int(now.timestamp()) + lifetime,
        holder_id=wanted,
        epoch=epoch,
    )
    answer = EnterpriseToken(
        access_token=services.tokens.issue(speaker, now),
        expires_in=lifetime,
        scope=" ".join(sorted(speaker.scopes)),
    )
    return json_response(answer.model_dump(), headers={"Cache-Control": "no-store"})


@router.post(
    "/{enterprise_id}/leave",
    response_model=MembershipList,
    summary="Leave an enterprise",
    **operation(scopes.ME_WRITE, errors=(EnterpriseNotFound, LastOwner, *REPEATED)),
)
async def leave_enterprise(
    enterprise_id: EnterpriseId, request: Request, principal: Writing, services: ServicesDep
) -> Response:
    """The last owner stays until there is another one. Answers the enterprises that are left."""
    member_id, wanted = own(principal), id_in_path("hld", enterprise_id, EnterpriseNotFound)
    now = services.intake.clock()
    ended: list[UUID] = []

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        row = await members.membership(driver, wanted, member_id)
        ended.append(await members.leave(driver, wanted, member_id, now))
        await audit.append(
            session,
            principal,
            now,
            "enterprise.member_left",
            ("enterprise_member", public_id("emb", row["id"])),
            region=row["region"],
            address=address_of(request),
            after={"enterprise_id": enterprise_id},
        )
        return await _mine(driver, member_id)

    answer = await idempotency.write(request, principal, services, b"", act)
    services.tokens.keys.forget_members(ended)
    return answer
