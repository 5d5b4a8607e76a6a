"""What a methodology in shadow would have given, beside what was credited."""

import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from accounts.ids import public_id
from accounts.quantities import grams
from app.api.access import ServicesDep
from app.api.deciding import Reader, RevisionId
from app.api.http import json_response, operation
from app.api.methodologies import revision_of
from app.auth import scopes
from app.versions import errors
from app.versions.shadow import shadow_days
from app.versions.shadow_models import ShadowDay

router = APIRouter(prefix="/v1/operator/methodologies", tags=["operator methodologies"])


class ShadowDayView(BaseModel):
    """A day's credited acts of one region under both texts, before caps."""

    day: datetime.date
    region: str
    activities: int
    refused: int = Field(description="Credited today, refused by the text in shadow")
    active_co2e_g: str
    shadow_co2e_g: str


class ShadowView(BaseModel):
    """What was compared since the submission; up to three minutes of what came in last are not in it yet."""

    revision_id: str
    days: list[ShadowDayView]


@router.get(
    "/{revision_id}/shadow",
    response_model=ShadowView,
    summary="What a version in shadow would have given",
    **operation(scopes.METHODOLOGIES_READ, errors=(errors.RevisionNotFound, "request.invalid")),
)
async def read_shadow(
    revision_id: RevisionId,
    principal: Reader,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=2000)] = 500,
) -> Response:
    """By day and region, the latest first. Computed on live activities, and never credited."""
    async with services.database.reading() as session:
        revision = await revision_of(session, principal, revision_id)
        days = await shadow_days(session, revision.id, limit)
    return json_response({"revision_id": public_id("mrv", revision.id), "days": [_view(day) for day in days]})


def _view(day: ShadowDay) -> dict[str, object]:
    return {
        "day": day.day.isoformat(),
        "region": day.region,
        "activities": day.activities,
        "refused": day.refused,
        "active_co2e_g": grams(day.active_mg),
        "shadow_co2e_g": grams(day.shadow_mg),
    }
