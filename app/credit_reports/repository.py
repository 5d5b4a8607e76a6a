"""SQL of what reports tell of a holder's books, and of the reports themselves."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import lowest_uuid7
from app.credit_reports.models import CreditReport
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from accounts.repository import Driver, Row

_REPORT = ", ".join(CreditReport.model_fields)
_AFTER = datetime.timedelta(days=1)


def _span(first: datetime.date, now: datetime.datetime) -> tuple[UUID, UUID]:
    """Bounds on the partition key: what was reported from a local day on."""
    begins = datetime.datetime.combine(first, datetime.time(), LOCAL)
    return lowest_uuid7(begins), lowest_uuid7(now + _AFTER)


async def holder(driver: "Driver", holder_id: UUID) -> "Row | None":
    """Kind, region, since when, balances and the kinds of proof of who it is."""
    return await driver.fetchrow(
        """
        SELECT h.kind, h.region, h.created_at, b.status, b.open_mg, b.issued_mg, b.used_mg,
               array(SELECT DISTINCT i.proof FROM identities i WHERE i.holder_id = h.id ORDER BY 1) AS proofs
        FROM holders h JOIN balances b ON b.holder_id = h.id WHERE h.id = $1
        """,
        holder_id,
    )


async def months(
    driver: "Driver", holder_id: UUID, first: datetime.date, now: datetime.datetime
) -> "list[Row]":
    """By month of the act: credited acts and grams that stand, and how many acts were taken back."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT to_char(started_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month,
               count(*) FILTER (WHERE reversed_at IS NULL) AS acts,
               coalesce(sum(co2e_mg) FILTER (WHERE reversed_at IS NULL), 0)::bigint AS mg,
               count(*) FILTER (WHERE reversed_at IS NOT NULL) AS reversed
        FROM activities
        WHERE holder_id = $1 AND id >= $2 AND id < $3 AND outcome IN ('credited', 'capped') AND started_at >= $4
        GROUP BY 1 ORDER BY 1
        """,
        holder_id,
        *_span(first, now),
        datetime.datetime.combine(first, datetime.time(), LOCAL),
    )
    return rows


async def scenes(
    driver: "Driver", holder_id: UUID, first: datetime.date, now: datetime.datetime
) -> "list[Row]":
    """By scene and methodology version: acts, grams, evidence and platforms, of what stands."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT a.scene, m.code, m.version, m.content_hash, count(*) AS acts, sum(a.co2e_mg)::bigint AS mg,
               count(*) FILTER (WHERE a.evidence = 'self_report') AS self_reported,
               count(DISTINCT a.source_id) AS sources
        FROM activities a JOIN methodology_versions m ON m.id = a.methodology_id
        WHERE a.holder_id = $1 AND a.id >= $2 AND a.id < $3 AND a.outcome IN ('credited', 'capped')
          AND a.reversed_at IS NULL AND a.started_at >= $4
        GROUP BY 1, 2, 3, 4 ORDER BY mg DESC, 1, 2, 3
        """,
        holder_id,
        *_span(first, now),
        datetime.datetime.combine(first, datetime.time(), LOCAL),
    )
    return rows


async def disputes(driver: "Driver", holder_id: UUID) -> dict[str, int]:
    """State → disputes about the holder's activities."""
    rows = await driver.fetch(
        "SELECT state, count(*) AS number FROM disputes WHERE holder_id = $1 GROUP BY state ORDER BY state",
        holder_id,
    )
    return {row["state"]: row["number"] for row in rows}


async def keep(driver: "Driver", report: CreditReport) -> None:
    """Keep a report as it was given."""
    values = report.model_dump()
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    await driver.execute(
        f"INSERT INTO credit_reports ({', '.join(values)}) VALUES ({places})",
        *values.values(),
    )


async def find(driver: "Driver", bank_id: UUID, report_id: UUID) -> "Row | None":
    """A bank's report."""
    return await driver.fetchrow(
        f"SELECT {_REPORT} FROM credit_reports WHERE bank_id = $1 AND id = $2",
        bank_id,
        report_id,
    )


async def forget(driver: "Driver", holder_id: UUID) -> None:
    """Nothing of a report is left but that it was given, and its digest."""
    await driver.execute("UPDATE credit_reports SET jws = NULL WHERE holder_id = $1", holder_id)


async def enterprise(driver: "Driver", holder_id: UUID) -> "Row | None":
    """An enterprise, and how many sites and live meters it has."""
    return await driver.fetchrow(
        """
        SELECT e.name, e.domain, e.industry_code, e.region,
               (SELECT count(*) FROM enterprise_sites s WHERE s.holder_id = e.holder_id) AS sites,
               (SELECT count(*) FROM meters m WHERE m.holder_id = e.holder_id AND m.removed_at IS NULL) AS meters
        FROM enterprises e WHERE e.holder_id = $1
        """,
        holder_id,
    )


async def has_meters(driver: "Driver", holder_id: UUID) -> bool:
    """Whether an enterprise has any meter, or had one."""
    return bool(await driver.fetchval("SELECT EXISTS (SELECT FROM meters WHERE holder_id = $1)", holder_id))


async def alerts(
    driver: "Driver", holder_id: UUID, since: datetime.date, until: datetime.date
) -> dict[str, dict[str, int]]:
    """By kind, alerts of an enterprise that touch a time, by state (`open`, `acknowledged`, `closed`)."""
    rows = await driver.fetch(
        """
        SELECT kind, CASE WHEN closed_at IS NOT NULL THEN 'closed'
                          WHEN acknowledged_at IS NOT NULL THEN 'acknowledged' ELSE 'open' END AS state,
               count(*) AS number
        FROM meter_alerts WHERE holder_id = $1 AND starts_at < $3 AND last_at >= $2 GROUP BY 1, 2
        """,
        holder_id,
        datetime.datetime.combine(since, datetime.time(), LOCAL),
        datetime.datetime.combine(until, datetime.time(), LOCAL),
    )
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["kind"], {})[row["state"]] = row["number"]
    return found
