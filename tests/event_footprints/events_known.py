"""For each door of carbon-neutral events something real to be asked for, so that made-up calls reach a success."""

from typing import Any

FOOTPRINT = {
    "kind": "meeting",
    "region": "360100",
    "day": "2026-11-20",
    "lines": [{"item": "combined.jiangxi_car_and_paper", "quantity": 1, "unit": "set"}],
}


def known_footprints() -> dict[tuple[str, str], Any]:
    """(method, path) → path parameters, body and version."""
    door = "/v1/public/event-footprints"
    return {("GET", door + "/items"): ({}, None, None), ("POST", door): ({}, FOOTPRINT, None)}
