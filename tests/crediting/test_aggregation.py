"""Platform aggregation: a platform takes what the person lets it take, up to a threshold; the rest is the person's."""

import asyncio
import dataclasses
import datetime
import itertools
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from crediting.county import REGION, TEXT, preparer_with, report, ride
from crediting.desk import Desk
from helpers import City
from hypothesis import given
from hypothesis import strategies as st
from lots.purse import Purse

from accounts import repository as ledger
from accounts.ids import public_id
from accounts.onboarding import ConsentGrant, Newcomer, compute_person_keys, hash_identities, onboard
from app.application import create_app
from app.crediting.decision import Candidate, State, decide
from app.crediting.intake import Intake
from app.crediting.rules import CapRule
from app.crediting.service import Result
from app.database import driver_of
from app.review import service as reviews
from app.review.models import State as ReviewState
from app.review.policy import LivePolicy, ReviewPolicies, ReviewPolicy
from app.wiring import Services, utc_now
from points.programmes import Programme, Title

LOCAL = datetime.timezone(datetime.timedelta(hours=8))
THRESHOLD_MG = 250_000
RULES = {
    # 105 g a ride: the third of a month crosses the threshold.
    "trip.bus": f"aggregation: {{threshold_mg: {THRESHOLD_MG}, per: month, source: 试验}}",
    # A cap of 200 g a day counts the platform's part as well.
    "trip.metro": f"aggregation: {{threshold_mg: {THRESHOLD_MG}, per: month, source: 试验}}",
    "trip.walk": "",
}
CAPS = {
    "trip.bus": "{id: rides, per: day, count: 200, basis: programme, source: 试验}",
    "trip.metro": "{id: grams, per: day, amount_mg: 200000, basis: programme, source: 试验}",
    "trip.walk": "{id: walks, per: day, count: 20, basis: programme, source: 试验}",
}


@pytest.fixture
async def intake(service: Services, tmp_path: Path) -> AsyncIterator[Intake]:
    texts = {
        scene: TEXT.format(scene=scene, rules=rules).replace(
            "{id: rides, per: day, count: 2, basis: programme, source: 试验}", CAPS[scene]
        )
        for scene, rules in RULES.items()
    }
    made = Intake(
        service.database, await preparer_with(service, tmp_path, texts), utc_now, committers=2, group_max=20
    )
    yield made
    await made.close()


def yesterday(minute: int) -> datetime.datetime:
    """So many minutes after the midnight that began yesterday: it has ended, whenever the test runs."""
    midnight = datetime.datetime.now(LOCAL).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - datetime.timedelta(hours=24) + datetime.timedelta(minutes=minute)


class Rider:
    """A person whose rides are of one day, one after the other, so that none is on another's time."""

    def __init__(self, desk: Desk, intake: Intake, phone: str, holder: UUID) -> None:
        self.desk, self.intake, self.phone, self.holder = desk, intake, phone, holder
        self._starts = (yesterday(minute) for minute in itertools.count(120, 5))

    async def ride(self, source: UUID, **over: Any) -> Result:
        start = next(self._starts)
        times = {
            "started_at": start.isoformat(),
            "ended_at": (start + datetime.timedelta(minutes=4)).isoformat(),
        }
        return await report(self.intake, source, self.phone, **times | over)

    async def reverse(self, source: UUID, act: Result) -> None:
        assert act.activity_id is not None
        await Desk(dataclasses.replace(self.desk.service, preparer=self.intake.preparer)).reverse(
            source, act.activity_id
        )

    async def consents(self, source: UUID, *groups: str, since: datetime.datetime) -> None:
        newcomer = Newcomer(
            "person",
            "440300",
            [("phone", self.phone, "")],
            [ConsentGrant(source, group, since, "t1", "r1") for group in groups],
        )
        hash_identities([newcomer], self.desk.service.hasher)
        compute_person_keys([newcomer], self.desk.service.person_keys)
        async with self.desk.service.database.transaction() as session:
            await onboard(await driver_of(session), [newcomer], lambda _: True, utc_now())

    async def withdraw(self, source: UUID, group: str) -> None:
        async with self.desk.service.database.driver_transaction() as driver:
            await ledger.lock_holders(driver, [self.holder])
            assert await ledger.withdraw_consents(driver, self.holder, source, group, utc_now()) == 1

    async def balance(self, owner: asyncpg.Connection) -> tuple[int, int]:
        row = await owner.fetchrow("SELECT open_mg, points FROM balances WHERE holder_id = $1", self.holder)
        return row["open_mg"], row["points"]

    async def platform_mg(self, owner: asyncpg.Connection) -> int:
        """What all platforms have of this person, by the ledger."""
        return int(
            await owner.fetchval(
                """
                SELECT coalesce(sum(CASE WHEN credit = 3 THEN amount ELSE -amount END), 0)
                FROM entries WHERE holder_id = $1 AND 3 IN (debit, credit)
                """,
                self.holder,
            )
        )


LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=LOCAL)


@pytest.fixture
async def source(desk: Desk) -> UUID:
    return await desk.source()


@pytest.fixture
async def rider(desk: Desk, intake: Intake, source: UUID) -> Rider:
    """A person who lets the source take reductions."""
    phone, holder = await desk.person(source)
    made = Rider(desk, intake, phone, holder)
    await made.consents(source, "aggregation", since=LONG_AGO)
    return made


def split(result: Result) -> tuple[str, str | None, int, int, int]:
    return result.outcome, result.reason, result.co2e_mg, result.aggregated_mg, result.points


async def test_the_act_that_crosses_the_threshold_is_split_to_the_mg(
    rider: Rider, source: UUID, owner: asyncpg.Connection
) -> None:
    found = [split(await rider.ride(source)) for _ in range(4)]
    assert found == [
        ("credited", "aggregated", 0, 105_000, 0),
        ("credited", "aggregated", 0, 105_000, 0),
        ("credited", "aggregated", 65_000, 40_000, 65),
        ("credited", None, 105_000, 0, 105),
    ]
    assert await rider.balance(owner) == (170_000, 170)
    assert await rider.platform_mg(owner) == THRESHOLD_MG
    assert await rider.desk.breaches() == []


async def test_what_is_owed_is_repaid_of_the_persons_part(
    rider: Rider, intake: Intake, source: UUID, owner: asyncpg.Connection
) -> None:
    """The crossing act alone: grams of both, points that repay and points that are left."""
    walk = await rider.ride(source, scene="trip.walk")
    assert await Purse(rider.desk.service, intake, source, utc_now()).spend(rider.holder, 50)
    await rider.reverse(source, walk)
    assert await rider.balance(owner) == (0, 0)
    found = [split(await rider.ride(source)) for _ in range(3)]
    assert found[-1] == ("credited", "aggregated", 65_000, 40_000, 65)
    assert await rider.balance(owner) == (65_000, 15)
    owed = await owner.fetchval("SELECT owed_points FROM balances WHERE holder_id = $1", rider.holder)
    assert (owed, await rider.platform_mg(owner)) == (0, THRESHOLD_MG)
    assert await rider.desk.breaches() == []


async def test_an_act_that_went_to_the_platform_holds_its_claims(rider: Rider, source: UUID) -> None:
    times = {"started_at": "2026-11-16T10:00:00+08:00", "ended_at": "2026-11-16T10:30:00+08:00"}
    first = await rider.ride(source, **times)
    again = await rider.ride(source, **times)
    assert (first.co2e_mg, again.outcome, again.winner_id) == (0, "duplicate", first.activity_id)


async def test_the_same_report_again_gets_the_same_split(rider: Rider, source: UUID) -> None:
    times = {"started_at": "2026-11-15T10:00:00+08:00", "ended_at": "2026-11-15T10:30:00+08:00"}
    first = await rider.ride(source, event_id="once", **times)
    again = await rider.ride(source, event_id="once", **times)
    assert split(again) == split(first) == ("credited", "aggregated", 0, 105_000, 0)
    assert again.replayed


async def test_two_platforms_have_thresholds_of_their_own(
    desk: Desk, rider: Rider, source: UUID, owner: asyncpg.Connection
) -> None:
    other = await desk.source()
    await rider.consents(other, "trip", "movement", "aggregation", since=LONG_AGO)
    parts = [(await rider.ride(each)).aggregated_mg for each in (source, other) * 3]
    assert parts == [105_000, 105_000, 105_000, 105_000, 40_000, 40_000]
    assert await rider.platform_mg(owner) == 2 * THRESHOLD_MG
    assert await desk.breaches() == []


async def test_without_the_consent_of_its_own_all_is_the_persons(
    desk: Desk, intake: Intake, source: UUID, owner: asyncpg.Connection
) -> None:
    """Consent to the use of data is not it, nor is consent to another platform, nor one that came after the act."""
    other = await desk.source()
    phone, holder = await desk.person(source)
    rider = Rider(desk, intake, phone, holder)
    await rider.consents(other, "aggregation", since=LONG_AGO)
    await rider.consents(source, "aggregation", since=utc_now())
    assert split(await rider.ride(source)) == ("credited", None, 105_000, 0, 105)
    assert (await rider.balance(owner), await rider.platform_mg(owner)) == ((105_000, 105), 0)


async def test_aggregation_is_no_consent_to_data(desk: Desk, intake: Intake, source: UUID) -> None:
    phone, holder = await desk.person()
    rider = Rider(desk, intake, phone, holder)
    await rider.consents(source, "aggregation", "movement", since=LONG_AGO)
    assert (await rider.ride(source)).reason == "no_consent"


async def test_withdrawal_stops_it_at_once(rider: Rider, source: UUID, owner: asyncpg.Connection) -> None:
    assert (await rider.ride(source)).aggregated_mg == 105_000
    await rider.withdraw(source, "aggregation")
    assert split(await rider.ride(source)) == ("credited", None, 105_000, 0, 105)
    assert (await rider.balance(owner), await rider.platform_mg(owner)) == ((105_000, 105), 105_000)
    assert await rider.desk.breaches() == []


async def test_a_text_without_aggregation_gives_all_to_the_person(rider: Rider, source: UUID) -> None:
    assert split(await rider.ride(source, scene="trip.walk")) == ("credited", None, 105_000, 0, 105)


async def test_caps_count_what_the_platform_takes(
    rider: Rider, source: UUID, owner: asyncpg.Connection
) -> None:
    found = [split(await rider.ride(source, scene="trip.metro")) for _ in range(3)]
    assert found == [
        ("credited", "aggregated", 0, 105_000, 0),
        ("capped", "cap_crossed", 0, 95_000, 0),
        ("rejected", "cap_reached", 0, 0, 0),
    ]
    assert (await rider.balance(owner), await rider.platform_mg(owner)) == ((0, 0), 200_000)
    assert await rider.desk.breaches() == []


async def test_a_reversal_gives_the_headroom_back(
    rider: Rider, source: UUID, owner: asyncpg.Connection
) -> None:
    acts = [await rider.ride(source) for _ in range(4)]
    await rider.reverse(source, acts[2])
    assert (await rider.balance(owner), await rider.platform_mg(owner)) == ((105_000, 105), 210_000)
    assert await rider.desk.breaches() == []
    await rider.reverse(source, acts[0])
    assert await rider.platform_mg(owner) == 105_000
    refilled = [split(await rider.ride(source))[2:4] for _ in range(2)]
    assert refilled == [(0, 105_000), (65_000, 40_000)]
    await rider.reverse(source, acts[3])
    assert (await rider.balance(owner), await rider.platform_mg(owner)) == ((65_000, 65), THRESHOLD_MG)
    assert await rider.desk.breaches() == []


async def test_fifty_at_once_give_the_platform_exactly_the_threshold(
    rider: Rider, source: UUID, owner: asyncpg.Connection
) -> None:
    results = await asyncio.gather(*(rider.ride(source) for _ in range(50)))
    assert {result.outcome for result in results} == {"credited"}
    assert all(result.co2e_mg + result.aggregated_mg == 105_000 for result in results)
    assert sum(result.aggregated_mg for result in results) == THRESHOLD_MG
    assert await rider.platform_mg(owner) == THRESHOLD_MG
    grams, _ = await rider.balance(owner)
    assert grams == 50 * 105_000 - THRESHOLD_MG
    assert await rider.desk.breaches() == []


async def test_the_database_refuses_a_threshold_that_is_exceeded(
    rider: Rider, source: UUID, owner: asyncpg.Connection
) -> None:
    """The CHECK is the backstop."""
    await rider.ride(source)
    with pytest.raises(asyncpg.CheckViolationError):
        await owner.execute(
            "UPDATE cap_usage SET used = cap + 1 WHERE holder_id = $1 AND rule LIKE '%/aggregation/%'",
            rider.holder,
        )


async def test_verify_counts_what_each_platform_took(
    rider: Rider, source: UUID, owner: asyncpg.Connection
) -> None:
    await rider.ride(source)
    change = "UPDATE cap_usage SET used = used + $2 WHERE holder_id = $1 AND rule LIKE '%/aggregation/%'"
    await owner.execute(change, rider.holder, -1)
    assert await rider.desk.breaches() == [("caps", public_id("hld", rider.holder))]
    await owner.execute(change, rider.holder, 1)
    assert await rider.desk.breaches() == []


async def test_over_http(desk: Desk, intake: Intake, city: City, owner: asyncpg.Connection) -> None:
    """The person sees the split, the platform its own sums, the operator those of its region."""
    services = dataclasses.replace(desk.service, preparer=intake.preparer, intake=intake)
    source, other = await city.client("platform"), await city.client("platform")
    operator, elsewhere = await city.client("operator", "420000"), await city.client("operator", "440000")
    phones = [f"1375555000{number}" for number in range(2)]
    groups = ("trip", "movement", "aggregation")
    nation = await city.client("operator")
    holders = [await city.holder(nation, phone, source, groups=groups) for phone in phones]
    transport = httpx.ASGITransport(create_app(services))

    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:

        async def get(caller: Any, path: str, **query: Any) -> dict[str, Any]:
            answer = await http.get(path, params=query, headers={"Authorization": f"Bearer {caller.token}"})
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        headers = {"Authorization": f"Bearer {source.token}"}
        told = []
        for phone, scene, times in ((phones[0], "trip.bus", 3), (phones[1], "trip.metro", 1)):
            for number in range(times):
                start = yesterday(60 * number)
                body = ride(
                    phone,
                    scene=scene,
                    started_at=start.isoformat(),
                    ended_at=(start + datetime.timedelta(minutes=20)).isoformat(),
                ).model_dump(mode="json", exclude_none=True)
                told.append((await http.post("/v1/activities", json=body, headers=headers)).json())
        assert [(each["outcome"], each["co2e_g"], each["aggregated_g"]) for each in told] == [
            ("credited", "0", "105"),
            ("credited", "0", "105"),
            ("credited", "65", "40"),
            ("credited", "0", "105"),
        ]
        crossing = told[2]["activity_id"]
        seen = await get(source, f"/v1/activities/{crossing}")
        assert (seen["co2e_g"], seen["aggregated_g"], seen["reason"]) == ("65", "40", "aggregated")
        why = await get(nation, f"/v1/activities/{crossing}/explanation")
        assert (why["full_co2e_g"], why["credited_co2e_g"], why["aggregated_g"]) == ("105", "65", "40")
        assert why["aggregation"] == {"threshold_g": "250", "per": "month", "source": "试验"}

        mine = await get(source, "/v1/aggregation")
        row = {
            "month": f"{utc_now().astimezone(LOCAL):%Y-%m}",
            "source_id": source.organisation_id,
            "methodology_region": REGION,
            "methodology_version": "1",
            "vintage": yesterday(0).year,
        }
        wanted = [
            row
            | {"scene": scene, "methodology_code": f"TEST.{scene}", "activities": acts, "aggregated_g": grams}
            for scene, acts, grams in (("trip.bus", 3, "250"), ("trip.metro", 1, "105"))
        ]
        assert mine == {"items": wanted, "next_cursor": None}
        first = await get(source, "/v1/aggregation", limit=1)
        second = await get(source, "/v1/aggregation", limit=1, cursor=first["next_cursor"])
        assert (first["items"] + second["items"], second["next_cursor"]) == (wanted, None)
        assert (await get(source, "/v1/aggregation", month="2026-01"))["items"] == []
        assert (await get(other, "/v1/aggregation"))["items"] == []
        assert (await get(elsewhere, "/v1/operator/aggregation"))["items"] == []
        by_source = {"source_id": source.organisation_id}
        assert (await get(operator, "/v1/operator/aggregation", **by_source))["items"] == wanted
        everybody = (await get(operator, "/v1/operator/aggregation", limit=200))["items"]
        assert [each for each in everybody if each["source_id"] == source.organisation_id] == wanted

        for bad in ("x", "org_0~a~1~2", f"{public_id('org', uuid.uuid4())}~a~99999999999~1"):
            answer = await http.get("/v1/aggregation", params={"cursor": bad}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid"), bad

        # What went to the platform is no booking in the person's account.
        token = (await nation.post(f"/v1/operator/holders/{holders[0]}/token")).json()["access_token"]
        answer = await http.get("/v1/me/entries", headers={"Authorization": f"Bearer {token}"})
        assert [(each["co2e_g"], each["points"]) for each in answer.json()["items"]] == [
            (None, 65),
            ("65", None),
        ]

        await http.post(f"/v1/activities/{crossing}/reversal", json={"reason": "refund"}, headers=headers)
        left = (await get(source, "/v1/aggregation"))["items"]
        assert [(each["activities"], each["aggregated_g"]) for each in left] == [(2, "210"), (1, "105")]
    assert await desk.breaches() == []


PER_GRAM = Programme.model_validate(
    {
        "region": "100000",
        "name": Title(zh="甲", en="A"),
        "from": "2020-01-01",
        "points_per_g": 1,
        "expiry_months": 1,
        "scenes": {"trip.metro": {"points": 10, "per": 1, "of": "act"}},
    }
)
DAY = datetime.date(2026, 11, 16)
PLATFORMS = [UUID(int=n) for n in (1, 2)]
CAP = CapRule("grams", "day", counted=False, limit=1_500)
acts = st.fixed_dictionaries(
    {
        "full_mg": st.integers(0, 600),
        "platform": st.none() | st.sampled_from(PLATFORMS),
        "scene": st.sampled_from(["trip.metro", "trip.bus"]),
        "capped": st.booleans(),
    }
)


@given(st.lists(acts, max_size=12), st.integers(1, 900), st.integers(0, 1_000), st.integers(0, 6))
def test_the_parts_add_up_and_follow_a_ledger_that_is_kept_act_by_act(
    batch: list[dict[str, Any]], threshold: int, used: int, cut: int
) -> None:
    """In two batches or one: each act fills its platform's share first. `used` may exceed a lowered threshold."""
    holder = UUID(int=7)
    candidates = []
    for number, item in enumerate(batch):
        prepared = SimpleNamespace(
            refusal=None,
            full_mg=item["full_mg"],
            quantified_mg=item["full_mg"],
            programme=PER_GRAM,
            rule=SimpleNamespace(collected=False),
            scene=item["scene"],
            evidence="platform",
            inputs={},
        )
        candidate = Candidate(prepared, (holder, b"k"), UUID(int=100 + number))  # type: ignore[arg-type]
        if item["capped"]:
            candidate.caps = [(CAP, (holder, CAP.key, DAY))]
        if item["platform"]:
            candidate.aggregation = (threshold, (holder, item["platform"].hex, DAY))
        candidates.append(candidate)
    state = State(caps={(holder, PLATFORMS[0].hex, DAY): used})
    decide(candidates[:cut], state)
    decide(candidates[cut:], state)

    taken = {PLATFORMS[0]: used, PLATFORMS[1]: 0}
    cap_left = CAP.limit
    for item, candidate in zip(batch, candidates, strict=True):
        full = item["full_mg"]
        if item["capped"] and cap_left == 0:
            assert (candidate.outcome, candidate.co2e_mg, candidate.aggregated_mg) == ("rejected", 0, 0)
            continue
        total = min(full, cap_left) if item["capped"] else full
        cap_left -= total if item["capped"] else 0
        platform = item["platform"]
        part = max(0, min(total, threshold - taken[platform])) if platform else 0
        if platform:
            taken[platform] += part
        assert (candidate.aggregated_mg, candidate.co2e_mg) == (part, total - part)
        assert candidate.outcome == ("credited" if total == full else "capped")
        assert candidate.reason == ("cap_crossed" if total < full else "aggregated" if part else None)
        of_act = 10 * (total - part) // full if full else 10
        assert candidate.points == (of_act if item["scene"] == "trip.metro" else (total - part) // 1000)
    assert {p: state.caps.get((holder, p.hex, DAY), 0) for p in PLATFORMS} == taken


@pytest.mark.parametrize("decision", ["released", "rejected"])
async def test_the_platforms_part_of_a_held_act_waits_as_well(
    rider: Rider, intake: Intake, source: UUID, owner: asyncpg.Connection, decision: str
) -> None:
    """Its use of the threshold is kept, nothing is booked; then both parts are, or the use is given back."""
    hold = {"days": 7, "certain_at": 1, "steps": [{"from_score": 50, "action": "hold"}]}
    text = {"region": "100000", "from": datetime.date(2020, 1, 1), "many_devices": hold}
    policy = LivePolicy(uuid.uuid4(), ReviewPolicy.model_validate(text))
    intake.preparer.rules.reviews = ReviewPolicies([policy])
    await rider.ride(source, device="one")
    held = await rider.ride(source, device="another")
    assert split(held) == ("pending", "held_for_review", 0, 105_000, 0)
    assert held.activity_id is not None
    assert await rider.platform_mg(owner) == 105_000
    assert await rider.desk.breaches() == []
    async with rider.desk.service.database.transaction() as session:
        await reviews.decide(
            *(session, intake.preparer.rules, reviews.SYSTEM, held.activity_id),
            *(ReviewState(decision), "seen", utc_now(), ""),
        )
    third = await rider.ride(source, device="one")
    if decision == "released":
        assert split(third)[1:4] == ("held_for_review", 65_000, 40_000)
        assert await rider.platform_mg(owner) == 210_000
    else:
        assert split(third)[:4] == ("credited", "aggregated", 0, 105_000)
        assert await rider.platform_mg(owner) == 210_000
        row = await owner.fetchrow(
            "SELECT outcome, aggregated_mg FROM activities WHERE id = $1", held.activity_id
        )
        assert tuple(row) == ("rejected", 0)
    assert await rider.desk.breaches() == []
