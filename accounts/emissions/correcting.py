"""Factors that operators put in force: one proposes, a second one approves. What ships and what was stays readable."""

import datetime
import re
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from accounts.emissions.activity import next_month
from accounts.emissions.errors import (
    EmissionFactorNotFound,
    FactorApproveOwn,
    FactorDecided,
    FactorUnfit,
)
from accounts.emissions.factors import CARRIED, COALS, FURNACES, GASES, OILS, FactorKind, fuel_key
from accounts.errors import Fault
from accounts.ids import uuid7

if TYPE_CHECKING:
    import asyncpg

    from accounts.emissions.schemas import FactorInput

Row: TypeAlias = "asyncpg.Record"
_FUELS = {FactorKind.SOLID_OR_LIQUID: (*COALS, *OILS), FactorKind.GAS: GASES}
_ZERO = re.compile(r"0(\.0*)?")
DAY = datetime.timedelta(days=1)


def day_of(month: str) -> datetime.date:
    """The first day of `2025-06`."""
    return datetime.date(int(month[:4]), int(month[5:]), 1)


def fits(asked: "FactorInput") -> tuple[str, datetime.date, datetime.date | None]:
    """The fuel's key, and the first and the last day; raises `FactorUnfit` with every place that does not fit."""
    faults = _faults(asked)
    if faults:
        raise FactorUnfit(*faults)
    fuel = fuel_key(asked.fuel, asked.furnace) if asked.fuel else ""
    if asked.accounting_year is not None:
        return fuel, datetime.date(asked.accounting_year, 1, 1), datetime.date(asked.accounting_year, 12, 31)
    first = day_of(asked.first_month or "")
    last = None if asked.last_month is None else next_month(day_of(asked.last_month)) - DAY
    return fuel, first, last


def _faults(asked: "FactorInput") -> list[Fault]:
    faults = []
    known = _FUELS.get(asked.kind, ())
    if (asked.fuel is not None) != bool(known) or (known and asked.fuel not in known):
        faults.append(Fault("/fuel", "must be a fuel of the kind", "须为该类燃料"))
    if (asked.fuel in COALS) != (asked.furnace in FURNACES):
        faults.append(Fault("/furnace", "is said of coal and coke alone", "仅煤与焦炭须注明炉型"))
    if asked.kind in CARRIED:
        if asked.accounting_year is None:
            faults.append(Fault("/accounting_year", "is needed for the grid", "电网因子须注明核算年度"))
        if asked.data_year is None or asked.published is None or asked.notice_no is None:
            faults.append(
                Fault(
                    "/notice_no",
                    "a factor of the grid has its notice, day of publication and year of data",
                    "电网因子须有公告文号、发布日期与数据年份",
                )
            )
    if (asked.accounting_year is None) == (asked.first_month is None) or (
        asked.accounting_year is not None and asked.last_month is not None
    ):
        faults.append(
            Fault("/first_month", "either a year or months are given", "核算年度与起止月份须择一填写")
        )
    elif asked.first_month and asked.last_month and asked.last_month < asked.first_month:
        faults.append(Fault("/last_month", "is before the first", "早于起始月份"))
    if _ZERO.fullmatch(asked.value):
        faults.append(Fault("/value", "must be more than zero", "须大于零"))
    return faults


async def propose(driver: "asyncpg.Connection", asked: "FactorInput", by: str, now: datetime.datetime) -> Row:
    """Write a factor down; it counts once another operator approves it."""
    fuel, first, last = fits(asked)
    return await driver.fetchrow(
        """
        INSERT INTO emission_factors
            (id, kind, region, fuel, value, first_day, last_day, data_year, published, notice_no, source, url,
             confidence, reason, proposed_by, proposed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) RETURNING *
        """,
        uuid7(now),
        asked.kind,
        asked.region,
        fuel,
        asked.value,
        first,
        last,
        asked.data_year,
        asked.published,
        asked.notice_no,
        asked.source,
        asked.url,
        asked.confidence,
        asked.reason,
        by,
        now,
    )


async def take(driver: "asyncpg.Connection", factor_id: UUID) -> Row:
    """A factor, locked; raises `EmissionFactorNotFound`."""
    row = await driver.fetchrow("SELECT * FROM emission_factors WHERE id = $1 FOR UPDATE", factor_id)
    if row is None:
        raise EmissionFactorNotFound
    return row


async def approve(driver: "asyncpg.Connection", row: Row, by: str, now: datetime.datetime) -> Row:
    """Put a locked factor in force; raises `FactorDecided` or `FactorApproveOwn`."""
    if row["approved_at"] is not None:
        raise FactorDecided
    if row["proposed_by"] == by:
        raise FactorApproveOwn
    return await driver.fetchrow(
        "UPDATE emission_factors SET approved_by = $2, approved_at = $3 WHERE id = $1 RETURNING *",
        row["id"],
        by,
        now,
    )


async def page(driver: "asyncpg.Connection", within: str, before: UUID | None, limit: int) -> list[Row]:
    """Factors of regions that begin with `within`, the newest first."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT * FROM emission_factors
        WHERE starts_with(region, $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,
        within,
        before,
        limit,
    )
    return rows
