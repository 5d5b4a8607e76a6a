"""Ids and bodies with which doors of labels reach an answer, for Schemathesis."""

import datetime
import uuid
from typing import Any

from enterprises.plant import Plant
from labels.made import rules_of, three_views

from accounts.ids import public_id
from accounts.labels.rules import LabelRules
from accounts.labels.run_repository import find_run
from app.auth.principal import Principal
from app.labels import runs as runs_of
from app.labels.emissions import emitted_at
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


async def begun(service: Services, region: str, now: datetime.datetime) -> str:
    """A run that is done; of the plant's region it is published."""
    async with service.database.driver_transaction() as driver:
        run = await runs_of.begin(driver, service.live.labels, region, 2025, "cli_one", "x", now)
    more = True
    while more:
        async with service.database.driver_transaction() as driver:
            more = await runs_of.step(driver, run.id, service.live.labels, emitted_at(now), now)
    if region == "330800":
        async with service.database.driver_transaction() as driver:
            done = await find_run(driver, run.id, lock=True)
            assert done is not None
            rules = service.live.labels.by_id(done.rules_id)
            await runs_of.publish(driver, done, rules, "cli_two", now, official=False)
    return public_id("lbr", run.id)


async def known_labels(plant: Plant) -> Known:
    """A published label of the plant, rules that cover it, and figures."""
    service = plant.city.service
    now = service.intake.clock()
    await in_force(service, rules_of(three_views()), now)
    await in_force(service, rules_of(three_views(), region="440300"), now)
    runs = [await begun(service, region, now) for region in ("330800", "440300")]
    figure = FIGURE | {"enterprise_id": plant.enterprise_id, "authority": "税务局"}
    return {
        ("POST", "/v1/enterprises/figures"): ({}, {"figures": [FIGURE]}, None),
        ("GET", "/v1/enterprises/figures"): ({}, None, None),
        ("GET", "/v1/enterprises/label"): ({}, None, None),
        ("GET", "/v1/enterprises/label/benchmark"): ({}, None, None),
        ("GET", "/v1/enterprises/label/preview"): ({}, None, None),
        ("GET", "/v1/enterprises/label/improvement"): ({}, None, None),
        ("GET", "/v1/operator/label-runs"): ({}, None, None),
        ("POST", "/v1/operator/label-runs"): ({}, {"region": "440300", "year": 2025, "reason": "x"}, None),
        ("GET", "/v1/operator/label-runs/{run_id}"): ({"run_id": runs[1]}, None, None),
        ("GET", "/v1/operator/label-runs/{run_id}/labels"): ({"run_id": runs[1]}, None, None),
        ("POST", "/v1/operator/label-runs/{run_id}/publication"): (
            {"run_id": runs[1]},
            {"official": False, "reason": "x"},
            None,
        ),
        ("POST", "/v1/operator/label-figures/batch"): ({}, {"figures": [figure]}, None),
        ("GET", "/v1/operator/enterprises/{enterprise_id}/figures"): (
            {"enterprise_id": plant.enterprise_id},
            None,
            None,
        ),
    }
