"""What programmes say beside the rate, for persons and organisations alike; and what no path allows."""

import datetime
from typing import Any

import pytest
from crediting.desk import GROUPS
from lots.purse import programme, purse

from accounts.models import AccountKind, AssetKind
from accounts.onboarding import ConsentGrant, Newcomer, compute_person_keys, hash_identities, onboard
from app.database import driver_of
from app.verification import MOVES
from app.wiring import Services, utc_now
from dedup.periods import LOCAL
from points.programmes import Programmes

START = datetime.datetime(2026, 11, 16, 12, tzinfo=LOCAL)


@pytest.mark.parametrize(
    ("rounding", "wanted"),
    [("floor", [0, 0, 0, 1, 1]), ("half_up", [0, 0, 1, 1, 2]), ("ceiling", [0, 1, 1, 1, 2])],
)
def test_rounding(rounding: str, wanted: list[int]) -> None:
    rule = {"points": 1, "per": 1000, "of": "mass_g"}
    text = programme(rounding=rounding, scenes={"recycling.clothes": rule})
    masses = (0, 499, 500, 1000, 1500)
    assert [text.points("recycling.clothes", {"mass_g": mass}, 0, 0) for mass in masses] == wanted
    assert [text.points("trip.metro", {}, mg, mg) for mg in masses] == wanted


def test_the_nearest_region_and_the_latest_day_count() -> None:
    known = Programmes((programme(), programme(region="510000"), programme(region="510500")))
    later = programme(region="510500", **{"from": "2027-01-01"}, points_per_g=7)
    same = programme(region="510000", points_per_g=8)
    found = known.with_versions([later, same])
    day = datetime.date(2026, 12, 31)
    assert [found.of("510500", each).points_per_g for each in (day, datetime.date(2027, 1, 1))] == [1, 7]
    assert found.of("510100", day).points_per_g == 8
    assert known.of("510100", day).points_per_g == 1


async def test_self_reports_count_where_the_programme_says_so(service: Services) -> None:
    for counts, points in ((True, 5), (False, 0)):
        async with purse(service, START, programme(self_report=counts)) as own:
            phone, holder = await own.person()
            result = await own.report(phone, 5, evidence="self_report")
            assert (result.outcome, result.points) == ("credited", points)
            assert (await own.books(holder))["points"] == points
            assert (await own.report(phone, 5)).points == 5


async def test_a_programme_has_credits_wait(service: Services) -> None:
    waits = {"after_days": 1, "within_days": 2}
    async with purse(service, START, programme(collection=waits)) as own:
        phone, holder = await own.person()
        result = await own.report(phone, 5)
        assert (result.outcome, result.points) == ("pending", 5)
        assert (await own.books(holder))["points"] == 0
        assert await own.breaches() == []


async def test_an_organisation_earns_spends_owes_and_loses_by_the_same_code(service: Services) -> None:
    async with purse(service, START, programme(spent_reversal={"other_lots": False})) as own:
        since = datetime.datetime(2020, 1, 1, tzinfo=LOCAL)
        consents = [ConsentGrant(own.source, group, since, "t1", "r1") for group in GROUPS]
        newcomer = Newcomer("organisation", "510500", [("uscc", "91350100M000100Y43", "")], consents)
        hash_identities([newcomer], service.hasher)
        compute_person_keys([newcomer], service.person_keys)
        async with service.database.transaction() as session:
            await onboard(await driver_of(session), [newcomer], lambda _: True, utc_now())
        holder = newcomer.holder_id
        assert holder is not None
        subject = {"subject": {"scheme": "uscc", "value": "91350100M000100Y43"}}
        first = await own.earn("", 100, **subject)
        own.local(2026, 12, 5, 12, 0)
        await own.earn("", 50, **subject)
        assert await own.spend(holder, 110)
        await own.reverse(first)
        books = await own.books(holder)
        assert (books["points"], books["owed"]) == (40, 100)
        await own.earn("", 30, **subject)
        own.local(2027, 2, 1, 0, 0)
        await own.expire()
        books = await own.books(holder)
        assert (books["points"], books["owed"]) == (0, 70)
        assert books["moved"]["EXPIRY HOLDER_POINTS>BREAKAGE"] == 40
        assert await own.breaches() == []


async def test_points_without_a_reduction_are_points_like_others(service: Services) -> None:
    """抚州: a bus trip is worth a point and no gram."""
    text: dict[str, Any] = {"scenes": {"trip.bus": {"points": 3, "per": 1, "of": "act"}}}
    async with purse(service, START, programme(**text)) as own:
        phone, holder = await own.person()
        trip = {
            "scene": "trip.bus",
            "region": "361000",
            "mass_g": None,
            "occurred_at": None,
            "started_at": "2026-11-16T11:00:00+08:00",
            "ended_at": "2026-11-16T11:30:00+08:00",
            "count": 1,
        }
        result = await own.report(phone, 0, **trip)
        assert (result.outcome, result.co2e_mg, result.points) == ("credited", 0, 3)
        assert result.activity_id is not None
        assert await own.spend(holder, 2)
        await own.reverse(result.activity_id)
        books = await own.books(holder)
        assert (books["points"], books["owed"]) == (0, 2)
        own.local(2027, 1, 1, 0, 0)
        assert await own.breaches() == []


def test_no_path_moves_points_to_another_holder_or_makes_money_of_them() -> None:
    """An entry has one holder, whose accounts both sides may be; points and money share no account but a merchant's."""
    of_holders = {
        (low, high)
        for kind, low, high in MOVES
        if kind == AssetKind.POINTS and low >= AccountKind.HOLDER_OPEN and high >= AccountKind.HOLDER_OPEN
    }
    assert of_holders == {(AccountKind.HOLDER_POINTS, AccountKind.HOLDER_HELD)}
    money = {(low, high) for kind, low, high in MOVES if kind == AssetKind.MONEY}
    assert money == {(AccountKind.PROGRAMME, AccountKind.MERCHANT)}
