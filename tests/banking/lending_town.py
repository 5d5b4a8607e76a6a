"""Customers with scores and labels: monthly deeds and published labels as the database has them, real snapshots."""

import datetime as dt
import uuid
from typing import Any

import asyncpg
from scores.world import in_force

from accounts.ids import parse_public_id
from accounts.scores.cards import Card, load_cards
from app.scoring.in_force import CardsInForce
from app.scoring.snapshots import snapshot_all
from app.wiring import Services, utc_now

EARLIER, LATER = dt.date(2026, 7, 31), dt.date(2026, 10, 31)
"""Two month ends a whole look-back of the Wendeng card apart."""
SECRET_FIGURE = 7_777_777
COUNTED = dt.datetime(2026, 11, 15, tzinfo=dt.UTC)


def wendeng() -> Card:
    found = load_cards().find("wendeng", "2023-04")
    assert found is not None
    return found


def cards() -> CardsInForce:
    return in_force(wendeng())


async def saved(owner: asyncpg.Connection, holder_id: str, month: dt.date, kg: int) -> None:
    """So many kilograms of water saved in a month."""
    await owner.execute(
        "INSERT INTO monthly_deeds (holder_id, month, scene, grade, acts, co2e_mg)"
        " VALUES ($1, $2, 'energy.water', 1, 3, $3)",
        parse_public_id("hld", holder_id),
        month.replace(day=1),
        kg * 1_000_000,
    )


async def snapshot(service: Services, owner: asyncpg.Connection, as_of: dt.date) -> None:
    """Score everybody as of a month's end; again, so that it takes in who came since."""
    await owner.execute(
        "INSERT INTO deed_counts VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET counted_until = $1", COUNTED
    )
    for table in ("scores", "score_slices", "score_runs"):
        await owner.execute(f"DELETE FROM {table} WHERE as_of = $1", as_of)
    await snapshot_all(service.database, cards(), as_of, utc_now)


async def labelled(owner: asyncpg.Connection, holder_id: str, year: int, colour: str) -> None:
    """A published label of a year, with one reason."""
    run = uuid.uuid4()
    published = COUNTED.replace(year=2020) + dt.timedelta(days=year)
    await insert(
        owner,
        "label_runs",
        {
            "id": run,
            "region": "440300",
            "year": year,
            "rules_id": uuid.uuid4(),
            "yearly": False,
            "reason": "x",
            "created_at": COUNTED,
            "created_by": "cli_one",
            "assessed_at": COUNTED,
            "decided_at": COUNTED,
            "published_at": published,
            "published_by": "cli_two",
            "official": False,
        },
    )
    await insert(
        owner,
        "enterprise_labels",
        {
            "run_id": run,
            "holder_id": parse_public_id("hld", holder_id),
            "year": year,
            "domain": "industry",
            "colour": colour,
            "views": '{"industry": {"colour": "yellow", "points": "50", "weight": "100"}}',
            "reasons": '[{"code": "made_up", "zh": "因", "en": "why"}]',
            "facts": f'{{"facts": {{"emissions_mg": null, "figures": {{"tax": {SECRET_FIGURE}}}}}}}',
            "points": "50",
            "percentile": 40,
            "decided_at": COUNTED,
        },
    )


async def insert(owner: asyncpg.Connection, table: str, values: dict[str, Any]) -> None:
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await owner.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", *values.values())
