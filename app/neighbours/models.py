"""Tables of the exchange with neighbours. No person, no identifier: digests under the common key, of one day each."""

import enum
from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, LargeBinary, SmallInteger, text
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _big(*, nullable: bool = False) -> Column[int]:
    return Column(BigInteger, nullable=nullable)


def _kind() -> Column[int]:
    return Column(SmallInteger, nullable=False)


class DoubleState(enum.StrEnum):
    """What became of an act that is claimed in both deployments."""

    KEPT = "kept"
    """This side keeps it."""
    LOST = "lost"
    """The neighbour keeps it; it is still credited here."""
    REVERSED = "reversed"
    """It was reversed here, for the neighbour keeps it."""
    ENDED = "ended"
    """One of the two was released for another reason."""


class Neighbour(SQLModel, table=True):
    """Where a neighbour is asked. `organisation_id` is its own client's, by which it asks here.

    `since` is the neighbour's transaction up to which all is here, `position` the page to go on with, `reconciled` this
    database's transaction up to which both sides are compared.
    """

    __tablename__: ClassVar[str] = "neighbours"

    id: UUID = Field(primary_key=True)
    organisation_id: UUID
    name: str
    url: str
    client_id: str
    sealed_secret: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_column=_moment())
    disabled_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    since: int = Field(default=0, sa_column=_big())
    position: str | None = None
    reconciled: int = Field(default=0, sa_column=_big())
    pulled_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    last_error: str = ""


class ExchangedClaim(SQLModel, table=True):
    """What a credited act of this deployment claims, as neighbours are told of it.

    `changed_by` is the transaction that wrote it last: what is told are transactions that are over. `unchecked` tells
    that a neighbour was to be asked first and did not answer in time.
    """

    __tablename__: ClassVar[str] = "exchanged_claims"
    __table_args__ = (
        CheckConstraint("kind IN (1, 2, 3)", name="exchanged_claims_kind"),
        CheckConstraint("starts_at <= ends_at", name="exchanged_claims_order"),
        Index("exchanged_claims_changed", "changed_by", "day"),
        Index("exchanged_claims_activity", "activity_id"),
    )

    day: date = Field(primary_key=True)
    digest: UUID = Field(primary_key=True)
    activity_id: UUID = Field(primary_key=True)
    kind: int = Field(sa_column=_kind())
    scene: str
    region: str = Field(max_length=6)
    starts_at: datetime = Field(sa_column=_moment())
    ends_at: datetime = Field(sa_column=_moment())
    arrived_at: datetime = Field(sa_column=_moment())
    released_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    home: bool
    amount: int | None = Field(default=None, sa_column=_big(nullable=True))
    unchecked: bool
    changed_by: int = Field(sa_column=_big())


class NeighbourClaim(SQLModel, table=True):
    """What a neighbour said of an act of its own. `changed_by` as in `ExchangedClaim`, of this database."""

    __tablename__: ClassVar[str] = "neighbour_claims"
    __table_args__ = (
        CheckConstraint("kind IN (1, 2, 3)", name="neighbour_claims_kind"),
        CheckConstraint("starts_at <= ends_at", name="neighbour_claims_order"),
        Index("neighbour_claims_changed", "neighbour_id", "changed_by", "day"),
    )

    neighbour_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    digest: UUID = Field(primary_key=True)
    reference: UUID = Field(primary_key=True)
    kind: int = Field(sa_column=_kind())
    scene: str
    starts_at: datetime = Field(sa_column=_moment())
    ends_at: datetime = Field(sa_column=_moment())
    arrived_at: datetime = Field(sa_column=_moment())
    released_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    home: bool
    amount: int | None = Field(default=None, sa_column=_big(nullable=True))
    changed_by: int = Field(sa_column=_big())


class NeighbourPage(SQLModel, table=True):
    """A page that came from a neighbour, by its signature: what it said, it cannot deny. Append-only."""

    __tablename__: ClassVar[str] = "neighbour_pages"

    id: UUID = Field(primary_key=True)
    neighbour_id: UUID
    received_at: datetime = Field(sa_column=_moment())
    claims: int
    signature: str


class DoubleClaim(SQLModel, table=True):
    """An act that both deployments credited, who keeps it, and what was done about it."""

    __tablename__: ClassVar[str] = "double_claims"
    __table_args__ = (
        CheckConstraint("state IN ('kept', 'lost', 'reversed', 'ended')", name="double_claims_state"),
        CheckConstraint("(state = 'reversed') = (decided_at IS NOT NULL)", name="double_claims_decided"),
        Index("double_claims_lost", "neighbour_id", "activity_id", postgresql_where=text("state = 'lost'")),
    )

    neighbour_id: UUID = Field(primary_key=True)
    activity_id: UUID = Field(primary_key=True)
    reference: UUID = Field(primary_key=True)
    region: str = Field(max_length=6)
    day: date
    kind: int = Field(sa_column=_kind())
    scene: str
    their_scene: str
    arrived_at: datetime = Field(sa_column=_moment())
    their_arrived_at: datetime = Field(sa_column=_moment())
    precedence: str
    state: str
    automatic: bool
    found_at: datetime = Field(sa_column=_moment())
    decided_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    decided_by: str | None = None
    reason: str = ""
