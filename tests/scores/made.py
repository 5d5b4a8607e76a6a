"""Histories, cards and worlds that are made up for tests of scores."""

import datetime as dt
import random
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from accounts.ids import uuid7_batch
from accounts.scores.cards import Card, card_of
from accounts.scores.model import Conduct, Deed
from accounts.scores.text import CardText

AS_OF = dt.date(2026, 10, 31)
MONTHS = tuple(dt.date(2025 + (month + 7) // 12, (month + 7) % 12 + 1, 1) for month in range(15))
"""From 2025-08 on: some lie before every look-back of a year."""
SCENES = ("trip.metro", "trip.bus", "energy.water", "payment.e_bill", "green.own_bag", "recycling.paper")
KINDS = ("refuted_act", "account_misuse", "unknown_here")

deeds = st.builds(
    Deed,
    month=st.sampled_from(MONTHS),
    scene=st.sampled_from(SCENES),
    grade=st.integers(0, 2),
    acts=st.integers(1, 40),
    co2e_mg=st.integers(0, 30_000_000),
)
conducts = st.builds(
    Conduct,
    id=st.integers(1, 10**9).map(lambda number: UUID(int=number)),
    kind=st.sampled_from(KINDS),
    happened_on=st.dates(dt.date(2024, 8, 1), dt.date(2026, 12, 31)),
)


def histories(draw: random.Random, count: int) -> dict[UUID, list[Deed]]:
    """Monthly deeds of holders, some with none; each month, scene and grade stands once."""
    found: dict[UUID, list[Deed]] = {}
    for holder_id in uuid7_batch(1_700_000_000_000, count):
        keys = {
            (draw.choice(MONTHS), draw.choice(SCENES), draw.randrange(3)) for _ in range(draw.randrange(25))
        }
        found[UUID(bytes=holder_id.bytes)] = [
            Deed(*key, draw.randint(1, 30), draw.choice((0, 1, 999_999, 1_000_000, 25_000_000)))
            for key in sorted(keys)
        ]
    return found


def dimension(draw: random.Random, number: int) -> dict[str, Any]:
    of = draw.choice(("acts", "co2e_mg"))
    unit = 1 if of == "acts" else draw.choice((1, 1_000_000))
    each = draw.choice((None, "month", "scene"))
    weights = sorted(draw.choice((0, 33, 50, 100, 120, 1000)) for _ in range(3))
    return {
        "name": f"dimension_{number}",
        "title": {"zh": "x", "en": "x"},
        "of": of,
        "weights": dict(zip(("self_report", "platform", "corroborated"), weights, strict=True)),
        "points": {"points": draw.randint(1, 50), "per": unit * draw.randint(1, 9)},
        "at_most": draw.choice((1, 7, 100, 1_000_000)),
        "step": {"units": unit * draw.randint(1, 5), "does": {"zh": "x", "en": "x"}},
    } | (
        ({"each": each, "each_at_most": unit * draw.randint(1, 20)} if each else {})
        | ({"scenes": draw.sample(SCENES, 3)} if draw.random() < 0.4 else {})
    )


def some_card(draw: random.Random, name: str = "made-up") -> Card:
    """A card that nobody wrote: any number of dimensions, any weights, caps, look-back and tiers."""
    dimensions = [dimension(draw, number) for number in range(draw.randint(1, 5))]
    conduct = [
        {
            "kind": kind,
            "title": {"zh": "x", "en": "x"},
            "points": draw.choice((1, 80, 5000)),
            "months": months,
        }
        for kind, months in (("refuted_act", draw.randint(1, 12)), ("account_misuse", draw.randint(1, 30)))
    ] * draw.randint(0, 1)
    reads = {"month"} | ({"conduct"} if conduct else set())
    for each in dimensions:
        reads |= {each["of"]} | ({"scene"} if each.get("each") == "scene" or each.get("scenes") else set())
        reads |= {"evidence"} if len(set(each["weights"].values())) > 1 else set()
    of = draw.choice(("points", dimensions[0]["name"]))
    bounds = sorted(draw.sample(range(1, 400), 2))
    data = {
        "card": name,
        "version": str(draw.randrange(10**9)),
        "subject": "person",
        "title": {"zh": "x", "en": "x"},
        "document": {"title": "x"},
        "confidence": "example",
        "in_force": {"from": "2020-01-01", "to": None},
        "reads": sorted(reads),
        "look_back_months": draw.choice((1, 3, 12, 13)),
        "minimum": {"acts": draw.choice((1, 20)), "months": draw.choice((0, 1, 3))},
        "dimensions": dimensions,
        "conduct": conduct,
        "tiers": {
            "of": of,
            "rows": [
                {"tier": "low", "title": {"zh": "x", "en": "x"}, "from": 0},
                {"tier": "middle", "title": {"zh": "x", "en": "x"}, "over": bounds[0]},
                {"tier": "high", "title": {"zh": "x", "en": "x"}, "from": bounds[1] + 1},
            ],
        },
    }
    return card_of(CardText.model_validate(data))
