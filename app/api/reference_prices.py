"""Prices of other markets: what anybody may read, and a chart of them."""

import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from accounts.market.chart import price_chart
from app.api.access import ServicesDep
from app.api.http import json_response, operation
from app.api.redeeming import Limit
from app.api.settling import described
from app.database import driver_of
from app.market import reference
from app.market.errors import ReferenceMarketNotFound
from app.market.schemas import ReferencePriceList, ReferencePriceView

router = APIRouter(prefix="/v1/reference-prices", tags=["market"])
Market = Annotated[str, Path(description="As it was imported", examples=["GDEA"], pattern=r"^[A-Z]{2,8}$")]
Since = Annotated[datetime.date, Query(description="First day")]
Until = Annotated[datetime.date, Query(description="Last day")]
SVG = "image/svg+xml"
FIRST, LAST = datetime.date(2010, 1, 1), datetime.date(9999, 12, 31)


@router.get(
    "/{market}",
    response_model=ReferencePriceList,
    summary="Daily prices of another market",
    **operation(errors=(ReferenceMarketNotFound, "request.invalid", "storage.unavailable")),
)
async def read_prices(
    market: Market,
    services: ServicesDep,
    since: Since = FIRST,
    until: Until = LAST,
    limit: Limit = 50,
    cursor: Annotated[datetime.date | None, Query(description="`next_cursor` of the page before")] = None,
) -> Response:
    """The earliest day first; days without a price are left out."""
    begin = since if cursor is None else max(since, cursor)
    async with services.database.reading() as session:
        rows = await reference.days(await driver_of(session), market, begin, until, limit + 1)
    if not rows:
        raise ReferenceMarketNotFound
    shown = ReferencePriceList(
        market=market,
        source=rows[0]["source"],
        items=[
            ReferencePriceView(**{name: row[name] for name in ReferencePriceView.model_fields})
            for row in rows[:limit]
        ],
        next_cursor=rows[limit]["day"] if len(rows) > limit else None,
    )
    return json_response(shown.model_dump(mode="json"))


@router.get(
    "/{market}/chart.svg",
    summary="Daily prices of another market as a chart",
    **described(operation(errors=(ReferenceMarketNotFound, "request.invalid", "storage.unavailable")), SVG),
)
async def read_chart(
    market: Market, services: ServicesDep, since: Since = FIRST, until: Until = LAST
) -> Response:
    """Closing prices in yuan per tonne, as SVG."""
    async with services.database.reading() as session:
        rows = await reference.days(await driver_of(session), market, since, until, None)
    if not rows:
        raise ReferenceMarketNotFound
    drawn = price_chart(
        f"{market} {rows[0]['source']}", [(row["day"], row["close_fen_per_t"]) for row in rows]
    )
    return Response(drawn, media_type=SVG, headers={"Cache-Control": "public, max-age=300"})
