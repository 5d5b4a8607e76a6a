"""Campaigns of the tests, on the way that operators' campaigns go."""

import datetime
from typing import Any
from uuid import UUID

from lots.purse import Purse

from app.auth.principal import Principal
from app.auth.scopes import PROGRAMMES_APPROVE
from app.crediting.intake import Intake
from app.crediting.prepare import Preparer
from app.database import Database
from app.programmes import decisions
from app.programmes.models import Kind
from dedup.periods import LOCAL
from points.campaign_repository import budget_left
from points.campaigns import Campaign, Campaigns, LiveCampaign

EARLIEST = datetime.datetime(2000, 1, 1, tzinfo=LOCAL)


def operator(name: str) -> Principal:
    return Principal(name, UUID(int=9), name, "100000", frozenset({PROGRAMMES_APPROVE}), 2_000_000_000)


def campaign(**over: Any) -> Campaign:
    """Ten points for each act of clothes in November and December, a thousand in all."""
    return Campaign.model_validate(
        {
            "region": "100000",
            "name": {"zh": "试验", "en": "Test"},
            "from": "2026-11-01T00:00:00+08:00",
            "until": "2027-01-01T00:00:00+08:00",
            "points": None if "percent" in over else 10,
            "budget": 1000,
            **over,
        }
    )


async def launch(own: Purse, *texts: Campaign) -> list[UUID]:
    """Draft and approve campaigns, and have the purse's service know them."""
    ids = []
    for text in texts:
        async with own.service.database.transaction() as session:
            writer, approver = (
                decisions.Actor(operator(name), own.now, "", lambda: EARLIEST) for name in ("one", "two")
            )
            found = await decisions.draft(session, writer, Kind.CAMPAIGN, text)
            found = await decisions.approve(session, approver, Kind.CAMPAIGN, found.id, found.etag, "test")
            ids.append(found.id)
    known = own.intake.preparer.rules
    own.intake.preparer.rules = known.succeeded_by(
        known.catalogue,
        known._ids,
        (),
        campaigns=Campaigns(
            LiveCampaign(id_, text, text.last_moment) for id_, text in zip(ids, texts, strict=True)
        ),
    )
    return ids


async def left(own: Purse, campaign_id: UUID) -> int:
    async with own.service.database.driver_transaction() as driver:
        return (await budget_left(driver, [campaign_id]))[campaign_id]


def process(own: Purse, database: Database) -> Intake:
    """Another process of the same service."""
    known = own.intake.preparer
    preparer = Preparer(
        known.rules.succeeded_by(known.rules.catalogue, known.rules._ids, ()),
        own.service.hasher,
        own.service.token_maker,
    )
    return Intake(database, preparer, lambda: own.now, committers=2, group_max=100)
