"""What a decision after the intake made of an activity: kept beside it, and what lets its amounts change at all."""

import datetime
from typing import TYPE_CHECKING, ClassVar, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime
from sqlmodel import Field, SQLModel

if TYPE_CHECKING:
    import asyncpg

    from app.crediting.models import Activity

DISPUTE = "dispute"
REVIEW = "review"
REVERSAL = "reversal"
PRECEDENCE = "precedence"


class SettledActivity(SQLModel, table=True):
    """One change of what an activity came to. Never changed or deleted.

    `cause_id` is the dispute, the held act, or the act whose credit was reversed or taken over.
    """

    __tablename__: ClassVar[str] = "settled_activities"
    __table_args__ = (
        CheckConstraint(
            "cause IN ('dispute', 'review', 'reversal', 'precedence')", name="settled_activities_cause"
        ),
    )

    holder_id: UUID = Field(primary_key=True)
    activity_id: UUID = Field(primary_key=True)
    cause_id: UUID = Field(primary_key=True)
    cause: str
    at: datetime.datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    before_outcome: str
    before_reason: str | None = None
    after_outcome: str
    after_reason: str | None = None
    after_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    after_aggregated_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    after_points: int = Field(sa_column=Column(BigInteger, nullable=False))


class Settlement(NamedTuple):
    """What an activity was before."""

    outcome: str
    reason: str | None

    @classmethod
    def standing(cls, activity: "Activity") -> "Settlement":
        """As it is now."""
        return cls(activity.outcome, activity.reason)


async def settle(
    driver: "asyncpg.Connection",
    activity: "Activity",
    before: Settlement,
    cause: str,
    cause_id: UUID,
    now: datetime.datetime,
) -> None:
    """Store what a decision made of an activity of a locked holder, and the row that tells it.

    In two statements: a trigger looks for the row when the activity changes.
    """
    after = (activity.outcome, activity.reason, activity.co2e_mg, activity.aggregated_mg, activity.points)
    await driver.execute(
        """
        INSERT INTO settled_activities (holder_id, activity_id, cause_id, cause, at, before_outcome, before_reason,
            after_outcome, after_reason, after_mg, after_aggregated_mg, after_points)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        *(activity.holder_id, activity.id, cause_id, cause, now, before.outcome, before.reason, *after),
    )
    await driver.execute(
        """
        UPDATE activities SET outcome = $3, reason = $4, co2e_mg = $5, aggregated_mg = $6, points = $7
        WHERE holder_id = $1 AND id = $2
        """,
        *(activity.holder_id, activity.id, *after),
    )
