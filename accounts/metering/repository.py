"""SQL of readings. Every statement bounds the days, which are partitioned by month."""

import datetime
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

from accounts.metering.days import Day, plain_marks, plain_states
from accounts.metering.quarters import QUARTERS_A_DAY, first_of
from accounts.metering.registers import Exchange

if TYPE_CHECKING:
    import asyncpg

Row: TypeAlias = "asyncpg.Record"
Key = tuple[UUID, datetime.date]
"""Meter and day: of a row, and of the order in which rows are locked."""
FIRST_DAY: Final = datetime.date(1992, 1, 1)
LAST_DAY: Final = datetime.date(9999, 12, 31)
_EPOCH: Final = datetime.date(1970, 1, 1).toordinal()
_COLUMNS = "d.meter_id, d.day, d.marks, d.states, d.amounts, d.registers"

# What was empty is filled, in one go: a row that another transaction holds is looked at again when it is free.
_ENTER = """
UPDATE meter_days d SET
    amounts[n.place + 1] = n.amount,
    amount = d.amount + n.amount,
    measured = d.measured + 1,
    marks = set_byte(d.marks, n.place, 65),
    states = set_byte(d.states, n.place, 1)
FROM unnest($1::uuid[], $2::date[], $3::smallint[], $4::bigint[], $5::integer[])
    AS n (meter_id, day, place, amount, number)
WHERE d.meter_id = n.meter_id AND d.day = n.day AND d.day BETWEEN $6 AND $7
    AND d.amounts[n.place + 1] IS NULL AND d.registers IS NULL
RETURNING n.number
"""


async def enter(
    driver: "asyncpg.Connection", rows: Sequence[tuple[UUID, datetime.date, int, int, int]]
) -> list[int]:
    """Enter amounts that were measured (meter, day, place, amount, number), one for each meter and day, in order.

    Answers the numbers of those whose day has a row, with nothing at that place.
    """
    meters, days, places, amounts, numbers = zip(*rows, strict=True)
    found = await driver.fetch(_ENTER, meters, days, places, amounts, numbers, min(days), max(days))
    return [row[0] for row in found]


async def lock_days(driver: "asyncpg.Connection", keys: Sequence[Key]) -> dict[Key, Day]:
    """Rows of meters and days, locked in the order of the keys; those that are not there are made, empty."""
    wanted = list(keys)
    found: dict[Key, Day] = {}
    while wanted:
        meters, days = zip(*wanted, strict=True)
        bounds = (min(days), max(days))
        rows = await driver.fetch(
            f"SELECT {_COLUMNS} FROM unnest($1::uuid[], $2::date[]) AS n (meter_id, day)"
            " JOIN meter_days d ON d.meter_id = n.meter_id AND d.day = n.day"
            " WHERE d.day BETWEEN $3 AND $4 FOR NO KEY UPDATE OF d",
            meters,
            days,
            *bounds,
        )
        found.update(((row["meter_id"], row["day"]), day_of(row)) for row in rows)
        wanted = [key for key in wanted if key not in found]
        if wanted:
            # Another transaction may make one first: then it is waited for, and locked next time.
            meters, days = zip(*wanted, strict=True)
            made = await driver.fetch(
                "INSERT INTO meter_days (meter_id, day, amount, measured, estimated, amounts)"
                " SELECT n.meter_id, n.day, 0, 0, 0, array_fill(NULL::bigint, ARRAY[96])"
                " FROM unnest($1::uuid[], $2::date[]) AS n (meter_id, day)"
                " ON CONFLICT DO NOTHING RETURNING meter_id, day",
                meters,
                days,
            )
            found.update(
                ((row["meter_id"], row["day"]), Day(row["meter_id"], number_of(row["day"]), cumulative=False))
                for row in made
            )
            wanted = [key for key in wanted if key not in found]
    return found


async def lock_registers(
    driver: "asyncpg.Connection", meter_ids: Sequence[UUID]
) -> dict[UUID, datetime.date]:
    """Lock cumulative meters, in order; answers the last day on which each was read, which may be before all time."""
    statement = (
        "SELECT meter_id, last_day FROM meter_registers WHERE meter_id = ANY($1) ORDER BY meter_id"
        " FOR NO KEY UPDATE"
    )
    rows = await driver.fetch(statement, meter_ids)
    if len(rows) < len(meter_ids):
        await driver.execute(
            "INSERT INTO meter_registers (meter_id, last_day) SELECT unnest($1::uuid[]), $2"
            " ON CONFLICT DO NOTHING",
            meter_ids,
            FIRST_DAY,
        )
        rows = await driver.fetch(statement, meter_ids)
    return {row["meter_id"]: row["last_day"] for row in rows}


async def read_until(driver: "asyncpg.Connection", rows: Sequence[Key]) -> None:
    """Tell until which day locked meters were read."""
    meters, days = zip(*rows, strict=True)
    await driver.execute(
        "UPDATE meter_registers r SET last_day = n.day FROM unnest($1::uuid[], $2::date[]) AS n (meter_id, day)"
        " WHERE r.meter_id = n.meter_id",
        meters,
        days,
    )


async def neighbours(
    driver: "asyncpg.Connection", before: Sequence[Key], after: Sequence[Key]
) -> dict[Key, Day]:
    """For each locked meter and day the last day before on which it was read, and the first day after."""
    found: dict[Key, Day] = {}
    for keys, side, order in ((before, "<", "DESC"), (after, ">", "ASC")):
        if not keys:
            continue
        meters, days = zip(*keys, strict=True)
        rows = await driver.fetch(
            f"SELECT {_COLUMNS} FROM unnest($1::uuid[], $2::date[]) AS n (meter_id, day),"
            f" LATERAL (SELECT * FROM meter_days d WHERE d.meter_id = n.meter_id AND d.day {side} n.day"
            f" AND d.registers IS NOT NULL ORDER BY d.day {order} LIMIT 1) AS d",
            meters,
            days,
        )
        found.update(((row["meter_id"], row["day"]), day_of(row)) for row in rows)
    return found


async def between(
    driver: "asyncpg.Connection", bounds: Sequence[tuple[UUID, datetime.date, datetime.date]]
) -> dict[Key, Day]:
    """Days of locked cumulative meters from the first to the last day of each."""
    meters, firsts, lasts = zip(*bounds, strict=True)
    rows = await driver.fetch(
        f"SELECT {_COLUMNS} FROM unnest($1::uuid[], $2::date[], $3::date[]) AS n (meter_id, first, last)"
        " JOIN meter_days d ON d.meter_id = n.meter_id AND d.day BETWEEN n.first AND n.last"
        " WHERE d.day BETWEEN $4 AND $5 AND d.registers IS NOT NULL",
        meters,
        firsts,
        lasts,
        min(firsts),
        max(lasts),
    )
    return {(row["meter_id"], row["day"]): day_of(row) for row in rows}


async def write_days(driver: "asyncpg.Connection", days: Sequence[Day]) -> None:
    """Write what locked rows are now."""
    keys = [date_of(day.number) for day in days]
    totals = [day.totals for day in days]
    await driver.execute(
        "UPDATE meter_days d SET amount = n.amount, measured = n.measured, estimated = n.estimated,"
        " marks = n.marks, states = n.states, amounts = n.amounts::bigint[], registers = n.registers::bigint[]"
        " FROM unnest($1::uuid[], $2::date[], $3::bigint[], $4::smallint[], $5::smallint[], $6::bytea[],"
        " $7::bytea[], $8::text[], $9::text[])"
        " AS n (meter_id, day, amount, measured, estimated, marks, states, amounts, registers)"
        " WHERE d.meter_id = n.meter_id AND d.day = n.day AND d.day BETWEEN $10 AND $11",
        [day.meter_id for day in days],
        keys,
        [amount for amount, _, _ in totals],
        [measured for _, measured, _ in totals],
        [estimated for _, _, estimated in totals],
        [None if day.marks == plain_marks(day.received) else bytes(day.marks) for day in days],
        [None if day.states == plain_states(day.amounts) else bytes(day.states) for day in days],
        [_literal(day.amounts) for day in days],
        [_literal(day.registers) if day.cumulative else None for day in days],
        min(keys),
        max(keys),
    )


async def add_revisions(
    driver: "asyncpg.Connection",
    rows: Sequence[tuple[UUID, datetime.date, int, int, int]],
    by: str,
    now: datetime.datetime,
) -> None:
    """Keep readings that do not count (meter, day, place, mark, value), each once."""
    meters, days, places, marks, values = zip(*rows, strict=True)
    await driver.execute(
        "INSERT INTO reading_revisions (meter_id, day, place, mark, value, replaced_by, replaced_at)"
        " SELECT n.*, $6::varchar, $7::timestamptz"
        " FROM unnest($1::uuid[], $2::date[], $3::smallint[], $4::smallint[], $5::bigint[]) AS n"
        " ON CONFLICT DO NOTHING",
        meters,
        days,
        places,
        marks,
        values,
        by,
        now,
    )


async def exchanges_of(
    driver: "asyncpg.Connection", meter_ids: Collection[UUID]
) -> dict[UUID, list[Exchange]]:
    """The exchanges of meters, each by time."""
    rows = await driver.fetch(
        "SELECT meter_id, last_register, first_register, register_max,"
        " (extract(epoch FROM at) / 900)::bigint + 31 AS quarter"
        " FROM meter_exchanges WHERE meter_id = ANY($1) ORDER BY meter_id, at",
        list(meter_ids),
    )
    found: dict[UUID, list[Exchange]] = {}
    for row in rows:
        exchange = Exchange(row["quarter"], row["last_register"], row["first_register"], row["register_max"])
        found.setdefault(row["meter_id"], []).append(exchange)
    return found


async def exchange_rows(driver: "asyncpg.Connection", meter_id: UUID) -> list[Row]:
    """The exchanges of a meter as entered, by time, at most 200."""
    return list(
        await driver.fetch(
            "SELECT at, last_register, first_register, register_max, entered_at FROM meter_exchanges"
            " WHERE meter_id = $1 ORDER BY at LIMIT 200",
            meter_id,
        )
    )


async def add_exchange(
    driver: "asyncpg.Connection", meter_id: UUID, at: datetime.datetime, row: tuple[object, ...]
) -> bool:
    """Enter an exchange (last and first register, where it begins anew, by whom, when); whether there was none."""
    found = await driver.fetchval(
        "INSERT INTO meter_exchanges (meter_id, at, last_register, first_register, register_max, entered_by,"
        " entered_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING 1",
        meter_id,
        at,
        *row,
    )
    return found is not None


def number_of(day: datetime.date) -> int:
    """A day's number from 1970-01-01."""
    return first_of(day) // QUARTERS_A_DAY


def date_of(number: int) -> datetime.date:
    """The day of a number."""
    return datetime.date.fromordinal(_EPOCH + number)


def day_of(row: Row) -> Day:
    """A day as it is stored."""
    registers = row["registers"]
    received = row["amounts"] if registers is None else registers
    marks, states = row["marks"], row["states"]
    return Day(
        meter_id=row["meter_id"],
        number=number_of(row["day"]),
        cumulative=registers is not None,
        amounts=row["amounts"],
        states=plain_states(row["amounts"]) if states is None else bytearray(states),
        registers=[None] * QUARTERS_A_DAY if registers is None else registers,
        marks=plain_marks(received) if marks is None else bytearray(marks),
    )


def _literal(values: Sequence[int | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
