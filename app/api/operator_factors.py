"""The doors of operators to emission factors: what ships is corrected by factors that two operators put in force."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter

from accounts.emissions import correcting, telling
from accounts.emissions.errors import (
    EmissionFactorNotFound,
    FactorApproveOwn,
    FactorDecided,
    FactorOutOfRegion,
    FactorUnfit,
)
from accounts.emissions.repository import factor_of
from accounts.emissions.schemas import FactorApproval, FactorInput, FactorProposal, FactorProposalList
from accounts.ids import public_id
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.carbon import read_json_raw
from app.api.enterprise_structure import id_in_path
from app.api.http import address_of, cursor_of, json_response, operation
from app.auth import audit, scopes
from app.auth.principal import Principal, prefix
from app.database import driver_of

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession


router = APIRouter(prefix="/v1/operator/emission-factors", tags=["operator enterprises"])
Reader = Annotated[Principal, Depends(caller(scopes.FACTORS_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.FACTORS_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.FACTORS_APPROVE))]
FactorId = Annotated[str, Path(description="`efa_…`", examples=["efa_" + "0" * 32], max_length=40)]
_FACTOR: TypeAdapter[FactorInput] = TypeAdapter(FactorInput)
_APPROVAL: TypeAdapter[FactorApproval] = TypeAdapter(FactorApproval)
_EXAMPLE = {
    "kind": "grid",
    "region": "330000",
    "value": "0.4912",
    "accounting_year": 2026,
    "data_year": 2024,
    "published": "2026-11-20",
    "notice_no": "示例公告第1号",
    "source": "示例，非官方值",
    "reason": "本地演示",
}


def factor_proposal(row: correcting.Row) -> dict[str, Any]:
    """A factor of the deployment as it is shown."""
    return FactorProposal(
        **telling.factor_view(factor_of(row)),
        **{
            name: row[name] for name in ("reason", "proposed_by", "proposed_at", "approved_by", "approved_at")
        },
    ).model_dump(mode="json")


@router.get(
    "",
    response_model=FactorProposalList,
    summary="Emission factors of the region that operators entered, the newest first",
    **operation(scopes.FACTORS_READ, errors=("request.invalid",)),
)
async def list_factors(
    principal: Reader,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
) -> Response:
    """Proposed ones and those in force. What ships is at `/v1/factors`."""
    before = cursor_of("efa", cursor)
    async with services.database.snapshot() as driver:
        rows = await correcting.page(driver, prefix(principal.region), before, limit + 1)
    items = [factor_proposal(row) for row in rows[:limit]]
    return json_response(
        {"items": items, "next_cursor": items[-1]["factor_id"] if len(rows) > limit else None}
    )


@router.post(
    "",
    response_model=FactorProposal,
    summary="Propose an emission factor",
    **operation(
        scopes.FACTORS_WRITE,
        body=FactorInput,
        examples=[_EXAMPLE],
        errors=(FactorOutOfRegion, FactorUnfit, "request.idempotency_conflict"),
    ),
)
async def propose_factor(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """It goes before what ships, for the activity of its days, once a second operator approves it."""
    raw, body = await read_json_raw(request, _FACTOR)
    if not principal.may_see_region(body.region):
        raise FactorOutOfRegion
    now, address = services.intake.clock(), address_of(request)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        row = await correcting.propose(driver, body, principal.client_id, now)
        shown = factor_proposal(row)
        await audit.append(
            session,
            principal,
            now,
            "emission_factor.proposed",
            ("emission_factor", public_id("efa", row["id"])),
            region=row["region"],
            address=address,
            reason=body.reason,
            after=shown,
        )
        return shown

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/{factor_id}/approval",
    response_model=FactorProposal,
    summary="Put a factor in force that another operator proposed",
    **operation(
        scopes.FACTORS_APPROVE,
        body=FactorApproval,
        examples=[{"reason": "核对公告无误"}],
        errors=(
            EmissionFactorNotFound,
            FactorApproveOwn,
            FactorDecided,
            "request.idempotency_conflict",
        ),
    ),
)
async def approve_factor(
    factor_id: FactorId, request: Request, principal: Approver, services: ServicesDep
) -> Response:
    """Figures are computed by it from now on; statements are made anew by a job, and the old ones stay."""
    raw, body = await read_json_raw(request, _APPROVAL)
    wanted = id_in_path("efa", factor_id, EmissionFactorNotFound)
    now, address = services.intake.clock(), address_of(request)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        row = await correcting.take(driver, wanted)
        if not principal.may_see_region(row["region"]):
            raise EmissionFactorNotFound
        before = factor_proposal(row)
        shown = factor_proposal(await correcting.approve(driver, row, principal.client_id, now))
        await audit.append(
            session,
            principal,
            now,
            "emission_factor.approved",
            ("emission_factor", factor_id),
            region=row["region"],
            address=address,
            reason=body.reason,
            before=before,
            after=shown,
        )
        return shown

    return await idempotency.write(request, principal, services, raw, act)
