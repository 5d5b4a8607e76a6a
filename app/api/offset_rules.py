"""Rules of offsetting: those that ship are for everybody to read; operators write down what is not known, by two."""

import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from accounts.offset_rules.rules import (
    CreditKind,
    DatedRule,
    MarketRules,
    Mechanism,
    OffsetRules,
    Recognition,
    book,
)
from app.api import my, programmes
from app.api.access import ServicesDep, caller
from app.api.http import json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.offsets.errors import MarketUnknown
from app.offsets.rules_in_force import rule_in_force, written_rules
from app.programmes import errors as texts
from app.programmes.models import Kind
from app.programmes.schemas import ApprovalInput, OffsetRulesList, OffsetRulesView
from dedup.periods import LOCAL

router = APIRouter(tags=["offset rules"])
Reader = Annotated[Principal, Depends(caller(scopes.OFFSETS_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.OFFSETS_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.OFFSETS_APPROVE))]
Day = Annotated[datetime.date | None, Query(description="Of the filing; today where none is named")]
Period = Annotated[int, Query(ge=2000, le=2199, description="Compliance year", examples=[2021])]
DOOR = "/v1/operator/offset-rules"
_QUOTED = {"title": "京环发〔2024〕16号", "confidence": "quoted"}
_RULES = {
    "market": "beijing",
    "region": "110000",
    "from": "2027-01-01",
    "document": "京环发〔2024〕16号",
    "periods": [2026],
    "kinds": {"allowed": ["ccer", "bj_low_carbon_travel"], "source": _QUOTED},
    "limits": [
        {
            "code": "all",
            "kinds": ["ccer", "bj_low_carbon_travel"],
            "base": "allowances_to_surrender",
            "share_bp": 500,
            "source": _QUOTED,
        }
    ],
    "deadline": {"days": {"2026": "2027-10-31"}, "source": _QUOTED},
    "vintages": {"unstated": True},
    "boundary": {"excluded": True, "source": _QUOTED},
}
_REASON = {"reason": "checked against the text of the notice"}


class MarketList(BaseModel):
    """Carbon markets with every dated rule that ships, and the kinds of reductions that they name."""

    items: list[MarketRules]
    kinds: list[CreditKind]


class RuleInForce(BaseModel):
    """The rule of a market for a filing of that day and period."""

    market: str
    filed_on: datetime.date
    period: int
    written_by_operators: bool
    rule: DatedRule | None = Field(description="null: none is known")


class RecognitionList(BaseModel):
    """What counts in another region's market, and agreements of exchanges, as far as they are known."""

    items: list[Recognition]
    mechanisms: list[Mechanism]


@router.get(
    "/v1/offset-rules",
    response_model=MarketList,
    summary="Dated rules of offsetting by market, with their sources",
    **operation(),
)
async def list_markets() -> Response:
    """What is unknown says so; no number is a guess."""
    content = MarketList(items=list(book().markets), kinds=list(book().kinds))
    return json_response(content.model_dump(mode="json", by_alias=True))


@router.get(
    "/v1/offset-rules/{market}",
    response_model=RuleInForce,
    summary="The rule of a market for a day and a compliance year",
    **operation(errors=(MarketUnknown, "request.invalid")),
)
async def read_rule(
    market: Annotated[str, Path(max_length=40, examples=["beijing"])],
    services: ServicesDep,
    period: Period,
    filed_on: Day = None,
) -> Response:
    """What operators put in force goes before what ships."""
    found = book().market(market)
    if found is None:
        raise MarketUnknown
    day = filed_on or services.intake.clock().astimezone(LOCAL).date()
    async with services.database.reading() as session:
        driver = await driver_of(session)
        rule = await rule_in_force(driver, market, day, period)
        written = await written_rules(driver, found.region, day)
    content = RuleInForce(
        market=market,
        filed_on=day,
        period=period,
        written_by_operators=rule is not None and any(rule == text.dated() for text in written),
        rule=rule,
    )
    return json_response(content.model_dump(mode="json", by_alias=True))


@router.get(
    "/v1/offset-recognition",
    response_model=RecognitionList,
    summary="Mutual recognition between provinces, and the common mechanism of nine exchanges",
    **operation(),
)
async def list_recognition() -> Response:
    """Dated and sourced; where only the agreement is known and not its terms, that is said."""
    content = RecognitionList(items=list(book().recognitions), mechanisms=list(book().mechanisms))
    return json_response(content.model_dump(mode="json", by_alias=True))


@router.get(
    DOOR,
    response_model=OffsetRulesList,
    summary="Rules of offsetting that operators of the region wrote down, the newest first",
    **operation(scopes.OFFSETS_READ, errors=("request.invalid",)),
)
async def list_rules(
    principal: Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Where there are none, what ships counts, and what is unknown there keeps filings out."""
    return await programmes.page_of_texts(principal, services, Kind.OFFSET_RULES, limit, cursor)


@router.post(
    DOOR,
    response_model=OffsetRulesView,
    summary="Draft a market's rule of offsetting from a day on",
    **operation(
        scopes.OFFSETS_WRITE,
        body=OffsetRules,
        examples=[_RULES],
        errors=(texts.OutOfRegion, "request.idempotency_conflict"),
    ),
)
async def draft_rules(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """It counts for filings from its first day on, once a second operator has approved it."""
    return await programmes.draft_text(request, principal, services, OffsetRules)


@router.get(
    DOOR + "/{offset_rules_id}",
    response_model=OffsetRulesView,
    summary="A rule of offsetting that operators wrote down",
    **operation(scopes.OFFSETS_READ, errors=(texts.TextNotFound,)),
)
async def read_rules(
    offset_rules_id: programmes.TextId, principal: Reader, services: ServicesDep
) -> Response:
    """With its state and its `etag`."""
    return await programmes.one_text(principal, services, Kind.OFFSET_RULES, offset_rules_id)


@router.put(
    DOOR + "/{offset_rules_id}",
    response_model=OffsetRulesView,
    summary="Replace the text of a drafted rule of offsetting",
    **operation(
        scopes.OFFSETS_WRITE,
        body=OffsetRules,
        examples=[_RULES],
        errors=(*programmes.STEP_ERRORS, texts.Immutable),
    ),
)
async def edit_rules(
    offset_rules_id: programmes.TextId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: programmes.IfMatch = None,
) -> Response:
    """From the approval on it never changes."""
    return await programmes.edit_text(request, principal, services, OffsetRules, offset_rules_id, if_match)


@router.post(
    DOOR + "/{offset_rules_id}/approval",
    response_model=OffsetRulesView,
    summary="Approve a rule of offsetting that others wrote",
    **operation(
        scopes.OFFSETS_APPROVE,
        body=ApprovalInput,
        examples=[_REASON],
        errors=(
            *programmes.STEP_ERRORS,
            *(texts.Immutable, texts.ApproveOwn, texts.LeadTooShort, texts.DayTaken),
        ),
    ),
)
async def approve_rules(
    offset_rules_id: programmes.TextId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: programmes.IfMatch = None,
) -> Response:
    """Its first day has to lie ahead."""
    return await programmes.approve_text(
        request, principal, services, Kind.OFFSET_RULES, offset_rules_id, if_match
    )
