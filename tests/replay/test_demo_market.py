"""The made-up café against the real service: what it shows is true, and a second run redeems nothing again."""

import io
from pathlib import Path

import asyncpg
from helpers import Caller, City
from redeeming.market import Market
from rich.console import Console

from app.demo.market import run_market
from app.replay.api import Api


def head_of(path: str) -> bytes:
    return Path(path).read_bytes()[:4]


async def test_residents_redeem_and_the_cafe_is_settled_with(
    city: City, base_url: str, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    market = Market(city)
    rich, poor = await market.resident(1_000), await market.resident(450)

    def api(caller: Caller) -> Api:
        return Api(base_url, caller.client_id, caller.secret)

    cafe = await market.merchant("100000")
    maker, checker = [await city.client("operator", "440000") for _ in range(2)]
    async with api(cafe) as merchant, api(maker) as first, api(checker) as second:
        day = await run_market(
            (first, second), merchant, cafe.organisation_id, [rich.token, poor.token], tmp_path
        )
        again = await run_market((first, second), merchant, cafe.organisation_id, [rich.token], tmp_path)
    # The one has points for all three, the other for the first only; each code is shown at two tills.
    assert (day.redeemed, day.refused, day.refunded, day.state) == (4, 3, 1, "paid")
    assert day.payable_fen == 2 * 500 + 1800 + 1000 - 500
    assert (again.number, again.redeemed, again.payable_fen) == (day.number, 4, day.payable_fen)
    assert await owner.fetchval("SELECT count(*) FROM redemptions") == 4
    # The statement counts points net of the refund.
    assert (await rich.points(), await poor.points()) in {(1_000 - 400, 250), (1_000 - 600, 450)}
    assert head_of(day.statement) == b"%PDF"
    assert await market.breaches() == []
    shown = Console(width=120, record=True, file=io.StringIO())
    day.render(shown)
    text = shown.export_text()
    assert "¥ 33.00" in text
    assert day.number in text
