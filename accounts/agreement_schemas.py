"""What residents, applicants and platforms say of consents, mandates and bindings, and what they see."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.fields import Group, Moment, Text

SOURCE_ID = "org_01a1fc693a86700e9ae525ac545ac6cd"
LongText = Annotated[
    str, StringConstraints(min_length=1, max_length=20_000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]+$")
]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConsentTextView(BaseModel):
    """One version of a text that people consent to."""

    covers: str = Field(description="`scenes` (any scene group), `movement`, `aggregation` or `banks`")
    version: str
    first_day: str
    offered: bool = Field(description="Whether a consent can be given by it today")
    title: dict[str, str] = Field(description="`zh` and `en`")
    text: dict[str, str]
    sha256: str = Field(description="Over the canonical JSON of covers, version, title and text")


class ConsentTextList(BaseModel):
    """A page of texts, by what they cover and date."""

    items: list[ConsentTextView]
    next_cursor: str | None


class ConsentWish(_Input):
    """Agreement to one text for one scene group."""

    scene_group: Group = Field(examples=["trip"])
    text_version: Text = Field(examples=["2026-11"])


class ConsentGrantInput(_Input):
    """What a resident agrees to with one source; `movement` and `aggregation` are consents of their own."""

    source_id: str = Field(examples=[SOURCE_ID])
    consents: list[ConsentWish] = Field(min_length=1, max_length=20)


class AgreementAnswer(BaseModel):
    """The receipt of what was agreed."""

    receipt_id: str | None = Field(description="`rcp_…`; null where nothing changed")


class OwnWithdrawalInput(_Input):
    """Which of my consents end now."""

    source_id: str | None = Field(default=None, description="All sources where absent")
    scene_group: Group | None = Field(default=None, description="All groups where absent")


class OwnWithdrawalAnswer(BaseModel):
    """How many consents ended, and the receipt."""

    withdrawn: int
    receipt_id: str | None = Field(description="Null where no consent was live")


class ConsentView(BaseModel):
    """A consent of mine."""

    source_id: str
    source_name: str
    scene_group: str
    text_version: str
    granted_at: str
    withdrawn_at: str | None
    receipt_id: str = Field(description="`rcp_…`, or the source's own receipt where the source recorded it")


class ConsentList(BaseModel):
    """A page of consents, by source, group and time."""

    items: list[ConsentView]
    next_cursor: str | None


ReceiptKind = Literal[
    "consent_granted",
    "consent_withdrawn",
    "mandate_granted",
    "mandate_withdrawn",
    "binding_ended",
    "bank_access_granted",
    "bank_access_withdrawn",
]


class ReceiptView(BaseModel):
    """What was agreed, and its proof."""

    receipt_id: str
    kind: ReceiptKind
    issued_at: str
    signed: str = Field(description="JWS (EdDSA) of all of it; `GET /v1/consent-texts/keys` verifies it")


class ReceiptList(BaseModel):
    """A page of receipts, the newest first."""

    items: list[ReceiptView]
    next_cursor: str | None


class MandateTermsInput(_Input):
    """Terms on which the caller's organisation takes mandates, in place of its terms before."""

    version: Text = Field(examples=["2026-1"])
    holder_percent: int = Field(ge=0, le=100, strict=True, description="The holder's share of the proceeds")
    text_zh: LongText
    text_en: LongText


class TermsView(BaseModel):
    """Terms of an applicant."""

    terms_id: str
    applicant_id: str
    applicant_name: str
    version: str
    holder_percent: int
    text: dict[str, str]
    sha256: str
    published_at: str
    offered: bool


class TermsList(BaseModel):
    """A page of terms, the newest first."""

    items: list[TermsView]
    next_cursor: str | None


class MandateInput(_Input):
    """Who may issue my reductions, by the terms; from now or later on."""

    terms_id: str = Field(examples=["mtm_01a1fc693a86700e9ae525ac545ac6cd"])
    valid_from: Moment | None = Field(default=None, description="Now where absent or past")
    valid_until: Moment | None = Field(default=None, description="Until it is withdrawn where absent")


class MandateView(BaseModel):
    """A mandate of mine."""

    mandate_id: str
    applicant_id: str
    applicant_name: str
    terms_id: str
    terms_version: str
    holder_percent: int
    granted_at: str
    valid_from: str
    valid_until: str | None
    withdrawn_at: str | None
    receipt_id: str
    withdrawal_receipt_id: str | None


class MandateList(BaseModel):
    """A page of mandates, the newest first."""

    items: list[MandateView]
    next_cursor: str | None


class MandateAnswer(BaseModel):
    """The new mandate."""

    mandate_id: str


class MandateTotalView(BaseModel):
    """What was booked under one version of the caller's terms, never of one holder."""

    terms_id: str
    version: str
    holder_percent: int
    counted_at: str | None
    holders: int | None = Field(description="With a live mandate; null below 10")
    co2e_g: str | None = Field(description="Net of reversals; null below 10 holders")


class MandateTotalList(BaseModel):
    """A page of totals, the newest terms first."""

    items: list[MandateTotalView]
    next_cursor: str | None


class BindingStart(_Input):
    """The platform to be bound to, and what is agreed to with it."""

    source_id: str = Field(examples=[SOURCE_ID])
    consents: list[ConsentWish] = Field(default=[], max_length=20)


class BindingLink(BaseModel):
    """What the platform redeems, once."""

    binding_id: str
    link_token: str = Field(description="Signed; to be handed to the platform in its own link")
    expires_at: str


class BindingView(BaseModel):
    """A binding of mine."""

    binding_id: str
    source_id: str
    source_name: str
    state: Literal["waiting", "expired", "bound", "ended"]
    created_at: str
    redeemed_at: str | None
    ended_at: str | None


class BindingList(BaseModel):
    """A page of bindings, the newest first."""

    items: list[BindingView]
    next_cursor: str | None


class BindingRedemption(_Input):
    """A link, and whose it is at the platform. The id is hashed on arrival; never stored or logged."""

    link_token: str = Field(min_length=1, max_length=2000, pattern=r"^[A-Za-z0-9_.-]+$")
    user_id: Text = Field(examples=["u-20931"])


class RedemptionAnswer(BaseModel):
    """The user is bound. Whose account it is stays unsaid."""

    bound: Literal[True] = True
