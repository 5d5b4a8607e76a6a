"""Ids and bodies with which doors of labels reach an answer, for Schemathesis."""

import datetime
import uuid
from typing import Any

from enterprises.plant import Plant
from labels.made import rules_of, three_views

from accounts.labels.rules import LabelRules
from app.auth.principal import Principal
from app.programmes import decisions
from app.programmes.models import Kind
from app.wiring import Services

EARLIER = datetime.datetime(2019, 1, 1, tzinfo=datetime.UTC)
Known = dict[tuple[str, str], tuple[dict[str, str], Any, int | None]]
FIGURE = {
    "year": 2025,
    "measure": "value_added",
    "amount": 125_000_000,
    "unit": "fen",
    "document": {"title": "财务报表", "number": "1", "issued_on": "2026-03-20"},
}


async def in_force(service: Services, text: LabelRules, now: datetime.datetime) -> str:
    """Rules as one operator drafted and another approved them, in force at once."""
    one, two = (
        Principal(name, uuid.UUID(int=7), name, "100000", frozenset(), 2_000_000_000)
        for name in ("cli_one", "cli_two")
    )
    async with service.database.transaction() as session:
        found = await decisions.draft(
            session, decisions.Actor(one, now, "", lambda: EARLIER), Kind.LABEL_RULES, text
        )
        other = decisions.Actor(two, now, "", lambda: EARLIER)
        await decisions.approve(session, other, Kind.LABEL_RULES, found.id, found.etag, "x")
    await service.live.tell()
    await service.live.refresh()
    return found.id.hex


async def known_labels(plant: Plant) -> Known:
    """A published label of the plant, rules that cover it, and figures."""
    service = plant.city.service
    now = service.intake.clock()
    await in_force(service, rules_of(three_views()), now)
    figure = FIGURE | {"enterprise_id": plant.enterprise_id, "authority": "税务局"}
    return {
        ("POST", "/v1/enterprises/figures"): ({}, {"figures": [FIGURE]}, None),
        ("GET", "/v1/enterprises/figures"): ({}, None, None),
        ("GET", "/v1/enterprises/label/benchmark"): ({}, None, None),
        ("POST", "/v1/operator/label-figures/batch"): ({}, {"figures": [figure]}, None),
        ("GET", "/v1/operator/enterprises/{enterprise_id}/figures"): (
            {"enterprise_id": plant.enterprise_id},
            None,
            None,
        ),
    }
