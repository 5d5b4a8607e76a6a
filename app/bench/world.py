"""The made-up holders, written straight to the tables: onboarding is not what is measured here."""

import datetime as dt
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

import asyncpg
from asyncpg.pgproto.pgproto import UUID as DriverUUID

from accounts.ids import epoch_ms, parse_public_id, uuid7_batch
from app.auth.clients import NewClient, create_client
from app.auth.models import OrganisationKind
from app.bench.registry import BenchError
from app.bench.reports import metro_user, phone, town_of
from app.database import Database, engine_for
from app.demo.city import CITY_METRO, PLATFORM_NAMES
from dedup.person_key import IdentityHasher

if TYPE_CHECKING:
    from app.embedded.stack import Stack
    from app.settings import Settings

Say = Callable[[str], None]
NATION: Final = "100000"
GROUPS: Final = ("trip", "movement", "payment", "green", "charging")
_CHUNK: Final = 50_000
_CONSENTED_AT: Final = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)

# Table and first column of its key.
_OF_HOLDERS: Final = {
    "holders": "id",
    "identities": "token",
    "balances": "holder_id",
    "consents": "holder_id",
}

# What a batch touches, but for holders and consents.
HISTORY: Final = (
    "activities",
    "receipts",
    "platform_claims",
    "whole_claims",
    "interval_tokens",
    "interval_claims",
    "cap_usage",
    "entries",
    "lots",
    "redemptions",
    "redemption_lots",
    "redemption_limits",
    "idempotent_answers",
)


async def superuser(stack: "Stack") -> asyncpg.Connection:
    """A connection without time limits that may leave out the checks of foreign keys while it loads."""
    if stack.postgres is None:
        raise BenchError("the benchmark runs on an embedded PostgreSQL of its own")
    return await asyncpg.connect(
        stack.postgres.url("postgres"),
        server_settings={
            "statement_timeout": "0",
            "session_replication_role": "replica",
            "application_name": "bench",
        },
        command_timeout=3600,
    )


async def platforms(stack: "Stack", now: dt.datetime) -> list[NewClient]:
    """Clients of the demonstration's platforms."""
    database = Database(engine_for(stack.database_url, pool_size=1))
    try:
        async with database.transaction() as session:
            return [
                await create_client(session, OrganisationKind.PLATFORM, name, NATION, None, now)
                for name in PLATFORM_NAMES
            ]
    finally:
        await database.close()


async def seed(
    driver: asyncpg.Connection, settings: "Settings", holders: int, clients: Sequence[NewClient], say: Say
) -> None:
    """Write holders with two identities each and their consents for both platforms, as the demonstration has them."""
    sources = [parse_public_id("org", client.organisation_id) for client in clients]
    hasher = IdentityHasher(settings.identity_key.get_secret_value())
    metro = sources[CITY_METRO]
    if metro is None:
        raise BenchError("the platforms have no organisation")
    now = dt.datetime.now(dt.UTC)
    await driver.execute("CREATE UNLOGGED TABLE bench_holders (n integer, id uuid)")
    for start in range(0, holders, _CHUNK):
        numbers = range(start, min(start + _CHUNK, holders))
        await _write_holders(driver, numbers, hasher, metro.hex, now)
        if (start // _CHUNK) % 5 == 4:  # noqa: PLR2004 - a line now and then
            say(f"  {numbers.stop:,} of {holders:,} holders")
    await driver.execute("ALTER TABLE bench_holders ADD PRIMARY KEY (n)")
    say(f"  {holders * len(sources) * len(GROUPS):,} consents")
    await driver.execute("ALTER TABLE consents DROP CONSTRAINT consents_pkey")
    await driver.execute(
        """
        INSERT INTO consents (holder_id, source_id, scene_group, granted_at, text_version, receipt_id, recorded_at)
        SELECT h.id, s, g, $3, '2026-01', 'bench-' || h.n, $3
        FROM bench_holders h, unnest($1::uuid[]) AS s, unnest($2::varchar[]) AS g
        """,
        sources,
        list(GROUPS),
        _CONSENTED_AT,
    )
    await driver.execute(
        "ALTER TABLE consents ADD PRIMARY KEY (holder_id, source_id, scene_group, granted_at)"
    )
    for table in (*_OF_HOLDERS, "bench_holders"):
        await driver.execute(f"VACUUM (ANALYZE) {table}")
    say("  reading them into memory, as in a server that has run for a while")
    await _read_in(driver)


async def _read_in(driver: asyncpg.Connection) -> None:
    """Read tables along their keys: what is written in bulk or read in sequence passes the server's memory by."""
    others = ("enable_seqscan", "enable_bitmapscan", "enable_indexonlyscan")
    async with driver.transaction():
        for name in others:
            await driver.execute(f"SET LOCAL {name} = off")
        for table, column in _OF_HOLDERS.items():
            await driver.fetchval(f"SELECT count(*) FROM {table} WHERE {column} >= $1", UUID(int=0))


async def _write_holders(
    driver: asyncpg.Connection, numbers: range, hasher: IdentityHasher, scope: str, now: dt.datetime
) -> None:
    ids = uuid7_batch(epoch_ms(now), len(numbers))
    pairs = list(zip(numbers, ids, strict=True))
    keys = secrets.token_bytes(32 * len(numbers))
    await driver.copy_records_to_table(
        "holders",
        records=[
            (id_, "person", town_of(n).region, keys[32 * place : 32 * place + 32], now)
            for place, (n, id_) in enumerate(pairs)
        ],
        columns=["id", "kind", "region", "person_key", "created_at"],
    )
    await driver.copy_records_to_table(
        "balances",
        records=[(id_, 1, 0, 0) for id_ in ids],
        columns=["holder_id", "status", "open_mg", "points"],
    )
    identities: list[tuple[UUID, UUID, str, dt.datetime]] = []
    for n, id_ in pairs:
        identities.append((DriverUUID(hasher.token("phone", phone(n))), id_, "phone", now))
        token = DriverUUID(hasher.token("source_user", metro_user(n), scope))
        identities.append((token, id_, "source_user", now))
    await driver.copy_records_to_table(
        "identities", records=identities, columns=["token", "holder_id", "scheme", "created_at"]
    )
    await driver.copy_records_to_table("bench_holders", records=pairs, columns=["n", "id"])


async def forget_history(driver: asyncpg.Connection) -> None:
    """Empty everything that activities left, holders and consents stay."""
    await driver.execute(f"TRUNCATE {', '.join(HISTORY)}")
    await driver.execute(
        "UPDATE balances SET open_mg = 0, points = 0, held_points = 0 WHERE open_mg <> 0 OR points <> 0"
    )
    await driver.execute("VACUUM (ANALYZE) balances")
