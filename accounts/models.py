"""Tables of holders, their consents, and the ledger."""

import enum
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def _amount() -> Column[int]:
    return Column(BigInteger, nullable=False, server_default=text("0"))


class HolderKind(enum.StrEnum):
    """A person or an organisation: both earn through the same code."""

    PERSON = "person"
    ORGANISATION = "organisation"


class HolderStatus(enum.IntEnum):
    """Stored with the balance, so that the row that is locked tells it."""

    ACTIVE = 1
    CLOSED = 2


class AccountKind(enum.IntEnum):
    """What an entry's debit and credit side name: below 10 the system's, from 10 the holder's.

    Whose a system's account is, where there are many of a kind, tells the entry's `party_id`. Their balances are
    summed, never stored. `HOLDER_OWED` is what a holder owes: it grows by its debit side. `HOLDER_ISSUED` has what a
    closed period took; `HOLDER_EXCLUDED` has what stays out of one, and is not issuable.
    """

    ISSUANCE_SIDE = 1
    PROGRAMME = 2
    PLATFORM_AGGREGATE = 3
    MERCHANT = 4
    BREAKAGE = 5
    LOSS = 6
    HOLDER_OPEN = 10
    HOLDER_ISSUED = 11
    HOLDER_USED = 12
    HOLDER_EXCLUDED = 13
    HOLDER_POINTS = 20
    HOLDER_HELD = 21
    HOLDER_OWED = 22


class AssetKind(enum.StrEnum):
    """What a ledger entry moves."""

    REDUCTION = "reduction"
    POINTS = "points"
    MONEY = "money"


class EntryKind(enum.IntEnum):
    """Why an entry was booked."""

    CREDIT = 1
    REVERSAL = 2
    HOLD = 3
    RELEASE = 4
    SPEND = 5
    REFUND = 6
    EXPIRY = 7
    OFFSET = 8
    SHORTFALL = 9
    REPAYMENT = 10
    BONUS = 11
    EXCLUSION = 12
    INCLUSION = 13
    ISSUE = 14
    RETURN = 15


OF_ACTIVITIES = (
    EntryKind.CREDIT,
    EntryKind.REVERSAL,
    EntryKind.SHORTFALL,
    EntryKind.REPAYMENT,
    EntryKind.BONUS,
)
"""Entries whose cause is an activity."""


class Holder(SQLModel, table=True):
    """主体: who owns accounts. `person_key` is the 32-byte pseudonym of the verified identifier."""

    __tablename__: ClassVar[str] = "holders"
    __table_args__ = (CheckConstraint("kind IN ('person', 'organisation')", name="holders_kind"),)

    id: UUID = Field(primary_key=True)
    kind: str
    region: str = Field(max_length=6)
    person_key: bytes = Field(unique=True)
    next_person_key: bytes | None = Field(default=None, description="Under the key that comes next")
    federation_key: bytes | None = Field(default=None, description="Person key in the federation of cities")
    created_at: datetime = Field(sa_column=_moment())


class Identity(SQLModel, table=True):
    """A keyed hash of one identifier of a holder (16 bytes, in a uuid column), and who said last that it is theirs."""

    __tablename__: ClassVar[str] = "identities"
    __table_args__ = (
        CheckConstraint(
            "proof IN ('onboarding', 'sms', 'wechat', 'provider', 'operator')", name="identities_proof"
        ),
        Index("identities_holder", "holder_id"),
    )

    token: UUID = Field(primary_key=True)
    holder_id: UUID
    scheme: str
    created_at: datetime = Field(sa_column=_moment())
    proof: str = Field(default="onboarding", sa_column_kwargs={"server_default": text("'onboarding'")})
    proven_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class Consent(SQLModel, table=True):
    """A holder lets a source's reports of one scene group count. Movement data has a group of its own."""

    __tablename__: ClassVar[str] = "consents"
    __table_args__ = (
        CheckConstraint("withdrawn_at IS NULL OR withdrawn_at >= granted_at", name="consents_order"),
    )

    holder_id: UUID = Field(primary_key=True)
    source_id: UUID = Field(primary_key=True)
    scene_group: str = Field(primary_key=True)
    granted_at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    withdrawn_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    text_version: str
    receipt_id: str
    recorded_at: datetime = Field(sa_column=_moment())


class Balance(SQLModel, table=True):
    """The stored balances of a holder, equal to the sum of the holder's entries; also the holder's lock."""

    __tablename__: ClassVar[str] = "balances"
    __table_args__ = (
        CheckConstraint(
            "open_mg >= 0 AND issued_mg >= 0 AND used_mg >= 0 AND excluded_mg >= 0"
            " AND points >= 0 AND held_points >= 0 AND owed_points >= 0",
            name="balances_not_negative",
        ),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    holder_id: UUID = Field(primary_key=True)
    status: int = Field(default=HolderStatus.ACTIVE, sa_column=Column(SmallInteger, nullable=False))
    open_mg: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    points: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    issued_mg: int = Field(default=0, sa_column=_amount())
    used_mg: int = Field(default=0, sa_column=_amount())
    held_points: int = Field(default=0, sa_column=_amount())
    owed_points: int = Field(default=0, sa_column=_amount())
    excluded_mg: int = Field(default=0, sa_column=_amount())


class Asset(SQLModel, table=True):
    """What never mixes: grams of one methodology version and vintage, or points of one programme."""

    __tablename__: ClassVar[str] = "assets"
    __table_args__ = (
        UniqueConstraint("kind", "methodology_id", "vintage", "programme", name="assets_identity"),
    )

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=True))
    kind: str
    methodology_id: int = Field(default=0)
    vintage: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False))
    programme: str = Field(default="")


class Entry(SQLModel, table=True):
    """分录: one asset moves from the debit account to the credit account. Never changed.

    `cause_id` is what it was booked for: an activity, a redemption, a run that expired points.
    """

    __tablename__: ClassVar[str] = "entries"
    __table_args__ = (
        CheckConstraint("amount > 0", name="entries_amount"),
        CheckConstraint("debit <> credit", name="entries_two_legs"),
        Index(
            "entries_booked",
            "id",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": True},
        ),
        Index("entries_party", "party_id", "id", postgresql_where=text("party_id IS NOT NULL")),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    holder_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    cause_id: UUID
    asset_id: int
    kind: int = Field(sa_column=Column(SmallInteger, nullable=False))
    debit: int = Field(sa_column=Column(SmallInteger, nullable=False))
    credit: int = Field(sa_column=Column(SmallInteger, nullable=False))
    amount: int = Field(sa_column=Column(BigInteger, nullable=False))
    booked_at: datetime = Field(sa_column=_moment())
    party_id: UUID | None = None
