"""Credits that wait to be collected: booked once, in their days, and claimed from the beginning."""

import asyncio
import dataclasses
import datetime
import uuid
from collections import Counter
from typing import Any

import asyncpg
import httpx
import pytest
from crediting.county import report
from crediting.desk import Desk
from helpers import City

from accounts import repository as ledger
from accounts.errors import DomainError
from accounts.ids import public_id
from app.application import create_app
from app.auth.principal import Principal
from app.auth.scopes import ACTIVITIES_WRITE
from app.crediting import queries, reversal
from app.crediting.collection import collect
from app.crediting.intake import Intake
from app.crediting.service import Result
from app.wiring import utc_now

DAY = datetime.timedelta(days=1)
LOCAL = datetime.timezone(datetime.timedelta(hours=8))


def principal(source: uuid.UUID) -> Principal:
    return Principal("cli_test", source, "test", "100000", frozenset({ACTIVITIES_WRITE}), 2_000_000_000)


class Rider:
    """A person with one ride of today that waits, and what may be done to it."""

    def __init__(self, desk: Desk, intake: Intake, source: uuid.UUID, phone: str, holder: uuid.UUID) -> None:
        self.desk, self.intake, self.source, self.phone, self.holder = desk, intake, source, phone, holder
        self.midnight = datetime.datetime.now(LOCAL).replace(hour=0, minute=0, second=0, microsecond=0)
        self.act: Result

    async def ride(self, **over: Any) -> Result:
        # At two in the morning of yesterday, so that it has ended whenever the test runs.
        start = self.midnight - DAY + datetime.timedelta(hours=2)
        times = {
            "started_at": start.isoformat(),
            "ended_at": (start + datetime.timedelta(minutes=30)).isoformat(),
        }
        return await report(self.intake, self.source, self.phone, scene="trip.metro", **times | over)

    async def collect(self, day: float) -> str:
        """Collect so many days after the midnight before the act; answers `credited` or the refusal's code."""
        assert self.act.activity_id is not None
        now = self.midnight - DAY + day * DAY
        try:
            async with self.desk.service.database.transaction() as session:
                activity = await queries.visible_activity(
                    session, principal(self.source), self.act.activity_id
                )
                await collect(session, self.intake.preparer.rules, activity, now)
                return activity.outcome
        except DomainError as error:
            return error.code

    async def reverse(self) -> None:
        assert self.act.activity_id is not None
        async with self.desk.service.database.transaction() as session:
            activity = await queries.visible_activity(session, principal(self.source), self.act.activity_id)
            await reversal.reverse(
                session, self.intake.preparer.rules, activity, principal(self.source), "test", utc_now()
            )

    async def balance(self, owner: asyncpg.Connection) -> tuple[int, int]:
        row = await owner.fetchrow("SELECT open_mg, points FROM balances WHERE holder_id = $1", self.holder)
        return row["open_mg"], row["points"]


@pytest.fixture
async def rider(desk: Desk, county_intake: Intake) -> Rider:
    source = await desk.source()
    phone, holder = await desk.person(source)
    made = Rider(desk, county_intake, source, phone, holder)
    made.act = await made.ride()
    return made


async def test_a_pending_act_is_claimed_and_not_booked(rider: Rider, owner: asyncpg.Connection) -> None:
    assert (rider.act.outcome, rider.act.co2e_mg, rider.act.points) == ("pending", 105_000, 105)
    assert await rider.balance(owner) == (0, 0)
    again = await rider.ride()
    assert (again.outcome, again.reason, again.winner_id) == (
        "duplicate",
        "claimed_body",
        rider.act.activity_id,
    )
    assert await rider.desk.breaches() == []


@pytest.mark.parametrize(
    ("day", "answer"),
    [
        (1.999, "activity.not_collectable_yet"),
        (2, "credited"),
        (9.999, "credited"),
        (10, "activity.lapsed"),
    ],
)
async def test_the_days_in_which_it_can_be_collected(
    rider: Rider, owner: asyncpg.Connection, day: float, answer: str
) -> None:
    """Number 19 of the worked examples: generated on day 2, collected until day 9."""
    assert await rider.collect(day) == answer
    assert await rider.balance(owner) == ((105_000, 105) if answer == "credited" else (0, 0))
    # Whatever became of it, the act stays claimed.
    assert (await rider.ride()).outcome == "duplicate"
    assert await rider.desk.breaches() == []


async def test_twenty_who_collect_at_once_book_it_once(rider: Rider, owner: asyncpg.Connection) -> None:
    answers = Counter(await asyncio.gather(*(rider.collect(3) for _ in range(20))))
    assert answers == {"credited": 1, "activity.not_pending": 19}
    assert await rider.balance(owner) == (105_000, 105)
    assert await rider.desk.breaches() == []


async def test_a_pending_act_is_reversed_without_entries(rider: Rider, owner: asyncpg.Connection) -> None:
    await rider.reverse()
    assert await rider.collect(3) == "activity.not_pending"
    assert await rider.balance(owner) == (0, 0)
    assert (await rider.ride()).outcome == "pending"  # its claims are free again
    assert await rider.desk.breaches() == []


async def test_what_was_collected_later_is_taken_back_from_its_own_lot(
    rider: Rider, owner: asyncpg.Connection
) -> None:
    assert await rider.collect(9) == "credited"
    await rider.reverse()
    assert await rider.balance(owner) == (0, 0)
    assert await rider.desk.breaches() == []


async def test_without_a_live_consent_nothing_is_collected(rider: Rider, owner: asyncpg.Connection) -> None:
    async with rider.desk.service.database.driver_transaction() as driver:
        await ledger.lock_holders(driver, [rider.holder])
        await ledger.withdraw_consents(driver, rider.holder, rider.source, "movement", utc_now())
    assert await rider.collect(3) == "activity.no_consent"
    assert await rider.balance(owner) == (0, 0)


async def test_caps_count_what_waits(rider: Rider, owner: asyncpg.Connection) -> None:
    """Two rides a day: what waits has its headroom, and a collected one needs no more."""
    start = rider.midnight - DAY + datetime.timedelta(hours=6)
    later = {"started_at": start.isoformat(), "ended_at": (start + datetime.timedelta(hours=1)).isoformat()}
    assert (await rider.ride(**later)).outcome == "pending"
    start += datetime.timedelta(hours=2)
    third = {"started_at": start.isoformat(), "ended_at": (start + datetime.timedelta(hours=1)).isoformat()}
    refused = await rider.ride(**third)
    assert (refused.outcome, refused.reason) == ("rejected", "cap_reached")
    assert await rider.collect(3) == "credited"
    assert await rider.desk.breaches() == []
    assert await rider.balance(owner) == (105_000, 105)


async def test_over_http(county_intake: Intake, desk: Desk, city: City) -> None:
    """A walk of today can be collected today; the same key gets the same answer again."""
    services = dataclasses.replace(desk.service, preparer=county_intake.preparer, intake=county_intake)
    source, operator = await city.client("platform"), await city.client("operator")
    phone = "13655550001"
    await city.holder(operator, phone, source)
    transport = httpx.ASGITransport(create_app(services))
    headers = {"Authorization": f"Bearer {source.token}"}
    end = utc_now().replace(microsecond=0)
    walk = {
        "event_id": "w1",
        "scene": "trip.walk",
        "region": "422800",
        "subject": {"scheme": "phone", "value": phone},
        "started_at": (end - datetime.timedelta(minutes=10)).isoformat(),
        "ended_at": end.isoformat(),
    }
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as http:
        told = (await http.post("/v1/activities", json=walk)).json()
        assert told["outcome"] == "pending", told
        seen = (await http.get(f"/v1/activities/{told['activity_id']}")).json()
        told_why = (await http.get(f"/v1/activities/{told['activity_id']}/explanation")).json()["activity"]
        assert told_why == seen
        opens, closes = (
            datetime.datetime.fromisoformat(seen[name]) for name in ("collect_from", "collect_until")
        )
        assert closes - opens == 2 * DAY
        path = f"/v1/activities/{told['activity_id']}/collection"
        first = await http.post(path, headers={"Idempotency-Key": "k1"})
        assert (first.status_code, first.json()["outcome"], first.json()["collect_from"]) == (
            200,
            "credited",
            None,
        )
        again = await http.post(path, headers={"Idempotency-Key": "k1"})
        assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
        refused = await http.post(path)
        assert (refused.status_code, refused.json()["code"]) == (409, "activity.not_pending")
        nowhere = await http.post(f"/v1/activities/{public_id('act', uuid.uuid4())}/collection")
        assert nowhere.status_code == 404
