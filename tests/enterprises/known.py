"""Ids, bodies and versions with which doors of enterprises reach an answer, for Schemathesis."""

from typing import Any

from enterprises.plant import Plant, uscc

Known = dict[tuple[str, str], tuple[dict[str, str], Any, int | None]]
"""(Method, path) → parameters of the path, body, version to name."""


async def known_structure(plant: Plant) -> Known:
    """Of structure: parts that are read, and others that are edited or removed."""
    site = {"name": "x", "region": "330800"}
    meter = {"site_id": plant.site_id, "carrier": "electricity", "installed_at": "2026-01-01T00:00:00Z"}
    removed = await plant.meter()
    own = {"enterprise_id": plant.enterprise_id}
    ids = {"site": plant.site_id, "line": plant.line_id, "meter": next(iter(plant.meters.values()))}
    known: Known = {
        ("POST", "/v1/enterprises/sites"): ({}, site, None),
        ("POST", "/v1/enterprises/lines"): ({}, {"site_id": plant.site_id, "name": "x"}, None),
        ("POST", "/v1/enterprises/meters"): ({}, meter | {"number": "known"}, None),
        ("PUT", "/v1/enterprises/sites/{site_id}"): ({"site_id": plant.site_id}, site, 1),
        ("PUT", "/v1/enterprises/lines/{line_id}"): ({"line_id": plant.line_id}, {"name": "x"}, 1),
        ("PUT", "/v1/enterprises/meters/{meter_id}"): ({"meter_id": ids["meter"]}, {"counts": False}, 1),
        ("POST", "/v1/enterprises/meters/{meter_id}/removal"): (
            {"meter_id": removed["meter_id"]},
            {"removed_at": "2026-02-01T00:00:00Z"},
            1,
        ),
        ("POST", "/v1/operator/enterprises"): (
            {},
            {"uscc": uscc(9_999_999), "name": "x", "domain": "residential", "region": "440300"},
            None,
        ),
        ("GET", "/v1/operator/enterprises/{enterprise_id}"): (own, None, None),
        ("PUT", "/v1/operator/enterprises/{enterprise_id}"): (
            own,
            {"name": "x", "domain": "energy", "industry_code": "D44"},
            1,
        ),
        ("GET", "/v1/operator/enterprises"): ({}, None, None),
    }
    for noun, found in ids.items():
        known["GET", f"/v1/enterprises/{noun}s"] = ({}, None, None)
        known["GET", f"/v1/enterprises/{noun}s/{{{noun}_id}}"] = ({f"{noun}_id": found}, None, None)
    return known
