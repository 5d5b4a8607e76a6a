"""Auctions: proposed by a seller, announced by an operator, bid in with a deposit, cleared when their time is over."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import uuid7
from accounts.market.clearing import Result, price_to_reach
from accounts.market.prices import deliverable, deposit_fen
from accounts.registry.service import account_of
from accounts.units import service as units
from app.market import errors, money, repository
from app.market.models import AuctionKind, AuctionState, BidState, MarketAuction, MarketBid
from app.market.settlement import bid_of

if TYPE_CHECKING:
    from app.auth.principal import Principal
    from app.market.repository import Driver, Row
    from app.market.schemas import AuctionInput

LOCKED_FOR = "market_auction"
OPEN_RESULTS = (Result.SOLD_IN_PART, Result.NO_BIDS, Result.RESERVE_NOT_MET)


async def propose(
    driver: "Driver",
    seller: "Principal",
    body: "AuctionInput",
    origin_id: UUID,
    previous_id: UUID | None,
    now: datetime.datetime,
) -> UUID:
    """Propose an auction; its units are locked from now on."""
    if not (deliverable(body.quantity_kg) and deliverable(body.least_kg)):
        raise errors.QuantityRefused
    if body.least_kg > body.quantity_kg or body.ends_at <= now:
        raise errors.QuantityRefused
    number = await _round(driver, seller.organisation_id, body, origin_id, previous_id)
    account = await account_of(driver, seller.organisation_id, now)
    auction_id = uuid7(now)
    lock = await units.lock(driver, account.id, origin_id, body.quantity_kg, LOCKED_FOR, auction_id, now)
    terms = body.model_dump(exclude={"origin_id", "previous_id", "least_kg"})
    await repository.insert(
        driver,
        MarketAuction(
            id=auction_id,
            seller_id=seller.organisation_id,
            region=seller.region,
            origin_id=origin_id,
            lock_id=lock.id,
            round=number,
            previous_id=previous_id,
            least_kg=body.least_kg,
            state=AuctionState.PROPOSED,
            proposed_by=seller.client_id,
            proposed_at=now,
            bids=0,
            sold_kg=0,
            winners=0,
            **terms,
        ),
    )
    return auction_id


async def announce(driver: "Driver", operator: "Principal", auction_id: UUID, now: datetime.datetime) -> None:
    """Have it take place, as proposed."""
    row = await _proposed(driver, operator, auction_id)
    if row["ends_at"] <= now:
        raise errors.AuctionWrongState
    await _decide(driver, operator, row, AuctionState.ANNOUNCED, "", now)


async def reject(
    driver: "Driver", operator: "Principal", auction_id: UUID, remarks: str, now: datetime.datetime
) -> None:
    """Send it back; its units are free again."""
    row = await _proposed(driver, operator, auction_id)
    await _decide(driver, operator, row, AuctionState.REJECTED, remarks, now)
    await units.release(driver, row["lock_id"], now)


async def withdraw(driver: "Driver", seller_id: UUID, auction_id: UUID, now: datetime.datetime) -> None:
    """Take one's own back, before it takes bids."""
    row = await repository.lock_auction(driver, auction_id)
    if row is None or row["seller_id"] != seller_id:
        raise errors.AuctionNotFound
    waits = row["state"] == AuctionState.ANNOUNCED and now < row["opens_at"]
    if row["state"] != AuctionState.PROPOSED and not waits:
        raise errors.AuctionWrongState
    await repository.update_auction(driver, auction_id, state=AuctionState.WITHDRAWN.value, ended_at=now)
    await units.release(driver, row["lock_id"], now)


async def bid(
    driver: "Driver",
    buyer_id: UUID,
    auction_id: UUID,
    price_fen_per_t: int,
    quantity_kg: int,
    now: datetime.datetime,
) -> MarketBid:
    """Bid, or replace one's own bid; the deposit is held from available money.

    The later bid comes later in time. In the last minutes of an ascending auction it gives everybody more time.
    """
    auction = await repository.lock_auction(driver, auction_id)
    if auction is None or auction["state"] in (AuctionState.PROPOSED, AuctionState.REJECTED):
        raise errors.AuctionNotFound
    if auction["state"] != AuctionState.ANNOUNCED or not auction["opens_at"] <= now < auction["ends_at"]:
        raise errors.AuctionNotOpen
    if auction["seller_id"] == buyer_id:
        raise errors.OwnOffer
    if not deliverable(quantity_kg) or not auction["least_kg"] <= quantity_kg <= auction["quantity_kg"]:
        raise errors.QuantityRefused
    rows = await repository.standing_bids(driver, auction_id)
    own = next((row for row in rows if row["buyer_id"] == buyer_id), None)
    _check_price(auction, rows, own, price_fen_per_t, quantity_kg)
    made = MarketBid(
        id=uuid7(now),
        auction_id=auction_id,
        buyer_id=buyer_id,
        place=auction["bids"] + 1,
        price_fen_per_t=price_fen_per_t,
        quantity_kg=quantity_kg,
        deposit_fen=deposit_fen(price_fen_per_t, quantity_kg, auction["deposit_percent"]),
        state=BidState.STANDING,
        won_kg=0,
        placed_at=now,
    )
    await money.lock(driver, (buyer_id,))
    available, held = money.free(buyer_id), money.held(buyer_id)
    moves = [money.Move("deposit", made.id, available, held, made.deposit_fen)]
    if own is not None:
        moves.append(money.Move("deposit_return", own["id"], held, available, own["deposit_fen"]))
        await repository.mark_bids(driver, [own["id"]], BidState.REPLACED, [0])
    await money.book(driver, moves, now)
    await repository.insert(driver, made)
    changes: dict[str, object] = {"bids": made.place}
    until = now + datetime.timedelta(seconds=auction["extension_s"])
    if auction["kind"] == AuctionKind.ASCENDING and until > auction["ends_at"]:
        changes["ends_at"] = until
    await repository.update_auction(driver, auction_id, **changes)
    return made


async def reach(driver: "Driver", auction: "Row", buyer_id: UUID | None = None) -> int:
    """The least that a new bid has to offer: what an ascending auction shows, and the floor of a sealed one."""
    if auction["kind"] == AuctionKind.SEALED:
        return int(auction["floor_fen_per_t"])
    rows = await repository.standing_bids(driver, auction["id"])
    return _reach(auction, rows, buyer_id)


def _reach(auction: "Row", rows: "list[Row]", buyer_id: UUID | None) -> int:
    return price_to_reach(
        [bid_of(row) for row in rows],
        auction["quantity_kg"],
        auction["floor_fen_per_t"],
        auction["step_fen_per_t"],
        buyer_id,
    )


def _check_price(
    auction: "Row", rows: "list[Row]", own: "Row | None", price_fen_per_t: int, quantity_kg: int
) -> None:
    if price_fen_per_t < auction["floor_fen_per_t"]:
        raise errors.BidTooLow
    if (price_fen_per_t - auction["floor_fen_per_t"]) % auction["step_fen_per_t"]:
        raise errors.BidTooLow
    if auction["kind"] != AuctionKind.ASCENDING:
        return
    buyer_id = None if own is None else own["buyer_id"]
    if price_fen_per_t < _reach(auction, rows, buyer_id):
        raise errors.BidTooLow
    if own is not None and (price_fen_per_t < own["price_fen_per_t"] or quantity_kg < own["quantity_kg"]):
        raise errors.BidLowered


async def _proposed(driver: "Driver", operator: "Principal", auction_id: UUID) -> "Row":
    row = await repository.lock_auction(driver, auction_id)
    if row is None or not operator.may_see_region(row["region"]):
        raise errors.AuctionNotFound
    if row["state"] != AuctionState.PROPOSED:
        raise errors.AuctionWrongState
    return row


async def _decide(
    driver: "Driver",
    operator: "Principal",
    row: "Row",
    state: AuctionState,
    remarks: str,
    now: datetime.datetime,
) -> None:
    await repository.update_auction(
        driver,
        row["id"],
        state=state.value,
        decided_by=operator.client_id,
        decided_at=now,
        remarks=remarks,
        ended_at=now if state is AuctionState.REJECTED else None,
    )


async def _round(
    driver: "Driver", seller_id: UUID, body: "AuctionInput", origin_id: UUID, previous_id: UUID | None
) -> int:
    """1, or the number of the round that follows on one that left something unsold."""
    if previous_id is None:
        return 1
    before = await repository.lock_auction(driver, previous_id)
    if before is None or before["seller_id"] != seller_id:
        raise errors.AuctionNotFound
    left = before["quantity_kg"] - before["sold_kg"]
    if (
        before["state"] != AuctionState.ENDED
        or before["result"] not in OPEN_RESULTS
        or before["origin_id"] != origin_id
        or body.quantity_kg > left
        or await repository.next_round_of(driver, previous_id) is not None
    ):
        raise errors.RoundRefused
    return int(before["round"]) + 1
