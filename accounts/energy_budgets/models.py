"""Tables of energy budgets."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, DateTime
from sqlmodel import Field, SQLModel


class EnergyQuota(SQLModel, table=True):
    """用能额度: what may be used in a year or in a month. The last row of a measure and a period counts.

    `measure` is a carrier, in its base unit, or `energy`, in kJ.
    """

    __tablename__: ClassVar[str] = "energy_quotas"
    __table_args__ = (
        CheckConstraint(
            "measure IN ('electricity', 'gas', 'coal', 'oil', 'steam', 'water', 'energy')",
            name="energy_quotas_measure",
        ),
        CheckConstraint("amount > 0", name="energy_quotas_amount"),
        CheckConstraint("last_day >= first_day", name="energy_quotas_period"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    measure: str
    first_day: date = Field(sa_column=Column(Date, nullable=False))
    last_day: date = Field(sa_column=Column(Date, nullable=False))
    amount: int = Field(sa_column=Column(BigInteger, nullable=False))
    document_reference: str
    entered_by: str
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class BudgetWarning(SQLModel, table=True):
    """A warning that was given once for a quota: that it will probably be overrun, or that it is."""

    __tablename__: ClassVar[str] = "energy_budget_warnings"
    __table_args__ = (
        CheckConstraint("kind IN ('overrun_expected', 'exceeded')", name="energy_budget_warnings_kind"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    quota_id: UUID
    kind: str
    used: int = Field(sa_column=Column(BigInteger, nullable=False))
    expected: int | None = Field(default=None, sa_column=Column(BigInteger))
    upper: int | None = Field(default=None, sa_column=Column(BigInteger))
    warned_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
