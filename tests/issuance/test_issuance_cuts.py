"""A month of credits and reversals comes to the same, into however many periods it is cut."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from issuance.bureau import TRIP_MG, Bureau
from versions.office import Office

from accounts.issuance.service import MG_PER_KG, divide
from app.verification import verify

AMOUNT = st.integers(0, 5_000_000)


@given(st.lists(st.tuples(AMOUNT, AMOUNT), min_size=1, max_size=30), st.data())
def test_any_cut_divides_into_the_same_total(days: list[tuple[int, int]], data: st.DataObject) -> None:
    cuts = [*sorted(data.draw(st.sets(st.integers(1, len(days))))), len(days)]
    issued = carried = began = 0
    for cut in cuts:
        credits_mg, reversals_mg = (sum(day[side] for day in days[began:cut]) for side in (0, 1))
        quantity, carried = divide(carried, credits_mg, reversals_mg)
        assert quantity >= 0
        assert carried < MG_PER_KG
        issued, began = issued + quantity, cut
    assert issued * MG_PER_KG + carried == sum(credit - reversal for credit, reversal in days)


@pytest.mark.parametrize("seed", [1, 2])
async def test_random_acts_issued_in_random_periods(
    bureau: Bureau, office: Office, phones: Callable[[], str], seed: int
) -> None:
    """Acts of two residents, some taken back, at times after their period was issued."""
    chance = random.Random(seed)
    begins = office.clock.now
    people = [phones(), phones()]
    for phone in people:
        await bureau.resident(phone)
    standing: list[str] = []
    net = issued = 0
    carried = "0"
    for place in range(3):
        for hour in range(6, 6 + chance.randint(2, 4)):
            standing.append(await bureau.trip(chance.choice(people), hour))
            net += TRIP_MG
            if len(standing) > 1 and chance.random() < 0.4:
                await bureau.reverse(standing.pop(chance.randrange(len(standing))))
                net -= TRIP_MG
        office.clock.forward(seconds=1)
        done = await bureau.issued(await bureau.opened(None if place else begins))
        issued, carried = issued + done["quantity_kg"], done["carried_co2e_g"]
    assert issued * MG_PER_KG + int(carried) * 1_000 == net
    async with bureau.services.database.snapshot() as driver:
        assert [f.rule async for f in verify(driver) if f.breach] == []
