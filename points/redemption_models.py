"""Tables of where points are spent: shops and tills, offers with stock and codes, redemptions."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    LargeBinary,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Any:
    return Column(DateTime(timezone=True), nullable=nullable)


def _amount() -> Any:
    return Column(BigInteger, nullable=False)


class Shop(SQLModel, table=True):
    """A merchant's place."""

    __tablename__: ClassVar[str] = "shops"
    __table_args__ = (Index("shops_merchant", "merchant_id", "id"),)

    id: UUID = Field(primary_key=True)
    merchant_id: UUID
    name: str
    address: str = ""
    created_at: datetime = Field(sa_column=_moment())
    closed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class Till(SQLModel, table=True):
    """A till of a shop; `number` is what it shows, so that a resident can bind a code to it."""

    __tablename__: ClassVar[str] = "tills"
    __table_args__ = (
        UniqueConstraint("number", name="tills_number"),
        Index("tills_shop", "shop_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID
    merchant_id: UUID
    number: str
    name: str = ""
    created_at: datetime = Field(sa_column=_moment())
    closed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class Offer(SQLModel, table=True):
    """What a merchant gives for points. Prices for one; what the programme owes the merchant for one is `settle_fen`.

    From its approval on a trigger keeps all but its state as it is. `shop_ids` empty: all shops of the merchant.
    """

    __tablename__: ClassVar[str] = "offers"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('voucher', 'cash_off', 'transit_ticket', 'public_good')", name="offers_kind"
        ),
        CheckConstraint("delivery IN ('qr', 'generated', 'pool', 'none')", name="offers_delivery"),
        CheckConstraint("state IN ('draft', 'in_review', 'live', 'paused', 'ended')", name="offers_state"),
        CheckConstraint("price_points > 0 AND price_fen >= 0 AND settle_fen >= 0", name="offers_prices"),
        CheckConstraint("per_person > 0 AND per_person_day > 0 AND code_days > 0", name="offers_limits"),
        CheckConstraint("valid_from < valid_until", name="offers_order"),
        CheckConstraint("delivery <> 'pool' OR limited", name="offers_pool"),
        CheckConstraint(
            "state IN ('draft', 'in_review', 'ended') OR (approved_at IS NOT NULL AND approved_by IS NOT NULL"
            " AND points_asset_id IS NOT NULL AND money_asset_id IS NOT NULL)",
            name="offers_reviewed",
        ),
        CheckConstraint("(state = 'paused') = (paused_by IS NOT NULL)", name="offers_paused"),
        Index("offers_merchant", "merchant_id", "id"),
        Index("offers_region", "region", "id"),
    )

    id: UUID = Field(primary_key=True)
    merchant_id: UUID
    region: str
    kind: str
    delivery: str
    title_zh: str
    title_en: str
    terms_zh: str = ""
    terms_en: str = ""
    programme: str = Field(description="Whose points it takes: a region's")
    price_points: int = Field(sa_column=_amount())
    price_fen: int = Field(sa_column=_amount())
    settle_fen: int = Field(sa_column=_amount())
    limited: bool = Field(description="Whether it has a stock")
    per_person: int | None = None
    per_person_day: int | None = None
    valid_from: datetime = Field(sa_column=_moment())
    valid_until: datetime = Field(sa_column=_moment())
    code_days: int = Field(description="Days for which a code is good")
    refund_lapsed: bool = Field(description="Whether points of a code that nobody took come back")
    blackout_days: list[date] = Field(sa_column=Column(ARRAY(Date), nullable=False))
    shop_ids: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False))
    state: str = "draft"
    paused_by: str | None = None
    version: int = 1
    created_at: datetime = Field(sa_column=_moment())
    updated_at: datetime = Field(sa_column=_moment())
    submitted_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    approved_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    approved_by: str | None = None
    review_note: str = ""
    points_asset_id: int | None = None
    money_asset_id: int | None = None


class OfferStock(SQLModel, table=True):
    """The stock of a limited offer, a narrow row of its own: it changes with every order, and is the offer's lock."""

    __tablename__: ClassVar[str] = "offer_stock"
    __table_args__ = (
        CheckConstraint("remaining >= 0 AND remaining <= added", name="offer_stock_within"),
        {"postgresql_with": {"fillfactor": "20"}},
    )

    offer_id: UUID = Field(primary_key=True)
    added: int = Field(sa_column=_amount())
    remaining: int = Field(sa_column=_amount())


class OfferCode(SQLModel, table=True):
    """A text code: of a merchant's own pool, free until it is given, or generated when it is given."""

    __tablename__: ClassVar[str] = "offer_codes"
    __table_args__ = (
        CheckConstraint("(holder_id IS NULL) = (redemption_id IS NULL)", name="offer_codes_given"),
        Index("offer_codes_free", "offer_id", postgresql_where=text("redemption_id IS NULL")),
        Index("offer_codes_redemption", "redemption_id", postgresql_where=text("redemption_id IS NOT NULL")),
    )

    merchant_id: UUID = Field(primary_key=True)
    code: str = Field(primary_key=True)
    offer_id: UUID
    holder_id: UUID | None = None
    redemption_id: UUID | None = None


class RedemptionRow(SQLModel, table=True):
    """An order and what became of it; amounts for the whole quantity. Guarded by the holder's lock.

    `counted`: whether it takes up stock and the person's limits. `points.redemption_states` has the states.
    """

    __tablename__: ClassVar[str] = "redemptions"
    __table_args__ = (
        CheckConstraint(
            "state IN ('held', 'awaiting_payment', 'confirmed', 'fulfilled', 'cancelled', 'timed_out', 'refunded',"
            " 'lapsed')",
            name="redemptions_state",
        ),
        CheckConstraint(
            "quantity > 0 AND points > 0 AND fen >= 0 AND settle_fen >= 0", name="redemptions_amounts"
        ),
        CheckConstraint(
            "state IN ('held', 'awaiting_payment', 'cancelled', 'timed_out') OR confirmed_at IS NOT NULL",
            name="redemptions_confirmed",
        ),
        CheckConstraint(
            "fen = 0 OR confirmed_at IS NULL OR payment_ref IS NOT NULL", name="redemptions_paid"
        ),
        CheckConstraint(
            "(bound_at IS NULL) = (binding_nonce IS NULL) AND (bound_at IS NULL) = (bound_until IS NULL)",
            name="redemptions_bound",
        ),
        Index("redemptions_id", "id"),
        Index("redemptions_merchant", "merchant_id", "id"),
        Index(
            "redemptions_holds",
            "hold_until",
            postgresql_where=text("state IN ('held', 'awaiting_payment')"),
        ),
        Index("redemptions_codes", "code_until", postgresql_where=text("state = 'confirmed'")),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    offer_id: UUID
    merchant_id: UUID
    state: str
    quantity: int
    points: int = Field(sa_column=_amount())
    fen: int = Field(sa_column=_amount())
    settle_fen: int = Field(sa_column=_amount())
    counted: bool
    ordered_on: date
    hold_until: datetime = Field(sa_column=_moment())
    code_until: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    shop_id: UUID | None = None
    till_id: UUID | None = None
    bound_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    bound_until: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    binding_nonce: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    payment_ref: str | None = None
    confirmed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    fulfilled_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class RedemptionLot(SQLModel, table=True):
    """Which lots a redemption's points came from. Never changed."""

    __tablename__: ClassVar[str] = "redemption_lots"
    __table_args__ = (CheckConstraint("points > 0", name="redemption_lots_points"),)

    holder_id: UUID = Field(primary_key=True)
    redemption_id: UUID = Field(primary_key=True)
    asset_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    expires_on: date = Field(primary_key=True)
    points: int = Field(sa_column=_amount())


class RedemptionLimit(SQLModel, table=True):
    """How much of an offer a person took on a local day, or in all (`IN_ALL`)."""

    __tablename__: ClassVar[str] = "redemption_limits"
    __table_args__ = (
        CheckConstraint("used >= 0 AND used <= cap", name="redemption_limits_within"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    holder_id: UUID = Field(primary_key=True)
    offer_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    used: int
    cap: int
