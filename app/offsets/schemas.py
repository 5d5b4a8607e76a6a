"""What operators and firms send and are answered about obligations, checks and filings."""

import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from accounts.fields import Group, Region, Text
from accounts.ids import public_id
from accounts.offset_rules.checking import CheckReport, Finding
from accounts.offset_rules.rules import RuleSource, RuleWords, Year
from app.offsets.models import OffsetFiling, OffsetLimit, OffsetLine, OffsetObligation

FIRM_ID = "org_01a1fc693a86700e9ae525ac545ac6cd"
ORIGIN_ID = "uor_01a1fc693a86700e9ae525ac545ac6cd"
MOST_LINES = 50
LOT_KG = 1_000
LongText = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Id = Annotated[str, StringConstraints(max_length=40)]
Tonnes = Annotated[int, Field(strict=True, ge=0, le=10**9)]
Lot = Annotated[int, Field(strict=True, ge=LOT_KG, le=10**12, multiple_of=LOT_KG)]
FilingWord = Literal["filed", "accepted", "rejected", "withdrawn"]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ObligationDocument(_Input):
    """The document that the figures come from."""

    title: Text
    number: Text
    issued_on: datetime.date


class ObligationFigures(_Input):
    """What a firm has to surrender, by a document."""

    region: Region = Field(description="Where the firm is")
    allowances_issued_t: Tonnes | None = Field(default=None, description="Issued to the firm for the period")
    allowances_to_surrender_t: Tonnes | None = Field(default=None, description="To be surrendered for it")
    file_by: datetime.date | None = Field(
        default=None, description="Last day of filing by the document; the rule's own, where known, bounds it"
    )
    boundary_ids: Annotated[list[Id], Field(max_length=100)] = Field(
        default_factory=list, description="Organisations within the firm's boundary, beside itself"
    )
    boundary_projects: Annotated[list[Text], Field(max_length=100)] = Field(
        default_factory=list, description="Codes of projects or methodologies within it"
    )
    document: ObligationDocument


class ObligationInput(ObligationFigures):
    """An obligation to record."""

    firm_id: Id = Field(examples=[FIRM_ID], description="A participant of the market")
    market: Group
    period: Year


class ObligationCorrection(ObligationFigures):
    """The figures anew, and why."""

    reason: LongText


class LimitView(BaseModel):
    """How much of a limit is used."""

    code: str
    cap_kg: int
    used_kg: int
    left_kg: int


class ObligationView(BaseModel):
    """An obligation as it stands."""

    obligation_id: str = Field(description="`obl_…`")
    version: int = Field(description="For `If-Match`")
    firm_id: str
    market: str
    period: int
    region: str
    allowances_issued_t: int | None
    allowances_to_surrender_t: int | None
    file_by: datetime.date | None
    boundary_ids: list[str]
    boundary_projects: list[str]
    document: ObligationDocument
    recorded_at: datetime.datetime
    limits: list[LimitView] = Field(description="Of what was filed so far; empty before")


class ObligationList(BaseModel):
    """A page of obligations, the newest first."""

    items: list[ObligationView]
    next_cursor: str | None


class FilingLineInput(_Input):
    """Units of one origin that the caller holds."""

    origin_id: Id = Field(examples=[ORIGIN_ID])
    quantity_kg: Lot


class FilingInput(_Input):
    """What is filed against an obligation, in lots of 1,000 kg."""

    lines: Annotated[list[FilingLineInput], Field(min_length=1, max_length=MOST_LINES)]

    @model_validator(mode="after")
    def _each_once(self) -> "FilingInput":
        if len({line.origin_id for line in self.lines}) < len(self.lines):
            raise PydanticCustomError("origins", "each origin once")
        return self


class CheckLineInput(_Input):
    """Units of an origin, or reductions described by what they are."""

    origin_id: Id | None = Field(default=None, examples=[ORIGIN_ID])
    kind: Group | None = None
    region: Region | None = None
    vintage: Year | None = None
    own_boundary: bool = False
    quantity_kg: Lot

    @model_validator(mode="after")
    def _one_way(self) -> "CheckLineInput":
        described = (self.kind, self.region, self.vintage)
        if (self.origin_id is None) == (None in described) and self.origin_id is None:
            raise PydanticCustomError("line", "an origin, or kind, region and vintage")
        if self.origin_id is not None and described != (None, None, None):
            raise PydanticCustomError("line", "an origin, or kind, region and vintage")
        return self


class CheckInput(_Input):
    """What would be filed, and when; today where no day is named."""

    filed_on: datetime.date | None = None
    lines: Annotated[list[CheckLineInput], Field(min_length=1, max_length=MOST_LINES)]


class ElsewhereLine(_Input):
    """Reductions that were retired in another registry for this obligation."""

    kind: Group
    region: Region
    vintage: Year
    quantity_kg: Lot
    serials: LongText


class ElsewhereInput(_Input):
    """What was retired elsewhere, by its document."""

    lines: Annotated[list[ElsewhereLine], Field(min_length=1, max_length=MOST_LINES)]
    document: LongText


class FilingStep(_Input):
    """Why."""

    reason: LongText


class FindingView(BaseModel):
    """A clause of the rule, and what it came to."""

    clause: Literal["rule", "deadline", "firm", "kind", "vintage", "boundary", "limit"]
    outcome: Literal["met", "broken", "unstated", "unknown"]
    line: int | None = Field(description="From 0; null: the filing as a whole")
    limit: str | None
    why: RuleWords
    figures: dict[str, int | str | None]
    source: RuleSource | None


class CheckView(BaseModel):
    """A check, clause by clause. What is undetermined cannot be filed."""

    verdict: Literal["allowed", "refused", "undetermined"]
    rule: str | None
    findings: list[FindingView]


class FilingLineView(BaseModel):
    """A line of a filing."""

    line: int
    origin_id: str | None
    kind: str
    region: str
    vintage: int
    quantity_kg: int
    serials: list[str] = Field(
        description="Of what was retired; of another registry as its document has them"
    )
    retirement_id: str | None


class FilingView(BaseModel):
    """A filing with the check that let it in."""

    filing_id: str = Field(description="`ofl_…`")
    obligation_id: str
    firm_id: str
    state: FilingWord
    beneficiary: str
    quantity_kg: int
    elsewhere: bool
    document: str
    lines: list[FilingLineView]
    check: CheckView
    filed_at: datetime.datetime
    decided_at: datetime.datetime | None
    reason: str


class FilingList(BaseModel):
    """A page of filings, the newest first."""

    items: list[FilingView]
    next_cursor: str | None


def finding_view(found: Finding) -> FindingView:
    """A finding as it is answered."""
    return FindingView.model_validate(
        {
            "clause": found.clause,
            "outcome": found.outcome.value,
            "line": found.line,
            "limit": found.limit,
            "why": found.why,
            "figures": dict(found.figures),
            "source": found.source,
        }
    )


def check_view(report: CheckReport) -> CheckView:
    """A check as it is answered, and kept with a filing."""
    return CheckView.model_validate(
        {
            "verdict": report.verdict.value,
            "rule": report.rule,
            "findings": [finding_view(each) for each in report.findings],
        }
    )


def obligation_view(row: OffsetObligation, limits: list[OffsetLimit]) -> ObligationView:
    """An obligation as it is answered."""
    return ObligationView(
        obligation_id=public_id("obl", row.id),
        version=row.version,
        firm_id=public_id("org", row.organisation_id),
        market=row.market,
        period=row.period,
        region=row.region,
        allowances_issued_t=row.allowances_issued_t,
        allowances_to_surrender_t=row.allowances_to_surrender_t,
        file_by=row.file_by,
        boundary_ids=[public_id("org", each) for each in row.boundary_ids],
        boundary_projects=row.boundary_projects,
        document=ObligationDocument(
            title=row.document_title, number=row.document_number, issued_on=row.document_issued_on
        ),
        recorded_at=row.recorded_at,
        limits=[
            LimitView(
                code=each.code, cap_kg=each.cap_kg, used_kg=each.used_kg, left_kg=each.cap_kg - each.used_kg
            )
            for each in limits
        ],
    )


def filing_view(
    row: OffsetFiling, lines: list[OffsetLine], retired: dict[Any, tuple[str, list[str]]]
) -> FilingView:
    """A filing as it is answered; `retired` has (id, serials) by line."""
    views = []
    for line in lines:
        retirement_id, serials = retired.get(line.id, (None, [line.serials] if line.serials else []))
        views.append(
            FilingLineView(
                line=line.line,
                origin_id=None if line.origin_id is None else public_id("uor", line.origin_id),
                kind=line.kind,
                region=line.region,
                vintage=line.vintage,
                quantity_kg=line.quantity_kg,
                serials=serials,
                retirement_id=retirement_id,
            )
        )
    return FilingView.model_validate(
        {
            "filing_id": public_id("ofl", row.id),
            "obligation_id": public_id("obl", row.obligation_id),
            "firm_id": public_id("org", row.organisation_id),
            "state": row.state,
            "beneficiary": row.beneficiary,
            "quantity_kg": sum(line.quantity_kg for line in lines),
            "elsewhere": row.elsewhere,
            "document": row.document,
            "lines": views,
            "check": row.report,
            "filed_at": row.filed_at,
            "decided_at": row.decided_at,
            "reason": row.reason,
        }
    )
