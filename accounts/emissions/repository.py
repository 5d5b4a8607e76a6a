"""SQL of emissions."""

import datetime
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from accounts.emissions.activity import Fuel, Metered
from accounts.emissions.computing import Process
from accounts.emissions.factors import Factor, FactorKind
from accounts.emissions.green import Certificate
from accounts.enterprises.carriers import Carrier, Flow
from accounts.ids import public_id
from dedup.periods import LOCAL

if TYPE_CHECKING:
    import asyncpg

Row: TypeAlias = "asyncpg.Record"


@dataclass(frozen=True)
class Place:
    """A site or a line by its name; `region` of a site is that of its grid."""

    id: UUID
    name: str
    region: str = ""
    site_id: UUID | None = None


@dataclass(frozen=True)
class Structure:
    """An enterprise as far as its emissions are concerned."""

    name: str
    region: str
    sites: tuple[Place, ...]
    lines: tuple[Place, ...]
    meters: tuple[Metered, ...]
    numbers: dict[UUID, str]


async def structure(driver: "asyncpg.Connection", holder_id: UUID) -> Structure | None:
    """One enterprise; None where the holder is none."""
    return (await structures(driver, [holder_id])).get(holder_id)


async def structures(driver: "asyncpg.Connection", holder_ids: Sequence[UUID]) -> dict[UUID, Structure]:
    """Enterprises with their sites, lines and meters; who is no enterprise is left out."""
    enterprises = await driver.fetch(
        "SELECT holder_id, name, region FROM enterprises WHERE holder_id = ANY($1)", holder_ids
    )
    sites = _grouped(
        await driver.fetch(
            "SELECT holder_id, id, name, region FROM enterprise_sites WHERE holder_id = ANY($1) ORDER BY id",
            holder_ids,
        )
    )
    lines = _grouped(
        await driver.fetch(
            "SELECT holder_id, id, name, site_id FROM enterprise_lines WHERE holder_id = ANY($1) ORDER BY id",
            holder_ids,
        )
    )
    meters = _grouped(
        await driver.fetch(
            """
            SELECT holder_id, id, site_id, line_id, carrier, flow, counts, installed_at, removed_at, number
            FROM meters WHERE holder_id = ANY($1) AND (counts OR line_id IS NOT NULL) ORDER BY id
            """,
            holder_ids,
        )
    )
    return {
        row["holder_id"]: Structure(
            row["name"],
            row["region"],
            tuple(Place(site["id"], site["name"], site["region"]) for site in sites[row["holder_id"]]),
            tuple(
                Place(line["id"], line["name"], site_id=line["site_id"]) for line in lines[row["holder_id"]]
            ),
            tuple(_metered(meter) for meter in meters[row["holder_id"]]),
            {meter["id"]: meter["number"] for meter in meters[row["holder_id"]]},
        )
        for row in enterprises
    }


def _grouped(rows: Sequence[Row]) -> dict[UUID, list[Row]]:
    """By their enterprise, in their order."""
    found: dict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["holder_id"]].append(row)
    return found


def _metered(row: Row) -> Metered:
    removed = row["removed_at"]
    return Metered(
        row["id"],
        row["site_id"],
        row["line_id"],
        Carrier(row["carrier"]),
        Flow(row["flow"]),
        row["counts"],
        row["installed_at"].astimezone(LOCAL).date(),
        None if removed is None else removed.astimezone(LOCAL).date(),
    )


async def fuels(driver: "asyncpg.Connection", holder_ids: Sequence[UUID]) -> dict[UUID, list[Fuel]]:
    """What meters' fuels are, by enterprise, in the order in which it was said."""
    rows = await driver.fetch(
        """
        SELECT holder_id, meter_id, from_month, fuel, furnace FROM meter_fuels
        WHERE holder_id = ANY($1) ORDER BY id
        """,
        holder_ids,
    )
    found: dict[UUID, list[Fuel]] = defaultdict(list)
    for row in rows:
        found[row["holder_id"]].append(Fuel(row["meter_id"], row["from_month"], row["fuel"], row["furnace"]))
    return found


async def certificates(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], since: datetime.date, until: datetime.date
) -> dict[UUID, list[Certificate]]:
    """Certificates that count, by enterprise, of the years of a time."""
    rows = await driver.fetch(
        """
        SELECT holder_id, number, energy_wh, first_month, last_month FROM green_certificates
        WHERE holder_id = ANY($1) AND withdrawn_at IS NULL AND first_month < $3 AND last_month >= $2
        ORDER BY number
        """,
        holder_ids,
        since,
        until,
    )
    found: dict[UUID, list[Certificate]] = defaultdict(list)
    for row in rows:
        found[row["holder_id"]].append(Certificate(row[1], row[2], row[3], row[4]))
    return found


async def processes(
    driver: "asyncpg.Connection", holder_ids: Sequence[UUID], since: datetime.date, until: datetime.date
) -> dict[UUID, list[Process]]:
    """Process emissions, by enterprise, of the months of a time that no other row replaces."""
    rows = await driver.fetch(
        """
        SELECT holder_id, id, site_id, line_id, month, co2e_mg FROM process_emissions p
        WHERE holder_id = ANY($1) AND month >= $2 AND month < $3 AND NOT EXISTS (
            SELECT FROM process_emissions n WHERE n.holder_id = p.holder_id AND n.replaces = p.id
        )
        ORDER BY id
        """,
        holder_ids,
        since,
        until,
    )
    found: dict[UUID, list[Process]] = defaultdict(list)
    for row in rows:
        found[row["holder_id"]].append(Process(row[1], row[2], row[3], row[4], row[5]))
    return found


async def corrections(
    driver: "asyncpg.Connection", regions: Sequence[str], known_at: datetime.datetime
) -> list[Factor]:
    """Factors that were in force at a moment in any of these regions."""
    rows = await driver.fetch(
        """
        SELECT * FROM emission_factors
        WHERE approved_at IS NOT NULL AND approved_at <= $2 AND region = ANY($1::varchar[])
        """,
        regions,
        known_at,
    )
    return [factor_of(row) for row in rows]


def factor_of(row: Row) -> Factor:
    """A row as a factor."""
    first, last = row["first_day"], row["last_day"]
    yearly = last is not None and (first, last) == (
        datetime.date(first.year, 1, 1),
        datetime.date(first.year, 12, 31),
    )
    return Factor(
        id=public_id("efa", row["id"]),
        kind=FactorKind(row["kind"]),
        value=Fraction(row["value"]),
        shown=row["value"],
        source=row["source"],
        confidence=row["confidence"],
        region=row["region"],
        fuel=row["fuel"],
        first_day=first,
        last_day=last,
        accounting_year=first.year if yearly else None,
        data_year=row["data_year"],
        published=row["published"],
        notice_no=row["notice_no"],
        url=row["url"],
        corrects_at=row["approved_at"],
    )


async def add_statement(
    driver: "asyncpg.Connection",
    row: tuple[UUID, datetime.date, UUID, datetime.datetime, int, str, bytes, list[str]],
) -> None:
    """Keep a statement (holder, month, id, computed at, mg, content, its hash, what changed)."""
    await driver.execute(
        """
        INSERT INTO emission_statements
            (holder_id, month, id, computed_at, total_mg, content, content_hash, changed)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        *row,
    )


async def latest_statements(
    driver: "asyncpg.Connection", holder_id: UUID, months: Sequence[datetime.date]
) -> dict[datetime.date, Row]:
    """The latest statement of each of these months that has one."""
    rows = await driver.fetch(
        """
        SELECT s.* FROM unnest($2::date[]) AS m (month) CROSS JOIN LATERAL (
            SELECT month, id, computed_at, total_mg, content, content_hash FROM emission_statements
            WHERE holder_id = $1 AND month = m.month ORDER BY id DESC LIMIT 1
        ) s
        """,
        holder_id,
        months,
    )
    return {row["month"]: row for row in rows}


async def statement_at(
    driver: "asyncpg.Connection", holder_id: UUID, month: datetime.date, as_of: datetime.datetime
) -> "Row | None":
    """The statement of a month that stood at a moment."""
    return await driver.fetchrow(
        """
        SELECT id, month, computed_at, total_mg, content, changed FROM emission_statements
        WHERE holder_id = $1 AND month = $2 AND computed_at <= $3 ORDER BY id DESC LIMIT 1
        """,
        holder_id,
        month,
        as_of,
    )


async def statements(
    driver: "asyncpg.Connection", holder_id: UUID, month: datetime.date, before: UUID | None, limit: int
) -> list[Row]:
    """Statements of a month, the newest first."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT id, month, computed_at, total_mg, changed, content_hash FROM emission_statements
        WHERE holder_id = $1 AND month = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4
        """,
        holder_id,
        month,
        before,
        limit,
    )
    return rows


async def first_statement_month(driver: "asyncpg.Connection", holder_id: UUID) -> datetime.date | None:
    """The earliest month that was ever stated."""
    found: datetime.date | None = await driver.fetchval(
        "SELECT min(month) FROM emission_statements WHERE holder_id = $1", holder_id
    )
    return found


async def lock_enterprise(driver: "asyncpg.Connection", holder_id: UUID) -> bool:
    """Lock an enterprise's statements, so that two processes do not state the same; False where it is none."""
    found = await driver.fetchval(
        "SELECT true FROM enterprises WHERE holder_id = $1 FOR NO KEY UPDATE", holder_id
    )
    return bool(found)


async def due(driver: "asyncpg.Connection", before: datetime.datetime, limit: int) -> list[UUID]:
    """Enterprises whose statements were not computed since a moment, locked; those of other processes are skipped."""
    rows = await driver.fetch(
        """
        SELECT e.holder_id FROM enterprises e
        WHERE NOT EXISTS (
            SELECT FROM emission_checks c WHERE c.holder_id = e.holder_id AND c.checked_at >= $1
        )
        ORDER BY e.holder_id LIMIT $2 FOR NO KEY UPDATE OF e SKIP LOCKED
        """,
        before,
        limit,
    )
    return [row[0] for row in rows]


async def mark_checked(driver: "asyncpg.Connection", holder_id: UUID, now: datetime.datetime) -> None:
    """Write down that an enterprise's statements are those of now."""
    await driver.execute(
        """
        INSERT INTO emission_checks (holder_id, checked_at) VALUES ($1, $2)
        ON CONFLICT (holder_id) DO UPDATE SET checked_at = excluded.checked_at
        """,
        holder_id,
        now,
    )


async def last_correction(driver: "asyncpg.Connection") -> datetime.datetime | None:
    """When a factor was last put in force."""
    found: datetime.datetime | None = await driver.fetchval("SELECT max(approved_at) FROM emission_factors")
    return found
