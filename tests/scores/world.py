"""Holders with made-up monthly deeds in a real database, and cards that are in force there."""

import datetime as dt
import os
import random
from collections.abc import Iterable, Mapping
from uuid import UUID

import asyncpg
from scores.made import KINDS

from accounts.ids import uuid7_batch
from accounts.scores.cards import Card, Cards
from accounts.scores.model import Conduct, Deed
from app.scoring.in_force import CardsInForce, ChosenCard, ScoreCards

COUNTED = dt.datetime(2026, 11, 15, tzinfo=dt.UTC)
REGION = "440300"


def in_force(*cards: Card, region: str = REGION) -> CardsInForce:
    chosen = tuple(ChosenCard(card=card.name, version=card.version) for card in cards)
    text = ScoreCards(region=region, first_day=dt.date(2024, 1, 1), cards=chosen)
    return CardsInForce(Cards(cards)).with_sets([text])


async def write_world(
    owner: asyncpg.Connection, histories: Mapping[UUID, list[Deed]], region: str = REGION
) -> None:
    """Holders with their deeds, counted up to after the month."""
    await owner.copy_records_to_table(
        "holders",
        records=[(holder, "person", region, os.urandom(32), COUNTED) for holder in histories],
        columns=["id", "kind", "region", "person_key", "created_at"],
    )
    await owner.copy_records_to_table(
        "balances",
        records=[(holder, 1, 0, 0) for holder in histories],
        columns=["holder_id", "status", "open_mg", "points"],
    )
    await owner.copy_records_to_table(
        "monthly_deeds",
        records=[
            (holder, deed.month, deed.scene, deed.grade, deed.acts, deed.co2e_mg)
            for holder, deeds in histories.items()
            for deed in deeds
        ],
        columns=["holder_id", "month", "scene", "grade", "acts", "co2e_mg"],
    )
    await owner.execute(
        "INSERT INTO deed_counts VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET counted_until = $1", COUNTED
    )


async def write_conduct(
    owner: asyncpg.Connection, draw: random.Random, holders: Iterable[UUID]
) -> dict[UUID, list[Conduct]]:
    """A few records for some; one in four is withdrawn and not answered."""
    found: dict[UUID, list[Conduct]] = {}
    for holder in holders:
        for record_id in uuid7_batch(1_750_000_000_000, draw.randint(1, 3)):
            happened = dt.date(2024, 1, 31) + dt.timedelta(days=draw.randrange(1100))
            conduct = Conduct(UUID(bytes=record_id.bytes), draw.choice(KINDS), happened)
            withdrawn = draw.random() < 0.25
            await owner.execute(
                """
                INSERT INTO conduct_records (holder_id, id, kind, region, happened_on, reason, recorded_at, recorded_by,
                    withdrawn_at, withdrawn_by)
                VALUES ($1, $2, $3, '440300', $4, 'x', $5, 'cli_x', $6, $7)
                """,
                *(holder, conduct.id, conduct.kind, happened, COUNTED),
                *((COUNTED, "cli_y") if withdrawn else (None, None)),
            )
            if not withdrawn:
                found.setdefault(holder, []).append(conduct)
    return found
