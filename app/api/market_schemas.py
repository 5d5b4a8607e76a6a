"""What callers send to and see at the doors of registry accounts."""

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

TEXT = r"^[^\x00-\x1f\x7f]+$"
MAX_KG = 10**15
Kg = Annotated[int, Field(strict=True, ge=1, le=MAX_KG)]
LimitKg = Annotated[int, Field(strict=True, ge=0, le=MAX_KG)]
Words = Annotated[str, Field(min_length=1, max_length=200, pattern=TEXT)]
OriginKey = Annotated[str, Field(pattern=r"^uor_[0-9a-f]{32}$")]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class HeldUnits(BaseModel):
    """Units of one origin that are held freely."""

    origin_id: str = Field(description="`uor_…`")
    kind: Literal["issuance", "project"]
    region: str
    methodology: str = Field(description="Code of the methodology, or of the project")
    vintage: int
    unit_type: str
    quantity_kg: int


class MarketAccount(BaseModel):
    """A registry account."""

    account_id: str = Field(description="`rac_…`: what others transfer units to")
    region: str
    opened_at: datetime.datetime
    frozen: bool = Field(description="By order: nothing leaves it, what comes in stays")
    transfer_limit_kg: int | None = Field(description="Of one transfer; null: none")
    daily_limit_kg: int | None = Field(description="Of the transfers of a day in Asia/Shanghai; null: none")
    approval_above_kg: int = Field(description="A transfer of more waits for a second client's approval")
    held: list[HeldUnits] = Field(description="What is held freely, the lowest numbers first")


class HoldingView(BaseModel):
    """One range of an account."""

    serial: str
    origin_id: str
    first_number: int
    last_number: int
    quantity_kg: int
    status: Literal["held", "locked", "pledged", "retired", "cancelled"]
    since: datetime.datetime


class HoldingPage(BaseModel):
    """Ranges of an account, the lowest numbers first."""

    items: list[HoldingView]
    next_cursor: str | None


class StatementLine(BaseModel):
    """A movement of an account."""

    movement_id: str
    kind: Literal["issued", "locked", "pledged", "released", "transferred", "retired", "cancelled"]
    direction: Literal["in", "out", "within"]
    account_id: str = Field(description="Whose units they were")
    to_account_id: str | None = Field(description="Whose they are now, of a transfer")
    quantity_kg: int
    serials: list[str] = Field(description="At most a hundred")
    ranges: int = Field(description="How many ranges they are")
    at: datetime.datetime


class Statement(BaseModel):
    """Movements of an account, the newest first."""

    items: list[StatementLine]
    next_cursor: str | None


class UnitTransferInput(_Input):
    """Units that are offered to another account."""

    to_account_id: Annotated[str, Field(pattern=r"^rac_[0-9a-f]{32}$")]
    quantity_kg: Kg
    origin_id: OriginKey | None = Field(default=None, description="Of this origin only")
    note: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class UnitTransferView(BaseModel):
    """A transfer."""

    transfer_id: str
    direction: Literal["in", "out"]
    account_id: str
    to_account_id: str
    origin_id: str | None
    quantity_kg: int
    note: str
    state: Literal["proposed", "offered", "accepted", "declined", "withdrawn", "expired"]
    proposed_at: datetime.datetime
    expires_at: datetime.datetime
    decided_at: datetime.datetime | None


class UnitTransferPage(BaseModel):
    """Transfers of one direction, the newest first."""

    items: list[UnitTransferView]
    next_cursor: str | None


class PledgeInput(_Input):
    """Units that are pledged to a bank."""

    bank_id: Annotated[str, Field(pattern=r"^org_[0-9a-f]{32}$")]
    quantity_kg: Kg
    origin_id: OriginKey | None = None
    contract: Words = Field(description="Number of the contract that they secure")


class PledgeRelease(_Input):
    """What a bank gives free."""

    quantity_kg: Kg | None = Field(default=None, description="All that are left where it is absent")


class PledgeView(BaseModel):
    """A pledge."""

    pledge_id: str
    account_id: str
    bank_id: str
    origin_id: str | None
    quantity_kg: int = Field(description="What was pledged")
    left_kg: int = Field(description="What still is")
    contract: str
    state: Literal["pledged", "released"]
    pledged_at: datetime.datetime
    released_at: datetime.datetime | None


class PledgePage(BaseModel):
    """Pledges, the newest first."""

    items: list[PledgeView]
    next_cursor: str | None


class FreezeView(BaseModel):
    """An order on an account."""

    document: str
    reason: str
    frozen_at: datetime.datetime
    lift_document: str | None
    lifted_at: datetime.datetime | None


class OperatorAccount(MarketAccount):
    """A registry account as operators of its region see it."""

    owner_id: str = Field(description="`org_…`, or `hld_…` where it is kept in trust")
    version: int
    freezes: list[FreezeView] = Field(description="Orders on it, the newest first, at most a hundred")


class OperatorAccountPage(BaseModel):
    """Registry accounts of the region, the one that was opened last first."""

    items: list[OperatorAccount]
    next_cursor: str | None


class AccountLimits(_Input):
    """Limits of an account; null is none."""

    transfer_limit_kg: LimitKg | None
    daily_limit_kg: LimitKg | None
    approval_above_kg: LimitKg
    reason: Words


class FreezeOrder(_Input):
    """By which document an account is frozen, and why."""

    document: Words
    reason: Words


class FreezeLift(_Input):
    """By which document the orders on an account are lifted."""

    document: Words


class TrustAccount(BaseModel):
    """Units that are kept in trust for a resident."""

    account_id: str | None = Field(description="Null where nothing was ever put into it")
    held: list[HeldUnits]
