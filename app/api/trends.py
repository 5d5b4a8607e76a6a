"""A resident's acts: series, list, badges, and collecting what waits."""

import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from accounts.errors import Fault
from accounts.ids import parse_public_id
from app import metrics
from app.account import trends
from app.account.trends import ActivityList, BadgeList, By, CollectableList, Summary
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.carbon import Cursor, Limit, own
from app.api.http import cursor_of, json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.crediting import collection, queries
from app.crediting.errors import (
    ActivityNotFound,
    Lapsed,
    NotCollectableYet,
    NotPending,
    StorageUnavailable,
    WithoutConsent,
)
from app.problems import RequestError
from dedup.periods import LOCAL

router = APIRouter(prefix="/v1/me", tags=["me"])
Reading = Annotated[Principal, Depends(caller(scopes.ME_READ))]
Writing = Annotated[Principal, Depends(caller(scopes.ME_WRITE))]
Scene = Annotated[str | None, Query(pattern=r"^[a-z_]{1,30}\.[a-z0-9_]{1,40}$")]
OutcomeWord = Literal["credited", "capped", "duplicate", "rejected", "pending"]
DEFAULT = datetime.timedelta(days=365)
EARLIEST = datetime.date(2000, 1, 1)


@router.get(
    "/summary",
    response_model=Summary,
    summary="What my acts brought, by day, month or scene",
    **operation(scopes.ME_READ, errors=("request.invalid",)),
)
async def my_summary(
    principal: Reading,
    services: ServicesDep,
    by: By = "month",
    first: Annotated[datetime.date | None, Query(alias="from", description="First local day")] = None,
    last: Annotated[datetime.date | None, Query(alias="to", description="Last local day; today")] = None,
) -> Response:
    """By the acts' own local days (Asia/Shanghai), at most 800 of them; a year up to today where none are named."""
    today = services.intake.clock().astimezone(LOCAL).date()
    until = last or today
    since = first or max(until, EARLIEST + DEFAULT) - DEFAULT
    if not EARLIEST <= since <= until or (until - since).days >= trends.MAX_DAYS:
        raise RequestError(
            "request.invalid",
            Fault(
                "/from",
                f"must be at most {trends.MAX_DAYS} days, in order",
                f"须按先后，至多 {trends.MAX_DAYS} 天",
            ),
        )
    async with services.database.snapshot() as driver:
        found = await trends.summary(driver, own(principal), by, since, until)
    return json_response(found.model_dump(mode="json"))


@router.get(
    "/activities",
    response_model=ActivityList,
    summary="My activities, the last reported first",
    **operation(scopes.ME_READ, errors=("request.invalid",)),
)
async def my_activities(
    principal: Reading,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    scene: Scene = None,
    outcome: Annotated[OutcomeWord | None, Query()] = None,
) -> Response:
    """Whatever became of them; `/v1/activities/{activity_id}/explanation` tells why."""
    before = cursor_of("act", cursor)
    async with services.database.reading() as session:
        found = await trends.page_of_activities(
            session, services.preparer.rules, own(principal), before, limit + 1, scene, outcome
        )
    shown = found[:limit]
    following = shown[-1].activity_id if len(found) > limit else None
    return json_response(ActivityList(items=shown, next_cursor=following).model_dump(mode="json"))


@router.get("/badges", response_model=BadgeList, summary="My badges", **operation(scopes.ME_READ))
async def my_badges(principal: Reading, services: ServicesDep) -> Response:
    """All there are, which are earned, and how far the others are."""
    async with services.database.snapshot() as driver:
        found = await trends.badges_of(driver, own(principal), services.intake.clock())
    return json_response(BadgeList(items=found).model_dump(mode="json"))


@router.get(
    "/collectable",
    response_model=CollectableList,
    summary="Credits that wait for me to collect them",
    **operation(scopes.ME_READ),
)
async def my_collectable(principal: Reading, services: ServicesDep) -> Response:
    """Each with its days; what is not collected in time lapses."""
    async with services.database.reading() as session:
        found = await trends.collectable(
            session, services.preparer.rules, own(principal), services.intake.clock()
        )
    return json_response(CollectableList(items=found).model_dump(mode="json"))


@router.post(
    "/activities/{activity_id}/collection",
    response_model=queries.ActivityView,
    summary="Collect a pending credit, once",
    **operation(
        scopes.ME_WRITE,
        errors=(
            ActivityNotFound,
            NotPending,
            NotCollectableYet,
            Lapsed,
            WithoutConsent,
            StorageUnavailable,
            "request.idempotency_conflict",
        ),
    ),
)
async def collect_mine(
    activity_id: Annotated[str, Path(description="`act_…`", examples=["act_" + "0" * 32])],
    request: Request,
    principal: Writing,
    services: ServicesDep,
) -> Response:
    """Grams and points are booked now, as when the platform collects for the person."""
    found = parse_public_id("act", activity_id)
    if found is None:
        raise ActivityNotFound

    async def act(session: Any) -> Any:
        activity = await queries.visible_activity(session, principal, found)
        await collection.collect(session, services.preparer.rules, activity, services.intake.clock())
        metrics.CO2E_MG.inc(activity.co2e_mg)
        return queries.view(activity).model_dump(mode="json")

    return await idempotency.write(request, principal, services, b"", act)
