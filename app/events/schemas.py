"""What doors of carbon-neutral events take and give."""

import datetime
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from accounts.event_footprints.computing import EventFootprint, EventLine, whole_kg
from accounts.event_footprints.schemas import (
    TEXT,
    EventFootprintInput,
    EventFootprintView,
    EventKind,
    Region,
    footprint_view,
)
from accounts.ids import public_id
from accounts.quantities import grams

MAX_SHARES = 200
OrderStateName = Literal["awaiting_payment", "paid", "expired", "cancelled"]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EventInput(EventFootprintInput):
    """An event that is to be carbon neutral. An enterprise's title is on its certificate, for everybody to read."""

    title: Annotated[str, Field(min_length=1, max_length=60, pattern=TEXT)] = Field(
        examples=["年度供应商大会"]
    )
    department: Annotated[str, Field(max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$")] = Field(
        default="", description="Who reports it, for the coverage by department"
    )
    participants: Annotated[int, Field(strict=True, ge=1, le=100_000)] = Field(
        default=1, description="Among whom it is shared, each an equal part"
    )


class EventOrderInput(_Input):
    """Units for an event: so many kg, what the named shares need (a group purchase), or all that is left of it."""

    pool_id: str = Field(max_length=40, examples=["evp_" + "0" * 32])
    kg: Annotated[int, Field(strict=True, gt=0, le=10**9)] | None = None
    share_ids: list[Annotated[str, Field(max_length=40)]] = Field(default=[], max_length=MAX_SHARES)

    @model_validator(mode="after")
    def _one_of(self) -> "EventOrderInput":
        if self.kg is not None and self.share_ids:
            raise PydanticCustomError("one_of", "at most one of kg and share_ids")
        return self


class ShareOrderInput(_Input):
    """Pay one's own share from a pool."""

    pool_id: str = Field(max_length=40, examples=["evp_" + "0" * 32])


class ShareInput(_Input):
    """The code that the organiser passed on, as it is or in a link."""

    code: Annotated[str, Field(pattern=r"^[0-9A-Z]{10}$", examples=["7K3M9PQ2TX"])]


class PoolInput(_Input):
    """Units of one's own registry account for sale: one stock, or all that the account holds."""

    region: Region
    title_zh: Annotated[str, Field(min_length=1, max_length=40, pattern=TEXT)] = Field(
        examples=["江西林业碳汇"]
    )
    title_en: Annotated[str, Field(min_length=1, max_length=80, pattern=TEXT)]
    price_fen_per_t: Annotated[int, Field(strict=True, gt=0, le=10_000_000)] = Field(
        description="5000 is 50 yuan a tonne", examples=[5000]
    )
    origin_id: Annotated[str, Field(max_length=40)] | None = Field(
        default=None, description="`uor_…` of one stock; absent: everything that the account holds freely"
    )


class PoolView(BaseModel):
    """What is sold for events. `stock_kg` is what is free now."""

    pool_id: str
    title: dict[str, str]
    region: str
    origin_id: str | None
    price_fen_per_t: int
    stock_kg: int
    opened_at: datetime.datetime


class PoolList(BaseModel):
    """Open pools, the latest first."""

    items: list[PoolView]
    next_cursor: str | None


class EventOrderView(BaseModel):
    """Units ordered for an event. They are locked while it waits, and retired once it is paid."""

    order_id: str
    event_id: str
    pool_id: str
    kg: int
    price_fen_per_t: int
    amount_fen: int = Field(description="kg × price ÷ 1000, rounded once, up")
    state: OrderStateName
    created_at: datetime.datetime
    expires_at: datetime.datetime
    paid_at: datetime.datetime | None
    certificate_number: str | None = Field(
        description="Of an order that paid a part of its event, for no shares"
    )


class EventView(BaseModel):
    """An event: what it emits, and how far it is covered."""

    event_id: str
    code: str = Field(description="By which participants take their shares")
    kind: EventKind
    title: str
    department: str
    region: str
    day: datetime.date
    participants: int
    kg: int
    ordered_kg: int
    paid_kg: int
    neutral: bool = Field(description="All of it is paid, and its units are retired")
    certificate_number: str | None = Field(
        description="Of the neutral event; `GET /v1/public/certificates/{number}`"
    )
    footprint: EventFootprintView
    orders: list[EventOrderView]
    created_at: datetime.datetime


class EventSummary(BaseModel):
    """An event in a few words."""

    event_id: str
    kind: EventKind
    title: str
    department: str
    day: datetime.date
    co2e_g: str
    kg: int
    paid_kg: int
    neutral: bool


class EventList(BaseModel):
    """Events, the newest first."""

    items: list[EventSummary]
    next_cursor: str | None


class ShareView(BaseModel):
    """A participant's equal part of an event, and the whole kg that cover it."""

    share_id: str
    event_id: str
    kind: EventKind
    day: datetime.date
    co2e_g: str
    kg: int
    state: Literal["open", "ordered", "paid"]
    certificate_number: str | None
    taken_at: datetime.datetime


class ShareList(BaseModel):
    """Shares, the latest first."""

    items: list[ShareView]
    next_cursor: str | None


class DepartmentCoverage(BaseModel):
    """What a department's events emit, and how much of it is retired."""

    department: str = Field(description="Empty: events that name none")
    events: int
    neutral: int
    co2e_g: str
    kg: int
    paid_kg: int
    covered: str = Field(
        description="paid_kg ÷ kg in percent, two decimals, rounded down", examples=["87.50"]
    )


class CoverageView(BaseModel):
    """Coverage of enterprises' events by department."""

    items: list[DepartmentCoverage]


def pool_view(row: Any) -> dict[str, Any]:
    """A pool as it is shown."""
    return PoolView(
        pool_id=public_id("evp", row["id"]),
        title={"zh": row["title_zh"], "en": row["title_en"]},
        region=row["region"],
        origin_id=None if row["origin_id"] is None else public_id("uor", row["origin_id"]),
        price_fen_per_t=row["price_fen_per_t"],
        stock_kg=row["stock_kg"],
        opened_at=row["opened_at"],
    ).model_dump(mode="json")


def order_view(row: Any, certificate_number: str | None = None) -> dict[str, Any]:
    """An order as its buyer sees it."""
    return EventOrderView(
        order_id=public_id("nvo", row["id"]),
        event_id=public_id("nev", row["event_id"]),
        pool_id=public_id("evp", row["pool_id"]),
        **{name: row[name] for name in ("kg", "price_fen_per_t", "amount_fen", "state")},
        **{name: row[name] for name in ("created_at", "expires_at", "paid_at")},
        certificate_number=certificate_number,
    ).model_dump(mode="json")


def event_summary(row: Any) -> dict[str, Any]:
    """An event in a list."""
    return EventSummary(
        event_id=public_id("nev", row["id"]),
        **{name: row[name] for name in ("kind", "title", "department", "day", "kg", "paid_kg")},
        co2e_g=grams(row["co2e_mg"]),
        neutral=row["paid_kg"] == row["kg"],
    ).model_dump(mode="json")


def event_view(
    row: Any, lines: list[EventLine], orders: Any, certificates: Mapping[UUID, str]
) -> dict[str, Any]:
    """An event as its organiser sees it."""
    same = (
        "code",
        "kind",
        "title",
        "department",
        "region",
        "day",
        "participants",
        "kg",
        "ordered_kg",
        "paid_kg",
    )
    return EventView(
        event_id=public_id("nev", row["id"]),
        **{name: row[name] for name in same},
        neutral=row["paid_kg"] == row["kg"],
        certificate_number=certificates.get(row["id"]),
        footprint=footprint_view(EventFootprint(lines, row["co2e_mg"])),
        orders=[
            EventOrderView.model_validate(order_view(each, certificates.get(each["id"]))) for each in orders
        ],
        created_at=row["created_at"],
    ).model_dump(mode="json")


def share_view(row: Any) -> dict[str, Any]:
    """A share; its row has the state of its order."""
    paid = row["order_state"] == "paid"
    return ShareView(
        share_id=public_id("shr", row["id"]),
        event_id=public_id("nev", row["event_id"]),
        kind=row["kind"],
        day=row["day"],
        co2e_g=grams(row["co2e_mg"]),
        kg=whole_kg(row["co2e_mg"]),
        state="paid" if paid else "open" if row["order_id"] is None else "ordered",
        certificate_number=row["certificate"],
        taken_at=row["taken_at"],
    ).model_dump(mode="json")


def coverage_view(rows: Any) -> dict[str, Any]:
    """Coverage by department."""
    return CoverageView(
        items=[
            DepartmentCoverage(
                department=row["department"],
                events=row["events"],
                neutral=row["neutral"],
                co2e_g=grams(row["co2e_mg"]),
                kg=row["kg"],
                paid_kg=row["paid_kg"],
                covered="{}.{:02d}".format(*divmod(row["paid_kg"] * 10_000 // row["kg"], 100)),
            )
            for row in rows
        ]
    ).model_dump(mode="json")
