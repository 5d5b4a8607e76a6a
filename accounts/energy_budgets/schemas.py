"""What an enterprise says of its energy quotas, and how they stand."""

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.fields import Text

Measure = Literal["electricity", "gas", "coal", "oil", "steam", "water", "energy"]
Period = Annotated[
    str,
    StringConstraints(pattern=r"^20[0-9]{2}(-(0[1-9]|1[0-2]))?$"),
    Field(examples=["2026"], description="A year, `2026`, or a month, `2026-06`"),
]
MAX_AMOUNT = 10**17


class QuotaInput(BaseModel):
    """What may be used in a year or a month. A later one for the same measure and period takes its place."""

    model_config = ConfigDict(extra="forbid")

    measure: Measure = Field(description="A carrier, in its base unit, or all of them as `energy`, in kJ")
    period: Period
    amount: int = Field(gt=0, le=MAX_AMOUNT, description="Wh, g, L or kJ")
    document_reference: Text = Field(examples=["用能预算核定书 2026-03"])


class QuotaView(BaseModel):
    """A quota as it was entered."""

    quota_id: str
    measure: Measure
    period: str
    amount: int
    unit: str = Field(description="As fields of the measure are named: `energy_wh`, `mass_g`, `energy_kj`")
    document_reference: str
    entered_by: str
    created_at: datetime.datetime


class QuotaList(BaseModel):
    """A page of quotas, the newest first."""

    items: list[QuotaView]
    next_cursor: str | None


class ForecastView(BaseModel):
    """What will have been used by the last day; nine cases in ten lie between the bounds."""

    expected: int
    lower: int
    upper: int
    weeks: int = Field(description="Whole weeks of the past that it rests on")
    tests: int = Field(description="Past forecasts that the interval comes from")
    tested_days: int = Field(description="How far ahead those looked")


class BudgetView(BaseModel):
    """A quota, its use up to the end of yesterday, and what is ahead, in the quota's unit."""

    quota: QuotaView
    used: int
    left_days: int
    quarters_missing: int
    without: list[str] = Field(description="Carriers that no calorific value makes energy of: not in `used`")
    forecast: ForecastView | None = Field(description="Null where the past is shorter than eight weeks")
    overrun: Literal["none", "possible", "overrun_expected", "exceeded"]
    surplus: int | None = Field(description="The quota less the upper bound: what could be offered")


class BudgetList(BaseModel):
    """Quotas of a year and of its months."""

    year: int
    items: list[BudgetView]


class BudgetWarningView(BaseModel):
    """A warning that was given once."""

    warning_id: str
    quota_id: str
    measure: Measure
    period: str
    amount: int
    kind: Literal["overrun_expected", "exceeded"]
    used: int
    expected: int | None
    upper: int | None
    warned_at: datetime.datetime


class BudgetWarningList(BaseModel):
    """A page of warnings, the newest first."""

    items: list[BudgetWarningView]
    next_cursor: str | None
