"""What merchants say of their shops and offers, and what everybody sees of them."""

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from accounts.fields import Moment, Region, Text
from accounts.ids import public_id
from points.redemption_models import Offer, Shop, Till
from points.redemption_schemas import Names

MAX_PRICE = 1_000_000_000
MAX_PIECES = 1_000_000_000
Terms = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
Kind = Literal["voucher", "cash_off", "transit_ticket", "public_good"]
DeliveryWord = Literal["qr", "generated", "pool", "none"]
OfferStateWord = Literal["draft", "in_review", "live", "paused", "ended"]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TitleInput(_Input):
    """A name in both languages."""

    zh: Text
    en: Text


class TermsInput(_Input):
    """The small print in both languages."""

    zh: Terms = ""
    en: Terms = ""


class ShopInput(_Input):
    """A place of the merchant."""

    name: Text = Field(examples=["福田店"])
    address: str = Field(default="", max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")


class TillInput(_Input):
    """A till of a shop."""

    name: Text = Field(examples=["收银台 1"])


class OfferInput(_Input):
    """An offer. Prices and what the programme owes for one piece; limits in pieces."""

    region: Region | None = Field(default=None, description="The merchant's own where absent")
    kind: Kind
    delivery: DeliveryWord | None = Field(
        default=None,
        description="`qr`: rotating code at the till. `generated`: a text code. `pool`: a code of your own upload. "
        "`none`: nothing to hand over, for public goods. `none` for public goods and `qr` for the rest where absent",
    )
    title: TitleInput
    terms: TermsInput = TermsInput()
    price_points: int = Field(ge=1, le=MAX_PRICE, strict=True)
    price_fen: int = Field(default=0, ge=0, le=MAX_PRICE, strict=True)
    settle_fen: int = Field(default=0, ge=0, le=MAX_PRICE, strict=True)
    stock: int | None = Field(
        default=None,
        ge=0,
        le=MAX_PIECES,
        strict=True,
        description="No limit where absent; of a pool, its codes",
    )
    per_person: int | None = Field(default=None, ge=1, le=1_000_000, strict=True)
    per_person_day: int | None = Field(default=None, ge=1, le=1_000_000, strict=True)
    valid_from: Moment
    valid_until: Moment
    code_days: int = Field(default=30, ge=1, le=366, strict=True, description="Days for which a code is good")
    refund_lapsed: bool = Field(
        default=True, description="Whether points of a code that nobody took come back"
    )
    blackout_days: list[datetime.date] = Field(
        default=[], max_length=366, description="Neither sold nor taken on these days"
    )
    shop_ids: list[str] = Field(default=[], max_length=200, description="`shp_…`; all shops where empty")

    @field_validator("blackout_days")
    @classmethod
    def _once_each(cls, days: list[datetime.date]) -> list[datetime.date]:
        return sorted(set(days))


class OfferStep(_Input):
    """Why a step is taken; the merchant or the operator reads it."""

    reason: str = Field(default="", max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")


class StockInput(_Input):
    """Pieces to be added."""

    add: int = Field(ge=1, le=MAX_PIECES, strict=True)


class TillView(BaseModel):
    """A till; its number is what it shows to be bound to."""

    till_id: str
    shop_id: str
    number: str
    name: str
    closed: bool


class TillList(BaseModel):
    """The tills of a shop."""

    items: list[TillView]
    next_cursor: str | None


class ShopView(BaseModel):
    """A shop."""

    shop_id: str
    name: str
    address: str
    closed: bool


class ShopList(BaseModel):
    """A page of shops."""

    items: list[ShopView]
    next_cursor: str | None


class PublicOffer(BaseModel):
    """An offer as residents see it."""

    offer_id: str
    merchant_id: str
    region: str
    kind: Kind
    delivery: DeliveryWord
    title: Names
    terms: Names
    price_points: int
    price_fen: int
    remaining: int | None = Field(description="Null where there is no limit")
    per_person: int | None
    per_person_day: int | None
    valid_from: str
    valid_until: str
    code_days: int
    refund_lapsed: bool
    blackout_days: list[str]
    shop_ids: list[str]


class PublicOfferList(BaseModel):
    """A page of offers, the newest first."""

    items: list[PublicOffer]
    next_cursor: str | None


class OfferView(PublicOffer):
    """An offer as its merchant and its operators see it."""

    programme: str = Field(description="Whose points it takes")
    settle_fen: int
    stock: int | None = Field(description="All pieces that were ever added")
    state: OfferStateWord
    paused_by: Literal["merchant", "operator"] | None
    review_note: str
    approved_at: str | None
    version: int = Field(description="Name it by If-Match")


class OfferList(BaseModel):
    """A page of offers, the newest first."""

    items: list[OfferView]
    next_cursor: str | None


class CodesAnswer(BaseModel):
    """How many codes an upload added."""

    added: int
    remaining: int


def shop_view(shop: Shop) -> ShopView:
    """A shop as its merchant sees it."""
    return ShopView(
        shop_id=public_id("shp", shop.id),
        name=shop.name,
        address=shop.address,
        closed=shop.closed_at is not None,
    )


def till_view(till: Till) -> TillView:
    """A till as its merchant sees it."""
    return TillView(
        till_id=public_id("til", till.id),
        shop_id=public_id("shp", till.shop_id),
        number=till.number,
        name=till.name,
        closed=till.closed_at is not None,
    )


def public_offer(offer: Offer, remaining: int | None) -> PublicOffer:
    """An offer as residents see it."""
    return PublicOffer.model_validate(_fields(offer, remaining))


def offer_view(offer: Offer, added: int | None, remaining: int | None) -> OfferView:
    """An offer as its merchant sees it."""
    return OfferView.model_validate(
        _fields(offer, remaining)
        | {
            "programme": offer.programme,
            "settle_fen": offer.settle_fen,
            "stock": added,
            "state": offer.state,
            "paused_by": offer.paused_by,
            "review_note": offer.review_note,
            "approved_at": None if offer.approved_at is None else offer.approved_at.isoformat(),
            "version": offer.version,
        }
    )


def _fields(offer: Offer, remaining: int | None) -> dict[str, object]:
    return {
        "offer_id": public_id("ofr", offer.id),
        "merchant_id": public_id("org", offer.merchant_id),
        "region": offer.region,
        "kind": offer.kind,
        "delivery": offer.delivery,
        "title": {"zh": offer.title_zh, "en": offer.title_en},
        "terms": {"zh": offer.terms_zh, "en": offer.terms_en},
        "price_points": offer.price_points,
        "price_fen": offer.price_fen,
        "remaining": remaining,
        "per_person": offer.per_person,
        "per_person_day": offer.per_person_day,
        "valid_from": offer.valid_from.isoformat(),
        "valid_until": offer.valid_until.isoformat(),
        "code_days": offer.code_days,
        "refund_lapsed": offer.refund_lapsed,
        "blackout_days": [day.isoformat() for day in offer.blackout_days],
        "shop_ids": [public_id("shp", shop) for shop in offer.shop_ids],
    }
