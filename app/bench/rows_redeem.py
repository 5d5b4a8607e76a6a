"""Rows of redemption: orders that are confirmed in the same call, on one hot offer and on many."""

import datetime as dt
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import orjson

from accounts.ids import epoch_ms, public_id, uuid7_batch
from accounts.models import AccountKind, EntryKind
from app.auth.keys import KeyRing
from app.auth.principal import Principal
from app.auth.scopes import ME_READ, ME_WRITE
from app.auth.tokens import Tokens
from app.bench.lab import Lab, Service
from app.bench.load import Run, drive, request
from app.bench.registry import Measured, row
from app.bench.world import NATION
from app.database import Database, engine_for

if TYPE_CHECKING:
    import asyncpg

CONNECTIONS: Final = 64
RESIDENTS: Final = 2_000
OFFERS: Final = 1_000
_POINTS: Final = 1_000_000
_STOCK: Final = 10_000_000
_PER_S: Final = 4_000
"""More orders than a second can take: so many are built for each."""
_UNIT: Final = "redemptions/s"


@row("redeem_hot_per_s", unit=_UNIT, floor=500, aim=1_500)
async def redeem_hot_per_s(lab: Lab) -> Measured:
    """Everybody wants the same offer."""
    return await _redeem(lab, 1)


@row("redeem_per_s", unit=_UNIT, floor=400, aim=1_200)
async def redeem_per_s(lab: Lab) -> Measured:
    """Orders spread over a thousand offers."""
    return await _redeem(lab, OFFERS)


async def _redeem(lab: Lab, offers: int) -> Measured:
    seconds = 4.0 if lab.quick else 20.0
    async with lab.service() as service:
        async with lab.database() as driver:
            wanted = await _offers(driver, offers)
            people = await _people(driver, wanted[1])
        tokens = await _tokens(lab, people)
        requests = _requests(tokens, wanted[0], int((seconds + 3) * _PER_S))
        await _send(service, requests, 3.0)
        await lab.checkpoint()
        meter = lab.meter(service)
        run = await _send(service, requests, seconds)
        told = meter.told()
    confirmed = sum(orjson.loads(body)["state"] == "confirmed" for body in run.bodies)
    rate = confirmed / run.seconds
    p99 = run.latency_ms(0.99)
    lab.say(f"  {rate:,.0f} redemptions/s, p99 {p99:.0f} ms; {told}")
    size = f"{len(people):,} residents, {offers:,} offers with stock, an Idempotency-Key each"
    return Measured(
        rate,
        f"p50 {run.latency_ms(0.5):.0f} ms, p99 {p99:.0f} ms, {CONNECTIONS} connections; {told}; {size}, "
        f"{seconds:.0f} s, ordered and confirmed in one call",
    )


async def _offers(driver: "asyncpg.Connection", count: int) -> tuple[list[UUID], int]:
    """Live offers with a stock; answers them, and the asset of the points that they take."""
    now = dt.datetime.now(dt.UTC)
    points, money = [
        await driver.fetchval(
            """
            INSERT INTO assets (kind, methodology_id, vintage, programme) VALUES ($1, 0, 0, $2)
            ON CONFLICT (kind, methodology_id, vintage, programme) DO UPDATE SET kind = excluded.kind RETURNING id
            """,
            kind,
            NATION,
        )
        for kind in ("points", "money")
    ]
    merchant = uuid4()
    await driver.execute(
        "INSERT INTO organisations VALUES ($1, 'merchant', $2, $3, $4)", merchant, merchant.hex, NATION, now
    )
    ids: list[UUID] = uuid7_batch(epoch_ms(now), count)
    await driver.execute(
        """
        INSERT INTO offers (id, merchant_id, region, kind, delivery, title_zh, title_en, terms_zh, terms_en,
            programme, price_points, price_fen, settle_fen, limited, valid_from, valid_until, code_days,
            refund_lapsed, blackout_days, shop_ids, state, version, created_at, updated_at, submitted_at,
            approved_at, approved_by, review_note, points_asset_id, money_asset_id)
        SELECT id, $2, $3, 'cash_off', 'qr', '咖啡立减', 'Coffee', '', '', $3, 1, 0, 100, true, $4::timestamptz,
            $4::timestamptz + interval '30 days', 30, true, '{}', '{}', 'live', 1, $4, $4, $4, $4, 'bench', '', $5, $6
        FROM unnest($1::uuid[]) AS id
        """,
        *(ids, merchant, NATION, now, points, money),
    )
    await driver.execute(
        "INSERT INTO offer_stock SELECT id, $2, $2 FROM unnest($1::uuid[]) AS id", ids, _STOCK
    )
    return ids, points


async def _people(driver: "asyncpg.Connection", asset: int) -> list[UUID]:
    """Residents with points in two lots, booked as a bonus so that the books agree."""
    now = dt.datetime.now(dt.UTC)
    rows = await driver.fetch("SELECT id FROM bench_holders WHERE n < $1 ORDER BY n", RESIDENTS)
    people: list[UUID] = [row[0] for row in rows]
    for days in (200, 400):
        await driver.execute(
            """
            INSERT INTO entries (holder_id, id, cause_id, asset_id, kind, debit, credit, amount, booked_at)
            SELECT h, e, e, $3, $4, $5, $6, $7, $8 FROM unnest($1::uuid[], $2::uuid[]) AS p (h, e)
            """,
            *(people, uuid7_batch(epoch_ms(now), len(people)), asset, EntryKind.BONUS),
            *(AccountKind.PROGRAMME, AccountKind.HOLDER_POINTS, _POINTS, now),
        )
        await driver.execute(
            """
            INSERT INTO lots AS l SELECT h, $2, $3, $4, $4, $5 FROM unnest($1::uuid[]) AS h
            ON CONFLICT (holder_id, asset_id, expires_on)
            DO UPDATE SET earned = l.earned + $4, remaining = l.remaining + $4
            """,
            *(people, asset, now.date() + dt.timedelta(days=days), _POINTS, now),
        )
        await driver.execute(
            "UPDATE balances SET points = points + $2 WHERE holder_id = ANY($1::uuid[])", people, _POINTS
        )
    return people


async def _tokens(lab: Lab, people: Sequence[UUID]) -> list[str]:
    """Tokens as sign-in gives them, signed with the service's own key."""
    now = dt.datetime.now(dt.UTC)
    tokens = Tokens(KeyRing(lab.settings.receipt_key.get_secret_value()), 86_400)
    database = Database(engine_for(lab.stack.database_url, pool_size=1))
    try:
        async with database.reading() as session:
            await tokens.keys.refresh(session, now)
    finally:
        await database.close()
    rights = frozenset({ME_READ, ME_WRITE})
    until = int(now.timestamp()) + 86_400
    return [
        tokens.issue(Principal("cli_bench", UUID(int=1), "bench", NATION, rights, until, holder), now)
        for holder in people
    ]


def _requests(tokens: Sequence[str], offers: Sequence[UUID], count: int) -> Iterator[bytes]:
    """Orders in random order, built before they are sent; each person comes again and again."""
    chance = random.Random(1)
    bodies = [orjson.dumps({"offer_id": public_id("ofr", offer), "confirm": True}) for offer in offers]
    numbers = itertools.count()
    made = [
        request(
            "/v1/me/redemptions",
            chance.choice(tokens),
            chance.choice(bodies),
            f"Idempotency-Key: bench-{next(numbers)}-{chance.getrandbits(64):x}\r\n",
        )
        for _ in range(count)
    ]
    return iter(made)


async def _send(service: Service, requests: Iterator[bytes], seconds: float) -> Run:
    return await drive(service.url, requests, connections=CONNECTIONS, seconds=seconds)
