"""What merchants and operators send and see of statements."""

import datetime
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from accounts.fields import Moment, Region, Text
from accounts.ids import public_id
from points.redemption_schemas import Names
from points.settlement_models import Settlement, SettlementAdjustment, SettlementDispute
from points.settlement_queries import Line
from points.settlements import Preview

MAX_ITEMS = 200
MAX_FEN = 1_000_000_000_000
SettlementStateWord = Literal["issued", "agreed", "disputed", "corrected", "upheld", "in_payment", "paid"]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
LineNumber = Annotated[int, Field(ge=1, le=2_000_000_000, strict=True)]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SettlementInput(_Input):
    """Which statement to issue: of a merchant, for a region, up to a moment that is past."""

    merchant_id: str = Field(examples=["org_01a1fc693a86700e9ae525ac545ac6cd"], max_length=64)
    region: Region = Field(description="Whose programme owes")
    ends_at: Moment


class AgreementInput(_Input):
    """The merchant agrees."""

    note: str = Field(default="", max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")


class LineObjection(_Input):
    """Why a line is wrong."""

    line: LineNumber
    reason: Reason


class DisputeInput(_Input):
    """Why the merchant does not agree: with the whole, with lines, or both."""

    reason: Reason | None = None
    lines: list[LineObjection] = Field(default=[], max_length=MAX_ITEMS)

    @model_validator(mode="after")
    def _says_something(self) -> "DisputeInput":
        if self.reason is None and not self.lines:
            raise ValueError("say why, for the whole or for lines")
        return self


class AdjustmentInput(_Input):
    """Fen that are owed beside the entries; below zero: that are not owed."""

    fen: int = Field(ge=-MAX_FEN, le=MAX_FEN, strict=True)
    reason: Reason
    line: LineNumber | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> "AdjustmentInput":
        if not self.fen:
            raise ValueError("a correction is not zero")
        return self


class ResolutionInput(_Input):
    """What the operator says to a dispute. Without corrections the statement is upheld."""

    reason: Reason
    corrections: list[AdjustmentInput] = Field(default=[], max_length=MAX_ITEMS)


class PaymentProposal(_Input):
    """The transfer that pays a statement."""

    bank_reference: Text = Field(examples=["20261103-000417"])
    paid_on: datetime.date
    reason: str = Field(default="", max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")


class PaymentStep(_Input):
    """Why a payment is approved or rejected."""

    reason: Reason


class SettlementPreview(BaseModel):
    """What a statement would say now. Nothing is written."""

    merchant_id: str
    region: str
    starts_at: str
    ends_at: str
    over: bool = Field(description="Whether the period is over, so that it can be issued")
    opening_fen: int
    spent_fen: int
    refunded_fen: int
    total_fen: int
    redeemed: int
    refunded: int
    points: int


class SettlementView(BaseModel):
    """A statement. `total_fen` = opening + spent - refunded + adjusted; below zero it is carried over."""

    settlement_id: str
    number: str
    merchant_id: str
    region: str
    starts_at: str
    ends_at: str = Field(description="Not in the period any more")
    state: SettlementStateWord
    version: int
    opening_fen: int = Field(description="Carried over from before")
    spent_fen: int
    refunded_fen: int
    adjusted_fen: int = Field(description="Corrections after a dispute")
    total_fen: int
    payable_fen: int = Field(description="The total, where it is above zero")
    carry_fen: int = Field(description="The total, where it is below zero: the next statement begins with it")
    redeemed: int = Field(description="Redemptions that were taken")
    refunded: int = Field(description="Refunds of redemptions that were taken, of whatever period")
    points: int = Field(description="Points spent in them, net of refunds")
    issued_at: str
    agreed_at: str | None
    disputed_at: str | None
    resolution: Literal["corrected", "upheld"] | None
    resolution_note: str
    bank_reference: str | None = Field(description="Once the payment is approved")
    paid_on: str | None
    paid_at: str | None


class DisputeView(BaseModel):
    """An objection of the merchant's."""

    line: int | None
    reason: str
    raised_at: str


class AdjustmentView(BaseModel):
    """A correction of the operator's."""

    line: int | None
    fen: int
    reason: str
    made_at: str


class SettlementDetail(SettlementView):
    """A statement with what was said of it."""

    disputes: list[DisputeView]
    adjustments: list[AdjustmentView]


class SettlementList(BaseModel):
    """A page of statements, the newest first."""

    items: list[SettlementView]
    next_cursor: str | None


class LineView(BaseModel):
    """An offer at a shop on a day; quantity and points net of refunds."""

    line: int
    day: str
    offer_id: str
    title: Names
    shop_id: str | None
    shop: str | None
    redeemed: int
    refunded: int
    quantity: int
    points: int
    spent_fen: int
    refunded_fen: int


class LineList(BaseModel):
    """A page of lines in their order."""

    items: list[LineView]
    next_cursor: str | None


def _told(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def settlement_view(settlement: Settlement, *, to_operator: bool = False) -> SettlementView:
    """A statement as it is told. A payment that is not approved is told to operators only."""
    paid = to_operator or settlement.paid_at is not None
    return SettlementView(
        settlement_id=public_id("stl", settlement.id),
        number=settlement.number,
        merchant_id=public_id("org", settlement.merchant_id),
        region=settlement.region,
        starts_at=settlement.starts_at.isoformat(),
        ends_at=settlement.ends_at.isoformat(),
        state=settlement.state,
        version=settlement.version,
        opening_fen=settlement.opening_fen,
        spent_fen=settlement.spent_fen,
        refunded_fen=settlement.refunded_fen,
        adjusted_fen=settlement.adjusted_fen,
        total_fen=settlement.total_fen,
        payable_fen=settlement.payable_fen,
        carry_fen=settlement.carry_fen,
        redeemed=settlement.redeemed,
        refunded=settlement.refunded,
        points=settlement.points,
        issued_at=settlement.issued_at.isoformat(),
        agreed_at=_told(settlement.agreed_at),
        disputed_at=_told(settlement.disputed_at),
        resolution=settlement.resolution,
        resolution_note=settlement.resolution_note,
        bank_reference=settlement.bank_reference if paid else None,
        paid_on=str(settlement.paid_on) if paid and settlement.paid_on is not None else None,
        paid_at=_told(settlement.paid_at),
    )


def settlement_detail(
    view: SettlementView,
    disputes: Sequence[SettlementDispute],
    adjustments: Sequence[SettlementAdjustment],
) -> SettlementDetail:
    """A statement with what was said of it."""
    return SettlementDetail(
        **view.model_dump(),
        disputes=[
            DisputeView(line=each.line, reason=each.reason, raised_at=each.raised_at.isoformat())
            for each in disputes
        ],
        adjustments=[
            AdjustmentView(line=each.line, fen=each.fen, reason=each.reason, made_at=each.made_at.isoformat())
            for each in adjustments
        ],
    )


def line_view(line: Line) -> dict[str, Any]:
    """The fields of `LineView`."""
    return LineView(
        line=line.line,
        day=str(line.day),
        offer_id=public_id("ofr", line.offer_id),
        title=Names(zh=line.title_zh, en=line.title_en),
        shop_id=None if line.shop_id is None else public_id("shp", line.shop_id),
        shop=line.shop,
        redeemed=line.redeemed,
        refunded=line.refunded,
        quantity=line.quantity,
        points=line.points,
        spent_fen=line.spent_fen,
        refunded_fen=line.refunded_fen,
    ).model_dump()


def preview_view(
    preview: Preview, merchant_id: str, region: str, now: datetime.datetime
) -> SettlementPreview:
    """What a statement would say."""
    sums = preview.sums
    return SettlementPreview(
        merchant_id=merchant_id,
        region=region,
        starts_at=preview.starts_at.isoformat(),
        ends_at=preview.ends_at.isoformat(),
        over=preview.ends_at <= now,
        opening_fen=preview.opening_fen,
        spent_fen=sums.spent_fen,
        refunded_fen=sums.refunded_fen,
        total_fen=preview.opening_fen + sums.spent_fen - sums.refunded_fen,
        redeemed=sums.redeemed,
        refunded=sums.refunded,
        points=sums.points,
    )
