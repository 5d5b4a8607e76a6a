"""The doors of operators to enterprises: a credit code becomes a holder that keeps an energy account."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import onboarding, queries
from accounts.enterprises import member_repository, members, repository
from accounts.enterprises.errors import (
    AlreadyEnterpriseMember,
    EnterpriseEditedMeanwhile,
    EnterpriseExists,
    EnterpriseIfMatchMissing,
    EnterpriseNotFound,
    EnterpriseNotOrganisation,
    EnterpriseOutOfRegion,
    TooManyParts,
)
from accounts.enterprises.member_schemas import OwnerAppointment
from accounts.enterprises.schemas import (
    EnterpriseInput,
    EnterpriseList,
    EnterpriseOnboarding,
    EnterpriseView,
)
from accounts.errors import Fault, HolderNotFound
from accounts.ids import parse_public_id, public_id, uuid7
from accounts.models import HolderKind, HolderStatus
from accounts.onboarding import Newcomer
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.carbon import read_json_raw
from app.api.http import address_of, cursor_of, json_response, operation, stated_version
from app.api.operator import federation_keys, holder_and_region, take_in
from app.auth import audit, scopes
from app.auth import repository as auth
from app.auth.models import Organisation, OrganisationKind
from app.auth.principal import Principal, prefix
from app.database import driver_of
from app.problems import RequestError

router = APIRouter(prefix="/v1/operator/enterprises", tags=["operator enterprises"])
Reader = Annotated[Principal, Depends(caller(scopes.ENTERPRISES_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.ENTERPRISES_WRITE))]
EnterpriseId = Annotated[str, Path(description="`hld_…`", examples=["hld_" + "0" * 32], max_length=40)]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="`version` that the write was made from")
]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
_ONBOARDING: TypeAdapter[EnterpriseOnboarding] = TypeAdapter(EnterpriseOnboarding)
_APPOINTMENT: TypeAdapter[OwnerAppointment] = TypeAdapter(OwnerAppointment)
_INPUT: TypeAdapter[EnterpriseInput] = TypeAdapter(EnterpriseInput)
_ENTERPRISE = {
    "name": "衢江特钢有限公司",
    "domain": "industry",
    "industry_code": "C3130",
}


def enterprise_view(row: repository.Row) -> dict[str, Any]:
    """An enterprise as it is shown."""
    shown = EnterpriseView(enterprise_id=public_id("hld", row["holder_id"]), **dict(row))
    return shown.model_dump(mode="json")


@router.post(
    "",
    response_model=EnterpriseView,
    summary="Onboard an enterprise",
    **operation(
        scopes.ENTERPRISES_WRITE,
        body=EnterpriseOnboarding,
        examples=[_ENTERPRISE | {"region": "330800", "uscc": "91330800MA0000001K"}],
        errors=(
            EnterpriseExists,
            EnterpriseNotOrganisation,
            EnterpriseOutOfRegion,
            HolderNotFound,
            "request.idempotency_conflict",
        ),
    ),
)
async def onboard_enterprise(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Its credit code is hashed and dropped; the holder that has it already is used. Written to the audit trail."""
    raw, body = await read_json_raw(request, _ONBOARDING)
    if not principal.may_see_region(body.region):
        raise EnterpriseOutOfRegion
    now = services.intake.clock()
    newcomer = Newcomer(HolderKind.ORGANISATION.value, body.region, [("uscc", body.uscc, "")], [])
    onboarding.hash_identities([newcomer], services.hasher)
    if newcomer.error is not None:
        raise RequestError("request.invalid", Fault("/uscc", newcomer.error))
    found = await federation_keys(services, [newcomer])

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await take_in(driver, services, [newcomer], found, principal.may_see_region, now)
        if newcomer.holder_id is None:
            raise EnterpriseOutOfRegion
        holder_id = UUID(bytes=newcomer.holder_id.bytes)
        holder = await queries.find_holder(session, holder_id)
        if (
            holder is None
            or holder[0].kind != HolderKind.ORGANISATION
            or holder[1].status != HolderStatus.ACTIVE
        ):
            raise EnterpriseNotOrganisation
        row = (holder_id, body.name, body.domain.value, body.industry_code, body.region, now)
        if not await repository.add_enterprise(driver, row):
            raise EnterpriseExists
        session.add(
            Organisation(
                id=uuid7(now),
                kind=OrganisationKind.ENTERPRISE.value,
                name=body.name,
                region=body.region,
                created_at=now,
                holder_id=holder_id,
            )
        )
        await session.flush()
        if body.owner_id is not None:
            owner, _ = await holder_and_region(session, principal, body.owner_id)
            await members.appoint(driver, holder_id, owner, "", now)
        shown = enterprise_view(await _find(driver, principal, holder_id))
        await audit.append(
            session,
            principal,
            now,
            "enterprise.onboarded",
            ("enterprise", shown["enterprise_id"]),
            region=body.region,
            address=address_of(request),
            after=shown | {"owner_id": body.owner_id},
        )
        return shown

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "",
    response_model=EnterpriseList,
    summary="Enterprises of the region, the first onboarded first",
    **operation(scopes.ENTERPRISES_READ, errors=("request.invalid",)),
)
async def list_enterprises(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What they are, without their sites."""
    after = cursor_of("hld", cursor)
    async with services.database.snapshot() as driver:
        rows = await repository.page_of_enterprises(driver, prefix(principal.region), after, limit + 1)
    items = [enterprise_view(row) for row in rows[:limit]]
    following = items[-1]["enterprise_id"] if len(rows) > limit else None
    return json_response({"items": items, "next_cursor": following})


@router.get(
    "/{enterprise_id}",
    response_model=EnterpriseView,
    summary="An enterprise of the region",
    **operation(scopes.ENTERPRISES_READ, errors=(EnterpriseNotFound,)),
)
async def read_enterprise(enterprise_id: EnterpriseId, principal: Reader, services: ServicesDep) -> Response:
    """What it is."""
    async with services.database.snapshot() as driver:
        return json_response(enterprise_view(await _find(driver, principal, _id(enterprise_id))))


@router.put(
    "/{enterprise_id}",
    response_model=EnterpriseView,
    summary="Edit what an enterprise is",
    **operation(
        scopes.ENTERPRISES_WRITE,
        body=EnterpriseInput,
        examples=[_ENTERPRISE],
        errors=(
            EnterpriseNotFound,
            EnterpriseIfMatchMissing,
            EnterpriseEditedMeanwhile,
            "request.idempotency_conflict",
        ),
    ),
)
async def edit_enterprise(
    enterprise_id: EnterpriseId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """Its name, domain and industry; what was counted before stays. Written to the audit trail."""
    raw, body = await read_json_raw(request, _INPUT)
    version = stated_version(if_match, EnterpriseIfMatchMissing)
    wanted = _id(enterprise_id)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        before = await repository.lock_enterprise(driver, wanted)
        if before is None or not principal.may_see_region(before["region"]):
            raise EnterpriseNotFound
        if before["version"] != version:
            raise EnterpriseEditedMeanwhile
        await repository.change_enterprise(driver, wanted, (body.name, body.domain.value, body.industry_code))
        organisation = await auth.organisation_of(session, wanted)
        if organisation is not None:
            organisation.name = body.name
            session.add(organisation)
            await session.flush()
        after = enterprise_view(await _find(driver, principal, wanted))
        await audit.append(
            session,
            principal,
            services.intake.clock(),
            "enterprise.changed",
            ("enterprise", enterprise_id),
            region=before["region"],
            address=address_of(request),
            before=enterprise_view(before),
            after=after,
        )
        return after

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/{enterprise_id}/owners",
    response_model=EnterpriseView,
    summary="Appoint an owner",
    **operation(
        scopes.ENTERPRISES_WRITE,
        body=OwnerAppointment,
        examples=[{"owner_id": "hld_" + "0" * 32, "reason": "legal representative"}],
        errors=(
            EnterpriseNotFound,
            HolderNotFound,
            AlreadyEnterpriseMember,
            TooManyParts,
            "request.idempotency_conflict",
        ),
    ),
)
async def appoint_owner(
    enterprise_id: EnterpriseId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """A resident of the region who has shown that they act for the enterprise. Written to the audit trail."""
    raw, body = await read_json_raw(request, _APPOINTMENT)
    wanted, now = _id(enterprise_id), services.intake.clock()
    former: list[UUID] = []

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        found = await _find(driver, principal, wanted)
        owner, _ = await holder_and_region(session, principal, body.owner_id)
        former.extend(
            row["id"] for row in await member_repository.members(driver, wanted) if row["member_id"] == owner
        )
        made = await members.appoint(driver, wanted, owner, "", now)
        await audit.append(
            session,
            principal,
            now,
            "enterprise.owner_appointed",
            ("enterprise", enterprise_id),
            region=found["region"],
            address=address_of(request),
            reason=body.reason,
            after={"member_id": public_id("emb", made)},
        )
        return enterprise_view(found)

    answer = await idempotency.write(request, principal, services, raw, act)
    services.tokens.keys.forget_members(former)
    return answer


def _id(text: str) -> UUID:
    found = parse_public_id("hld", text)
    if found is None:
        raise EnterpriseNotFound
    return found


async def _find(driver: Any, principal: Principal, holder_id: UUID) -> repository.Row:
    row = await repository.find_enterprise(driver, holder_id)
    if row is None or not principal.may_see_region(row["region"]):
        raise EnterpriseNotFound
    return row
