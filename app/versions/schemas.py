"""What operators send and are answered about methodologies."""

import datetime as dt
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.fields import Moment, Region
from app.crediting.schemas import SceneName
from app.versions.models import ProposalState, State
from methodologies.model import Code, Version

Reason = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Day = Annotated[dt.date, Field(ge=dt.date(2000, 1, 1), le=dt.date(2200, 1, 1))]
"""A day in Asia/Shanghai."""
_ORIGIN = {"region": "440300", "code": "SZ-LOW-CARBON-TRANSIT.metro", "version": "2021"}


class Input(BaseModel):
    """Refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Origin(Input):
    """A version that is there already: of a pack, or an operator's."""

    region: Region
    code: Code
    version: Version


class DraftInput(Input):
    """A new draft: from a version that is there, from a text, or from nothing.

    Region, scene, code and version are needed where the origin or the text does not say them; where both do, these
    count.
    """

    from_: Origin | None = Field(default=None, alias="from", examples=[_ORIGIN])
    methodology: dict[str, Any] | None = Field(default=None, description="The whole text, as in a pack")
    region: Region | None = None
    scene: SceneName | None = None
    code: Code | None = None
    version: Version | None = None
    reason: Reason | None = Field(default=None, description="Why; kept in the audit trail")


class TextInput(Input):
    """The whole text of a methodology, as a pack has it; see docs/formulas.md."""

    methodology: dict[str, Any]
    reason: Reason | None = Field(default=None, description="Why it is changed; kept in the audit trail")


class StepInput(Input):
    """Why a step is taken."""

    reason: Reason = Field(examples=["council decision 2026-118"])


class ActivationInput(StepInput):
    """From which moment a version counts, for acts of the days it is in force."""

    activates_at: Moment = Field(examples=["2026-11-30T12:00:00+08:00"])
    leaves_gap: bool = Field(
        default=False,
        description="Needed where it has a last day and ends a version that has none: the days after are meant to be "
        "without a version",
    )


class RetirementInput(StepInput):
    """The last day in force; not needed for what never became active."""

    last_day: Day | None = Field(default=None, examples=["2026-12-31"])


class PackRetirementInput(StepInput):
    """A version that a pack ships, and its last day in force."""

    region: Region
    code: Code
    version: Version
    last_day: Day = Field(examples=["2026-12-31"])


class SceneDaysInput(StepInput):
    """Days on which a region and all below it exclude a scene, or adopt the nation's rule for it."""

    region: Region
    scene: SceneName
    first_day: Day
    last_day: Day | None = None
    legal_basis: Reason


class SceneDaysEndInput(StepInput):
    """Their last day; not needed for what has not begun, which then never does."""

    last_day: Day | None = None


class TextProblem(BaseModel):
    """One thing that is wrong with a text."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the text")
    zh: str
    en: str


class CheckAnswer(BaseModel):
    """Whether a text could be submitted."""

    ok: bool
    problems: list[TextProblem]
    content_hash: str | None = Field(default=None, description="SHA-256 of the canonical text that holds")


class ClosedVersion(BaseModel):
    """A version whose days in force end because another follows."""

    code: str
    version: str
    last_day: dt.date


class ReopenedVersion(BaseModel):
    """A version whose days in force come back, since what was to follow is cancelled."""

    code: str
    version: str
    last_day: dt.date | None


class RetiredPackVersion(BaseModel):
    """A pack's version that ends."""

    region: str
    scene: str
    code: str
    version: str
    last_day: dt.date


class Gap(BaseModel):
    """Days without a version of the region's own; no last day where they go on."""

    first_day: dt.date
    last_day: dt.date | None


class RevisionSummary(BaseModel):
    """A methodology version on its way."""

    id: str = Field(description="`mrv_…`")
    region: str
    scene: str
    code: str
    version: str
    state: State
    etag: int = Field(description="Named by the next write, in `If-Match`")
    origin: str
    in_force_from: dt.date | None = Field(description="From the submission on")
    in_force_to: dt.date | None
    activates_at: dt.datetime | None
    authors: list[str] = Field(description="Clients that wrote it")
    created_at: dt.datetime
    updated_at: dt.datetime
    submitted_at: dt.datetime | None
    approved_at: dt.datetime | None
    approved_by: str | None
    retired_at: dt.datetime | None
    content_hash: str | None


class RevisionView(RevisionSummary):
    """A methodology version with its text, what is wrong with it, and what its activation closes or closed."""

    methodology: dict[str, Any]
    problems: list[TextProblem] = []
    closes: list[ClosedVersion] = Field(
        default=[], description="In the answer to an activation: versions that end on the day before"
    )
    leaves: list[Gap] = Field(
        default=[], description="In the answer to an activation: days that are left without a version"
    )
    reopens: list[ReopenedVersion] = Field(
        default=[],
        description="In the answer to a retirement before it counted: versions that get days back",
    )


class RevisionList(BaseModel):
    """A page of versions, the newest first."""

    items: list[RevisionSummary]
    next_cursor: str | None


class InForcePeriod(BaseModel):
    """Days on which a version answers for its region and scene."""

    code: str
    version: str
    revision_id: str | None = Field(description="Null for a version of a pack")
    state: State
    first_day: dt.date
    last_day: dt.date | None
    activates_at: dt.datetime | None


class AdoptedDays(BaseModel):
    """Days on which the nation's rule counts where no region below it has one."""

    region: str = Field(description="The region that adopted it: this one, or one above it")
    adoption_id: str | None = Field(description="`mad_…`; null where a pack adopts it")
    first_day: dt.date | None
    last_day: dt.date | None


class Timeline(BaseModel):
    """A region's own versions of a scene, day by day, and the days without one."""

    region: str
    scene: str
    periods: list[InForcePeriod]
    gaps: list[Gap]
    falls_to: list[str] = Field(
        description="Regions that are asked on the days of a gap, in this order; the nation on adopted days only"
    )
    adoptions: list[AdoptedDays]


class ProposedEnd(BaseModel):
    """An end that is proposed and waits for another operator."""

    last_day: dt.date | None = Field(description="Null: it is not to begin at all")
    proposed_by: str


class SceneDaysView(BaseModel):
    """Days on which a region excludes a scene, or adopts the nation's rule for it, and why."""

    id: str = Field(description="`mex_…` of an exclusion, `mad_…` of an adoption")
    region: str
    scene: str
    state: ProposalState = Field(description="It counts where it is `approved` (days ahead) or `active`")
    etag: int = Field(description="Named by the next step, in `If-Match`")
    first_day: dt.date
    last_day: dt.date | None
    legal_basis: str
    created_by: str = Field(description="The client that proposed it")
    created_at: dt.datetime
    approved_by: str | None
    approved_at: dt.datetime | None
    proposed_end: ProposedEnd | None


class SceneDaysList(BaseModel):
    """A page of exclusions or adoptions, the newest first."""

    items: list[SceneDaysView]
    next_cursor: str | None
