"""What a recalculation changes, added up over slices: the preview, and later what was done."""

from typing import TYPE_CHECKING

from pydantic import BaseModel

from accounts.ids import public_id
from app.crediting.models import Outcome
from dedup.periods import month_of

if TYPE_CHECKING:
    from app.recalculation.recompute import Change, Plan

MOST_LISTED = 1_000
MOST_EXTREMES = 10


class Amounts(BaseModel):
    """Grams as mg, and points, before and after."""

    activities: int = 0
    before_mg: int = 0
    after_mg: int = 0
    before_points: int = 0
    after_points: int = 0
    before_aggregated_mg: int = 0
    after_aggregated_mg: int = 0

    def add(self, change: "Change") -> None:
        """Count one activity."""
        self.activities += 1
        self.before_mg += change.act.co2e_mg
        self.after_mg += change.co2e_mg
        self.before_points += change.act.points
        self.after_points += change.points
        self.before_aggregated_mg += change.act.aggregated_mg
        self.after_aggregated_mg += change.aggregated_mg


class Skipped(BaseModel):
    """An activity that stays as it is."""

    activity_id: str
    reason: str


class Figures(BaseModel):
    """Sums over holders that were looked at, each once."""

    holders: int = 0
    total: Amounts = Amounts()
    months: dict[str, Amounts] = {}
    limited: int = 0
    """Acts that a cap of the new text leaves less than it computes, and that had all of theirs."""
    refused: int = 0
    gains_mg: list[int] = []
    """What single holders gain at most, the largest first; `losses_mg` likewise."""
    losses_mg: list[int] = []
    skipped: dict[str, int] = {}
    """Reason → number of activities that stay as they are, in the present pass."""
    skipped_activities: list[Skipped] = []

    def begin_pass(self) -> None:
        """What could not be done is looked at again."""
        self.skipped, self.skipped_activities = {}, []

    def add(self, plan: "Plan") -> None:
        """Count what is planned for one holder."""
        self.holders += bool(plan.changes)
        gained = 0
        for change in plan.changes:
            self.total.add(change)
            self.months.setdefault(month_of(change.act.started_s), Amounts()).add(change)
            gained += change.co2e_mg - change.act.co2e_mg
            if change.outcome is Outcome.REJECTED and change.reason != "cap_reached":
                self.refused += 1
            elif change.capped and not change.act.capped:
                self.limited += 1
        if gained > 0:
            self.gains_mg = sorted([*self.gains_mg, gained], reverse=True)[:MOST_EXTREMES]
        elif gained < 0:
            self.losses_mg = sorted([*self.losses_mg, -gained], reverse=True)[:MOST_EXTREMES]
        for activity_id, reason in plan.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + 1
            if len(self.skipped_activities) < MOST_LISTED:
                self.skipped_activities.append(
                    Skipped(activity_id=public_id("act", activity_id), reason=reason)
                )
