"""The doors of an enterprise's owners: members, invitations, and clients of machines."""

from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.enterprises import member_repository, members
from accounts.enterprises.errors import EnterpriseNotFound, LastOwner, MemberNotFound, TooManyParts
from accounts.enterprises.member_schemas import (
    EnterpriseClientList,
    EnterpriseClientView,
    InvitationList,
    InvitationView,
    MemberInvitation,
    MemberList,
    MemberView,
    RoleInput,
)
from accounts.enterprises.repository import lock_enterprise
from accounts.ids import public_id
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.carbon import read_json_raw
from app.api.enterprise_structure import id_in_path, own_enterprise
from app.api.http import address_of, cursor_of, json_response, operation
from app.auth import audit, clients, repository, scopes
from app.auth.principal import Principal
from app.database import driver_of

if TYPE_CHECKING:
    from uuid import UUID

    from app.auth.models import Client
    from app.wiring import Services

router = APIRouter(prefix="/v1/enterprises", tags=["enterprises"])
Owner = Annotated[Principal, Depends(caller(scopes.MEMBERS_WRITE))]
MemberId = Annotated[str, Path(description="`emb_…`", examples=["emb_" + "0" * 32], max_length=40)]
InvitationId = Annotated[str, Path(description="`inv_…`", examples=["inv_" + "0" * 32], max_length=40)]
ClientId = Annotated[str, Path(description="`cli_…`", examples=["cli_" + "0" * 24], max_length=40)]
MAX_CLIENTS = 20
"""Enabled ones of one enterprise."""
MAX_CLIENTS_EVER = 200
REPEATED = ("request.idempotency_conflict",)
_ROLE: TypeAdapter[RoleInput] = TypeAdapter(RoleInput)
_INVITATION: TypeAdapter[MemberInvitation] = TypeAdapter(MemberInvitation)


def _member(row: member_repository.Row, principal: Principal) -> dict[str, Any]:
    return MemberView(
        member_id=public_id("emb", row["id"]),
        role=row["role"],
        label=row["label"],
        me=row["id"] == principal.organisation_id,
        joined_at=row["joined_at"],
    ).model_dump(mode="json")


def _invitation(row: member_repository.Row) -> dict[str, Any]:
    told = {name: value for name, value in row.items() if name not in ("holder_id", "id")}
    return InvitationView(invitation_id=public_id("inv", row["id"]), **told).model_dump(mode="json")


def _client(client: "Client") -> dict[str, Any]:
    return EnterpriseClientView(
        client_id=client.id,
        role=client.role,
        scopes=sorted(clients.scopes_of(client)),
        created_at=client.created_at,
        disabled_at=client.disabled_at,
    ).model_dump(mode="json")


def _with_secret(answer: Response, name: str, secret: list[str]) -> Response:
    """What is shown once is not kept: an answer that is repeated has none."""
    if not secret:
        return answer
    content = orjson.loads(answer.body) | {name: secret[0]}
    return json_response(content, headers={"Cache-Control": "no-store"})


async def _write_down(
    session: AsyncSession,
    request: Request,
    principal: Principal,
    services: "Services",
    action: str,
    target: tuple[str, str],
    after: dict[str, Any],
) -> None:
    """Into the audit trail, without what a member is called."""
    told = {name: value for name, value in after.items() if name not in ("label", "me")}
    await audit.append(
        session,
        principal,
        services.intake.clock(),
        "enterprise." + action,
        target,
        region=principal.region,
        address=address_of(request),
        after=told,
    )


@router.get(
    "/members",
    response_model=MemberList,
    summary="Members of my enterprise, the first first",
    **operation(scopes.MEMBERS_WRITE),
)
async def list_members(principal: Owner, services: ServicesDep) -> Response:
    """By their role and what they are called here."""
    async with services.database.snapshot() as driver:
        rows = await member_repository.members(driver, own_enterprise(principal))
    return json_response({"items": [_member(row, principal) for row in rows], "next_cursor": None})


@router.post(
    "/members/{member_id}/role",
    response_model=MemberView,
    summary="Give a member another role",
    **operation(
        scopes.MEMBERS_WRITE,
        body=RoleInput,
        examples=[{"role": "viewer"}],
        errors=(EnterpriseNotFound, MemberNotFound, LastOwner, *REPEATED),
    ),
)
async def change_role(
    member_id: MemberId, request: Request, principal: Owner, services: ServicesDep
) -> Response:
    """By another membership, whose id it answers: tokens of the former one do not count any more."""
    raw, body = await read_json_raw(request, _ROLE)
    holder_id, wanted = own_enterprise(principal), id_in_path("emb", member_id, MemberNotFound)
    ended: list[UUID] = []

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        now = services.intake.clock()
        made = await members.change_role(driver, holder_id, wanted, body.role, now)
        ended.append(wanted)
        rows = await member_repository.members(driver, holder_id)
        shown = _member(next(row for row in rows if row["id"] == made), principal)
        after = shown | {"before": member_id}
        target = ("enterprise_member", shown["member_id"])
        await _write_down(session, request, principal, services, "member_changed", target, after)
        return shown

    answer = await idempotency.write(request, principal, services, raw, act)
    services.tokens.keys.forget_members(ended)
    return answer


@router.post(
    "/members/{member_id}/removal",
    response_model=MemberList,
    summary="Remove a member",
    **operation(scopes.MEMBERS_WRITE, errors=(EnterpriseNotFound, MemberNotFound, LastOwner, *REPEATED)),
)
async def remove_member(
    member_id: MemberId, request: Request, principal: Owner, services: ServicesDep
) -> Response:
    """Their tokens do not count any more. Answers the members that are left."""
    holder_id, wanted = own_enterprise(principal), id_in_path("emb", member_id, MemberNotFound)
    ended: list[UUID] = []

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await members.remove(driver, holder_id, wanted, services.intake.clock())
        ended.append(wanted)
        target = ("enterprise_member", member_id)
        await _write_down(session, request, principal, services, "member_removed", target, {})
        rows = await member_repository.members(driver, holder_id)
        return {"items": [_member(row, principal) for row in rows], "next_cursor": None}

    answer = await idempotency.write(request, principal, services, b"", act)
    services.tokens.keys.forget_members(ended)
    return answer


@router.post(
    "/invitations",
    response_model=InvitationView,
    summary="Invite somebody; the code is shown this once",
    **operation(
        scopes.MEMBERS_WRITE,
        body=MemberInvitation,
        examples=[{"role": "energy_manager", "label": "王工"}],
        errors=(EnterpriseNotFound, TooManyParts, *REPEATED),
    ),
)
async def invite(request: Request, principal: Owner, services: ServicesDep) -> Response:
    """Whoever uses the code within seven days becomes a member, once: nobody is made one without knowing."""
    raw, body = await read_json_raw(request, _INVITATION)
    holder_id, now = own_enterprise(principal), services.intake.clock()
    code: list[str] = []

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        made, shown_once = await members.invite(driver, holder_id, body.role, body.label, now)
        code.append(shown_once)
        row = await member_repository.find_invitation(driver, holder_id, made)
        assert row is not None  # noqa: S101 - it was made in this transaction
        shown = _invitation(row)
        target = ("enterprise_invitation", shown["invitation_id"])
        await _write_down(session, request, principal, services, "member_invited", target, shown)
        return shown

    return _with_secret(await idempotency.write(request, principal, services, raw, act), "code", code)


@router.get(
    "/invitations",
    response_model=InvitationList,
    summary="Invitations, the first first",
    **operation(scopes.MEMBERS_WRITE, errors=("request.invalid",)),
)
async def list_invitations(
    principal: Owner,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
) -> Response:
    """Without their codes; used, withdrawn and lapsed ones too."""
    after = cursor_of("inv", cursor)
    async with services.database.snapshot() as driver:
        rows = await member_repository.page_of_invitations(
            driver, own_enterprise(principal), after, limit + 1
        )
    items = [_invitation(row) for row in rows[:limit]]
    following = items[-1]["invitation_id"] if len(rows) > limit else None
    return json_response({"items": items, "next_cursor": following})


@router.post(
    "/invitations/{invitation_id}/withdrawal",
    response_model=InvitationView,
    summary="Withdraw an invitation",
    **operation(scopes.MEMBERS_WRITE, errors=(EnterpriseNotFound, MemberNotFound, *REPEATED)),
)
async def withdraw_invitation(
    invitation_id: InvitationId, request: Request, principal: Owner, services: ServicesDep
) -> Response:
    """One that was not used yet; its code leads nowhere from then on."""
    holder_id, wanted = own_enterprise(principal), id_in_path("inv", invitation_id, MemberNotFound)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await members.withdraw(driver, holder_id, wanted, services.intake.clock())
        row = await member_repository.find_invitation(driver, holder_id, wanted)
        assert row is not None  # noqa: S101 - it was there in this transaction
        shown = _invitation(row)
        target = ("enterprise_invitation", invitation_id)
        await _write_down(session, request, principal, services, "invitation_withdrawn", target, shown)
        return shown

    return await idempotency.write(request, principal, services, b"", act)


@router.post(
    "/clients",
    response_model=EnterpriseClientView,
    summary="Register a client for a machine; its secret is shown this once",
    **operation(
        scopes.MEMBERS_WRITE,
        body=RoleInput,
        examples=[{"role": "energy_manager"}],
        errors=(EnterpriseNotFound, TooManyParts, *REPEATED),
    ),
)
async def make_client(request: Request, principal: Owner, services: ServicesDep) -> Response:
    """For `POST /oauth/token`. It may what its role may, also what the role may later."""
    raw, body = await read_json_raw(request, _ROLE)
    holder_id = own_enterprise(principal)
    secret: list[str] = []

    async def act(session: AsyncSession) -> Any:
        # Under the enterprise's lock, so that two at once make no more than there may be.
        await lock_enterprise(await driver_of(session), holder_id)
        organisation = await repository.organisation_of(session, holder_id)
        if organisation is None:
            raise EnterpriseNotFound
        there = await repository.clients_of(session, organisation.id, MAX_CLIENTS_EVER)
        enabled = [client for client in there if client.disabled_at is None]
        if len(enabled) >= MAX_CLIENTS or len(there) >= MAX_CLIENTS_EVER:
            raise TooManyParts
        now = services.intake.clock()
        made = await clients.create_for_enterprise(session, organisation, body.role, now)
        secret.append(made.secret)
        found = await repository.find_client(session, made.client_id)
        assert found is not None  # noqa: S101 - it was made in this transaction
        shown = _client(found[0])
        await _write_down(
            session, request, principal, services, "client_created", ("client", made.client_id), shown
        )
        return shown

    answer = await idempotency.write(request, principal, services, raw, act)
    return _with_secret(answer, "secret", secret)


@router.get(
    "/clients",
    response_model=EnterpriseClientList,
    summary="Clients of my enterprise, the first first",
    **operation(scopes.MEMBERS_WRITE, errors=(EnterpriseNotFound,)),
)
async def list_clients(principal: Owner, services: ServicesDep) -> Response:
    """Without their secrets; disabled ones too."""
    async with services.database.reading() as session:
        organisation = await repository.organisation_of(session, own_enterprise(principal))
        if organisation is None:
            raise EnterpriseNotFound
        found = await repository.clients_of(session, organisation.id, MAX_CLIENTS_EVER)
    return json_response({"items": [_client(client) for client in found], "next_cursor": None})


@router.post(
    "/clients/{client_id}/end",
    response_model=EnterpriseClientView,
    summary="Disable a client",
    **operation(scopes.MEMBERS_WRITE, errors=(EnterpriseNotFound, MemberNotFound, *REPEATED)),
)
async def end_client(
    client_id: ClientId, request: Request, principal: Owner, services: ServicesDep
) -> Response:
    """For good; its tokens do not count any more."""
    holder_id = own_enterprise(principal)

    async def act(session: AsyncSession) -> Any:
        found = await repository.find_client(session, client_id) if client_id.isprintable() else None
        if found is None or found[1].holder_id != holder_id:
            raise MemberNotFound
        client, _ = found
        client.disabled_at = services.intake.clock()
        session.add(client)
        await session.flush()
        shown = _client(client)
        await _write_down(
            session, request, principal, services, "client_disabled", ("client", client_id), shown
        )
        return shown

    answer = await idempotency.write(request, principal, services, b"", act)
    services.tokens.keys.disabled_clients |= {client_id}
    return answer
