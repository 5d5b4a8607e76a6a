"""Acts whose grams an offset stands on are left as they are, also where other grams would make up for them."""

from typing import Any

import pytest
from account.people import signed_in
from recalculation.workshop import Workshop, day
from versions.office import text_of

OCTOBER = day("2026-10-01")


@pytest.mark.parametrize(("used", "kept"), [("1", 1), ("467.001", 2), ("900", 2)])
async def test_acts_whose_grams_are_used_stay(workshop: Workshop, phones: Any, used: str, kept: int) -> None:
    """The corrected text credits more, in an asset of its own: the holder's sum alone would let all of them move."""
    city = await workshop.new_city()
    phone = phones()
    trips = [await workshop.trip(city, phone, day(f"2026-10-{n:02d}")) for n in (5, 6)]
    office = workshop.office
    resident = signed_in(office.city, office.people[phone], city)
    answer = await resident.post("/v1/me/offsets", json={"co2e_g": used, "purpose": "travel"})
    assert answer.status_code == 200, answer.text
    done = await workshop.done(text_of(city, OCTOBER, "50"))
    assert done["preview"]["skipped"] == {"grams_used": kept}
    assert done["totals"]["skipped"] == {"grams_used": kept}
    states = [(await workshop.activity(trip))["co2e_g"] for trip in trips]
    assert sorted(states) == ["467"] * kept + ["500"] * (2 - kept)
    assert await workshop.breaches() == []
    # What was left can neither be reversed.
    stays = trips[states.index("467")]
    refused = await workshop.reverse(stays)
    assert (refused.status_code, refused.json()["code"]) == (409, "activity.grams_used")


async def test_a_reversal_after_a_recalculation_looks_at_what_stands(workshop: Workshop, phones: Any) -> None:
    """Entries of the first text, reversed by the recalculation, hold nothing."""
    city = await workshop.new_city()
    phone = phones()
    trips = [await workshop.trip(city, phone, day(f"2026-10-{n:02d}")) for n in (5, 6)]
    await workshop.done(text_of(city, OCTOBER, "50"))
    office = workshop.office
    resident = signed_in(office.city, office.people[phone], city)
    answer = await resident.post("/v1/me/offsets", json={"co2e_g": "400", "purpose": "travel"})
    assert answer.status_code == 200, answer.text
    assert (await workshop.reverse(trips[0])).status_code == 200
    refused = await workshop.reverse(trips[1])
    assert (refused.status_code, refused.json()["code"]) == (409, "activity.grams_used")
    assert await workshop.balance(phone) == (100_000, 500)
    assert await workshop.breaches() == []
