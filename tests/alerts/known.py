"""Ids, bodies and versions with which doors of alerts and load shedding reach an answer, for Schemathesis."""

import datetime as dt
from typing import Any

from enterprises.plant import Plant

from accounts.alerts.repository import found
from accounts.ids import parse_public_id, public_id, uuid7

Known = dict[tuple[str, str], tuple[dict[str, str], Any, int | None]]
"""(Method, path) → parameters of the path, body, version to name."""
PLANS = "/v1/enterprises/load-shedding/plans"


async def opened(plant: Plant, kind: str, now: dt.datetime) -> str:
    """An alert of a meter of the plant."""
    meter = parse_public_id("mtr", plant.meters["E-L1"])
    made = uuid7(now)
    row = (plant.holder_id, made, meter, kind, now - dt.timedelta(hours=2), now, None, None)
    async with plant.city.service.database.driver_transaction() as driver:
        await found(driver, now, [row])
    return public_id("alt", made)


async def known_alerts(plant: Plant) -> Known:
    """An alert to acknowledge, one to close; a line with data, a plan to accept, one to drop."""
    now = dt.datetime.now(dt.UTC)
    seen, closed = (
        {"alert_id": await opened(plant, "gap", now)},
        {"alert_id": await opened(plant, "stuck", now)},
    )
    line = {"value_fen_per_kwh": 1, "can_stop": True, "load_w": 1_000_000}
    path = f"/v1/enterprises/load-shedding/lines/{plant.line_id}"
    await plant.client.request("PUT", path, json=line, headers={"If-Match": "0"})
    body = {
        "cut_kw": 1,
        "starts_at": (now + dt.timedelta(hours=1)).isoformat(),
        "ends_at": (now + dt.timedelta(hours=20)).isoformat(),
    }
    made = [(await plant.client.post(PLANS, json=body)).json()["plan_id"] for _ in range(2)]
    return {
        ("GET", "/v1/enterprises/alerts"): ({}, None, None),
        ("GET", "/v1/enterprises/alerts/{alert_id}"): (seen, None, None),
        ("POST", "/v1/enterprises/alerts/{alert_id}/acknowledgement"): (seen, None, None),
        ("POST", "/v1/enterprises/alerts/{alert_id}/closure"): (closed, {"verdict": "fault"}, None),
        ("GET", "/v1/enterprises/meters/{meter_id}/expected-use"): (
            {"meter_id": plant.meters["E-L1"]},
            None,
            None,
        ),
        ("GET", "/v1/enterprises/load-shedding/lines"): ({}, None, None),
        ("PUT", "/v1/enterprises/load-shedding/lines/{line_id}"): ({"line_id": plant.line_id}, line, 1),
        ("GET", PLANS): ({}, None, None),
        ("POST", PLANS): ({}, body, None),
        ("GET", PLANS + "/{plan_id}"): ({"plan_id": made[0]}, None, None),
        ("POST", PLANS + "/{plan_id}/acceptance"): ({"plan_id": made[0]}, {"option": 0}, None),
        ("POST", PLANS + "/{plan_id}/drop"): ({"plan_id": made[1]}, None, None),
    }
