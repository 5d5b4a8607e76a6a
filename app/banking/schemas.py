"""What holders and banks say and see of grants."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from accounts.fields import Moment, Text
from app.banking.terms import Purpose, Scope

BANK_ID = "org_01a1fc693a86700e9ae525ac545ac6cd"
REFERENCE = "cus_8f0f6a2f6cf14a5d9c4b7d0e3a52c9b1"
Reference = Annotated[
    str,
    Field(description="`cus_…`: the name by which this bank alone knows the customer", examples=[REFERENCE]),
]


class BankGrantInput(BaseModel):
    """What I let a bank see, for what, and until when; in place of what it had for this purpose."""

    model_config = ConfigDict(extra="forbid")

    bank_id: str = Field(examples=[BANK_ID])
    purpose: Purpose
    scope: Scope = Field(description="`tier`, or `score` with reasons and the tier, or `report` with both")
    valid_until: Moment = Field(description="Within five years")
    text_version: Text = Field(
        examples=["2026-11"], description="Of the text that covers `banks`, see `GET /v1/consent-texts`"
    )


class BankGrantAnswer(BaseModel):
    """The new grant, and the name by which the bank knows me."""

    grant_id: str
    reference: Reference
    receipt_id: str


class BankGrantView(BaseModel):
    """What I granted a bank."""

    grant_id: str
    bank_id: str
    bank_name: str
    reference: str | None = Field(description="`cus_…`: the name by which this bank alone knows me")
    purpose: Purpose
    scope: Scope
    text_version: str
    granted_at: str
    valid_until: str
    state: Literal["live", "expired", "withdrawn", "replaced"]
    ended_at: str | None
    receipt_id: str


class BankGrantList(BaseModel):
    """A page of grants, the newest first."""

    items: list[BankGrantView]
    next_cursor: str | None


class BankGrantWithdrawal(BaseModel):
    """The receipt of a withdrawal."""

    receipt_id: str


class CustomerGrantView(BaseModel):
    """What a customer granted this bank."""

    grant_id: str
    reference: Reference
    purpose: Purpose
    scope: Scope
    granted_at: str
    valid_until: str


class CustomerGrantList(BaseModel):
    """A page of live grants, the newest first."""

    items: list[CustomerGrantView]
    next_cursor: str | None
