"""What operators send and are answered about exchanges."""

import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.fields import Group, Moment, Text
from accounts.ids import public_id
from app.exchanges.models import ExchangeInstruction

ACCOUNT_ID = "rac_01a1fc693a86700e9ae525ac545ac6cd"
LOT_KG = 1_000
Id = Annotated[str, StringConstraints(max_length=40)]
Serial = Annotated[str, StringConstraints(min_length=1, max_length=160, pattern=r"^[\x21-\x7e]+$")]
Lot = Annotated[int, Field(strict=True, ge=LOT_KG, le=10**12, multiple_of=LOT_KG)]
Price = Annotated[int, Field(strict=True, ge=0, le=10**9)]
StateWord = Literal["staged", "approved", "done", "refused", "withdrawn"]
KindWord = Literal["open_account", "deliver_units", "report_trade", "retire"]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")

    exchange: Group = Field(examples=["cbgex"])


class ExchangeAccountOrder(_Input):
    """Open an account at the exchange for the owner of a registry account."""

    kind: Literal["open_account"]
    account_id: Id = Field(examples=[ACCOUNT_ID])


class ExchangeDeliveryOrder(_Input):
    """Deliver units of one origin in lots of 1,000 kg; they are held back from now on."""

    kind: Literal["deliver_units"]
    account_id: Id = Field(examples=[ACCOUNT_ID])
    origin_id: Id
    quantity_kg: Lot


class ExchangeTradeOrder(_Input):
    """Report a trade that was settled here."""

    kind: Literal["report_trade"]
    trade: Text = Field(description="Its number here; told once")
    seller_id: Id = Field(examples=[ACCOUNT_ID])
    buyer_id: Id
    serials: Annotated[list[Serial], Field(max_length=200)] = Field(default_factory=list)
    quantity_kg: Lot
    price_fen_per_t: Price
    settled_at: Moment


class ExchangeRetirementOrder(_Input):
    """Have what was delivered retired at the exchange, and here as soon as it says so."""

    kind: Literal["retire"]
    delivery_id: Id = Field(description="The instruction by which the units were delivered")
    purpose: Literal["obligation", "event", "voluntary"]
    beneficiary: Text
    obligation_period: Text | None = None


class ExchangeOrderInput(BaseModel):
    """An order to an exchange, by its kind."""

    model_config = ConfigDict(extra="forbid")

    order: Annotated[
        ExchangeAccountOrder | ExchangeDeliveryOrder | ExchangeTradeOrder | ExchangeRetirementOrder,
        Field(discriminator="kind"),
    ]


class ExchangeStep(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: Text


class InstructionView(BaseModel):
    """An instruction and what came of it."""

    instruction_id: str = Field(description="`exi_…`: by which the exchange takes it once")
    exchange: str
    kind: KindWord
    state: StateWord
    content: dict[str, Any] = Field(description="What the exchange is told")
    quantity_kg: int | None
    staged_by: str
    staged_at: datetime.datetime
    approved_by: str | None
    attempts: int
    reference: str = Field(description="The exchange's own number; empty before it is done")
    done_on: datetime.date | None
    last_error: str


class InstructionList(BaseModel):
    """A page of instructions, the newest first."""

    items: list[InstructionView]
    next_cursor: str | None


class ExchangeView(BaseModel):
    """An exchange that is connected."""

    exchange: str
    name: str
    region: str
    way: Literal["http", "files"]
    compared_to: datetime.date | None = Field(description="The last day whose statement was compared")
    waiting_days: int = Field(description="Days whose statement is not compared yet")


class ExchangeList(BaseModel):
    """Exchanges that are connected."""

    items: list[ExchangeView]


class ExchangeDifferenceView(BaseModel):
    """Something that a statement says otherwise than our books."""

    difference_id: str
    exchange: str
    day: datetime.date
    instruction: str = Field(description="Empty: of what is held as a whole")
    kind: str
    region: str
    ours: str
    theirs: str
    found_at: datetime.datetime


class ExchangeDifferenceList(BaseModel):
    """A page of differences, the newest first."""

    items: list[ExchangeDifferenceView]
    next_cursor: str | None


class CadTrustRecord(BaseModel):
    """A block of units as CAD Trust's unit table has it; counts are units of 1 kg."""

    serialNumberBlock: str  # noqa: N815 - the names are CAD Trust's
    unitBlockStart: str  # noqa: N815
    unitBlockEnd: str  # noqa: N815
    unitCount: int  # noqa: N815
    vintageYear: int  # noqa: N815
    unitType: str | None = Field(description="null where what the units are of is not known")  # noqa: N815
    unitStatus: str  # noqa: N815
    unitStatusReason: str | None  # noqa: N815
    serial: str = Field(description="Ours, with programme, region and methodology")


class CadTrustList(BaseModel):
    """A page of blocks, by their numbers."""

    items: list[CadTrustRecord]
    next_cursor: str | None


def instruction_view(row: ExchangeInstruction, exchange: str) -> InstructionView:
    """An instruction as it is answered."""
    return InstructionView.model_validate(
        {
            "instruction_id": public_id("exi", row.id),
            "exchange": exchange,
            **row.model_dump(
                include={
                    *("kind", "state", "content", "quantity_kg", "staged_by", "staged_at", "approved_by"),
                    *("attempts", "reference", "done_on", "last_error"),
                }
            ),
        }
    )
