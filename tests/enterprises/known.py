"""Ids, bodies and versions with which doors of enterprises reach an answer, for Schemathesis."""

from typing import Any

from enterprises.plant import Plant, made_plant, uscc
from helpers import Caller

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
    known |= await _known_members(plant)
    for noun, found in ids.items():
        known["GET", f"/v1/enterprises/{noun}s"] = ({}, None, None)
        known["GET", f"/v1/enterprises/{noun}s/{{{noun}_id}}"] = ({f"{noun}_id": found}, None, None)
    return known


async def _known_members(plant: Plant) -> Known:
    """Of members, invitations and clients."""
    changed, removed = await plant.member("viewer"), await plant.member("viewer")
    owner = await plant.city.holder(plant.operator, "13799000001", region="440300")
    made = {
        noun: (await plant.client.post(f"/v1/enterprises/{noun}s", json={"role": "viewer"})).json()
        for noun in ("invitation", "client")
    }
    door, own = "/v1/enterprises", {"enterprise_id": plant.enterprise_id}
    invitation, client = made["invitation"]["invitation_id"], made["client"]["client_id"]
    return {
        ("GET", f"{door}/members"): ({}, None, None),
        ("GET", f"{door}/invitations"): ({}, None, None),
        ("GET", f"{door}/clients"): ({}, None, None),
        ("POST", f"{door}/invitations"): ({}, {"role": "viewer"}, None),
        ("POST", f"{door}/clients"): ({}, {"role": "viewer"}, None),
        ("POST", f"{door}/members/{{member_id}}/role"): (
            {"member_id": changed.member_id},
            {"role": "energy_manager"},
            None,
        ),
        ("POST", f"{door}/members/{{member_id}}/removal"): ({"member_id": removed.member_id}, None, None),
        ("POST", f"{door}/invitations/{{invitation_id}}/withdrawal"): (
            {"invitation_id": invitation},
            None,
            None,
        ),
        ("POST", f"{door}/clients/{{client_id}}/end"): ({"client_id": client}, None, None),
        ("POST", "/v1/operator/enterprises/{enterprise_id}/owners"): (
            own,
            {"owner_id": owner, "reason": "x"},
            None,
        ),
    }


async def known_memberships(plant: Plant, resident: Caller) -> Known:
    """Of a resident who belongs to the plant and to one to be left, and is invited to a third."""
    await plant.member("viewer", resident)
    left = await made_plant(plant.city, plant.operator, meters=(), region="440300")
    await left.member("viewer", resident)
    joined = await made_plant(plant.city, plant.operator, meters=(), region="440300")
    door = "/v1/me/enterprises"
    return {
        ("GET", door): ({}, None, None),
        ("POST", f"{door}/join"): ({}, {"code": await joined.invited("viewer")}, None),
        ("POST", f"{door}/{{enterprise_id}}/token"): ({"enterprise_id": plant.enterprise_id}, None, None),
        ("POST", f"{door}/{{enterprise_id}}/leave"): ({"enterprise_id": left.enterprise_id}, None, None),
    }


async def known_readings(plant: Plant) -> Known:
    """Of readings: a cumulative meter with readings."""
    made = await plant.meter(number="READ", reading="cumulative")
    own = {"meter_id": made["meter_id"]}
    reading = {"meter": "READ", "at": "2026-11-01T10:15:00+08:00", "energy_wh": 1}
    known: Known = {
        ("POST", "/v1/enterprises/readings/batch"): ({}, [reading], None),
        ("POST", "/v1/enterprises/meters/{meter_id}/exchanges"): (
            own,
            {"at": "2026-11-01T10:30:00+08:00", "last_register": 2, "first_register": 1},
            None,
        ),
    }
    for noun in ("uses", "readings", "gaps", "exchanges"):
        known["GET", f"/v1/enterprises/meters/{{meter_id}}/{noun}"] = (own, None, None)
    return known
