"""Whatever is contested and decided in whatever order: one true act has one credit."""

import asyncio
import random

import pytest
from disputes.quarrel import Quarrel, clothes
from helpers import City

ACT_MG = 1_280_000


@pytest.mark.parametrize("seed", range(4))
async def test_moves_leave_one_credit_of_one_true_act(city: City, seed: int) -> None:
    """Three persons and three platforms report one order; everybody contests, operators decide, some at once."""
    chance = random.Random(seed)
    quarrel = await Quarrel.begin(city, platforms=3, persons=3)
    order = f"true-{seed}-{chance.random()}"
    reports = [(platform, person) for platform in range(3) for person in range(3)]
    chance.shuffle(reports)
    acts: list[tuple[int, str]] = []
    for platform, person in reports[:6]:
        told = await quarrel.report(platform, clothes(quarrel.persons[person][0], order))
        acts.append((platform, told["activity_id"]))
    for _ in range(8):
        picked = chance.sample(acts, 2)
        disputes = []
        for platform, activity in picked:
            body = {"explanation": "ours"}
            answer = await quarrel.platforms[platform].post(f"/v1/activities/{activity}/dispute", json=body)
            if answer.status_code == 200:
                disputes.append((platform, activity, answer.json()["dispute_id"]))
        steps = []
        for platform, activity, dispute in disputes:
            step = chance.choice(("moved", "moved", "upheld", "withdrawn", "moved_to"))
            if step == "withdrawn":
                steps.append(quarrel.platforms[platform].post(f"/v1/disputes/{dispute}/withdrawal"))
            elif step == "moved_to":
                other = chance.choice([each for _, each in acts if each != activity])
                steps.append(quarrel.decide(dispute, "moved", to_activity_id=other))
            else:
                steps.append(quarrel.decide(dispute, step))
        answers = await asyncio.gather(*steps)
        assert {answer.status_code for answer in answers} <= {200, 409}, [a.text for a in answers]
        books = [await quarrel.books(person) for person in range(3)]
        assert sum(grams for grams, _, _ in books) == ACT_MG
        assert sum(points - owed for _, points, owed in books) == 30
    assert await quarrel.breaches() == []
