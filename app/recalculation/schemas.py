"""What operators send and are answered about recalculations."""

import datetime as dt
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from accounts.ids import public_id
from accounts.quantities import grams
from app.recalculation.figures import Amounts, Figures, Skipped
from app.recalculation.models import Recalculation, State
from app.versions.schemas import ActivationInput, ClosedVersion, StepInput

RevisionId = Annotated[str, StringConstraints(pattern=r"^mrv_[0-9a-f]{32}$")]


class RecalculationInput(StepInput):
    """A version whose text begins in the past, submitted or approved and not activated."""

    revision_id: RevisionId = Field(examples=["mrv_01a1fc693a86700e9ae525ac545ac6cd"])


class RecalculationApproval(ActivationInput):
    """From which moment the corrected version counts; acts of before are recalculated some minutes later."""


class AmountsView(BaseModel):
    """Sums before and after."""

    activities: int
    before_co2e_g: str
    after_co2e_g: str
    before_points: int
    after_points: int
    before_aggregated_g: str = Field(description="What platforms took; beside `before_co2e_g`")
    after_aggregated_g: str


class MonthView(AmountsView):
    """Sums of the acts of a local month."""

    month: str = Field(examples=["2026-07"])


class FiguresView(AmountsView):
    """What changes, or was changed."""

    holders: int
    months: list[MonthView]
    limited: int = Field(description="Acts that had all of theirs, and that a cap leaves less of")
    refused: int = Field(
        description="Acts that the text refuses: they end with nothing and keep their claims"
    )
    largest_gains_g: list[str] = Field(description="Of single holders, whom nobody names")
    largest_losses_g: list[str]
    skipped: dict[str, int] = Field(
        description="Acts that stay as they are, by reason: `points_spent`, `grams_used`, `not_collectable`"
    )
    skipped_activities: list[Skipped] = Field(description="The first thousand of them")


class RecalculationSummary(BaseModel):
    """A recalculation on its way."""

    id: str = Field(description="`mrc_…`")
    region: str
    scene: str
    revision_id: str
    content_hash: str = Field(description="The text that the preview is of; another one is not approved")
    first_day: dt.date
    last_day: dt.date | None
    state: State
    requested_by: str
    reason: str
    created_at: dt.datetime
    replaces: list[ClosedVersion] = Field(description="Versions that end by it, and their last days then")
    previewed_at: dt.datetime | None
    approved_by: str | None
    approved_at: dt.datetime | None
    approval_reason: str
    activates_at: dt.datetime | None
    runs_from: dt.datetime | None
    cancelled_by: str | None
    ended_at: dt.datetime | None


class RecalculationView(RecalculationSummary):
    """A recalculation with its figures."""

    preview: FiguresView | None = Field(description="Once it is there")
    totals: FiguresView | None = Field(description="What is done so far; final once it is `done`")


class RecalculationList(BaseModel):
    """A page of recalculations, the newest first."""

    items: list[RecalculationSummary]
    next_cursor: str | None


def summary(found: Recalculation) -> RecalculationSummary:
    """A recalculation as lists show it."""
    return RecalculationSummary(**_summary(found))


def view(found: Recalculation) -> RecalculationView:
    """A recalculation with its figures."""
    begun = found.state in (State.RUNNING, State.DONE)
    return RecalculationView(
        **_summary(found),
        preview=None if found.previewed_at is None else _figures(found.preview),
        totals=_figures(found.totals) if begun else None,
    )


def _summary(found: Recalculation) -> dict[str, Any]:
    ids = {"id": public_id("mrc", found.id), "revision_id": public_id("mrv", found.revision_id)}
    return ids | found.model_dump(include=set(RecalculationSummary.model_fields) - ids.keys())


def _figures(stored: dict[str, Any]) -> FiguresView:
    figures = Figures.model_validate(stored)
    return FiguresView(
        **_amounts(figures.total),
        holders=figures.holders,
        months=[
            MonthView(month=month, **_amounts(amounts)) for month, amounts in sorted(figures.months.items())
        ],
        limited=figures.limited,
        refused=figures.refused,
        largest_gains_g=[grams(mg) for mg in figures.gains_mg],
        largest_losses_g=[grams(mg) for mg in figures.losses_mg],
        skipped=figures.skipped,
        skipped_activities=figures.skipped_activities,
    )


def _amounts(amounts: Amounts) -> dict[str, Any]:
    return {
        "activities": amounts.activities,
        "before_co2e_g": grams(amounts.before_mg),
        "after_co2e_g": grams(amounts.after_mg),
        "before_points": amounts.before_points,
        "after_points": amounts.after_points,
        "before_aggregated_g": grams(amounts.before_aggregated_mg),
        "after_aggregated_g": grams(amounts.after_aggregated_mg),
    }
