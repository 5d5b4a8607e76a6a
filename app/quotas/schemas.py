"""Quotas as operators grant and read them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from accounts.fields import Moment, Text
from app.quotas.models import QuotaKind

MAX_AMOUNT = 2_000_000_000


class QuotaGrantInput(BaseModel):
    """What a platform may use beyond its daily quota, such as to onboard the people that it has already."""

    model_config = ConfigDict(extra="forbid")

    organisation_id: str = Field(description="`org_…`, a platform of the region")
    kind: QuotaKind
    amount: Annotated[int, Field(strict=True, ge=1, le=MAX_AMOUNT)]
    starts_at: Moment
    ends_at: Moment
    reason: Text


class QuotaGrantView(BaseModel):
    """A grant and what is used of it."""

    grant_id: str = Field(description="`qgr_…`")
    organisation_id: str
    organisation_name: str
    kind: str
    amount: int
    used: int
    starts_at: str
    ends_at: str
    reason: str
    created_at: str


class QuotaGrantList(BaseModel):
    """A page of grants, the newest first."""

    items: list[QuotaGrantView]
    next_cursor: str | None


class QuotaUse(BaseModel):
    """What a platform used on a day, without what it used of grants."""

    organisation_id: str
    organisation_name: str
    kind: str
    day: str
    used: int
    allowed: int


class QuotaUseList(BaseModel):
    """A page of uses, by organisation and kind."""

    items: list[QuotaUse]
    next_cursor: str | None
