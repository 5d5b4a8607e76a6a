"""Prices of other markets, as files told them."""

import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accounts.market.reference import Series
    from app.market.repository import Driver, Row


async def keep(driver: "Driver", market: str, series: "Series", now: datetime.datetime) -> int:
    """Keep the days of a file; one that is there already is as the file has it now. Answers how many changed."""
    days = series.days
    done = await driver.execute(
        """
        INSERT INTO reference_prices AS p (market, day, close_fen_per_t, average_fen_per_t, volume_t, turnover_fen,
            source, imported_at)
        SELECT $1, d.*, $7, $8
        FROM unnest($2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) AS d
        ON CONFLICT (market, day) DO UPDATE SET close_fen_per_t = excluded.close_fen_per_t,
            average_fen_per_t = excluded.average_fen_per_t, volume_t = excluded.volume_t,
            turnover_fen = excluded.turnover_fen, source = excluded.source, imported_at = excluded.imported_at
        WHERE (p.close_fen_per_t, p.average_fen_per_t, p.volume_t, p.turnover_fen, p.source) IS DISTINCT FROM
            (excluded.close_fen_per_t, excluded.average_fen_per_t, excluded.volume_t, excluded.turnover_fen,
                excluded.source)
        """,
        market,
        [day.day for day in days],
        [day.close_fen_per_t for day in days],
        [day.average_fen_per_t for day in days],
        [day.volume_t for day in days],
        [day.turnover_fen for day in days],
        series.source,
        now,
    )
    return int(done.rpartition(" ")[2])


async def days(
    driver: "Driver", market: str, since: datetime.date, until: datetime.date, limit: int | None
) -> "list[Row]":
    """The priced days of a market from one to another, the earliest first."""
    rows: list[Row] = await driver.fetch(
        "SELECT * FROM reference_prices WHERE market = $1 AND day >= $2 AND day <= $3 ORDER BY day LIMIT $4",
        market,
        since,
        until,
        limit,
    )
    return rows
