"""Reading activities within the caller's rights."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel, Field
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import moment_ms, owner_id, public_id
from accounts.quantities import grams
from app.auth import scopes
from app.crediting.decision import HELD
from app.crediting.errors import ActivityNotFound
from app.crediting.models import Activity, Outcome
from app.crediting.prepare import EPOCH, SECOND
from dedup.periods import LOCAL, day_of

if TYPE_CHECKING:
    from app.auth.principal import Principal
    from methodologies import Methodology
    from points.programmes import Programme

OPERATOR_SCOPES = frozenset({scopes.OPERATOR_ACTIVITIES_READ, scopes.OPERATOR_ACTIVITIES_REVERSE})
SOURCE_SCOPES = frozenset({scopes.ACTIVITIES_READ, scopes.ACTIVITIES_WRITE})


class ActivityView(BaseModel):
    """An activity without anything that tells who the person is."""

    activity_id: str
    scene: str
    region: str
    started_at: datetime.datetime
    ended_at: datetime.datetime
    evidence: str
    inputs: dict[str, int | str]
    outcome: str
    reason: str | None
    co2e_g: str
    aggregated_g: str = Field(
        description="What the platform took, with the person's consent; beside `co2e_g`"
    )
    points: int
    winner_id: str | None
    booked_at: datetime.datetime
    reversed_at: datetime.datetime | None
    collect_from: datetime.datetime | None = Field(
        description="While it is pending: from when the credit can be collected"
    )
    collect_until: datetime.datetime | None = Field(
        description="While it is pending: when it lapses, for good"
    )


async def visible_activity(session: AsyncSession, principal: "Principal", activity_id: UUID) -> Activity:
    """The activity, if it is the caller's: a holder's own, a source's own, an operator's region's."""
    activity = (await session.exec(select(Activity).where(col(Activity.id) == activity_id))).first()
    if activity is None or not _may_see(principal, activity):
        raise ActivityNotFound
    return activity


def _may_see(principal: "Principal", activity: Activity) -> bool:
    if principal.holder_id is not None:
        return activity.holder_id == principal.holder_id
    if not principal.scopes.isdisjoint(OPERATOR_SCOPES):
        return principal.may_see_region(activity.region)
    return not principal.scopes.isdisjoint(SOURCE_SCOPES) and activity.source_id == principal.organisation_id


Window = tuple[datetime.datetime, datetime.datetime]
"""From when a pending credit can be collected, and when it lapses."""


def collection_window(
    methodology: "Methodology", activity: Activity, programme: "Programme | None" = None
) -> Window | None:
    """When a pending activity can be collected: whole local days, counted from the act's own.

    As the methodology says, or where it says nothing, the programme of the act's day.
    """
    rule = methodology.text.collection or (programme.collection if programme is not None else None)
    if rule is None or activity.outcome != Outcome.PENDING or activity.reversed_at is not None:
        return None
    if activity.reason == HELD:
        return None
    day = day_of((activity.started_at - EPOCH) // SECOND) + datetime.timedelta(days=rule.after_days)
    opens = datetime.datetime.combine(day, datetime.time(), LOCAL)
    return opens, opens + datetime.timedelta(days=rule.within_days + 1)


def view(activity: Activity, window: Window | None = None) -> ActivityView:
    """What the API shows of an activity."""
    opens, closes = window or (None, None)
    return ActivityView(
        activity_id=public_id("act", activity.id),
        scene=activity.scene,
        region=activity.region,
        started_at=activity.started_at,
        ended_at=activity.ended_at,
        evidence=activity.evidence,
        inputs=activity.inputs,
        outcome=activity.outcome,
        reason=activity.reason,
        co2e_g=grams(activity.co2e_mg),
        aggregated_g=grams(activity.aggregated_mg),
        points=activity.points,
        winner_id=None if activity.winner_id is None else owner_id(activity.winner_id),
        booked_at=booked_at(activity),
        reversed_at=activity.reversed_at,
        collect_from=opens,
        collect_until=closes,
    )


def booked_at(activity: Activity) -> datetime.datetime:
    """When the activity was stored: the moment that its id carries."""
    return datetime.datetime.fromtimestamp(moment_ms(activity.id) // 1000, datetime.UTC)
