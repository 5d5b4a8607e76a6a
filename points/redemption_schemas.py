"""What residents, merchants and operators send and see of redemptions."""

import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from accounts.fields import Moment, Text
from accounts.ids import moment_ms, public_id
from points.redemption_states import Redemption, State

MAX_CODE = 512

StateWord = Literal[
    "held", "awaiting_payment", "confirmed", "fulfilled", "cancelled", "timed_out", "refunded", "lapsed"
]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OrderInput(_Input):
    """What a resident orders."""

    offer_id: str = Field(examples=["ofr_01a1fc693a86700e9ae525ac545ac6cd"], max_length=64)
    quantity: int = Field(default=1, ge=1, le=100, strict=True)
    confirm: bool = Field(
        default=False, description="Spend the points at once, where no money is to be paid beside them"
    )


class BindingInput(_Input):
    """The number that a till without the network shows."""

    till_number: str = Field(pattern=r"^[0-9]{8}$", examples=["20481937"])


class VerificationInput(_Input):
    """What a till read or a customer typed."""

    code: str = Field(min_length=1, max_length=MAX_CODE, pattern=r"^[^\x00-\x1f\x7f]+$")
    till_id: str | None = Field(default=None, max_length=64, description="`til_…`; none for an online shop")


class Acceptance(_Input):
    """A bound code that a till took without the network."""

    code: str = Field(min_length=1, max_length=MAX_CODE, pattern=r"^[^\x00-\x1f\x7f]+$")
    accepted_at: Moment


class AcceptanceBatch(_Input):
    """What one till took without the network. The same again is the same."""

    till_id: str = Field(max_length=64)
    items: list[Acceptance] = Field(max_length=500)


class RefundInput(_Input):
    """Why points go back."""

    reason: Text


class Names(BaseModel):
    """A text in both languages."""

    zh: str
    en: str


class RedemptionView(BaseModel):
    """A redemption as its holder sees it."""

    redemption_id: str
    offer_id: str
    title: Names
    delivery: Literal["qr", "generated", "pool", "none"]
    state: StateWord
    quantity: int
    points: int
    price_fen: int = Field(description="Money beside the points, in all")
    ordered_at: str
    hold_until: str | None = Field(description="While it waits for confirmation or payment")
    code: str | None = Field(description="The text code, where it has one; a QR is at `…/code`")
    code_until: str | None
    bound_until: str | None = Field(description="Till when the till that it is bound to takes it offline")
    confirmed_at: str | None
    fulfilled_at: str | None
    ended_at: str | None = Field(description="Cancelled, timed out, refunded or lapsed")


class RedemptionList(BaseModel):
    """A page of redemptions, the newest first."""

    items: list[RedemptionView]
    next_cursor: str | None


class CodeView(BaseModel):
    """What the app shows as a QR."""

    code: str
    valid_until: str = Field(description="Ask for a new one then")


class MerchantRedemption(BaseModel):
    """A redemption as its merchant sees it: nothing of who redeems."""

    redemption_id: str
    offer_id: str
    title: Names
    state: StateWord
    quantity: int
    points: int
    price_fen: int
    settle_fen: int = Field(description="What the programme owes for it, in all, once it is fulfilled")
    shop_id: str | None
    till_id: str | None
    ordered_at: str
    confirmed_at: str | None
    fulfilled_at: str | None
    ended_at: str | None


class MerchantRedemptionList(BaseModel):
    """A page of redemptions, the newest first."""

    items: list[MerchantRedemption]
    next_cursor: str | None


class AcceptanceAnswer(BaseModel):
    """What became of one acceptance."""

    redemption: MerchantRedemption | None
    error: str | None = Field(description="Stable code")


class AcceptanceBatchAnswer(BaseModel):
    """One answer for each item, in order."""

    items: list[AcceptanceAnswer]


def _told(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def ordered_at(redemption: Redemption) -> datetime.datetime:
    """When it was ordered, which its id tells."""
    return datetime.datetime.fromtimestamp(moment_ms(redemption.id) / 1000, datetime.UTC)


def own_view(redemption: Redemption, now: datetime.datetime) -> dict[str, Any]:
    """The fields of `RedemptionView`."""
    terms = redemption.terms
    state = redemption.state_at(now)
    waits = state in (State.HELD, State.AWAITING_PAYMENT)
    return {
        "redemption_id": public_id("red", redemption.id),
        "offer_id": public_id("ofr", redemption.offer_id),
        "title": {"zh": terms.title_zh, "en": terms.title_en} if terms else {"zh": "", "en": ""},
        "delivery": terms.delivery if terms else "none",
        "state": str(state),
        "quantity": redemption.quantity,
        "points": redemption.points,
        "price_fen": redemption.fen,
        "ordered_at": ordered_at(redemption).isoformat(),
        "hold_until": redemption.hold_until.isoformat() if waits else None,
        "code": redemption.code,
        "code_until": _told(redemption.code_until),
        "bound_until": _told(redemption.bound_until),
        "confirmed_at": _told(redemption.confirmed_at),
        "fulfilled_at": _told(redemption.fulfilled_at),
        "ended_at": _told(redemption.ended_at),
    }


def merchant_view(redemption: Redemption, now: datetime.datetime) -> dict[str, Any]:
    """The fields of `MerchantRedemption`."""
    terms = redemption.terms
    return {
        "redemption_id": public_id("red", redemption.id),
        "offer_id": public_id("ofr", redemption.offer_id),
        "title": {"zh": terms.title_zh, "en": terms.title_en} if terms else {"zh": "", "en": ""},
        "state": str(redemption.state_at(now)),
        "quantity": redemption.quantity,
        "points": redemption.points,
        "price_fen": redemption.fen,
        "settle_fen": redemption.settle_fen,
        "shop_id": None if redemption.shop_id is None else public_id("shp", redemption.shop_id),
        "till_id": None if redemption.till_id is None else public_id("til", redemption.till_id),
        "ordered_at": ordered_at(redemption).isoformat(),
        "confirmed_at": _told(redemption.confirmed_at),
        "fulfilled_at": _told(redemption.fulfilled_at),
        "ended_at": _told(redemption.ended_at),
    }
