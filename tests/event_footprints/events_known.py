"""For each door of carbon-neutral events something real to be asked for, so that made-up calls reach a success."""

import uuid
from typing import TYPE_CHECKING, Any

from accounts.ids import parse_public_id
from accounts.registry.service import account_of
from accounts.units import service as units
from accounts.units.serials import Origin, OriginKind
from app.wiring import utc_now

if TYPE_CHECKING:
    from enterprises.plant import Plant
    from helpers import Caller

    from app.wiring import Services

FOOTPRINT = {
    "kind": "meeting",
    "region": "360100",
    "day": "2026-11-20",
    "lines": [{"item": "combined.jiangxi_car_and_paper", "quantity": 1, "unit": "set"}],
}
DAYS = {"from": "2026-11-01", "to": "2026-11-30"}


def known_footprints() -> dict[tuple[str, str], Any]:
    """(method, path) → path parameters, body and version."""
    door = "/v1/public/event-footprints"
    return {("GET", door + "/items"): ({}, None, None), ("POST", door): ({}, FOOTPRINT, None)}


async def stocked(service: "Services", organisation: str, kg: int, region: str = "360000") -> Origin:
    """Verified forest stock in an organisation's registry account."""
    origin = Origin(
        uuid.uuid4(), OriginKind.PROJECT, uuid.uuid4(), region, "JX-FOREST", 2025, "Removal-nature"
    )
    known = parse_public_id("org", organisation)
    assert known is not None
    async with service.database.driver_transaction() as driver:
        account = await account_of(driver, known, utc_now())
        await units.issue(driver, origin, account.id, kg, utc_now())
    return origin


async def known_events(
    service: "Services", operator: "Caller", resident: "Caller", plant: "Plant"
) -> dict[tuple[str, str], Any]:
    """(method, path) → path parameters, body and version."""
    origin = await stocked(service, operator.organisation_id, 1_000_000)
    pool = {
        "region": "440300",
        "title_zh": "x",
        "title_en": "x",
        "price_fen_per_t": 5_000,
        "origin_id": "uor_" + origin.id.hex,
    }
    pools = [(await operator.post("/v1/operator/event-pools", json=pool)).json()["pool_id"] for _ in range(2)]
    lines = [{"item": "combined.jiangxi_car_and_paper", "quantity": 100_000, "unit": "set"}]
    event = FOOTPRINT | {"title": "x", "participants": 100_000, "lines": lines}
    door = "/v1/operator/event-pools"
    found: dict[tuple[str, str], Any] = {
        ("GET", "/v1/public/event-pools"): ({}, None, None),
        ("POST", door): ({}, pool, None),
        ("POST", door + "/{pool_id}/closure"): ({"pool_id": pools[1]}, None, None),
    }
    for start, who, other in (
        ("/v1/me", resident, plant.client),
        ("/v1/enterprises", plant.client, resident),
    ):
        elsewhere = "/v1/enterprises" if start == "/v1/me" else "/v1/me"
        made = (await who.post(start + "/events", json=event)).json()
        theirs = (await other.post(elsewhere + "/events", json=event)).json()
        share = (await who.post(start + "/event-shares", json={"code": theirs["code"]})).json()
        one = {"event_id": made["event_id"]}
        path, order = f"{start}/events/{made['event_id']}/orders", {"pool_id": pools[0], "kg": 1}
        orders = [(await who.post(path, json=order)).json()["order_id"] for _ in range(2)]
        found |= {
            ("GET", start + "/events"): ({}, None, None),
            ("POST", start + "/events"): ({}, event, None),
            ("GET", start + "/events/{event_id}"): (one, None, None),
            ("GET", start + "/events/{event_id}/shares"): (one, None, None),
            ("POST", start + "/events/{event_id}/orders"): (one, order, None),
            ("GET", start + "/event-orders/{order_id}"): ({"order_id": orders[0]}, None, None),
            ("POST", start + "/event-orders/{order_id}/cancellation"): (
                {"order_id": orders[1]},
                None,
                None,
            ),
            ("GET", start + "/event-shares"): ({}, None, None),
            ("POST", start + "/event-shares"): ({}, {"code": theirs["code"]}, None),
            ("POST", start + "/event-shares/{share_id}/orders"): (
                {"share_id": share["share_id"]},
                {"pool_id": pools[0]},
                None,
            ),
        }
    return found
