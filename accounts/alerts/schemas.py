"""What enterprises see of alerts, and say of them."""

import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from accounts.alerts.looking import Kind


class AlertClosure(BaseModel):
    """What an alert was."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["fault", "false_alarm", "known"] = Field(
        description="`known`: what happened was meant, and will happen again"
    )
    note: str = Field(default="", max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")


class AlertView(BaseModel):
    """One episode of a meter."""

    alert_id: str
    kind: Kind
    state: Literal["open", "acknowledged", "closed"]
    meter_id: str
    meter_number: str
    line_id: str | None
    unit_field: str = Field(
        description="What `amount` and `expected` count, as fields of readings are called"
    )
    starts_at: datetime.datetime
    last_at: datetime.datetime = Field(description="The last quarter-hour in which it was found ended then")
    ended_at: datetime.datetime | None = Field(
        description="When it was known to be over; null while it lasts"
    )
    amount: int | None = Field(description="Used until it was opened; null of a gap")
    expected: int | None = Field(description="What the past let one expect meanwhile; null of a gap")
    opened_at: datetime.datetime
    acknowledged_at: datetime.datetime | None
    closed_at: datetime.datetime | None
    verdict: str | None
    note: str


class AlertList(BaseModel):
    """A page of alerts."""

    items: list[AlertView]
    next_cursor: str | None


class ExpectedUse(BaseModel):
    """What a meter is expected to use on a day, in each of its 96 quarter-hours."""

    meter_id: str
    day: datetime.date
    unit_field: str
    working_day: bool | None
    expected: list[int] | None
