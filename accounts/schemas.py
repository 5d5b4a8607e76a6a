"""What operators and sources say of holders, and what holders see."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from accounts.fields import Group, Moment, Region, Scheme, Text

EntryWord = Literal[
    "credit",
    "reversal",
    "hold",
    "release",
    "spend",
    "refund",
    "expiry",
    "offset",
    "shortfall",
    "repayment",
    "bonus",
    "exclusion",
    "inclusion",
    "issue",
    "return",
]
"""Why something was booked: the names of `EntryKind`."""


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class IdentityInput(_Input):
    """An identifier of a holder. Hashed on arrival; never stored or logged."""

    scheme: Scheme = Field(examples=["phone"], description="phone, id_no, uscc, source_user, …")
    value: Text = Field(examples=["13900000001"])
    source_id: str | None = Field(
        default=None, description="With `source_user`: the platform (`org_…`) that knows the holder so"
    )


class ConsentInput(_Input):
    """The holder lets a source's reports of these scene groups count; `movement` is a group of its own."""

    source_id: str | None = Field(default=None, description="`org_…`; a platform may leave out its own")
    scene_groups: list[Group] = Field(min_length=1, max_length=20, examples=[["trip", "movement"]])
    text_version: Text = Field(examples=["2026-01"])
    receipt_id: Text = Field(description="The source's own receipt of the consent", examples=["c-20260101-1"])
    granted_at: Moment = Field(examples=["2026-01-01T00:00:00+08:00"])


class HolderInput(_Input):
    """A person or an organisation to be onboarded."""

    kind: Literal["person", "organisation"] = "person"
    region: Region = Field(examples=["440300"])
    identities: list[IdentityInput] = Field(min_length=1, max_length=10)
    consents: list[ConsentInput] = Field(default=[], max_length=20)


class HolderBatch(_Input):
    """Up to 5,000 holders. The same holder again is the same holder."""

    holders: list[HolderInput] = Field(max_length=5000)


class HolderAnswer(BaseModel):
    """What became of one holder."""

    holder_id: str | None = Field(description="`hld_…`; null where there is an error, and for platforms")
    created: bool | None = Field(description="Null for platforms: nobody can ask who takes part")
    error: str | None = Field(default=None, description="Stable code")


class HolderBatchAnswer(BaseModel):
    """One answer for each holder, in order."""

    items: list[HolderAnswer]


class WithdrawalInput(_Input):
    """Which consents of a holder end now."""

    source_id: str | None = Field(default=None, description="All sources where absent")
    scene_group: Group | None = Field(default=None, description="All groups where absent")


class WithdrawalAnswer(BaseModel):
    """How many consents ended."""

    withdrawn: int


class ExpiringPoints(BaseModel):
    """Points that go on one day."""

    expires_on: str
    points: int


class AccountView(BaseModel):
    """A carbon account."""

    holder_id: str
    kind: str
    region: str
    open_co2e_g: str = Field(description="Grams, decimal", examples=["1234.567"])
    points: int
    points_expiring: list[ExpiringPoints]


class EntryView(BaseModel):
    """One booking in a holder's account."""

    entry_id: str
    activity_id: str | None = Field(description="`act_…`, where it was booked for an activity")
    kind: EntryWord
    asset: Literal["reduction", "points"]
    scene: str | None
    co2e_g: str | None = Field(description="Signed; null for points")
    points: int | None = Field(description="Signed; null for reductions")
    booked_at: str


class EntryList(BaseModel):
    """A page of entries, the newest first."""

    items: list[EntryView]
    next_cursor: str | None
