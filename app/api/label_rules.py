"""The doors through which operators write the rules of labels: drafted by one, put in force by another."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from accounts.labels.errors import ExampleNotOfficial
from accounts.labels.examples import examples
from accounts.labels.rules import LabelRules
from app.api import my, programmes
from app.api.access import ServicesDep, caller
from app.api.http import json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.programmes import errors as texts
from app.programmes.models import Kind
from app.programmes.schemas import ApprovalInput, LabelRulesList, LabelRulesView

router = APIRouter(prefix="/v1/operator/label-rules", tags=["operator labels"])
Reader = Annotated[Principal, Depends(caller(scopes.LABELS_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.LABELS_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.LABELS_APPROVE))]
_RULES = {
    "region": "330800",
    "name": {"zh": "建筑领域碳标签试行规则", "en": "Trial rules for buildings"},
    "from": "2027-01-01",
    "official": False,
    "due_month": 5,
    "scales": [
        {
            "domain": "building",
            "against_industry": {
                "weight": 100,
                "points": [{"ratio": "0.7", "points": 100}, {"ratio": "1.6", "points": 0}],
                "indicators": [{"indicator": "per_floor_area", "weight": 100, "benchmark": "45000"}],
            },
            "thresholds": {"yellow": 30, "light_green": 60, "dark_green": 85},
        }
    ],
}
_REASON = {"reason": "council decision 2026-118"}


class LabelExamples(BaseModel):
    """Rules that ship, made up."""

    items: list[LabelRules]


@router.get(
    "",
    response_model=LabelRulesList,
    summary="Rules of labels of the region, the newest first",
    **operation(scopes.LABELS_READ, errors=("request.invalid",)),
)
async def list_rules(
    principal: Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Where there are none, nobody is labelled."""
    return await programmes.page_of_texts(principal, services, Kind.LABEL_RULES, limit, cursor)


@router.get(
    "/examples",
    response_model=LabelExamples,
    summary="Example rules of all six domains, made up",
    **operation(scopes.LABELS_READ),
)
async def list_examples(principal: Reader) -> Response:  # noqa: ARG001 - who may is asked by the dependency
    """To try labels with, and to fill in. Official rules with their numbers are refused."""
    return json_response({"items": [each.model_dump(mode="json", by_alias=True) for each in examples()]})


@router.post(
    "",
    response_model=LabelRulesView,
    summary="Draft rules of labels from a day on",
    **operation(
        scopes.LABELS_WRITE,
        body=LabelRules,
        examples=[_RULES],
        errors=(texts.OutOfRegion, ExampleNotOfficial, "request.idempotency_conflict"),
    ),
)
async def draft_rules(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """They count for what is decided from their first day on, once a second operator has approved them."""
    return await programmes.draft_text(request, principal, services, LabelRules)


@router.get(
    "/{rules_id}",
    response_model=LabelRulesView,
    summary="Rules of labels",
    **operation(scopes.LABELS_READ, errors=(texts.TextNotFound,)),
)
async def read_rules(rules_id: programmes.TextId, principal: Reader, services: ServicesDep) -> Response:
    """With their state and their `etag`."""
    return await programmes.one_text(principal, services, Kind.LABEL_RULES, rules_id)


@router.put(
    "/{rules_id}",
    response_model=LabelRulesView,
    summary="Replace the text of drafted rules",
    **operation(
        scopes.LABELS_WRITE,
        body=LabelRules,
        examples=[_RULES],
        errors=(*programmes.STEP_ERRORS, texts.Immutable, ExampleNotOfficial),
    ),
)
async def edit_rules(
    rules_id: programmes.TextId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: programmes.IfMatch = None,
) -> Response:
    """From the approval on they never change."""
    return await programmes.edit_text(request, principal, services, LabelRules, rules_id, if_match)


@router.post(
    "/{rules_id}/approval",
    response_model=LabelRulesView,
    summary="Approve rules that others wrote",
    **operation(
        scopes.LABELS_APPROVE,
        body=ApprovalInput,
        examples=[_REASON],
        errors=(
            *programmes.STEP_ERRORS,
            *(texts.Immutable, texts.ApproveOwn, texts.LeadTooShort, texts.DayTaken),
        ),
    ),
)
async def approve_rules(
    rules_id: programmes.TextId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: programmes.IfMatch = None,
) -> Response:
    """Their first day has to be far enough ahead that every process knows of them by then."""
    return await programmes.approve_text(request, principal, services, Kind.LABEL_RULES, rules_id, if_match)
