"""What holders let banks see: granted, listed and withdrawn by the holder, and listed to the bank that has it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.agreement_errors import AccountClosed, TextUnknown
from accounts.consents import lock_active
from accounts.errors import HolderNotFound
from accounts.ids import public_id
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import operation
from app.auth import scopes
from app.auth.errors import OfMinor
from app.auth.principal import Principal
from app.banking import grants, repository
from app.banking.errors import BankGrantEnded, BankGrantNotFound, BankUnknown, PeriodRefused
from app.banking.grants import Wish
from app.banking.schemas import (
    BANK_ID,
    BankGrantAnswer,
    BankGrantInput,
    BankGrantList,
    BankGrantView,
    BankGrantWithdrawal,
    CustomerGrantList,
    CustomerGrantView,
)
from app.database import driver_of
from app.my_data import access
from app.my_data.schemas import AccessList, access_view
from app.wiring import Services

router = APIRouter(tags=["bank grants"])
_INPUT: TypeAdapter[BankGrantInput] = TypeAdapter(BankGrantInput)
_EXAMPLE = {
    "bank_id": BANK_ID,
    "purpose": "loan_application",
    "scope": "score",
    "valid_until": "2027-05-31T00:00:00+08:00",
    "text_version": "2026-11",
}
_CONFLICT = "request.idempotency_conflict"
_GRANTING = (BankUnknown, TextUnknown, PeriodRefused, OfMinor, AccountClosed, _CONFLICT)
_ENDING = (BankGrantNotFound, BankGrantEnded, AccountClosed, _CONFLICT)
GrantId = Annotated[str, Path(description="`bgr_…`", examples=["bgr_01a1fc693a86700e9ae525ac545ac6cd"])]
Owner = Annotated[Principal, Depends(caller(scopes.ENTERPRISE_BANK_GRANTS))]
Bank = Annotated[Principal, Depends(caller(scopes.BANK_GRANTS_READ))]


@router.get(
    "/v1/me/bank-grants",
    response_model=BankGrantList,
    summary="What I let banks see, the newest first",
    **operation(scopes.ME_READ, errors=(HolderNotFound, "request.invalid")),
)
async def my_bank_grants(
    principal: my.Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Live ones, and those that are over."""
    return await _listed(principal, services, limit, cursor)


@router.post(
    "/v1/me/bank-grants",
    response_model=BankGrantAnswer,
    summary="Let a bank see my tier, score or report",
    **operation(scopes.ME_WRITE, body=BankGrantInput, examples=[_EXAMPLE], errors=_GRANTING),
)
async def grant_bank(request: Request, principal: my.Writer, services: ServicesDep) -> Response:
    """For one purpose and period. The bank knows me by a name made for it alone; its queries are in my access log."""
    return await _grant(request, principal, services)


@router.post(
    "/v1/me/bank-grants/{grant_id}/withdrawal",
    response_model=BankGrantWithdrawal,
    summary="End what a bank may see, at once",
    **operation(scopes.ME_WRITE, errors=_ENDING),
)
async def withdraw_bank(
    grant_id: GrantId, request: Request, principal: my.Writer, services: ServicesDep
) -> Response:
    """Nothing is answered or told under it any more once this is acknowledged."""
    return await _withdraw(grant_id, request, principal, services)


@router.get(
    "/v1/enterprises/bank-grants",
    response_model=BankGrantList,
    summary="What one's own enterprise lets banks see, the newest first",
    **operation(scopes.ENTERPRISE_BANK_GRANTS, errors=("request.invalid",)),
)
async def enterprise_bank_grants(
    principal: Owner, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Live ones, and those that are over. For owners alone."""
    return await _listed(principal, services, limit, cursor)


@router.post(
    "/v1/enterprises/bank-grants",
    response_model=BankGrantAnswer,
    summary="Let a bank see one's own enterprise's tier and label, score or report",
    **operation(scopes.ENTERPRISE_BANK_GRANTS, body=BankGrantInput, examples=[_EXAMPLE], errors=_GRANTING),
)
async def grant_bank_enterprise(request: Request, principal: Owner, services: ServicesDep) -> Response:
    """As a resident does, by the same text, with the same receipt. For owners alone."""
    return await _grant(request, principal, services)


@router.post(
    "/v1/enterprises/bank-grants/{grant_id}/withdrawal",
    response_model=BankGrantWithdrawal,
    summary="End what a bank may see of one's own enterprise, at once",
    **operation(scopes.ENTERPRISE_BANK_GRANTS, errors=_ENDING),
)
async def withdraw_bank_enterprise(
    grant_id: GrantId, request: Request, principal: Owner, services: ServicesDep
) -> Response:
    """Nothing is answered or told under it any more once this is acknowledged."""
    return await _withdraw(grant_id, request, principal, services)


@router.get(
    "/v1/enterprises/access-log",
    response_model=AccessList,
    summary="Who read data of one's own enterprise, the newest first",
    **operation(scopes.ENTERPRISE_BANK_GRANTS, errors=("request.invalid",)),
)
async def enterprise_access_log(
    principal: Owner, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """What banks asked, answered or refused, and reads by operators."""
    before = my.place("acc", cursor)
    async with services.database.reading() as session:
        rows = await access.page(session, my.own(principal), before, limit + 1)
    return my.listed(rows, limit, access_view, lambda row: public_id("acc", row.id))


@router.get(
    "/v1/bank/grants",
    response_model=CustomerGrantList,
    summary="What customers grant this bank now, the newest first",
    **operation(scopes.BANK_GRANTS_READ, errors=("request.invalid",)),
)
async def bank_grants(
    principal: Bank, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Each with the name by which this bank alone knows the customer; what is over is not listed."""
    before = my.place("bgr", cursor)
    now = services.intake.clock()
    async with services.database.reading() as session:
        rows = await repository.page_of_bank(
            await driver_of(session), principal.organisation_id, before, limit + 1, now
        )
    return my.listed(rows, limit, _customer, my.by_id("bgr"))


async def _listed(principal: Principal, services: Services, limit: int, cursor: str | None) -> Response:
    before = my.place("bgr", cursor)
    now = services.intake.clock()
    async with services.database.reading() as session:
        rows = await repository.page_of_holder(await driver_of(session), my.own(principal), before, limit + 1)

    def view(row: Any) -> dict[str, Any]:
        state = row["ended"] or ("live" if row["valid_until"] > now else "expired")
        return BankGrantView(
            grant_id=public_id("bgr", row["id"]),
            bank_id=public_id("org", row["bank_id"]),
            bank_name=row["bank_name"],
            reference=None if row["reference"] is None else public_id("cus", row["reference"]),
            purpose=row["purpose"],
            scope=row["scope"],
            text_version=row["text_version"],
            granted_at=row["granted_at"].isoformat(),
            valid_until=row["valid_until"].isoformat(),
            state=state,
            ended_at=my.told(row["ended_at"]),
            receipt_id=public_id("rcp", row["receipt_id"]),
        ).model_dump()

    return my.listed(rows, limit, view, my.by_id("bgr"))


async def _grant(request: Request, principal: Principal, services: Services) -> Response:
    raw, wanted = await my.body(request, _INPUT)
    holder = my.own(principal)
    wish = Wish(
        my.id_of("org", wanted.bank_id, BankUnknown),
        wanted.purpose,
        wanted.scope,
        wanted.valid_until,
        wanted.text_version,
    )

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await lock_active(driver, holder)
        now = services.intake.clock()
        given = await grants.grant(
            driver, my.signer(services, now), services.consent_texts, holder, wish, now
        )
        return {
            "grant_id": public_id("bgr", given.grant_id),
            "reference": public_id("cus", given.reference),
            "receipt_id": public_id("rcp", given.receipt_id),
        }

    return await idempotency.write(request, principal, services, raw, act)


async def _withdraw(grant_id: str, request: Request, principal: Principal, services: Services) -> Response:
    holder, wanted = my.own(principal), my.id_of("bgr", grant_id, BankGrantNotFound)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await lock_active(driver, holder)
        now = services.intake.clock()
        receipt = await grants.withdraw(driver, my.signer(services, now), holder, wanted, now)
        return {"receipt_id": public_id("rcp", receipt)}

    return await idempotency.write(request, principal, services, b"", act)


def _customer(row: Any) -> dict[str, Any]:
    return CustomerGrantView(
        grant_id=public_id("bgr", row["id"]),
        reference=public_id("cus", row["reference"]),
        purpose=row["purpose"],
        scope=row["scope"],
        granted_at=row["granted_at"].isoformat(),
        valid_until=row["valid_until"].isoformat(),
    ).model_dump()
