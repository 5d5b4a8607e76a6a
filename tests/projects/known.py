"""For each door of projects something real to be asked for, so that made-up calls reach a success."""

from typing import Any

from helpers import City
from projects.test_projects import DOCUMENT, project


async def known_projects(city: City, region: str) -> dict[tuple[str, str], Any]:
    """(method, path) → path parameters, body and version."""
    maker, holder = await city.client("operator", region), await city.client("participant")
    door = "/v1/operator/projects"
    body = project(holder.organisation_id, region=region)
    made = (await maker.post(door, json=body)).json()
    there = {"project_id": made["project_id"]}
    answer = await maker.post(f"{door}/{made['project_id']}/stocks", json={"vintage": 2025, "expected_kg": 5})
    stock = {"stock_id": answer.json()["stocks"][0]["stock_id"]}
    return {
        ("GET", "/v1/public/projects"): ({}, None, None),
        ("POST", door): ({}, body | {"code": body["code"] + "B"}, None),
        ("POST", door + "/{project_id}/stocks"): (there, {"vintage": 2026, "expected_kg": 5}, None),
        ("POST", "/v1/operator/project-stocks/{stock_id}/verification"): (
            stock,
            {"quantity_kg": 4, "document": DOCUMENT},
            None,
        ),
    }
