"""Green credit of a region, by month, product and level. Groups of few holders are withheld, from totals as well."""

import datetime
from typing import TYPE_CHECKING, Any, Final

from accounts.quantities import grams
from app.auth.principal import prefix
from app.lending.schemas import GreenCreditGroup, GreenCreditTotal, ProductName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.repository import Driver, Row

SMALLEST_GROUP: Final = 5
"""Holders that a group needs to be shown."""
MOST_MONTHS: Final = 36

_GROUPS = """
    SELECT to_char(l.granted_on, 'YYYY-MM') AS month, l.product_id, l.basis, l.level,
           count(*) AS loans, count(DISTINCT l.holder_id) AS holders, sum(l.amount_fen)::bigint AS amount_fen,
           (sum(l.amount_fen::numeric * l.rate_bp) / sum(l.amount_fen)) AS rate_bp,
           coalesce(sum(l.funded_mg), 0)::bigint AS funded_mg
    FROM green_loans l
    WHERE l.latest AND l.state = 'granted' AND l.granted_on >= $1 AND l.granted_on < $2
      AND l.region LIKE $3 || '%'
    GROUP BY 1, 2, 3, 4
"""

_PAGE = f"""
    WITH groups AS ({_GROUPS})
    SELECT g.*, o.name AS bank, p.code, p.name_zh, p.name_en,
           g.month || '/' || g.product_id || '/' || g.level AS place
    FROM groups g
    JOIN LATERAL (SELECT bank_id, code, name_zh, name_en FROM bank_products
                  WHERE id = g.product_id ORDER BY version DESC LIMIT 1) p ON true
    JOIN organisations o ON o.id = p.bank_id
    WHERE ($4::text IS NULL OR g.month || '/' || g.product_id || '/' || g.level > $4)
    ORDER BY place LIMIT $5
"""

_TOTAL = f"""
    SELECT coalesce(sum(loans), 0)::bigint AS loans, coalesce(sum(amount_fen), 0)::bigint AS amount_fen,
           coalesce(sum(funded_mg), 0)::bigint AS funded_mg
    FROM ({_GROUPS}) groups WHERE holders >= $4
"""


async def groups(
    driver: "Driver",
    region: str,
    days: tuple[datetime.date, datetime.date],
    after: str | None,
    limit: int,
) -> "Sequence[Row]":
    """Groups of `[first, last)` in order of month, product and level, beyond a place."""
    rows: Sequence[Row] = await driver.fetch(_PAGE, *days, prefix(region), after, limit)
    return rows


async def total(driver: "Driver", region: str, days: tuple[datetime.date, datetime.date]) -> GreenCreditTotal:
    """The sum of the groups that are shown."""
    row: Any = await driver.fetchrow(_TOTAL, *days, prefix(region), SMALLEST_GROUP)
    return GreenCreditTotal(
        loans=row["loans"], amount_fen=row["amount_fen"], funded_co2e_g=grams(row["funded_mg"])
    )


def group_view(row: "Row") -> GreenCreditGroup:
    """A group, without its figures where too few holders are in it."""
    shown = row["holders"] >= SMALLEST_GROUP
    return GreenCreditGroup(
        month=row["month"],
        bank=row["bank"],
        product_code=row["code"],
        product_name=ProductName(zh=row["name_zh"], en=row["name_en"]),
        basis=row["basis"],
        level=row["level"],
        withheld=not shown,
        loans=row["loans"] if shown else None,
        amount_fen=row["amount_fen"] if shown else None,
        rate_bp=int(row["rate_bp"]) if shown else None,
        funded_co2e_g=grams(row["funded_mg"]) if shown else None,
    )
