"""Monitoring after a loan: a bank names customers who granted it, and hears by webhook when a tier or a label falls."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import public_id
from accounts.labels.queries import current_label
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.bank_queries import asking, meant
from app.api.http import json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.banking import answers, grants, monitors, repository
from app.banking.desk_errors import MonitorNotFound, NotScored
from app.banking.errors import AccessRefused
from app.banking.query_schemas import MonitorBegun, MonitorEnd, MonitorInput, MonitorList, MonitorView
from app.banking.schemas import REFERENCE
from app.banking.terms import Purpose, Scope
from app.database import driver_of

router = APIRouter(prefix="/v1/bank/monitors", tags=["bank queries"])
Bank = Annotated[Principal, Depends(caller(scopes.BANK_SCORES_READ))]
_INPUT: TypeAdapter[MonitorInput] = TypeAdapter(MonitorInput)
_CONFLICT = "request.idempotency_conflict"
ReferencePath = Annotated[str, Path(description="`cus_…`", examples=[REFERENCE])]


@router.post(
    "",
    response_model=MonitorBegun,
    summary="Be told when a customer's tier or label falls",
    **operation(
        scopes.BANK_SCORES_READ,
        body=MonitorInput,
        examples=[{"customer": {"reference": REFERENCE}, "card": "resident"}],
        errors=(AccessRefused, NotScored),
    ),
)
async def monitor(request: Request, principal: Bank, services: ServicesDep) -> Response:
    """By a grant for `post_loan_monitoring`, from what the customer has now. Again: from what it has then."""
    _, wanted = await my.body(request, _INPUT)
    ask = asking(principal, Purpose.POST_LOAN_MONITORING, Scope.TIER, "monitoring")
    customer = meant(services, wanted.customer, "/customer")
    now = services.intake.clock()
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        grant = await grants.require(driver, ask, customer, now)
        cards = services.live.score_cards()
        score = await answers.score_for(driver, cards, grant.holder_id, wanted.card, now)
        label = await current_label(driver, grant.holder_id)
        seen = monitors.Seen(score.tier, None if label is None else label.colour.value)
        await monitors.begin(driver, principal.organisation_id, grant.holder_id, wanted.card, seen, now)
    told = {"card": wanted.card, "tier": seen.tier, "label": seen.label}
    return json_response(answers.under(grant) | told)


@router.get(
    "",
    response_model=MonitorList,
    summary="Customers whom this bank monitors",
    **operation(scopes.BANK_SCORES_READ, errors=("request.invalid",)),
)
async def list_monitors(
    principal: Bank, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """By reference; those whose grant is over are not listed."""
    after, now = my.place("cus", cursor), services.intake.clock()
    async with services.database.reading() as session:
        rows = await monitors.page(await driver_of(session), principal.organisation_id, after, limit + 1, now)
    return my.listed(rows, limit, _view, my.by_id("cus", "reference"))


@router.delete(
    "/{reference}",
    response_model=MonitorEnd,
    summary="Monitor a customer no more",
    **operation(scopes.BANK_SCORES_READ, errors=(MonitorNotFound, _CONFLICT)),
)
async def end_monitor(
    reference: ReferencePath, request: Request, principal: Bank, services: ServicesDep
) -> Response:
    """The grant itself is the customer's to end."""
    known = my.id_of("cus", reference, MonitorNotFound)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        found = (await repository.holders_of(driver, [known])).get(known)
        bank = principal.organisation_id
        if found is None or found[1] != bank or not await monitors.stop(driver, bank, found[0]):
            raise MonitorNotFound
        return {"ended": True}

    return await idempotency.write(request, principal, services, b"", act)


def _view(row: Any) -> dict[str, Any]:
    return MonitorView(
        reference=public_id("cus", row["reference"]),
        card=row["card"],
        since=row["since"].isoformat(),
    ).model_dump()
