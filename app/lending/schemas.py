"""What banks send and see of products, quotes and loans."""

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from accounts.fields import Text
from app.lending.decision import BASIS_POINTS, MOST_DISCOUNT_BP, MOST_LIMIT_BP

MAX_FEN = 1_000_000_000_000
MAX_LEVELS = 20
Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Level = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
LoanNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$")]
Fen = Annotated[int, Field(ge=1, le=MAX_FEN, strict=True)]
RateBp = Annotated[int, Field(ge=0, le=BASIS_POINTS, strict=True)]
LimitBp = Annotated[int, Field(ge=BASIS_POINTS, le=MOST_LIMIT_BP, strict=True)]
DiscountBp = Annotated[int, Field(ge=0, le=MOST_DISCOUNT_BP, strict=True)]
Grams = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,12})(\.[0-9]{1,3})?$")]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
BasisWord = Literal["tier", "label"]
KindWord = Literal["person", "organisation"]
LoanStateWord = Literal["granted", "cancelled"]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProductName(_Input):
    """In Chinese and English."""

    zh: Text
    en: Text


class ProductTerms(_Input):
    """What a level reaches, from and to: limits as a multiple of the bank's own, discounts off its yearly rate."""

    level: Level = Field(description="Tier of the card, or colour of the label", examples=["deep_green"])
    limit_from_bp: LimitBp = Field(description="Basis points: 12000 is 1.2 times the limit")
    limit_to_bp: LimitBp
    discount_from_bp: DiscountBp = Field(description="Basis points off the yearly rate")
    discount_to_bp: DiscountBp

    @model_validator(mode="after")
    def _in_order(self) -> "ProductTerms":
        if self.limit_from_bp > self.limit_to_bp or self.discount_from_bp > self.discount_to_bp:
            raise ValueError("from is at most to")
        return self


class BankProductInput(_Input):
    """A product, or its next version."""

    code: Code = Field(description="The bank's own name of the product, the same in all versions")
    name: ProductName
    holder_kind: KindWord = Field(description="Whom it is for")
    basis: BasisWord = Field(description="What the table goes by")
    card: Code | None = Field(default=None, description="Score card whose tiers the table names")
    table: list[ProductTerms] = Field(min_length=1, max_length=MAX_LEVELS)
    valid_from: datetime.date
    valid_until: datetime.date | None = Field(default=None, description="Last day; open where absent")
    quote_days: Annotated[int, Field(ge=1, le=365, strict=True)] = 30
    source: str = Field(default="", max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")

    @model_validator(mode="after")
    def _fits_together(self) -> "BankProductInput":
        if (self.basis == "tier") != (self.card is not None):
            raise ValueError("a card is named where the table goes by tiers, and only there")
        if self.basis == "label" and self.holder_kind == "person":
            raise ValueError("labels are those of enterprises")
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError("the last day lies before the first")
        if len({each.level for each in self.table}) < len(self.table):
            raise ValueError("each level once")
        return self


class BankProductView(BankProductInput):
    """A version of a product. `in_force`: whether quotes go by this version today."""

    product_id: str
    version: int
    in_force: bool
    created_at: datetime.datetime


class BankProductList(BaseModel):
    """A page of products, each in its newest version."""

    items: list[BankProductView]
    next_cursor: str | None


class BankProductVersions(BaseModel):
    """All versions of one product, the newest first."""

    items: list[BankProductView]


class ProductExamples(BaseModel):
    """Products after published cases, to be adopted as they are or changed."""

    items: list[BankProductInput]


class QuoteInput(_Input):
    """Who asks for a loan, and for which product."""

    reference: str = Field(
        max_length=64,
        description="`cus_…`: the name by which this bank alone knows the customer",
        examples=["cus_8f0f6a2f6cf14a5d9c4b7d0e3a52c9b1"],
    )
    product_id: str = Field(max_length=64, examples=["bpr_01a1fc693a86700e9ae525ac545ac6cd"])
    limit_fen: Fen | None = Field(default=None, description="The limit without the product")
    rate_bp: RateBp | None = Field(default=None, description="The yearly rate without the product")


class QuoteBasis(BaseModel):
    """What was looked at: the tier on which card, or the label under which text, as of when."""

    kind: BasisWord
    level: str | None = Field(description="None: too little is known")
    as_of: datetime.date | None
    card: str | None = None
    version: str | None = None
    content_hash: str | None = None
    year: int | None = Field(default=None, description="Year of the label")
    official: bool | None = Field(default=None, description="Whether the label's thresholds are official")


class QuoteReason(BaseModel):
    """Why."""

    code: str
    zh: str
    en: str


class QuoteView(BaseModel):
    """The terms that a holder reaches, and why."""

    quote_id: str
    reference: str = Field(description="`cus_…`: the bank's name of the customer")
    product_id: str
    product_version: int
    product_name: ProductName
    eligible: bool
    reason: QuoteReason
    basis: QuoteBasis
    rule: ProductTerms | None = Field(description="The rule of the table that decided")
    table: list[ProductTerms] = Field(description="All rules: what other levels reach")
    limit_from_fen: int | None
    limit_to_fen: int | None
    rate_from_bp: int | None
    rate_to_bp: int | None
    made_at: datetime.datetime
    valid_until: datetime.datetime


class _LoanFigures(_Input):
    amount_fen: Fen
    rate_bp: RateBp = Field(description="The yearly rate that was agreed")
    granted_on: datetime.date
    ends_on: datetime.date | None = None
    funded_co2e_g: Grams | None = Field(
        default=None,
        description="Abatement that the loan funds, a year, as the bank estimates it; never booked in the ledger",
    )

    @model_validator(mode="after")
    def _in_order(self) -> "_LoanFigures":
        if self.ends_on is not None and self.ends_on < self.granted_on:
            raise ValueError("the last day lies before the first")
        return self


class LoanInput(_LoanFigures):
    """A loan that was granted on a quote."""

    number: LoanNumber = Field(description="The bank's own number of the loan, which names no person")
    quote_id: str = Field(max_length=64, examples=["quo_01a1fc693a86700e9ae525ac545ac6cd"])


class LoanCorrection(_LoanFigures):
    """All figures as they ought to be; what was said before is kept."""

    state: LoanStateWord = "granted"
    reason: Reason


class LoanView(BaseModel):
    """A version of a loan."""

    loan_id: str
    version: int
    number: str
    quote_id: str
    product_id: str
    product_version: int
    level: str
    amount_fen: int
    rate_bp: int
    granted_on: datetime.date
    ends_on: datetime.date | None
    funded_co2e_g: str | None
    state: LoanStateWord
    reason: str
    recorded_at: datetime.datetime


class LoanList(BaseModel):
    """A page of loans, each in its latest version, the newest first."""

    items: list[LoanView]
    next_cursor: str | None


class LoanVersions(BaseModel):
    """What the bank said of one loan, the newest first."""

    items: list[LoanView]


class GreenCreditGroup(BaseModel):
    """Loans of a month, product and level; without figures where fewer holders than may be shown have one."""

    month: str = Field(examples=["2026-11"])
    bank: str
    product_code: str
    product_name: ProductName
    basis: BasisWord
    level: str
    withheld: bool
    loans: int | None
    amount_fen: int | None
    rate_bp: int | None = Field(description="Mean by amount, rounded down")
    funded_co2e_g: str | None = Field(description="A year, of the loans for which the bank told it")


class BankDifferenceView(BaseModel):
    """Something that a bank's file of a day says otherwise than what it reported."""

    difference_id: str
    bank: str
    day: datetime.date
    number: str
    kind: Literal["missing", "unknown", "amount_differs", "rate_differs", "state_differs"]
    region: str
    ours: int | None = Field(description="Fen, or basis points where the rate differs")
    theirs: int | None
    found_at: datetime.datetime


class BankDifferenceList(BaseModel):
    """A page of differences, the latest first."""

    items: list[BankDifferenceView]
    next_cursor: str | None


class GreenCreditTotal(BaseModel):
    """The sum of the groups that are shown; what is withheld is in no total, or it could be worked out."""

    loans: int
    amount_fen: int
    funded_co2e_g: str


class GreenCreditView(BaseModel):
    """Green credit of the region."""

    region: str
    from_month: str
    to_month: str
    smallest_group: int
    total: GreenCreditTotal
    items: list[GreenCreditGroup]
    next_cursor: str | None
