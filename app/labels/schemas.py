"""What enterprises and operators send and are answered about figures and labels."""

import datetime as dt
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from accounts.fields import Group, Region, Text
from accounts.ids import public_id
from accounts.labels.measures import MAX_AMOUNT, SIGNED, UNITS, Measure, Unit, floored, rounded
from accounts.labels.queries import Label
from accounts.labels.repository import Figure
from accounts.labels.run_repository import Run, Told
from accounts.labels.scoring import Colour, ViewName
from accounts.quantities import grams

Reason = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Year = Annotated[int, Field(strict=True, ge=2000, le=2199)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
MAX_FIGURES = 50
MAX_BATCH = 500


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FigureDocument(_Input):
    """The document that a figure is in: what it is, and the digest of its file."""

    title: Text = Field(examples=["2025年度财务报表"])
    number: Text = Field(examples=["QJ-2025-117"])
    issued_on: dt.date
    sha256: Digest | None = Field(
        default=None, description="Of the file, in hex: it proves later which one it was"
    )


class FigureInput(_Input):
    """A figure of a year, an integer in its base unit. `product` is the code of what `output` is of."""

    year: Year
    measure: Measure
    product: Group | None = None
    amount: Annotated[int, Field(strict=True, ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
    unit: Unit = Field(description="Stated, so that nobody takes yuan for fen")
    document: FigureDocument

    @model_validator(mode="after")
    def _fits(self) -> "FigureInput":
        if self.unit not in UNITS[self.measure]:
            raise PydanticCustomError("unit", "the measure is not in this unit")
        if (self.measure is Measure.OUTPUT) != (self.product is not None):
            raise PydanticCustomError("product", "output is of a product, nothing else is")
        if self.amount < 0 and self.measure not in SIGNED:
            raise PydanticCustomError("amount", "only value added and tax may be below zero")
        return self


class FiguresInput(_Input):
    """Figures of one's own."""

    figures: Annotated[list[FigureInput], Field(min_length=1, max_length=MAX_FIGURES)]


class OperatorFigureInput(FigureInput):
    """A figure of an enterprise as an authority has it."""

    enterprise_id: str = Field(description="`hld_…`", max_length=40)
    authority: Text = Field(examples=["国家税务总局衢州市税务局"])


class OperatorFigureBatch(_Input):
    """Figures of enterprises."""

    figures: Annotated[list[OperatorFigureInput], Field(min_length=1, max_length=MAX_BATCH)]


class FigureOutcome(BaseModel):
    """What became of one of a batch."""

    figure_id: str | None
    error: str | None


class FigureOutcomes(BaseModel):
    """In the order of the batch."""

    items: list[FigureOutcome]


class FigureView(BaseModel):
    """A figure as it was reported."""

    figure_id: str
    year: int
    measure: Measure
    product: str | None
    amount: int
    unit: Unit
    source: Literal["enterprise", "operator"]
    authority: str | None
    document: FigureDocument
    recorded_at: dt.datetime
    counts: bool = Field(description="Whether it is the one that labels read")


class FigureList(BaseModel):
    """A page of figures, the newest first."""

    items: list[FigureView]
    next_cursor: str | None


class FiguresTaken(BaseModel):
    """What was written down, in its order."""

    items: list[FigureView]


class LabelReason(BaseModel):
    """What is missing; or an indicator against something, with what it gained of the points that it could."""

    code: str
    view: ViewName | None = None
    indicator: str | None = None
    unit: str | None = None
    value: str | None = None
    reference: str | None = None
    points: str | None = None
    of: str | None = None
    year: int | None = None
    measure: str | None = None
    products: list[str] | None = None
    zh: str
    en: str


class LabelViewPart(BaseModel):
    """One of the three views: its own colour, points of 100, weight in percent."""

    colour: Colour
    points: str
    weight: str


class LabelView(BaseModel):
    """A label of a year."""

    year: int
    colour: Colour
    official: bool = Field(description="False: a trial, by rules that are nobody's official ones")
    points: str | None = Field(description="Of 100, never more than there are; what counts is exact")
    percentile: int | None = Field(description="How many of 100 others of the industry emit more per unit")
    views: dict[ViewName, LabelViewPart]
    reasons: list[LabelReason]
    rules_id: str
    emissions_co2e_g: str | None
    figures: dict[str, int]
    decided_at: dt.datetime
    published_at: dt.datetime


class LabelHistory(BaseModel):
    """All that were published, the latest year first."""

    items: list[LabelView]


class LabelPreview(BaseModel):
    """What the label would be by what is known now. No place among others: that is told once a year."""

    year: int
    colour: Colour
    official: Literal[False] = False
    points: str | None
    views: dict[ViewName, LabelViewPart]
    reasons: list[LabelReason]
    rules_id: str
    emissions_co2e_g: str | None
    figures: dict[str, int]
    as_of: dt.datetime


class FigureChange(BaseModel):
    """One figure changed alone: one unit less of a change does not reach the colour."""

    figure: str = Field(description="`emissions`, or the figure's measure, `output` with its product")
    unit: str
    present: int
    target: int | None = Field(description="Null: no value of this figure alone reaches it")
    change: int | None


class Improvement(BaseModel):
    """What would reach a colour."""

    year: int
    colour: Colour
    present: Colour
    reached: bool
    changes: list[FigureChange]
    reasons: list[LabelReason] = Field(description="What is missing, where there is no label")


class BenchmarkView(BaseModel):
    """What is told of an industry's distribution: means of neighbouring ranks, rounded to three digits."""

    year: int
    region: str
    indicator: str
    unit: str
    enterprises: int
    percentiles: dict[str, str] | None = Field(
        description="10, 25, 50, 75, 90 → grams per unit, the least first; null where there are too few enterprises"
    )


class BenchmarkList(BaseModel):
    """By indicator."""

    cell: str = Field(description="Whom one is compared with: a domain, and the industry of its scale")
    items: list[BenchmarkView]


class LabelRunInput(_Input):
    """A run of a region and year by the rules of today."""

    region: Region
    year: Year
    reason: Reason


class LabelPublicationInput(_Input):
    """Whether the labels are official, and why they are published."""

    official: bool
    reason: Reason


class LabelRunView(BaseModel):
    """A run and how far it is."""

    run_id: str
    region: str
    year: int
    rules_id: str
    yearly: bool
    state: Literal["assessing", "deciding", "done", "published"]
    official: bool | None
    colours: dict[str, int]
    created_at: dt.datetime
    decided_at: dt.datetime | None
    published_at: dt.datetime | None
    fallen: int | None = Field(default=None, description="Labels that fell with the publication; told by it")


class LabelRunList(BaseModel):
    """A page of runs, the newest first."""

    items: list[LabelRunView]
    next_cursor: str | None


class RunLabelView(BaseModel):
    """A label of a run, published or not."""

    enterprise_id: str
    domain: str
    industry: str | None
    colour: Colour
    points: str | None
    percentile: int | None
    reasons: list[LabelReason]


class RunLabelList(BaseModel):
    """A page of labels, in order of the enterprises' ids."""

    items: list[RunLabelView]
    next_cursor: str | None


def figure_view(figure: Figure, *, counts: bool) -> dict[str, Any]:
    """A figure as it is shown."""
    digest = figure.document_sha256
    return FigureView(
        figure_id=public_id("fig", figure.id),
        year=figure.year,
        measure=Measure(figure.measure),
        product=figure.product or None,
        amount=figure.amount,
        unit=Unit(figure.unit),
        source="operator" if figure.source == "operator" else "enterprise",
        authority=figure.authority or None,
        document=FigureDocument(
            title=figure.document_title,
            number=figure.document_number,
            issued_on=figure.document_issued_on,
            sha256=None if digest is None else digest.hex(),
        ),
        recorded_at=figure.recorded_at,
        counts=counts,
    ).model_dump(mode="json")


def figure_of(
    body: FigureInput, figure_id: UUID, holder_id: UUID, authority: str, by: str, now: dt.datetime
) -> Figure:
    """A row of what was sent; `authority` is empty for an enterprise's own."""
    document = body.document
    return Figure(
        holder_id,
        figure_id,
        body.year,
        body.measure.value,
        body.product or "",
        body.amount,
        body.unit.value,
        "operator" if authority else "enterprise",
        authority,
        document.title,
        document.number,
        document.issued_on,
        None if document.sha256 is None else bytes.fromhex(document.sha256),
        now,
        by,
    )


def reasons_view(reasons: Any) -> list[LabelReason]:
    """Reasons as they are shown; the exact points stay inside."""
    return [LabelReason.model_validate({k: v for k, v in each.items() if k != "exact"}) for each in reasons]


def facts_view(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Emissions and figures of the stored facts."""
    year = facts["facts"]
    mg = year["emissions_mg"]
    return {"emissions_co2e_g": None if mg is None else grams(mg), "figures": year["figures"]}


def points_view(points: str | None) -> str | None:
    """Points that never read as more than they are."""
    return None if points is None else floored(Fraction(points))


def label_view(label: Label) -> dict[str, Any]:
    """A published label."""
    return LabelView(
        year=label.year,
        colour=label.colour,
        official=label.official,
        points=points_view(label.points),
        percentile=label.percentile,
        views=dict(label.views),
        reasons=reasons_view(label.reasons),
        rules_id=public_id("ppt", label.rules_id),
        **facts_view(label.facts),
        decided_at=label.decided_at,
        published_at=label.published_at,
    ).model_dump(mode="json", exclude_none=False)


def run_view(run: Run, colours: Mapping[str, int], fallen: int | None = None) -> dict[str, Any]:
    """A run."""
    if run.published_at is not None:
        state = "published"
    elif run.decided_at is not None:
        state = "done"
    else:
        state = "assessing" if run.assessed_at is None else "deciding"
    return LabelRunView.model_validate(
        {
            "run_id": public_id("lbr", run.id),
            "region": run.region,
            "year": run.year,
            "rules_id": public_id("ppt", run.rules_id),
            "yearly": run.yearly,
            "state": state,
            "official": run.official,
            "colours": dict(colours),
            "created_at": run.created_at,
            "decided_at": run.decided_at,
            "published_at": run.published_at,
            "fallen": fallen,
        }
    ).model_dump(mode="json")


def benchmark_view(told: Told, unit: str) -> BenchmarkView:
    """A distribution."""
    found = told.percentiles
    return BenchmarkView(
        year=told.year,
        region=told.region,
        indicator=told.indicator,
        unit=unit,
        enterprises=told.enterprises,
        percentiles=None if found is None else {str(each): rounded(value) for each, value in found.items()},
    )
