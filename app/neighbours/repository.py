"""SQL of the exchange: array-shaped, and each statement on the claims of both sides bounded by day."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.auth.models import Organisation
from app.neighbours.models import Neighbour
from dedup.exchange import Exchanged, Kind
from dedup.writes import Writes, columns

if TYPE_CHECKING:
    import asyncpg

ME = "pg_current_xact_id()::text::bigint"
"""The transaction that writes. What is told is written by transactions that are over: see `horizon`."""
_MS = 1000

LedgerRow = tuple[Exchanged, str, bool]
"""(claim, region of the act, whether a neighbour was to be asked and did not answer). It arrives when it is written."""


class Person(NamedTuple):
    """What neighbours compare by: the person's key in the federation, None where there is none; and where it lives."""

    federation_key: bytes | None
    region: str


UNKNOWN = Person(None, "")


def digest_of(value: bytes) -> UUID:
    """16 bytes as the driver takes and gives them."""
    digest: UUID = DriverUUID(value)
    return digest


async def horizon(driver: "asyncpg.Connection") -> int:
    """Every transaction below this number is over, so that none will add a row below it any more."""
    return int(await driver.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"))


# The own ledger


async def people(driver: "asyncpg.Connection", holder_ids: Sequence[UUID]) -> dict[UUID, Person]:
    """Holder → what neighbours compare by."""
    rows = await driver.fetch(
        "SELECT id, federation_key, region FROM holders WHERE id = ANY($1::uuid[])", holder_ids
    )
    return {row[0]: Person(row[1], row[2]) for row in rows}


async def people_by_identity(
    driver: "asyncpg.Connection", identity_tokens: Sequence[UUID]
) -> dict[UUID, Person]:
    """Identity token → what neighbours compare by, of those who are known."""
    rows = await driver.fetch(
        """
        SELECT i.token, h.federation_key, h.region FROM identities i JOIN holders h ON h.id = i.holder_id
        WHERE i.token = ANY($1::uuid[])
        """,
        identity_tokens,
    )
    return {row[0]: Person(row[1], row[2]) for row in rows}


async def keep_keys(driver: "asyncpg.Connection", found: Sequence[tuple[UUID, bytes, bytes]]) -> None:
    """Keep federation keys with the holders whose present key is of the same identifier: (holder, present, key)."""
    await driver.execute(
        """
        UPDATE holders h SET federation_key = k.key
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS k (holder, present, key)
        WHERE h.id = k.holder AND h.person_key = k.present AND h.federation_key IS DISTINCT FROM k.key
        """,
        *columns(list(found)),
    )


def write_ledger(writes: Writes, rows: Sequence[LedgerRow], now: datetime.datetime) -> None:
    """Append what acts claim, that are credited in the same transaction."""
    writes.add(
        f"""
        INSERT INTO exchanged_claims (day, digest, activity_id, kind, scene, region, starts_at, ends_at, home, amount,
                                      unchecked, arrived_at, changed_by)
        SELECT day, digest, activity, kind, scene, region, to_timestamp(starts), to_timestamp(ends), home, amount,
               unchecked, $12::timestamptz, {ME}
        FROM unnest($1::date[], $2::uuid[], $3::uuid[], $4::smallint[], $5::varchar[], $6::varchar[], $7::bigint[],
                    $8::bigint[], $9::bool[], $10::bigint[], $11::bool[])
            AS c (day, digest, activity, kind, scene, region, starts, ends, home, amount, unchecked)
        """,
        *columns(
            [
                (
                    *(claim.day, claim.digest, claim.reference, int(claim.kind), claim.scene, region),
                    *(claim.start_s, claim.end_s, claim.home, claim.amount, unchecked),
                )
                for claim, region, unchecked in rows
            ]
        ),
        now,
    )


def release_ledger(writes: Writes, activity_id: UUID, first: datetime.date, last: datetime.date) -> None:
    """Mark what an act of these days claims as released; nothing where no neighbour is told of anything.

    Claims for a calendar period are filed under its first day.
    """
    writes.add(
        f"""
        UPDATE exchanged_claims SET released_at = now(), changed_by = {ME}
        WHERE activity_id = $1 AND day BETWEEN $2 AND $3 AND released_at IS NULL
        """,
        activity_id,
        first.replace(month=1, day=1),
        last,
    )


COLUMNS = "kind, scene, starts_at, ends_at, arrived_at, released_at, home, amount"
Place = tuple[datetime.date, UUID, UUID]
"""(day, digest, reference) of a row."""


def _moment_ms(moment: datetime.datetime) -> int:
    return int(moment.timestamp()) * _MS + moment.microsecond // _MS


def read_claim(row: Sequence[Any]) -> Exchanged:
    """Of day, digest, reference and `COLUMNS`."""
    day, digest, reference, kind, scene, starts, ends, arrived, released, home, amount = row
    return Exchanged(
        day,
        digest,
        Kind(kind),
        reference,
        scene,
        int(starts.timestamp()),
        int(ends.timestamp()),
        _moment_ms(arrived),
        None if released is None else _moment_ms(released),
        home,
        amount,
    )


async def read_ledger(
    driver: "asyncpg.Connection",
    days: tuple[datetime.date, datetime.date],
    changed: tuple[int, int],
    after: Place,
    limit: int,
) -> list[Exchanged]:
    """Own rows of these days that transactions of a range wrote last, in order of day, digest and reference.

    All of them are read in the order of the key; what is new, by what changed, and put in order then: a plan that is
    good for one of the two reads everything for the other.
    """
    fields = f"day, digest, activity_id, {COLUMNS}"
    wanted = "day BETWEEN $1 AND $2 AND changed_by >= $3 AND changed_by < $4"
    changes = f"WITH changes AS MATERIALIZED (SELECT {fields} FROM exchanged_claims WHERE {wanted})"
    behind = "(day, digest, activity_id) > ($5::date, $6::uuid, $7::uuid)"
    rows = await driver.fetch(
        f"""
        {changes if changed[0] else ""}
        SELECT {fields} FROM {"changes" if changed[0] else "exchanged_claims"}
        WHERE {behind if changed[0] else f"{wanted} AND {behind}"}
        ORDER BY day, digest, activity_id LIMIT $8
        """,
        *days,
        *changed,
        *after,
        limit,
    )
    return [read_claim(row) for row in rows]


async def live_of(
    driver: "asyncpg.Connection", asked: Sequence[tuple[datetime.date, UUID]]
) -> list[Exchanged]:
    """Own rows of these digests that are not released."""
    days = [day for day, _ in asked]
    rows = await driver.fetch(
        f"""
        SELECT c.day, c.digest, c.activity_id, {COLUMNS}
        FROM unnest($1::date[], $2::uuid[]) AS a (day, digest)
        JOIN exchanged_claims c ON c.day = a.day AND c.digest = a.digest AND c.day BETWEEN $3 AND $4
        WHERE c.released_at IS NULL
        """,
        days,
        [digest for _, digest in asked],
        min(days),
        max(days),
    )
    return [read_claim(row) for row in rows]


# Neighbours, and what they said


async def neighbours(session: AsyncSession, *, also_disabled: bool = False) -> list[Neighbour]:
    """All neighbours, by name."""
    query = select(Neighbour).order_by(col(Neighbour.name))
    if not also_disabled:
        query = query.where(col(Neighbour.disabled_at).is_(None))
    return list((await session.exec(query)).all())


async def neighbour(session: AsyncSession, neighbour_id: UUID) -> Neighbour | None:
    """A neighbour, disabled or not."""
    return await session.get(Neighbour, neighbour_id)


async def organisation(session: AsyncSession, organisation_id: UUID) -> Organisation | None:
    """The organisation of a neighbour's client."""
    found = await session.get(Organisation, organisation_id)
    return found if found is not None and found.kind == "neighbour" else None


async def advance(
    driver: "asyncpg.Connection",
    neighbour_id: UUID,
    before: tuple[int, str | None],
    after: tuple[int, str | None],
    now: datetime.datetime,
) -> bool:
    """Go on from a place of a neighbour's export to the next; False where somebody else went on meanwhile."""
    done = await driver.fetchval(
        """
        UPDATE neighbours SET since = $4, position = $5, pulled_at = $6, last_error = ''
        WHERE id = $1 AND since = $2 AND position IS NOT DISTINCT FROM $3 RETURNING 1
        """,
        neighbour_id,
        *before,
        *after,
        now,
    )
    return done is not None


async def write_error(driver: "asyncpg.Connection", neighbour_id: UUID, error: str) -> None:
    """Keep why a neighbour could not be asked."""
    await driver.execute("UPDATE neighbours SET last_error = $2 WHERE id = $1", neighbour_id, error)


def write_page(
    writes: Writes,
    page_id: UUID,
    neighbour_id: UUID,
    claims: int,
    signature: str,
    now: datetime.datetime,
) -> None:
    """Keep a page's signature."""
    writes.add(
        """
        INSERT INTO neighbour_pages (id, neighbour_id, received_at, claims, signature) VALUES ($1, $2, $3, $4, $5)
        """,
        page_id,
        neighbour_id,
        now,
        claims,
        signature,
    )


def write_claims(writes: Writes, neighbour_id: UUID, rows: Sequence[Exchanged]) -> None:
    """Keep a neighbour's rows; of those that are known, whether they are released. The same again changes nothing."""
    writes.add(
        f"""
        INSERT INTO neighbour_claims AS n (neighbour_id, day, digest, kind, reference, scene, starts_at, ends_at,
                                           arrived_at, released_at, home, amount, changed_by)
        SELECT $12::uuid, day, digest, kind, reference, scene, to_timestamp(starts), to_timestamp(ends),
               to_timestamp(arrived / 1000.0), to_timestamp(released / 1000.0), home, amount, {ME}
        FROM unnest($1::date[], $2::uuid[], $3::smallint[], $4::uuid[], $5::varchar[], $6::bigint[], $7::bigint[],
                    $8::bigint[], $9::bigint[], $10::bool[], $11::bigint[])
            AS c (day, digest, kind, reference, scene, starts, ends, arrived, released, home, amount)
        ORDER BY day, digest, reference
        ON CONFLICT (neighbour_id, day, digest, reference)
            DO UPDATE SET released_at = excluded.released_at, changed_by = excluded.changed_by
            WHERE n.released_at IS DISTINCT FROM excluded.released_at
        """,
        *columns(
            [
                (
                    *(row.day, row.digest, int(row.kind), row.reference, row.scene, row.start_s, row.end_s),
                    *(row.arrived_ms, row.released_ms, row.home, row.amount),
                )
                for row in rows
            ]
        ),
        neighbour_id,
    )
