"""Units used up or made void: a participant retires its own for a purpose; an operator cancels by decision."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.fields import Text
from accounts.ids import parse_public_id, public_id, uuid7
from accounts.registry import service as registry
from accounts.registry.errors import AccountFrozen, AccountNotFound
from accounts.units import service as units
from accounts.units.errors import InsufficientUnits
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import address_of, operation
from app.auth import audit, scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.exchanges.repository import owner_of

router = APIRouter(tags=["units"])
Holder = Annotated[Principal, Depends(caller(scopes.MARKET_OFFSETS_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.OFFSETS_APPROVE))]
Id = Annotated[str, Field(max_length=40)]
Kg = Annotated[int, Field(strict=True, ge=1, le=10**12)]
_ORIGIN = "uor_01a1fc693a86700e9ae525ac545ac6cd"
_ACCOUNT = "rac_01a1fc693a86700e9ae525ac545ac6cd"


class UnitRetirementInput(BaseModel):
    """Units of one origin, used once for oneself or another."""

    model_config = ConfigDict(extra="forbid")

    origin_id: Id = Field(examples=[_ORIGIN])
    quantity_kg: Kg
    beneficiary: Text


class UnitRetirementView(BaseModel):
    """What was retired. Final."""

    retirement_id: str = Field(description="`ret_…`")
    purpose: str
    beneficiary: str
    quantity_kg: int
    serials: list[str]


class UnitCancellationInput(BaseModel):
    """Units to be made void, and why."""

    model_config = ConfigDict(extra="forbid")

    account_id: Id = Field(examples=[_ACCOUNT])
    origin_id: Id = Field(examples=[_ORIGIN])
    quantity_kg: Kg
    reason: Text


class UnitCancellationView(BaseModel):
    """What was made void: no use, no purpose, no beneficiary."""

    cancellation_id: str = Field(description="`can_…`")
    quantity_kg: int
    reason: str


_RETIREMENT: TypeAdapter[UnitRetirementInput] = TypeAdapter(UnitRetirementInput)
_CANCELLATION: TypeAdapter[UnitCancellationInput] = TypeAdapter(UnitCancellationInput)
_CONFLICT = "request.idempotency_conflict"


@router.post(
    "/v1/market/retirements",
    response_model=UnitRetirementView,
    summary="Retire units that I hold, of my own will",
    **operation(
        scopes.MARKET_OFFSETS_WRITE,
        body=UnitRetirementInput,
        examples=[{"origin_id": _ORIGIN, "quantity_kg": 2, "beneficiary": "示范会议"}],
        errors=(InsufficientUnits, AccountFrozen, _CONFLICT),
    ),
)
async def retire_units(request: Request, principal: Holder, services: ServicesDep) -> Response:
    """Retired is final. Against an obligation, units are filed instead."""
    raw, wanted = await my.body(request, _RETIREMENT)

    async def act(session: AsyncSession) -> Any:
        now, driver = services.intake.clock(), await driver_of(session)
        account = await registry.account_of(driver, principal.organisation_id, now)
        made = await units.retire(
            driver,
            account.id,
            _origin(wanted.origin_id),
            wanted.quantity_kg,
            units.Purpose.VOLUNTARY,
            wanted.beneficiary,
            uuid7(now),
            now,
        )
        return UnitRetirementView(
            retirement_id=public_id("ret", made.id),
            purpose=made.purpose.value,
            beneficiary=made.beneficiary,
            quantity_kg=made.quantity_kg,
            serials=list(made.serials),
        ).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/v1/operator/unit-cancellations",
    response_model=UnitCancellationView,
    summary="Make units of an account void, by decision",
    **operation(
        scopes.OFFSETS_APPROVE,
        body=UnitCancellationInput,
        examples=[
            {"account_id": _ACCOUNT, "origin_id": _ORIGIN, "quantity_kg": 2, "reason": "decision 2026-118"}
        ],
        errors=(AccountNotFound, InsufficientUnits, _CONFLICT),
    ),
)
async def cancel_units(request: Request, principal: Approver, services: ServicesDep) -> Response:
    """No retirement: they served nobody. Also where the account is frozen."""
    raw, wanted = await my.body(request, _CANCELLATION)

    async def act(session: AsyncSession) -> Any:
        now, driver = services.intake.clock(), await driver_of(session)
        account_id = my.id_of("rac", wanted.account_id, AccountNotFound)
        owner = await owner_of(driver, account_id)
        if owner is None or not principal.may_see_region(owner["region"]):
            raise AccountNotFound
        made = await units.cancel(
            driver,
            account_id,
            _origin(wanted.origin_id),
            wanted.quantity_kg,
            wanted.reason,
            uuid7(now),
            now,
        )
        told = UnitCancellationView(
            cancellation_id=public_id("can", made.id), quantity_kg=wanted.quantity_kg, reason=made.reason
        ).model_dump(mode="json")
        await audit.append(
            session,
            principal,
            now,
            "units.cancelled",
            ("registry_account", wanted.account_id),
            region=owner["region"],
            address=address_of(request),
            reason=wanted.reason,
            after=told,
        )
        return told

    return await idempotency.write(request, principal, services, raw, act)


def _origin(text: str) -> UUID:
    found = parse_public_id("uor", text)
    if found is None:
        raise InsufficientUnits
    return found
