"""What recalculations left of an activity's past: for its reversal and its explanation."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel, Field
from sqlmodel import col, select

from accounts.ids import moment_ms, public_id
from accounts.quantities import grams
from app.crediting.models import Activity, MethodologyVersion
from app.recalculation.models import RecalculatedActivity
from dedup.periods import LOCAL, day_of

if TYPE_CHECKING:
    import asyncpg
    from sqlmodel.ext.asyncio.session import AsyncSession


class Computed(BaseModel):
    """What an activity came to under one text."""

    region: str
    code: str
    version: str
    outcome: str
    reason: str | None
    co2e_g: str
    full_co2e_g: str = Field(description="Before caps")
    points: int
    aggregated_g: str = Field(description="What the platform took; beside `co2e_g`")


class RecalculatedView(BaseModel):
    """A recalculation of an activity under a corrected version: from what, to what, when and by which."""

    recalculation_id: str = Field(description="`mrc_…`")
    at: datetime.datetime
    before: Computed
    after: Computed


async def history_of(session: "AsyncSession", activity: Activity) -> list[RecalculatedActivity]:
    """What recalculations changed of an activity, the first one first."""
    rows = await session.exec(
        select(RecalculatedActivity)
        .where(
            col(RecalculatedActivity.holder_id) == activity.holder_id,
            col(RecalculatedActivity.activity_id) == activity.id,
        )
        .order_by(col(RecalculatedActivity.at), col(RecalculatedActivity.recalculation_id))
    )
    return list(rows.all())


async def views(session: "AsyncSession", history: list[RecalculatedActivity]) -> list[RecalculatedView]:
    """Recalculations as an explanation tells them."""
    ids = {each.before_methodology_id for each in history} | {each.after_methodology_id for each in history}
    found = await session.exec(select(MethodologyVersion).where(col(MethodologyVersion.id).in_(ids)))
    texts = {text.id: text for text in found.all()}

    def computed(
        text: MethodologyVersion,
        outcome: str,
        reason: str | None,
        mg: int,
        full_mg: int,
        points: int,
        aggregated_mg: int,
    ) -> Computed:
        return Computed(
            region=text.region,
            code=text.code,
            version=text.version,
            outcome=outcome,
            reason=reason,
            co2e_g=grams(mg),
            full_co2e_g=grams(full_mg),
            points=points,
            aggregated_g=grams(aggregated_mg),
        )

    return [
        RecalculatedView(
            recalculation_id=public_id("mrc", each.recalculation_id),
            at=each.at,
            before=computed(
                texts[each.before_methodology_id],
                each.before_outcome,
                each.before_reason,
                each.before_mg,
                each.before_full_mg,
                each.before_points,
                each.before_aggregated_mg,
            ),
            after=computed(
                texts[each.after_methodology_id],
                each.after_outcome,
                each.after_reason,
                each.after_mg,
                each.after_full_mg,
                each.after_points,
                each.after_aggregated_mg,
            ),
        )
        for each in history
    ]


def first_credited_on(
    activity_id: UUID, credited_at: datetime.datetime | None, recalculated_at: datetime.datetime | None
) -> datetime.date:
    """The local day on which an activity was booked as a credit first: its points expire by that, whatever came later.

    It is the day of its first entry, or where only recalculations gave it entries, the day on which it was stored.
    """
    if credited_at is not None and (recalculated_at is None or credited_at < recalculated_at):
        return credited_at.astimezone(LOCAL).date()
    return day_of(moment_ms(activity_id) // 1000)


async def first_recalculated_at(
    driver: "asyncpg.Connection", holder_id: UUID, activity_id: UUID
) -> datetime.datetime | None:
    """When an activity was first recalculated."""
    found: datetime.datetime | None = await driver.fetchval(
        "SELECT min(at) FROM recalculated_activities WHERE holder_id = $1 AND activity_id = $2",
        holder_id,
        activity_id,
    )
    return found
