"""What an activity's explanation tells of signals and of its review."""

from typing import TYPE_CHECKING

from app.review import repository
from app.review.schemas import ReviewTrail, trail

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.crediting.models import Activity


async def review_of(session: "AsyncSession", activity: "Activity") -> ReviewTrail | None:
    """None where no signal said anything of it."""
    signals = (await repository.signals_of(session, [(activity.holder_id, activity.id)])).get(activity.id, [])
    return trail(await repository.find(session, activity.id), signals) if signals else None
