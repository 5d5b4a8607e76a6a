"""Tables of the exchange with carbon exchanges and registries: where they are, what they are told, their statements."""

import enum
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class InstructionState(enum.StrEnum):
    """How far an instruction has come. Nothing leaves before a second pair of eyes approved it."""

    STAGED = "staged"
    APPROVED = "approved"
    DONE = "done"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class ExchangeConnection(SQLModel, table=True):
    """How an exchange is told: by its own API, or by signed files; and the keys that it signs with (a JWK set)."""

    __tablename__: ClassVar[str] = "exchange_connections"
    __table_args__ = (
        UniqueConstraint("code", name="exchange_connections_code"),
        CheckConstraint("way IN ('http', 'files')", name="exchange_connections_way"),
        CheckConstraint(
            "(way = 'http') = (url <> '') AND (way = 'files') = (folder <> '')",
            name="exchange_connections_place",
        ),
    )

    id: UUID = Field(primary_key=True)
    code: str
    name: str
    region: str = Field(max_length=6)
    way: str
    url: str
    token_url: str
    client_id: str
    sealed_secret: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    folder: str
    jwks: str
    statements_from: date
    created_at: datetime = Field(sa_column=_moment())
    disabled_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class ExchangeInstruction(SQLModel, table=True):
    """Something that an exchange is told, once. `due_at` is also a lease.

    Of a kind and subject one is staged, approved or done: a unique index over those states holds it.
    """

    __tablename__: ClassVar[str] = "exchange_instructions"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('open_account', 'deliver_units', 'report_trade', 'retire')",
            name="exchange_instructions_kind",
        ),
        CheckConstraint(
            "state IN ('staged', 'approved', 'done', 'refused', 'withdrawn')",
            name="exchange_instructions_state",
        ),
        CheckConstraint(
            "state IN ('staged', 'withdrawn') OR (approved_by IS NOT NULL AND approved_by <> staged_by)",
            name="exchange_instructions_two",
        ),
        CheckConstraint("(state = 'done') = (done_on IS NOT NULL)", name="exchange_instructions_done"),
        CheckConstraint("quantity_kg IS NULL OR quantity_kg > 0", name="exchange_instructions_quantity"),
        Index("exchange_instructions_due", "due_at", postgresql_where=text("state = 'approved'")),
        Index("exchange_instructions_region", "region", "id"),
        Index(
            "exchange_instructions_days",
            "exchange_id",
            "done_on",
            postgresql_where=text("state = 'done'"),
        ),
    )

    id: UUID = Field(primary_key=True)
    exchange_id: UUID
    region: str = Field(max_length=6)
    kind: str
    subject: str = Field(description="What it is told of, once: an account, a delivery, a trade")
    content: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    account_id: UUID | None = None
    delivery_id: UUID | None = None
    quantity_kg: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    price_fen_per_t: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    state: str
    staged_by: str
    staged_at: datetime = Field(sa_column=_moment())
    approved_by: str | None = None
    approved_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    attempts: int
    due_at: datetime = Field(sa_column=_moment())
    settled_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    done_on: date | None = Field(default=None, description="By what the exchange signed, in Asia/Shanghai")
    reference: str
    last_error: str


class ExchangeStatement(SQLModel, table=True):
    """A day whose statement was, or is to be, compared."""

    __tablename__: ClassVar[str] = "exchange_statements"

    exchange_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    look_at: datetime = Field(sa_column=_moment())
    lines: int | None = None
    compared_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    last_error: str


class ExchangeDifference(SQLModel, table=True):
    """Something that an exchange's statement says otherwise than our books. Append-only."""

    __tablename__: ClassVar[str] = "exchange_differences"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('missing', 'unknown', 'kind_differs', 'quantity_differs', 'price_differs',"
            " 'reference_differs', 'holdings_differ')",
            name="exchange_differences_kind",
        ),
        Index("exchange_differences_region", "region", "id"),
    )

    id: UUID = Field(primary_key=True)
    exchange_id: UUID
    day: date
    instruction: str
    kind: str
    region: str = Field(max_length=6)
    ours: str
    theirs: str
    found_at: datetime = Field(sa_column=_moment())
