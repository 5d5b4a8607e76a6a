"""Methodologies of a made-up county: a claim window, a share for check-ins, credits that are collected."""

import datetime
import uuid
from pathlib import Path
from typing import Any

import orjson

from app.crediting.intake import Intake
from app.crediting.prepare import Preparer
from app.crediting.repository import know_methodologies
from app.crediting.rules import Rules
from app.crediting.schemas import ActivityReport
from app.crediting.service import Result
from app.wiring import Services, utc_now
from methodologies import load_catalogue
from methodologies.catalogue import BUILT_IN

REGION = "422800"
TEXT = """
region: "422800"
scene: {scene}
code: TEST.{scene}
version: "1"
title: {{zh: 试验, en: Test}}
authority: null
document: {{title: 湖北日报}}
filing_no: null
in_force: {{from: 2020-01-01, to: null}}
status: launch_rule
confidence: quoted
inputs:
  - {{name: duration_s, unit: s, min: 1, max: 172800}}
parameters:
  - {{name: per_ride, value: "105", unit: gCO2e, source: 湖北日报 2022-02-17, confidence: quoted}}
  - {{name: one, value: "1", unit: s, source: 试验, confidence: quoted}}
formula: per_ride * min(duration_s, one) / one
caps:
  - {{id: rides, per: day, count: 2, basis: programme, source: 试验}}
claims:
  - {{rule: body, of: person, period: act, required: true}}
examples:
  - {{inputs: {{duration_s: 600}}, co2e_g: "105", basis: 湖北日报 2022-02-17}}
{rules}
"""
RULES = {
    "trip.bus": "report_within_days: 3\nself_report: {share_percent: 50, source: 湖北日报 2022-02-17}",
    "trip.metro": "collection: {after_days: 2, within_days: 7, source: 北京日报 2020-09-11}",
    "trip.walk": "collection: {after_days: 0, within_days: 1, source: 试验}",
}


async def county_preparer(service: Services, tmp_path: Path) -> Preparer:
    """The service's preparer with the county's texts beside the built-in ones."""
    texts = {scene: TEXT.format(scene=scene, rules=rules) for scene, rules in RULES.items()}
    return await preparer_with(service, tmp_path, texts)


async def preparer_with(service: Services, tmp_path: Path, texts: dict[str, str]) -> Preparer:
    """The service's preparer with these texts of the county, by scene, beside the built-in ones."""
    folder = tmp_path / "packs" / "enshi"
    folder.mkdir(parents=True)
    place = f'regions: [{{region: "{REGION}", name: {{zh: 恩施, en: Enshi}}}}]'
    (folder / "pack.yaml").write_text(place, encoding="utf-8")
    for scene, text in texts.items():
        (folder / f"{scene}.yaml").write_text(text, encoding="utf-8")
    catalogue = load_catalogue(BUILT_IN, folder.parent)
    rows = [
        (m.region, m.scene, m.code, m.version, m.content_hash, m.content, m.issuable)
        for m in catalogue.methodologies
    ]
    async with service.database.driver_transaction() as driver:
        ids = await know_methodologies(driver, rows, utc_now())
    known = Rules(catalogue, service.preparer.rules.programmes, ids)
    return Preparer(known, service.hasher, service.token_maker)


def ride(phone: str, **over: Any) -> ActivityReport:
    """Half an hour by bus that ended a while ago; 105 g by platform evidence."""
    start = (utc_now() - datetime.timedelta(hours=2)).replace(microsecond=0)
    body = {
        "event_id": uuid.uuid4().hex,
        "scene": "trip.bus",
        "region": REGION,
        "subject": {"scheme": "phone", "value": phone},
        "started_at": start.isoformat(),
        "ended_at": (start + datetime.timedelta(minutes=30)).isoformat(),
        **over,
    }
    return ActivityReport.model_validate_json(orjson.dumps(body))


async def report(intake: Intake, source: uuid.UUID, phone: str, **over: Any) -> Result:
    return await intake.report(intake.preparer.prepare(ride(phone, **over), source, utc_now()))
