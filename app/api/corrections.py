"""Corrections: residents say what is wrong, operators of the region decide."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import consents, repository
from accounts.agreement_errors import AccountClosed
from accounts.errors import HolderNotFound
from accounts.ids import public_id
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import address_of, operation
from app.auth import audit, scopes
from app.auth.principal import Principal
from app.crediting.errors import ActivityNotFound
from app.database import driver_of
from app.my_data import access, corrections
from app.my_data.errors import CorrectionDecided, CorrectionNotFound, TooManyCorrections
from app.my_data.schemas import (
    ACTIVITY_ID,
    CorrectionDecisionInput,
    CorrectionInput,
    CorrectionList,
    CorrectionView,
    RegionalCorrectionList,
    RegionalCorrectionView,
)

router = APIRouter(tags=["corrections"])
_REQUEST: TypeAdapter[CorrectionInput] = TypeAdapter(CorrectionInput)
_DECISION: TypeAdapter[CorrectionDecisionInput] = TypeAdapter(CorrectionDecisionInput)
Operator = Annotated[Principal, Depends(caller(scopes.HOLDERS_READ))]
Deciding = Annotated[Principal, Depends(caller(scopes.HOLDERS_WRITE))]
CorrectionId = Annotated[str, Path(description="`cor_…`", examples=["cor_01a1fc693a86700e9ae525ac545ac6cd"])]


@router.get(
    "/v1/me/corrections",
    response_model=CorrectionList,
    summary="What I asked to be corrected, the newest first",
    **operation(scopes.ME_READ, errors=(HolderNotFound, "request.invalid")),
)
async def my_corrections(
    principal: my.Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """With what was decided, and why."""
    before = my.place("cor", cursor)
    async with services.database.reading() as session:
        rows = await corrections.page(await driver_of(session), my.own(principal), before, limit + 1)
    return my.listed(rows, limit, _view, my.by_id("cor"))


@router.post(
    "/v1/me/corrections",
    response_model=CorrectionView,
    summary="Say that my region or one of my activities is wrong",
    **operation(
        scopes.ME_WRITE,
        body=CorrectionInput,
        examples=[
            {"subject": "activity", "activity_id": ACTIVITY_ID, "explanation": "I was not on this trip"}
        ],
        errors=(ActivityNotFound, AccountClosed, TooManyCorrections, "request.idempotency_conflict"),
    ),
)
async def ask_for_correction(request: Request, principal: my.Writer, services: ServicesDep) -> Response:
    """An operator of the region decides. At most 20 requests wait at a time."""
    raw, wanted = await my.body(request, _REQUEST)
    holder = my.own(principal)
    target = wanted.region or my.id_of("act", wanted.activity_id or "", ActivityNotFound)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await consents.lock_active(driver, holder)
        now = services.intake.clock()
        return _view(
            await corrections.request(driver, holder, (wanted.subject, target), wanted.explanation, now)
        )

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/v1/operator/corrections",
    response_model=RegionalCorrectionList,
    summary="What residents of the region asked to be corrected, the newest first",
    **operation(scopes.HOLDERS_READ, errors=("request.invalid",)),
)
async def corrections_of_region(
    principal: Operator,
    services: ServicesDep,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
    waiting: Annotated[bool, Query(description="Only those that are not decided")] = True,
) -> Response:
    """Of the operator's region and below. Each resident's access log tells that it was read."""
    before = my.place("cor", cursor)
    now = services.intake.clock()
    async with services.database.transaction() as session:
        rows = await corrections.page_of_region(
            await driver_of(session), principal.region, before, limit + 1, waiting=waiting
        )
        read = [(row["holder_id"], public_id("cor", row["id"])) for row in rows[:limit]]
        await access.record(session, principal, "correction", read, now)
    return my.listed(rows, limit, _regional, my.by_id("cor"))


@router.post(
    "/v1/operator/corrections/{correction_id}/decision",
    response_model=RegionalCorrectionView,
    summary="Decide a request for a correction, once",
    **operation(
        scopes.HOLDERS_WRITE,
        body=CorrectionDecisionInput,
        examples=[{"accepted": True, "reason": "address proof seen"}],
        errors=(CorrectionNotFound, CorrectionDecided, "request.idempotency_conflict"),
    ),
)
async def decide_correction(
    correction_id: CorrectionId, request: Request, principal: Deciding, services: ServicesDep
) -> Response:
    """An accepted region counts at once. A wrong activity is reversed through its own door."""
    raw, wanted = await my.body(request, _DECISION)
    correction = my.id_of("cor", correction_id, CorrectionNotFound)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        found = await corrections.find_of_region(driver, principal.region, correction)
        await repository.lock_holders(driver, [found["holder_id"]])
        now = services.intake.clock()
        row = await corrections.decide(driver, found, wanted.reason, now, accepted=wanted.accepted)
        await audit.append(
            session,
            principal,
            now,
            "correction.accepted" if wanted.accepted else "correction.refused",
            ("correction", correction_id),
            region=found["region"],
            address=address_of(request),
            reason=wanted.reason,
            after={"subject": row["subject"], "target": row["target"]},
        )
        return _regional(row)

    return await idempotency.write(request, principal, services, raw, act)


def _fields(row: Any) -> dict[str, Any]:
    return {
        "correction_id": public_id("cor", row["id"]),
        "subject": row["subject"],
        "target": row["target"],
        "explanation": row["explanation"],
        "requested_at": row["requested_at"].isoformat(),
        "decided_at": my.told(row["decided_at"]),
        "accepted": row["accepted"],
        "reason": row["reason"],
    }


def _view(row: Any) -> dict[str, Any]:
    return CorrectionView(**_fields(row)).model_dump()


def _regional(row: Any) -> dict[str, Any]:
    return RegionalCorrectionView(
        holder_id=public_id("hld", row["holder_id"]), region=row["region"], **_fields(row)
    ).model_dump()
