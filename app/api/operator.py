"""The doors of operators: holders with identities and consents, and tokens for residents."""

import asyncio
import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field, TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import next_keys, onboarding, queries, repository
from accounts.errors import Fault, HolderNotFound
from accounts.ids import parse_public_id, public_id
from accounts.onboarding import ConsentGrant, Newcomer
from accounts.schemas import (
    AccountView,
    HolderBatch,
    HolderBatchAnswer,
    HolderInput,
    WithdrawalAnswer,
    WithdrawalInput,
)
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.account import account_view
from app.api.http import JSON, address_of, json_response, media_type, operation, parse, read_body
from app.auth import audit, resident_repository, scopes
from app.auth import repository as auth
from app.auth.principal import Principal, covers
from app.crediting.prepare import CLOCK_TOLERANCE, SOURCE_SCOPED
from app.crediting.schemas import EARLIEST
from app.database import driver_of
from app.my_data import access
from app.problems import RequestError
from app.wiring import Services

if TYPE_CHECKING:
    import asyncpg

    from app.neighbours.federation import Found

router = APIRouter(prefix="/v1/operator/holders", tags=["operator"])

ONBOARDERS = (scopes.HOLDERS_WRITE, scopes.PLATFORM_HOLDERS_WRITE)
HolderId = Annotated[str, Path(description="`hld_…`", examples=["hld_01a1fc693a86700e9ae525ac545ac6cd"])]
_BATCH: TypeAdapter[HolderBatch] = TypeAdapter(HolderBatch)
_WITHDRAWAL: TypeAdapter[WithdrawalInput] = TypeAdapter(WithdrawalInput)
_EXAMPLE = {
    "holders": [
        {
            "kind": "person",
            "region": "440300",
            "identities": [{"scheme": "phone", "value": "13900000001"}],
            "consents": [],
        }
    ]
}


class ResidentToken(BaseModel):
    """A read-only token of one holder."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="Seconds")
    scope: str


@router.post(
    "/batch",
    response_model=HolderBatchAnswer,
    summary="Onboard up to 5,000 holders with identities and consents",
    **operation(*ONBOARDERS, body=HolderBatch, examples=[_EXAMPLE], errors=("request.idempotency_conflict",)),
)
async def onboard_holders(
    request: Request, principal: Annotated[Principal, Depends(caller(*ONBOARDERS))], services: ServicesDep
) -> Response:
    """Set-based and idempotent. Identifiers are hashed and dropped. A platform records consents for itself only."""
    raw = await _read(request, services)
    batch = parse(_BATCH, raw)
    now = services.intake.clock()
    newcomers = [_newcomer(holder, principal, now) for holder in batch.holders]
    onboarding.hash_identities(newcomers, services.hasher)
    found = await federation_keys(services, newcomers)

    async def act(session: AsyncSession) -> Any:
        await _check_sources(session, newcomers)
        await take_in(
            await driver_of(session), services, newcomers, found, lambda r: _may_write(principal, r), now
        )
        if newcomers and not _is_platform(principal):
            # A platform's consents carry its own receipts; an operator records them for others.
            taken = [n for n in newcomers if n.error is None]
            await audit.append(
                session,
                principal,
                now,
                "holders.onboarded",
                ("holders", "batch"),
                region=principal.region,
                address=address_of(request),
                after={
                    "holders": len(newcomers),
                    "created": sum(1 for n in taken if n.created),
                    "refused": len(newcomers) - len(taken),
                    "consents": sum(len(n.consents) for n in taken),
                },
            )
        return {"items": [_answer(newcomer, principal) for newcomer in newcomers]}

    return await idempotency.write(request, principal, services, raw, act)


async def federation_keys(services: Services, newcomers: list[Newcomer]) -> "Found":
    """Person keys in the federation; before the transaction, since another deployment may have to be asked."""
    federation = services.neighbours.federation
    return {} if federation is None else await federation.find(onboarding.by_identifier(newcomers))


async def take_in(
    driver: "asyncpg.Connection",
    services: Services,
    newcomers: list[Newcomer],
    found: "Found",
    may_see: Callable[[str], bool],
    now: datetime.datetime,
) -> None:
    """Give newcomers, whose identities are hashed, their holders; what was refused stands with each."""
    known = await onboarding.known_tokens(driver, newcomers)
    strangers = [n for n in newcomers if n.error is None and not any(token in known for token, _ in n.tokens)]
    await asyncio.to_thread(onboarding.compute_person_keys, strangers, services.person_keys)
    onboarding.compute_person_keys(await onboarding.forgotten(driver, newcomers), services.person_keys)
    await onboarding.onboard(driver, newcomers, may_see, now)
    people = onboarding.identified(newcomers)
    await next_keys.keep_next_keys(
        driver, await asyncio.to_thread(next_keys.next_keys, people, services.person_keys)
    )
    if services.neighbours.federation is not None:
        await services.neighbours.federation.keep(driver, people, found)


@router.get(
    "/{holder_id}",
    response_model=AccountView,
    summary="A holder's account",
    **operation(scopes.HOLDERS_READ, errors=(HolderNotFound,)),
)
async def read_holder(
    holder_id: HolderId,
    principal: Annotated[Principal, Depends(caller(scopes.HOLDERS_READ))],
    services: ServicesDep,
) -> Response:
    """Balances of a holder of the operator's region. The holder's access log tells of it."""
    async with services.database.transaction() as session:
        holder = await _holder(session, principal, holder_id)
        await access.record(session, principal, "account", [(holder, holder_id)], services.intake.clock())
        return json_response((await account_view(session, holder)).model_dump())


@router.post(
    "/{holder_id}/token",
    response_model=ResidentToken,
    summary="Issue a read-only token for a holder",
    **operation(scopes.TOKENS_WRITE, errors=(HolderNotFound,)),
)
async def issue_resident_token(
    request: Request,
    holder_id: HolderId,
    principal: Annotated[Principal, Depends(caller(scopes.TOKENS_WRITE))],
    services: ServicesDep,
) -> Response:
    """Lets an app show the holder's own account. Each token is written to the audit trail."""
    now = services.intake.clock()
    lifetime = services.settings.access_token_seconds
    async with services.database.transaction() as session:
        holder, region = await holder_and_region(session, principal, holder_id)
        epoch = await resident_repository.epoch_of(session, holder)
        await audit.append(
            session,
            principal,
            now,
            "holder.token_issued",
            ("holder", public_id("hld", holder)),
            region=region,
            address=address_of(request),
        )
        await access.record(session, principal, "token", [(holder, holder_id)], now)
    resident = Principal(
        client_id=principal.client_id,
        organisation_id=principal.organisation_id,
        name=principal.name,
        region=principal.region,
        scopes=frozenset({scopes.ME_READ}),
        expires_at=int(now.timestamp()) + lifetime,
        holder_id=holder,
        epoch=epoch,
    )
    answer = ResidentToken(
        access_token=services.tokens.issue(resident, now), expires_in=lifetime, scope=scopes.ME_READ
    )
    return json_response(answer.model_dump(), headers={"Cache-Control": "no-store"})


@router.post(
    "/{holder_id}/consents/withdrawal",
    response_model=WithdrawalAnswer,
    summary="Withdraw consents of a holder",
    **operation(
        scopes.HOLDERS_WRITE,
        body=WithdrawalInput,
        examples=[{"scene_group": "trip"}],
        errors=(HolderNotFound, "request.idempotency_conflict"),
    ),
)
async def withdraw_consents(
    holder_id: HolderId,
    request: Request,
    principal: Annotated[Principal, Depends(caller(scopes.HOLDERS_WRITE))],
    services: ServicesDep,
) -> Response:
    """Credit stops at once: the withdrawal takes the same lock as a credit."""
    raw = await _read(request, services)
    body = parse(_WITHDRAWAL, raw)
    source = None if body.source_id is None else parse_public_id("org", body.source_id)
    if body.source_id is not None and source is None:
        raise RequestError("request.invalid", Fault("/source_id", "not an organisation's id"))

    async def act(session: AsyncSession) -> Any:
        holder, region = await holder_and_region(session, principal, holder_id)
        driver = await driver_of(session)
        await repository.lock_holders(driver, [holder])
        now = services.intake.clock()
        withdrawn = await repository.withdraw_consents(driver, holder, source, body.scene_group, now)
        if withdrawn:
            await audit.append(
                session,
                principal,
                now,
                "holder.consents_withdrawn",
                ("holder", public_id("hld", holder)),
                region=region,
                address=address_of(request),
                after={
                    "source_id": body.source_id,
                    "scene_group": body.scene_group,
                    "withdrawn": withdrawn,
                },
            )
        return {"withdrawn": withdrawn}

    return await idempotency.write(request, principal, services, raw, act)


async def _read(request: Request, services: Services) -> bytes:
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    return await read_body(request, services.settings.max_body_bytes)


async def _holder(session: AsyncSession, principal: Principal, text: str) -> UUID:
    return (await holder_and_region(session, principal, text))[0]


async def holder_and_region(session: AsyncSession, principal: Principal, text: str) -> tuple[UUID, str]:
    """A holder of the operator's region, and where exactly; `HolderNotFound` otherwise."""
    holder_id = parse_public_id("hld", text)
    found = None if holder_id is None else await queries.find_holder(session, holder_id)
    if holder_id is None or found is None or not principal.may_see_region(found[0].region):
        raise HolderNotFound
    return holder_id, found[0].region


def _is_platform(principal: Principal) -> bool:
    return scopes.HOLDERS_WRITE not in principal.scopes


def _may_write(principal: Principal, region: str) -> bool:
    return _is_platform(principal) or covers(principal.region, region)


def _newcomer(holder: HolderInput, principal: Principal, now: datetime.datetime) -> Newcomer:
    own = principal.organisation_id if _is_platform(principal) else None
    error = None if _may_write(principal, holder.region) else "out_of_region"
    identities = []
    for identity in holder.identities:
        scope = ""
        if identity.scheme == SOURCE_SCOPED:
            source = own if identity.source_id is None else parse_public_id("org", identity.source_id)
            if source is None or (own is not None and source != own):
                error = error or "source_invalid"
            else:
                scope = source.bytes.hex()
        elif identity.source_id is not None:
            error = error or "source_unexpected"
        identities.append((identity.scheme, identity.value, scope))
    consents: list[ConsentGrant] = []
    for consent in holder.consents:
        source = own if consent.source_id is None else parse_public_id("org", consent.source_id)
        if source is None or (own is not None and source != own):
            error = error or "source_invalid"
            continue
        if consent.granted_at > now + CLOCK_TOLERANCE:
            error = error or "granted_in_future"
        elif consent.granted_at < EARLIEST:
            error = error or "granted_too_early"
        consents.extend(
            ConsentGrant(source, group, consent.granted_at, consent.text_version, consent.receipt_id)
            for group in consent.scene_groups
        )
    return Newcomer(holder.kind, holder.region, identities, consents, error)


def _answer(newcomer: Newcomer, principal: Principal) -> dict[str, Any]:
    # A platform learns neither who takes part already nor an id that it could compare with another platform; nor,
    # by way of a conflict, whether another person's identifier is known.
    platform = _is_platform(principal)
    told = newcomer.holder_id is not None and not platform
    return {
        "holder_id": public_id("hld", newcomer.holder_id) if told and newcomer.holder_id else None,
        "created": newcomer.created if told else None,
        "error": None if platform and newcomer.error == "identity_conflict" else newcomer.error,
    }


async def _check_sources(session: AsyncSession, newcomers: list[Newcomer]) -> None:
    named = {consent.source_id for n in newcomers for consent in n.consents}
    known = await auth.existing_platforms(session, named) if named else set()
    for newcomer in newcomers:
        if newcomer.error is None and any(consent.source_id not in known for consent in newcomer.consents):
            newcomer.error = "source_invalid"
