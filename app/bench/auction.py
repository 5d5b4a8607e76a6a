"""An auction with many bids, deposits and money, as the doors would have left it."""

import datetime as dt
import random
from uuid import UUID, uuid4

from accounts.ids import epoch_ms, uuid7, uuid7_batch
from accounts.market.clearing import Pricing
from accounts.market.prices import deposit_fen
from accounts.registry.service import account_of
from accounts.units import service as units
from accounts.units.serials import Origin, OriginKind
from app.database import Database
from app.market import money, repository
from app.market.models import AuctionKind, AuctionState, MarketAuction

REGION = "440300"
FLOOR_FEN_PER_T, STEP_FEN_PER_T, DEAREST_STEPS = 3_000, 1, 1_500
MOST_T = 20
DEPOSIT_PERCENT = 10
PURSE_FEN = 200_000


async def made_auction(database: Database, bids: int, seed: int, now: dt.datetime) -> UUID:
    """An auction that is over by `now`, with one bid each of so many buyers for twice what there is."""
    rng = random.Random(seed)
    opened = now - dt.timedelta(hours=1)
    seller, *buyers = uuid7_batch(epoch_ms(opened), bids + 1)
    offers = [
        (FLOOR_FEN_PER_T + rng.randrange(DEAREST_STEPS) * STEP_FEN_PER_T, 1_000 * rng.randint(1, MOST_T))
        for _ in buyers
    ]
    quantity = sum(kg for _, kg in offers) // 2_000 * 1_000
    async with database.driver_transaction() as driver:
        await driver.execute(
            """
            INSERT INTO organisations (id, kind, name, region, created_at)
            SELECT id, 'participant', 'Auction ' || id, $2, $3 FROM unnest($1::uuid[]) AS id
            """,
            [seller, *buyers],
            REGION,
            opened,
        )
        account = await account_of(driver, seller, opened)
        origin = Origin(
            uuid4(), OriginKind.ISSUANCE, uuid4(), REGION, "SZ-LOW-CARBON-TRANSIT.metro", 2026, "phcer"
        )
        await units.issue(driver, origin, account.id, quantity, opened)
        auction_id = uuid7(opened)
        lock = await units.lock(driver, account.id, origin.id, quantity, "market_auction", auction_id, opened)
        await repository.insert(
            driver,
            MarketAuction(
                id=auction_id,
                seller_id=seller,
                region=REGION,
                origin_id=origin.id,
                lock_id=lock.id,
                title="竞价",
                round=1,
                kind=AuctionKind.SEALED,
                pricing=Pricing.UNIFORM,
                quantity_kg=quantity,
                least_kg=1_000,
                floor_fen_per_t=FLOOR_FEN_PER_T,
                step_fen_per_t=STEP_FEN_PER_T,
                deposit_percent=DEPOSIT_PERCENT,
                opens_at=opened,
                ends_at=now,
                extension_s=0,
                payment_hours=72,
                state=AuctionState.ANNOUNCED,
                proposed_by="seller",
                proposed_at=opened,
                decided_by="operator",
                decided_at=opened,
                bids=bids,
                sold_kg=0,
                winners=0,
            ),
        )
        await _bid(driver, auction_id, buyers, offers, opened)
    return auction_id


async def _bid(
    driver: "repository.Driver",
    auction_id: UUID,
    buyers: list[UUID],
    offers: list[tuple[int, int]],
    now: dt.datetime,
) -> None:
    ids = uuid7_batch(epoch_ms(now), 2 * len(buyers))
    deposits = [deposit_fen(price, kg, DEPOSIT_PERCENT) for price, kg in offers]
    bid_ids, fundings = ids[: len(buyers)], ids[len(buyers) :]
    await driver.execute(
        """
        INSERT INTO market_bids (id, auction_id, buyer_id, place, price_fen_per_t, quantity_kg, deposit_fen, state,
            won_kg, placed_at)
        SELECT b.id, $6, b.buyer, b.place, b.price, b.kg, b.deposit, 'standing', 0, $7
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[])
            WITH ORDINALITY AS b (id, buyer, price, kg, deposit, place)
        """,
        bid_ids,
        buyers,
        [price for price, _ in offers],
        [kg for _, kg in offers],
        deposits,
        auction_id,
        now,
    )
    await money.lock(driver, buyers)
    moves = []
    for funding, bid_id, buyer, deposit in zip(fundings, bid_ids, buyers, deposits, strict=True):
        moves.append(money.Move("funding", funding, money.OUTSIDE, money.free(buyer), PURSE_FEN))
        moves.append(money.Move("deposit", bid_id, money.free(buyer), money.held(buyer), deposit))
    await driver.execute(
        """
        INSERT INTO market_fundings (id, organisation_id, region, way, amount_fen, state, asked_by, asked_at,
            decided_by, decided_at)
        SELECT f.id, f.owner, $3, 'bank', $4, 'booked', 'clerk', $5, 'approver', $5
        FROM unnest($1::uuid[], $2::uuid[]) AS f (id, owner)
        """,
        fundings,
        buyers,
        REGION,
        PURSE_FEN,
        now,
    )
    await money.book(driver, moves, now)
