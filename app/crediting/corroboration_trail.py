"""What corroboration made of an activity's evidence, as its explanation tells it. Names no platform and no person."""

import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from accounts.ids import public_id
from app.crediting.corroboration import Corroboration, grade
from app.crediting.corroboration_store import about

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.crediting.models import Activity


class CorroborationView(BaseModel):
    """A credit that an activity stands or stood behind."""

    winner_id: str = Field(description="`act_…`: the credit; its person is this one's, its platform another")
    rule: str = Field(description="By what both are of one act: `one_order_number` or `evidence`")
    since: datetime.datetime
    outranks: str | None = Field(description="By which rule of precedence this report takes the credit over")
    not_taken: str | None = Field(description="Where it outranks the credit and did not get it: why")
    until: datetime.datetime | None
    ended: str | None = Field(description="What became of it; null while it stands behind the credit")


class CorroborationTrail(BaseModel):
    """The evidence grade of an activity, and what it supports."""

    platforms: int = Field(description="How many other platforms' reports stand behind this credit")
    evidence_reported: str
    evidence_now: str = Field(description="The grade that follows from all platforms that have seen the act")
    supports: list[CorroborationView]


async def trail_of(session: "AsyncSession", activity: "Activity") -> CorroborationTrail:
    """Of an activity as a credit, and as a report that stands behind others'."""
    rows = await about(session, activity)
    behind = [
        (row.source_id, row.evidence) for row in rows if row.winner_id == activity.id and not row.ended_at
    ]
    return CorroborationTrail(
        platforms=len({source for source, _ in behind}),
        evidence_reported=activity.evidence,
        evidence_now=grade(activity.evidence, activity.source_id, behind),
        supports=[_view(row) for row in rows if row.activity_id == activity.id],
    )


def _view(row: Corroboration) -> CorroborationView:
    return CorroborationView(
        winner_id=public_id("act", row.winner_id),
        rule=row.rule,
        since=row.at,
        outranks=row.outranks,
        not_taken=row.skipped,
        until=row.ended_at,
        ended=row.ended,
    )
