"""Tables of figures, yearly runs and labels."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, LargeBinary, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

YEARS = "year >= 2000 AND year <= 2199"


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class LabelFigure(SQLModel, table=True):
    """A figure of a year as somebody reported it, with the document. Only appended.

    What counts is the operators' latest, else the enterprise's latest. `unit` is the base unit of `amount`;
    `document_sha256` is of the file.
    """

    __tablename__: ClassVar[str] = "label_figures"
    __table_args__ = (
        CheckConstraint(YEARS, name="label_figures_year"),
        CheckConstraint("source IN ('enterprise', 'operator')", name="label_figures_source"),
        Index("label_figures_year_of", "holder_id", "year", "measure", "product", "id"),
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    year: int = Field(sa_type=SmallInteger)
    measure: str
    product: str
    amount: int = Field(sa_type=BigInteger)
    unit: str
    source: str
    authority: str
    document_title: str
    document_number: str
    document_issued_on: date
    document_sha256: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    recorded_at: datetime = Field(sa_column=_moment())
    recorded_by: str


class LabelRun(SQLModel, table=True):
    """A year's labels of a region by one text of rules. `position` is the last holder that is done in its phase."""

    __tablename__: ClassVar[str] = "label_runs"
    __table_args__ = (
        CheckConstraint(YEARS, name="label_runs_year"),
        CheckConstraint("decided_at IS NULL OR assessed_at IS NOT NULL", name="label_runs_phases"),
        CheckConstraint(
            "(published_at IS NULL) = (official IS NULL) AND (published_at IS NULL) = (published_by IS NULL)",
            name="label_runs_publication",
        ),
        CheckConstraint("published_at IS NULL OR decided_at IS NOT NULL", name="label_runs_done"),
        CheckConstraint("official IS NOT TRUE OR published_by <> created_by", name="label_runs_second"),
        Index("label_runs_open", "id", postgresql_where="decided_at IS NULL"),
    )

    id: UUID = Field(primary_key=True)
    region: str = Field(max_length=6)
    year: int = Field(sa_type=SmallInteger)
    rules_id: UUID
    yearly: bool
    reason: str
    created_at: datetime = Field(sa_column=_moment())
    created_by: str
    position: UUID | None = None
    assessed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    decided_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    published_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    published_by: str | None = None
    official: bool | None = None


class EnterpriseLabel(SQLModel, table=True):
    """A label with all it was decided on: `facts` of the year and of the earlier one, as they were known then."""

    __tablename__: ClassVar[str] = "enterprise_labels"
    __table_args__ = (
        CheckConstraint(
            "colour IN ('red', 'yellow', 'light_green', 'dark_green', 'unlabelled')",
            name="enterprise_labels_colour",
        ),
        CheckConstraint("percentile >= 0 AND percentile <= 100", name="enterprise_labels_percentile"),
        CheckConstraint("(colour IS NULL) = (decided_at IS NULL)", name="enterprise_labels_decided"),
        Index("enterprise_labels_run", "run_id", "holder_id"),
    )

    holder_id: UUID = Field(primary_key=True)
    run_id: UUID = Field(primary_key=True)
    year: int = Field(sa_type=SmallInteger)
    domain: str
    industry: str | None = None
    cell: str | None = None
    facts: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    colour: str | None = None
    points: str | None = None
    percentile: int | None = Field(default=None, sa_type=SmallInteger)
    views: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))
    reasons: list[Any] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))
    decided_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class LabelDistribution(SQLModel, table=True):
    """Coarse percentiles of an indicator within a cell (domain and industry of a scale) of a run; null: withheld."""

    __tablename__: ClassVar[str] = "label_distributions"
    __table_args__ = (
        Index("label_distributions_told", "cell", "year", postgresql_where="released_at IS NOT NULL"),
    )

    run_id: UUID = Field(primary_key=True)
    cell: str = Field(primary_key=True)
    indicator: str = Field(primary_key=True)
    year: int = Field(sa_type=SmallInteger)
    enterprises: int
    percentiles: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))
    own: bool
    released_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class ReleasedEnterprise(SQLModel, table=True):
    """Who was counted in percentiles that were told: once for a year, so that no two can be subtracted."""

    __tablename__: ClassVar[str] = "label_released_enterprises"

    holder_id: UUID = Field(primary_key=True)
    year: int = Field(primary_key=True, sa_type=SmallInteger)
    run_id: UUID


class LabelFall(SQLModel, table=True):
    """`label.fallen`: an enterprise's label became worse with a publication."""

    __tablename__: ClassVar[str] = "label_falls"
    __table_args__ = (Index("label_falls_run", "run_id", "holder_id"),)

    holder_id: UUID = Field(primary_key=True)
    run_id: UUID = Field(primary_key=True)
    year: int = Field(sa_type=SmallInteger)
    from_year: int = Field(sa_type=SmallInteger)
    from_colour: str
    to_colour: str
    official: bool
    reasons: list[Any] = Field(sa_column=Column(JSONB, nullable=False))
    happened_at: datetime = Field(sa_column=_moment())
