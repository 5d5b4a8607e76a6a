"""What a corrected text leaves of each kind of act: caps crossed, counted, pending, refused, spent, corrected again."""

import datetime
import random
from typing import Any

import pytest
from recalculation.workshop import Workshop, day
from versions.office import text_of

OCTOBER = day("2026-10-01")


def cap(**over: Any) -> dict[str, Any]:
    return {"id": "all", "per": "month", "basis": "programme", "source": "测试", **over}


def outcomes(trips: list[dict[str, Any]]) -> list[tuple[str, str | None, str, int]]:
    return [(each["outcome"], each["reason"], each["co2e_g"], each["points"]) for each in trips]


async def states(workshop: Workshop, trips: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [await workshop.activity(trip) for trip in trips]


async def test_a_month_cap_is_crossed_in_the_order_of_booking(workshop: Workshop, phones: Any) -> None:
    city = await workshop.new_city()
    phone = phones()
    # Booked in another order than they happened in.
    trips = [await workshop.trip(city, phone, day(f"2026-10-{n:02d}")) for n in (9, 3, 12, 7)]
    november = await workshop.trip(city, phone, day("2026-11-03"))
    done = await workshop.done(text_of(city, OCTOBER, "50", caps=[cap(amount_mg=1_200_000)]))
    assert outcomes(await states(workshop, trips)) == [
        ("credited", None, "500", 500),
        ("credited", None, "500", 500),
        ("capped", "cap_crossed", "200", 200),
        ("rejected", "cap_reached", "0", 0),
    ]
    assert (await workshop.activity(november))["co2e_g"] == "500"
    assert (done["totals"]["limited"], done["totals"]["refused"]) == (2, 0)
    assert done["preview"]["limited"] == 2
    assert done["preview"]["largest_losses_g"] == [f"{5 * 467 - 1700}"]
    assert await workshop.balance(phone) == (1_700_000, 1_700)
    # The act without credit keeps its claims: it does not come back, nor another one of its time.
    again = await workshop.trip(city, phone, day("2026-10-07"))
    assert (again["outcome"], again["winner_id"]) == ("duplicate", trips[3]["activity_id"])
    assert (await workshop.explained(trips[3]))["claims"][0]["rule"] == "body"
    assert await workshop.breaches() == []
    # A reversal gives headroom back and frees the time, also that of an act which was left without credit.
    assert (await workshop.reverse(trips[3])).status_code == 200
    assert (await workshop.reverse(trips[0])).status_code == 200
    after = await workshop.trip(city, phone, day("2026-10-07"))
    assert (after["outcome"], after["co2e_g"]) == ("credited", "500")


async def test_what_other_acts_used_of_a_cap_is_used(workshop: Workshop, phones: Any) -> None:
    """A year's window begins before the corrected days; its use by acts of before stays, even above the new limit."""
    old = [cap(id="year", per="year", amount_mg=5_000_000)]
    city = await workshop.new_city(caps=old)
    one, two = phones(), phones()
    for n in (1, 2, 3):
        await workshop.trip(city, one, day(f"2026-09-{n:02d}"))
    kept = await workshop.trip(city, one, day("2026-10-05"))
    other = await workshop.trip(city, two, day("2026-09-05"))
    more = [await workshop.trip(city, two, day(f"2026-10-{n:02d}")) for n in (5, 6)]
    await workshop.done(
        text_of(city, OCTOBER, "46.7", caps=[cap(id="year", per="year", amount_mg=1_000_000)])
    )
    assert outcomes(await states(workshop, [kept])) == [("rejected", "cap_reached", "0", 0)]
    assert outcomes(await states(workshop, [other, *more])) == [
        ("credited", None, "467", 467),
        ("credited", None, "467", 467),
        ("capped", "cap_crossed", "66", 66),
    ]


async def test_a_count_cap_and_its_end(workshop: Workshop, phones: Any, owner: Any) -> None:
    """Corrected twice: what the first one took away for a cap of its own, the second one gives back."""
    city = await workshop.new_city()
    phone = phones()
    trips = [await workshop.trip(city, phone, day("2026-10-05"), hour=hour) for hour in (8, 10, 12)]
    first = text_of(city, OCTOBER, "46.7", caps=[cap(per="day", count=2)])
    await workshop.done(first)
    assert [each["outcome"] for each in await states(workshop, trips)] == ["credited", "credited", "rejected"]
    assert await workshop.breaches() == []
    second = text_of(city, OCTOBER, "40")
    done = await workshop.done(second)
    assert done["totals"]["activities"] == 3
    assert outcomes(await states(workshop, trips)) == [("credited", None, "400", 400)] * 3
    assert await workshop.balance(phone) == (1_200_000, 1_200)
    told = await workshop.explained(trips[2])
    assert [each["after"]["outcome"] for each in told["recalculations"]] == ["rejected", "credited"]
    # Points expire as if the first text had been right.
    lots = await owner.fetch(
        "SELECT earned, remaining FROM lots WHERE holder_id = $1", workshop.holder(phone)
    )
    assert [tuple(lot) for lot in lots] == [(1_200, 1_200)]


async def test_a_text_that_refuses(workshop: Workshop, phones: Any) -> None:
    city = await workshop.new_city()
    phone = phones()
    short, long = (
        await workshop.trip(city, phone, day("2026-10-05"), distance_m=2_000),
        await workshop.trip(city, phone, day("2026-10-06"), distance_m=30_000),
    )
    checked_in = await workshop.trip(city, phone, day("2026-11-20"), evidence="self_report")
    text = text_of(
        city,
        OCTOBER,
        "46.7",
        inputs=[{"name": "distance_m", "unit": "m", "min": 1, "max": 20_000}],
        self_report={"share_percent": 50, "source": "测试"},
        report_within_days=46,
    )
    done = await workshop.done(text)
    assert outcomes(await states(workshop, [short, long, checked_in])) == [
        ("rejected", "reported_late", "0", 0),
        ("rejected", "input_out_of_range", "0", 0),
        ("credited", None, "233.5", 233),
    ]
    assert done["totals"]["refused"] == 2
    assert await workshop.balance(phone) == (233_500, 233)


async def test_pending_credits(workshop: Workshop, phones: Any) -> None:
    """One that waits only changes its amounts; one that was collected stays so, and its points expire as before."""
    rule = {"after_days": 0, "within_days": 300, "source": "测试"}
    city = await workshop.new_city(collection=rule)
    phone = phones()
    waits, collected = [await workshop.trip(city, phone, day(f"2026-10-{n:02d}")) for n in (5, 6)]
    assert waits["outcome"] == "pending"
    path = f"/v1/activities/{collected['activity_id']}/collection"
    assert (await workshop.office.platform.post(path)).status_code == 200
    await workshop.done(text_of(city, OCTOBER, "50", collection=rule))
    assert outcomes(await states(workshop, [waits, collected])) == [
        ("pending", None, "500", 500),
        ("credited", None, "500", 500),
    ]
    assert await workshop.balance(phone) == (500_000, 500)
    assert await workshop.breaches() == []
    path = f"/v1/activities/{waits['activity_id']}/collection"
    assert (await workshop.office.platform.post(path)).json()["outcome"] == "credited"
    assert await workshop.balance(phone) == (1_000_000, 1_000)
    assert await workshop.breaches() == []
    # A text under which nobody could collect it leaves it as it is, and what is credited is corrected.
    still = await workshop.trip(city, phone, day("2026-10-07"))
    done = await workshop.done(text_of(city, OCTOBER, "40"))
    assert done["totals"]["skipped"] == {"not_collectable": 1}
    assert done["totals"]["skipped_activities"][0]["activity_id"] == still["activity_id"]
    assert (await workshop.activity(still))["outcome"] == "pending"
    assert await workshop.balance(phone) == (800_000, 800)


async def test_what_a_platform_takes(workshop: Workshop, phones: Any) -> None:
    """Split anew with those who had consented when it was booked, whatever they withdrew since."""
    taken = {"per": "month", "threshold_mg": 700_000, "source": "测试"}
    city = await workshop.new_city(aggregation=taken)
    agreed, other = phones(), phones()
    office = workshop.office
    office.people[agreed] = await office.city.holder(
        office.author, agreed, office.platform, groups=("trip", "movement", "aggregation"), region=city
    )
    # Consents are recorded by the machine's clock.
    workshop.clock.now = max(workshop.clock.now, datetime.datetime.now(datetime.UTC)) + datetime.timedelta(
        seconds=1
    )
    await workshop.refresh()
    mine = [await workshop.trip(city, agreed, day(f"2026-10-{n:02d}")) for n in (5, 6, 7)]
    theirs = await workshop.trip(city, other, day("2026-10-05"))
    assert [(each["co2e_g"], each["aggregated_g"]) for each in mine] == [
        ("0", "467"),
        ("234", "233"),
        ("467", "0"),
    ]
    workshop.clock.forward(seconds=60)
    ended = await office.author.post(
        f"/v1/operator/holders/{office.people[agreed]}/consents/withdrawal",
        json={"scene_group": "aggregation"},
    )
    assert ended.status_code == 200, ended.text
    done = await workshop.done(text_of(city, OCTOBER, "50", aggregation={**taken, "threshold_mg": 600_000}))
    now = await states(workshop, [*mine, theirs])
    assert [(each["co2e_g"], each["aggregated_g"], each["points"]) for each in now] == [
        ("0", "500", 0),
        ("400", "100", 400),
        ("500", "0", 500),
        ("500", "0", 500),
    ]
    total = done["totals"]
    assert (total["before_aggregated_g"], total["after_aggregated_g"]) == ("700", "600")
    assert await workshop.balance(agreed) == (900_000, 900)
    assert await workshop.breaches() == []
    # A text by which nobody takes anything gives it to the person.
    await workshop.done(text_of(city, OCTOBER, "50"))
    assert await workshop.balance(agreed) == (1_500_000, 1_500)
    assert await workshop.breaches() == []
    assert (await workshop.reverse(mine[1])).status_code == 200
    assert await workshop.balance(agreed) == (1_000_000, 1_000)


async def test_points_that_are_spent(workshop: Workshop, phones: Any, owner: Any) -> None:
    """What would end below nothing stays whole; nothing else of the holder is lost."""
    city = await workshop.new_city()
    phone = phones()
    trips = [await workshop.trip(city, phone, day(f"2026-10-{n:02d}")) for n in (5, 6, 7)]
    holder = workshop.holder(phone)
    # 1,300 of 1,401 are gone, as a redemption takes them. 101 are left.
    await owner.execute("UPDATE lots SET remaining = 101 WHERE holder_id = $1", holder)
    made = await workshop.previewed(text_of(city, OCTOBER, "40"))
    assert made["preview"]["skipped"] == {"points_spent": 2}
    assert (await workshop.approve(made)).status_code == 200
    workshop.clock.forward(seconds=181)
    await workshop.refresh()
    done = await workshop.run(made)
    assert done["totals"]["skipped"] == {"points_spent": 2}
    assert {each["activity_id"] for each in done["totals"]["skipped_activities"]} == {
        trip["activity_id"] for trip in trips[1:]
    }
    assert outcomes(await states(workshop, trips)) == [
        ("credited", None, "400", 400),
        ("credited", None, "467", 467),
        ("credited", None, "467", 467),
    ]
    assert (await workshop.balance(phone))[0] == 400_000 + 2 * 467_000
    assert await owner.fetchval("SELECT remaining FROM lots WHERE holder_id = $1", holder) == 34
    # A reversal takes the 34 that are left, and what it misses is owed.
    assert (await workshop.reverse(trips[0])).status_code == 200
    owed = await owner.fetchval("SELECT owed_points FROM balances WHERE holder_id = $1", holder)
    assert owed == 400 - 34
    # As if the points had not been spent after all.
    await owner.execute("UPDATE lots SET remaining = earned WHERE holder_id = $1", holder)
    assert await workshop.breaches() == []


async def test_grams_that_are_used(workshop: Workshop, phones: Any, owner: Any) -> None:
    city = await workshop.new_city()
    phone = phones()
    trips = [await workshop.trip(city, phone, day(f"2026-10-{n:02d}")) for n in (5, 6)]
    holder = workshop.holder(phone)
    await owner.execute("UPDATE balances SET open_mg = 70000 WHERE holder_id = $1", holder)
    done = await workshop.done(text_of(city, OCTOBER, "40"))
    assert done["totals"]["skipped"] == {"grams_used": 1}
    assert await workshop.balance(phone) == (3_000, 867)
    await owner.execute("UPDATE balances SET open_mg = 867000 WHERE holder_id = $1", holder)
    assert [each["co2e_g"] for each in await states(workshop, trips)] == ["400", "467"]


async def test_a_province_corrects_what_fell_to_it(workshop: Workshop, phones: Any) -> None:
    """Cities without a text of their own are corrected with the province; a city that has one is not."""
    office = workshop.office
    own = await workshop.new_city()
    trip = await workshop.trip(own, phones(), day("2026-10-05"))
    # In a scene that no pack has in Guangdong, so that the tests of cities are not concerned.
    scene = {"scene": "trip.ferry", "code": "TEST.ferry"}
    await office.activated(text_of(own, day("2026-09-01"), **scene))
    await office.activated(text_of("440000", day("2026-09-01"), **scene))
    city = await workshop.new_city()
    workshop.clock.forward(seconds=61)
    await workshop.refresh()
    below = await workshop.trip(city, phones(), day("2026-10-05"), scene="trip.ferry")
    beside = await workshop.trip(own, phones(), day("2026-10-05"), scene="trip.ferry")
    assert (below["outcome"], beside["outcome"]) == ("credited", "credited"), (below, beside)
    done = await workshop.done(text_of("440000", OCTOBER, "50", **scene))
    assert done["totals"]["activities"] == 1
    found = await states(workshop, [below, beside, trip])
    assert [each["co2e_g"] for each in found] == ["500", "467", "467"]
    # A city that gets a text of its own for past days takes them from the province.
    done = await workshop.done(text_of(city, OCTOBER, "52", **scene))
    assert (done["totals"]["activities"], done["replaces"]) == (1, [])
    assert (await workshop.activity(below))["co2e_g"] == "520"
    assert len((await workshop.explained(below))["recalculations"]) == 2


@pytest.mark.parametrize("seed", range(3))
async def test_as_if_it_had_been_the_text_from_the_start(workshop: Workshop, phones: Any, seed: int) -> None:
    """People of a corrected city end as people do who had the right text all along, whatever they did."""
    chance = random.Random(seed)

    def caps() -> list[dict[str, Any]]:
        return chance.sample(
            [
                cap(id="rides", per="day", count=chance.randint(1, 3)),
                cap(id="grams", per="day", amount_mg=chance.randint(300_000, 1_500_000)),
                cap(id="month", per="month", amount_mg=chance.randint(1_000_000, 6_000_000)),
            ],
            chance.randint(0, 3),
        )

    right: dict[str, Any] = {"caps": caps()}
    if chance.random() < 0.5:
        right["self_report"] = {"share_percent": 50, "source": "测试"}
    factor = f"{chance.randint(20, 90)}.{chance.randint(0, 9)}"
    wrong = await workshop.new_city(caps=caps())
    # The reference has the right text for the corrected days, and the wrong one before them.
    people = [(phones(), phones()) for _ in range(3)]
    reports = [
        {
            "who": chance.randrange(3),
            "day": day("2026-10-01") + datetime.timedelta(days=chance.randrange(4)),
            "hour": chance.randrange(0, 23),
            "distance_m": chance.randint(500, 60_000),
            "evidence": chance.choice(["platform", "self_report"]),
        }
        for _ in range(40)
    ]
    made = []
    for each in reports:
        over = {name: each[name] for name in ("hour", "distance_m", "evidence")}
        made.append(await workshop.trip(wrong, people[each["who"]][0], each["day"], **over))
    text = text_of(wrong, OCTOBER, factor, **right)
    await workshop.done(text)
    reference = await workshop.new_city(factor, **right)
    kept = {trip["activity_id"] for trip in made if trip["outcome"] in ("credited", "capped")}
    for each, trip in zip(reports, made, strict=True):
        if trip["activity_id"] not in kept:
            continue  # it claimed nothing then: a correction credits nothing that was not credited
        over = {name: each[name] for name in ("hour", "distance_m", "evidence")}
        fresh = await workshop.trip(reference, people[each["who"]][1], each["day"], **over)
        assert outcomes([fresh]) == outcomes(await states(workshop, [trip]))
    for mine, theirs in people:
        if theirs in workshop.office.people:
            assert await workshop.balance(mine) == await workshop.balance(theirs)
