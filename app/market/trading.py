"""A trade as code hands it on: a plain record, since an auction makes thousands at once."""

import datetime
from dataclasses import dataclass
from uuid import UUID


@dataclass(slots=True)
class Trade:
    """A row of `market_trades`: kg, fen per tonne, fen. Its fields are the columns, in their order."""

    id: UUID
    listing_id: UUID | None
    auction_id: UUID | None
    bid_id: UUID | None
    seller_id: UUID
    buyer_id: UUID
    origin_id: UUID
    quantity_kg: int
    price_fen_per_t: int
    total_fen: int
    deposit_fen: int
    state: str
    agreed_at: datetime.datetime
    pay_by: datetime.datetime
    ended_at: datetime.datetime | None


COLUMNS = tuple(Trade.__dataclass_fields__)
TYPES = (*["uuid"] * 7, *["bigint"] * 4, "varchar", *["timestamptz"] * 3)
