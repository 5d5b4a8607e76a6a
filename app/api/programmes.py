"""The doors through which a city operates its points: programmes and campaigns, drafted, approved, ended."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import parse_public_id, public_id
from accounts.labels.rules import LabelRules
from accounts.offset_rules.rules import OffsetRules
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
    stated_version,
)
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.neighbours.agreements import NeighbourAgreement
from app.problems import RequestError
from app.programmes import decisions, errors, repository
from app.programmes.models import Kind, PointsText
from app.programmes.schemas import (
    ApprovalInput,
    CampaignList,
    CampaignView,
    EndInput,
    LabelRulesView,
    NeighbourAgreementView,
    OffsetRulesView,
    ProgrammeList,
    ProgrammeView,
    ReviewPolicyView,
    ScoreCardsView,
)
from app.review.policy import ReviewPolicy
from app.scoring.in_force import ScoreCards
from app.wiring import Services
from points.campaign_repository import budget_left
from points.campaigns import Campaign
from points.programmes import Programme

router = APIRouter(prefix="/v1/operator", tags=["operator points"])

MAX_BYTES = 65_536
Model = TypeVar("Model", bound=BaseModel)
Reader = Annotated[Principal, Depends(caller(scopes.PROGRAMMES_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.PROGRAMMES_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.PROGRAMMES_APPROVE))]
TextId = Annotated[str, Path(description="`ppt_…`", examples=["ppt_01a1fc693a86700e9ae525ac545ac6cd"])]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="`etag` of the state that the write was made from")
]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
STEP_ERRORS = (
    errors.TextNotFound,
    errors.EtagMissing,
    errors.EditedMeanwhile,
    "request.idempotency_conflict",
)
_PROGRAMME = {
    "region": "440300",
    "name": {"zh": "深圳碳普惠积分", "en": "Shenzhen points"},
    "from": "2027-01-01",
    "points_per_g": 1,
    "expiry_years": 1,
    "self_report": False,
    "scenes": {"recycling.clothes": {"points": 30, "per": 1000, "of": "mass_g"}},
}
_CAMPAIGN = {
    "region": "440300",
    "name": {"zh": "低碳周", "en": "Low-carbon week"},
    "from": "2027-06-01T00:00:00+08:00",
    "until": "2027-06-08T00:00:00+08:00",
    "scenes": ["trip.metro"],
    "condition": {"kind": "streak", "number": 3},
    "points": 100,
    "budget": 1000000,
    "per_person": 200,
}
_REASON = {"reason": "council decision 2026-118"}


@router.get(
    "/programmes",
    response_model=ProgrammeList,
    summary="Versions of points programmes of the region, the newest first",
    **operation(scopes.PROGRAMMES_READ, errors=("request.invalid",)),
)
async def list_programmes(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What operators wrote; where there is none, a programme that ships counts."""
    return await page_of_texts(principal, services, Kind.PROGRAMME, limit, cursor)


@router.post(
    "/programmes",
    response_model=ProgrammeView,
    summary="Draft a version of a points programme",
    **operation(
        scopes.PROGRAMMES_WRITE,
        body=Programme,
        examples=[_PROGRAMME],
        errors=(errors.OutOfRegion, "request.idempotency_conflict"),
    ),
)
async def draft_programme(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """It counts for acts from its first day on, once a second operator has approved it."""
    return await draft_text(request, principal, services, Programme)


@router.get(
    "/programmes/{programme_id}",
    response_model=ProgrammeView,
    summary="A version of a points programme",
    **operation(scopes.PROGRAMMES_READ, errors=(errors.TextNotFound,)),
)
async def read_programme(programme_id: TextId, principal: Reader, services: ServicesDep) -> Response:
    """With its state and its `etag`."""
    return await one_text(principal, services, Kind.PROGRAMME, programme_id)


@router.put(
    "/programmes/{programme_id}",
    response_model=ProgrammeView,
    summary="Replace the text of a drafted programme",
    **operation(
        scopes.PROGRAMMES_WRITE,
        body=Programme,
        examples=[_PROGRAMME],
        errors=(*STEP_ERRORS, errors.Immutable),
    ),
)
async def edit_programme(
    programme_id: TextId, request: Request, principal: Writer, services: ServicesDep, if_match: IfMatch = None
) -> Response:
    """From the approval on it never changes."""
    return await edit_text(request, principal, services, Programme, programme_id, if_match)


@router.post(
    "/programmes/{programme_id}/approval",
    response_model=ProgrammeView,
    summary="Approve a programme that others wrote",
    **operation(
        scopes.PROGRAMMES_APPROVE,
        body=ApprovalInput,
        examples=[_REASON],
        errors=(*STEP_ERRORS, errors.Immutable, errors.ApproveOwn, errors.LeadTooShort, errors.DayTaken),
    ),
)
async def approve_programme(
    programme_id: TextId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """Its first day has to be far enough ahead that every process knows of it by then."""
    return await approve_text(request, principal, services, Kind.PROGRAMME, programme_id, if_match)


@router.get(
    "/campaigns",
    response_model=CampaignList,
    summary="Campaigns of the region, the newest first",
    **operation(scopes.PROGRAMMES_READ, errors=("request.invalid",)),
)
async def list_campaigns(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """With what is left of their budgets."""
    return await page_of_texts(principal, services, Kind.CAMPAIGN, limit, cursor)


@router.post(
    "/campaigns",
    response_model=CampaignView,
    summary="Draft a campaign",
    **operation(
        scopes.PROGRAMMES_WRITE,
        body=Campaign,
        examples=[_CAMPAIGN],
        errors=(errors.OutOfRegion, "request.idempotency_conflict"),
    ),
)
async def draft_campaign(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Acts of its region, scenes and time get extra points, once a second operator has approved it."""
    return await draft_text(request, principal, services, Campaign)


@router.get(
    "/campaigns/{campaign_id}",
    response_model=CampaignView,
    summary="A campaign",
    **operation(scopes.PROGRAMMES_READ, errors=(errors.TextNotFound,)),
)
async def read_campaign(campaign_id: TextId, principal: Reader, services: ServicesDep) -> Response:
    """With its state, its `etag` and what is left of its budget."""
    return await one_text(principal, services, Kind.CAMPAIGN, campaign_id)


@router.put(
    "/campaigns/{campaign_id}",
    response_model=CampaignView,
    summary="Replace the text of a drafted campaign",
    **operation(
        scopes.PROGRAMMES_WRITE, body=Campaign, examples=[_CAMPAIGN], errors=(*STEP_ERRORS, errors.Immutable)
    ),
)
async def edit_campaign(
    campaign_id: TextId, request: Request, principal: Writer, services: ServicesDep, if_match: IfMatch = None
) -> Response:
    """From the approval on only its end may come earlier."""
    return await edit_text(request, principal, services, Campaign, campaign_id, if_match)


@router.post(
    "/campaigns/{campaign_id}/approval",
    response_model=CampaignView,
    summary="Approve a campaign that others wrote",
    **operation(
        scopes.PROGRAMMES_APPROVE,
        body=ApprovalInput,
        examples=[_REASON],
        errors=(*STEP_ERRORS, errors.Immutable, errors.ApproveOwn, errors.LeadTooShort),
    ),
)
async def approve_campaign(
    campaign_id: TextId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """From here on its budget is set."""
    return await approve_text(request, principal, services, Kind.CAMPAIGN, campaign_id, if_match)


@router.post(
    "/campaigns/{campaign_id}/end",
    response_model=CampaignView,
    summary="End a campaign early",
    **operation(
        scopes.PROGRAMMES_APPROVE,
        body=EndInput,
        examples=[{"until": "2027-06-04T00:00:00+08:00", **_REASON}],
        errors=(*STEP_ERRORS, errors.LeadTooShort, errors.Ended),
    ),
)
async def end_campaign(
    campaign_id: TextId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """Acts from `until` on get nothing of it; what it gave stays."""
    known, etag = _id(campaign_id), stated_version(if_match, errors.EtagMissing)

    async def act(session: AsyncSession, body: EndInput, actor: decisions.Actor) -> PointsText:
        return await decisions.end(session, actor, known, etag, body.until, body.reason)

    return await _write(request, principal, services, EndInput, act)


def _kind(text: type[BaseModel]) -> Kind:
    return next(kind for kind, each in decisions.TEXTS.items() if each is text)


def _anything(_text: decisions.Content) -> None:
    """What most kinds ask of a text beside its form."""


TextView = (
    ProgrammeView
    | CampaignView
    | ReviewPolicyView
    | NeighbourAgreementView
    | LabelRulesView
    | ScoreCardsView
    | OffsetRulesView
)


async def draft_text(
    request: Request,
    principal: Principal,
    services: Services,
    text: type[decisions.Content],
    check: Callable[[Any], None] = _anything,
) -> Response:
    """Store a new draft of any kind that passes its `check`."""

    async def act(session: AsyncSession, body: decisions.Content, actor: decisions.Actor) -> PointsText:
        check(body)
        return await decisions.draft(session, actor, _kind(text), body)

    return await _write(request, principal, services, text, act)


async def edit_text(
    request: Request,
    principal: Principal,
    services: Services,
    text: type[decisions.Content],
    text_id: str,
    if_match: str | None,
    check: Callable[[Any], None] = _anything,
) -> Response:
    """Replace a draft of any kind by one that passes its `check`."""
    known, etag = _id(text_id), stated_version(if_match, errors.EtagMissing)

    async def act(session: AsyncSession, body: decisions.Content, actor: decisions.Actor) -> PointsText:
        check(body)
        return await decisions.edit(session, actor, _kind(text), known, etag, body)

    return await _write(request, principal, services, text, act)


async def approve_text(
    request: Request,
    principal: Principal,
    services: Services,
    kind: Kind,
    text_id: str,
    if_match: str | None,
) -> Response:
    """Approve a text of any kind."""
    known, etag = _id(text_id), stated_version(if_match, errors.EtagMissing)

    async def act(session: AsyncSession, body: ApprovalInput, actor: decisions.Actor) -> PointsText:
        return await decisions.approve(session, actor, kind, known, etag, body.reason)

    return await _write(request, principal, services, ApprovalInput, act)


async def _write(
    request: Request,
    principal: Principal,
    services: Services,
    body_of: type[Model],
    act: Callable[[AsyncSession, Any, decisions.Actor], Awaitable[PointsText]],
) -> Response:
    """Read the body, decide in one transaction, and have all processes look once it is committed."""
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    raw = await read_body(request, MAX_BYTES)
    body = parse(TypeAdapter(body_of), raw)
    clock = services.intake.clock
    earliest = decisions.all_know_at(clock, services.live.lead)

    async def decide(session: AsyncSession) -> Any:
        actor = decisions.Actor(principal, clock(), address_of(request), earliest)
        found = await act(session, body, actor)
        return (await _views(session, services, [found]))[0].model_dump(mode="json", by_alias=True)

    answer = await idempotency.write(request, principal, services, raw, decide)
    await services.live.tell()
    return answer


async def one_text(principal: Principal, services: Services, kind: Kind, text_id: str) -> Response:
    """A text of any kind."""
    async with services.database.reading() as session:
        found = await repository.find(session, kind, _id(text_id))
        if found is None or not principal.may_see_region(found.region):
            raise errors.TextNotFound
        view = (await _views(session, services, [found]))[0]
    return json_response(view.model_dump(mode="json", by_alias=True))


async def page_of_texts(
    principal: Principal, services: Services, kind: Kind, limit: int, cursor: str | None
) -> Response:
    """Texts of one kind, the newest first."""
    before = cursor_of("ppt", cursor)
    async with services.database.reading() as session:
        rows = await repository.page(session, kind, principal.region, before, limit + 1)
        items = [
            view.model_dump(mode="json", by_alias=True)
            for view in await _views(session, services, rows[:limit])
        ]
    more = len(rows) > limit
    return json_response({"items": items, "next_cursor": items[-1]["id"] if more else None})


async def _views(session: AsyncSession, services: Services, rows: list[PointsText]) -> list[TextView]:
    campaigns = [row.id for row in rows if row.kind == Kind.CAMPAIGN]
    left = await budget_left(await driver_of(session), campaigns) if campaigns else {}
    now = services.intake.clock()
    views: list[TextView] = []
    for row in rows:
        text = decisions.read(Kind(row.kind), row.content)
        known: dict[str, Any] = {
            "id": public_id("ppt", row.id),
            "state": row.state(now),
            **row.model_dump(
                include={"etag", "authors", "created_at", "updated_at", "approved_at", "approved_by"}
            ),
        }
        if isinstance(text, Programme):
            views.append(ProgrammeView(**known, text=text))
        elif isinstance(text, ReviewPolicy):
            views.append(ReviewPolicyView(**known, text=text))
        elif isinstance(text, NeighbourAgreement):
            views.append(NeighbourAgreementView(**known, text=text))
        elif isinstance(text, LabelRules):
            views.append(LabelRulesView(**known, text=text))
        elif isinstance(text, ScoreCards):
            views.append(ScoreCardsView(**known, text=text))
        elif isinstance(text, OffsetRules):
            views.append(OffsetRulesView(**known, text=text))
        else:
            ends_at = row.counts_until or text.last_moment
            views.append(CampaignView(**known, text=text, ends_at=ends_at, budget_left=left.get(row.id)))
    return views


def _id(text: str) -> UUID:
    found = parse_public_id("ppt", text)
    if found is None:
        raise errors.TextNotFound
    return found
