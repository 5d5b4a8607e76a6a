"""The doors of operators to quotas of platforms: grants beyond them, and what is used."""

import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.errors import Fault
from accounts.ids import parse_public_id, public_id, uuid7
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import (
    JSON,
    address_of,
    cursor_of,
    json_response,
    media_type,
    operation,
    parse,
    read_body,
)
from app.auth import audit, scopes
from app.auth.models import Organisation
from app.auth.principal import Principal
from app.problems import RequestError
from app.quotas import repository
from app.quotas.errors import GrantInvalid, OrganisationNotFound
from app.quotas.models import QuotaGrant, QuotaKind
from app.quotas.schemas import QuotaGrantInput, QuotaGrantList, QuotaGrantView, QuotaUse, QuotaUseList
from dedup.periods import LOCAL

router = APIRouter(prefix="/v1/operator", tags=["operator quotas"])
MAX_BYTES = 8_192
_GRANT: TypeAdapter[QuotaGrantInput] = TypeAdapter(QuotaGrantInput)
_EXAMPLE = {
    "organisation_id": "org_01a1fc693a86700e9ae525ac545ac6cd",
    "kind": "evaluations",
    "amount": 3_000_000,
    "starts_at": "2026-12-01T00:00:00+08:00",
    "ends_at": "2026-12-08T00:00:00+08:00",
    "reason": "onboarding of its residents",
}
Granter = Annotated[Principal, Depends(caller(scopes.QUOTAS_WRITE))]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.post(
    "/quota-grants",
    response_model=QuotaGrantView,
    summary="Grant a platform more than its daily quota",
    **operation(
        scopes.QUOTAS_WRITE,
        body=QuotaGrantInput,
        examples=[_EXAMPLE],
        errors=(OrganisationNotFound, GrantInvalid, "request.idempotency_conflict"),
    ),
)
async def grant_quota(request: Request, principal: Granter, services: ServicesDep) -> Response:
    """Used where the day's quota, the platform's or that of all, has not enough left. Written to the audit trail."""
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    raw = await read_body(request, MAX_BYTES)
    body = parse(_GRANT, raw)
    now = services.intake.clock()

    async def act(session: AsyncSession) -> Any:
        wanted = parse_public_id("org", body.organisation_id)
        platform = None if wanted is None else await repository.platform_in(session, wanted, principal.region)
        if platform is None:
            raise OrganisationNotFound
        if body.ends_at <= body.starts_at or body.ends_at <= now:
            raise GrantInvalid
        grant = QuotaGrant(
            id=uuid7(now),
            organisation_id=platform.id,
            kind=body.kind.value,
            amount=body.amount,
            used=0,
            starts_at=body.starts_at,
            ends_at=body.ends_at,
            region=platform.region,
            reason=body.reason,
            created_at=now,
        )
        session.add(grant)
        shown = _grant_view(grant, platform)
        await audit.append(
            session,
            principal,
            now,
            "quota.granted",
            ("quota_grant", shown["grant_id"]),
            region=platform.region,
            address=address_of(request),
            reason=body.reason,
            after=shown,
        )
        return shown

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/quota-grants",
    response_model=QuotaGrantList,
    summary="What is granted beyond quotas, the newest first",
    **operation(scopes.QUOTAS_WRITE, errors=("request.invalid",)),
)
async def list_grants(
    principal: Granter,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
) -> Response:
    """Grants to platforms of the region, with what is used of each."""
    before = cursor_of("qgr", cursor)
    async with services.database.reading() as session:
        found = await repository.page_of_grants(session, principal.region, before, limit + 1)
    items = [_grant_view(grant, platform) for grant, platform in found[:limit]]
    following = items[-1]["grant_id"] if len(found) > limit else None
    return json_response({"items": items, "next_cursor": following})


@router.get(
    "/quota-use",
    response_model=QuotaUseList,
    summary="What platforms used of their quotas on a day",
    **operation(scopes.QUOTAS_WRITE, errors=("request.invalid",)),
)
async def list_use(
    principal: Granter,
    services: ServicesDep,
    day: Annotated[
        datetime.date | None,
        Query(description="In Asia/Shanghai; today where absent", examples=["2026-12-01"]),
    ] = None,
    limit: Limit = 50,
    cursor: Annotated[
        str | None, Query(max_length=80, description="`next_cursor` of the page before")
    ] = None,
) -> Response:
    """Of platforms of the region. Kept for ever, a row for each platform, kind and day."""
    today = services.intake.clock().astimezone(LOCAL).date()
    after = None if cursor is None else _place(cursor)
    async with services.database.reading() as session:
        found = await repository.page_of_days(session, principal.region, day or today, after, limit + 1)
    items = [
        QuotaUse(
            organisation_id=public_id("org", used.organisation_id),
            organisation_name=platform.name,
            kind=used.kind,
            day=used.day.isoformat(),
            used=used.used,
            allowed=used.allowed,
        ).model_dump()
        for used, platform in found[:limit]
    ]
    following = f"{items[-1]['organisation_id']}.{items[-1]['kind']}" if len(found) > limit else None
    return json_response({"items": items, "next_cursor": following})


def _place(cursor: str) -> tuple[UUID, str]:
    organisation, _, kind = cursor.partition(".")
    found = parse_public_id("org", organisation)
    if found is None or kind not in set(QuotaKind):
        raise RequestError("request.invalid", Fault("/cursor", "not a cursor of this list"))
    return found, kind


def _grant_view(grant: QuotaGrant, platform: Organisation) -> dict[str, Any]:
    return QuotaGrantView(
        grant_id=public_id("qgr", grant.id),
        organisation_id=public_id("org", grant.organisation_id),
        organisation_name=platform.name,
        kind=grant.kind,
        amount=grant.amount,
        used=grant.used,
        starts_at=grant.starts_at.astimezone(datetime.UTC).isoformat(),
        ends_at=grant.ends_at.astimezone(datetime.UTC).isoformat(),
        reason=grant.reason,
        created_at=grant.created_at.astimezone(datetime.UTC).isoformat(),
    ).model_dump()
