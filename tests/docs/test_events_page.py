"""The examples of docs/events.md run, in their order, and are answered as the page says; what they cost is retired."""

from pathlib import Path

import pytest
from event_footprints.events_known import stocked
from events.conftest import Fair, base_url, clock, fair, paying, service, wechat
from pages import Reader, read_through

__all__ = ["base_url", "clock", "fair", "paying", "service", "wechat"]
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
HEX = "01a1fcb815f071409db7b16376b33086"
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_page_of_events_is_true(fair: Fair) -> None:
    await stocked(fair.service, fair.operator.organisation_id, 1_000)
    organiser = await fair.resident()
    reader, city = Reader({}), fair.market.city
    callers = {"operator": fair.operator, "resident": organiser}
    # Up to the event, whose id the rest of the page names.
    head, rest = PAGE.split("```http\nPOST /v1/me/events/", maxsplit=1)
    await read_through(city, head, callers, reader)
    event = (await organiser.get("/v1/me/events")).json()["items"][0]
    reader.known["nev_" + HEX] = event["event_id"]
    tail = ("```http\nPOST /v1/me/events/" + rest).replace(
        "\n\nThe event's id is the answer's above. What is due is 2 kg at 5 fen a kg:", ""
    )
    await read_through(city, tail, callers, reader)
    pool, order = reader.known["evp_" + HEX], reader.known["nvo_" + HEX]
    assert await fair.stock(pool) == 998
    await fair.paid(organiser, order)
    assert (await fair.shown(organiser, event["event_id"]))["neutral"]
    assert await fair.stock(pool) == 998
    assert not await fair.market.breaches()
