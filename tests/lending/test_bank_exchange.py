"""Banks' own systems: told once while the grant lives, again after trouble; their files against what they reported."""

import asyncio
import datetime
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from helpers import City
from lending.bank_system import CLIENT, HEAD, SECRET, BankSystem
from lending.lender import Lender, today
from starlette.responses import Response

from accounts.ids import parse_public_id
from app.lending import exchange_repository as repository
from app.lending.exchange import GIVE_UP_AFTER, BankExchange, Notice, name_of, tell
from app.lending.exchange_models import BankConnection
from app.lending.reconciliation import compare
from app.webhooks.signing import SecretBox
from app.wiring import Services, utc_now
from dedup.periods import LOCAL
from integrations import outbound
from integrations.bank.files import FileLine

BOX = SecretBox(b"x" * 32)


class Clock:
    def __init__(self) -> None:
        self.ahead = datetime.timedelta(0)

    def __call__(self) -> datetime.datetime:
        return utc_now() + self.ahead


class Line:
    """A connected bank, its system, and the exchange that these tests drive."""

    def __init__(self, city: City, lender: Lender, system: BankSystem, owner: str) -> None:
        self.city, self.lender, self.system, self.owner = city, lender, system, owner
        self.clock = Clock()
        system.clock = lambda: self.clock().timestamp()
        self.bank_id = parse_public_id("org", lender.bank.organisation_id) or uuid.UUID(int=0)
        service = city.service
        self.http = outbound.client()
        self.exchange = BankExchange(service.database, service.tokens.keys, BOX, self.clock, self.http)

    async def grant(
        self, *, until: datetime.timedelta = datetime.timedelta(days=400)
    ) -> tuple[uuid.UUID, uuid.UUID]:
        """A live grant of a made-up holder."""
        holder, grant_id, now = uuid.uuid4(), uuid.uuid4(), utc_now()
        connection = await asyncpg.connect(self.owner)
        await connection.execute(
            "INSERT INTO bank_grants (holder_id, id, bank_id, purpose, scope, text_version, granted_at, valid_until,"
            " receipt_id) VALUES ($1, $2, $3, 'loan_application', 'tier', 'x', $4, $5, $2)",
            holder,
            grant_id,
            self.bank_id,
            now - datetime.timedelta(days=1),
            now + until,
        )
        await connection.close()
        return holder, grant_id

    async def tell(self, grant: tuple[uuid.UUID, uuid.UUID], subject: str, **data: Any) -> None:
        async with self.city.service.database.driver_transaction() as driver:
            await tell(driver, [Notice(self.bank_id, *grant, "quote.made", subject, data)], self.clock())

    async def states(self, subject: str) -> list[tuple[str, int, str]]:
        async with self.city.service.database.driver_transaction() as driver:
            rows = await driver.fetch(
                "SELECT state, attempts, last_error FROM bank_messages WHERE subject = $1 ORDER BY id",
                subject,
            )
        return [tuple(row) for row in rows]

    async def run(self, ahead: datetime.timedelta = datetime.timedelta(0)) -> None:
        self.clock.ahead = ahead
        try:
            await self.exchange.run()
        finally:
            self.clock.ahead = datetime.timedelta(0)

    def taken(self, subject: str) -> list[Any]:
        return [each["data"] for each in self.system.taken.values() if each["subject"] == subject]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def line(city: City, service: Services, database_urls: tuple[str, str]) -> AsyncIterator[Line]:
    lender = Lender(city, await city.client("bank", "330800"))
    bank_id = parse_public_id("org", lender.bank.organisation_id)
    assert bank_id is not None

    def our_keys() -> dict[str, bytes]:
        return {key.kid: key.public.public_bytes_raw() for key in service.tokens.keys.verifying(utc_now())}

    system = BankSystem(name_of(bank_id), our_keys=our_keys)
    server, listener = system.server()
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.02)
    made = Line(city, lender, system, database_urls[1])
    async with service.database.driver_transaction() as driver:
        row = BankConnection(
            bank_id=bank_id,
            url=system.url,
            token_url=system.url + "/oauth/token",
            client_id=CLIENT,
            sealed_secret=BOX.seal(bank_id, SECRET.encode()),
            jwks=system.jwks(),
            files_from=utc_now().astimezone(LOCAL).date(),
            created_at=utc_now(),
        )
        await repository.connect(driver, row)
        await repository.connect(driver, row)
    yield made
    await made.http.aclose()
    server.should_exit = True
    await task


async def test_the_file_of_a_day_is_compared_once(line: Line) -> None:
    made = await line.lender.publish()
    numbers = ["same", "amount", "rate", "missing", "state"]
    for number in numbers:
        quote = await line.lender.quoted(made["product_id"], region="330800")
        assert (await line.lender.lend(quote, number=number, amount_fen=100, rate_bp=400)).status_code == 200
    day = today()
    rows = ("same,100,400", "amount,90,400", "rate,100,385", "unknown,7,1")
    line.system.files[day] = "\n".join(
        [HEAD, *(f"{row},{day},granted" for row in rows), f"state,100,400,{day},cancelled", ""]
    )
    later = datetime.timedelta(days=1, hours=8)
    line.system.faults.append(lambda _s, _r: Response(status_code=500))
    await line.run(later)
    operator = await line.city.client("operator", "330000")
    door = "/v1/operator/green-credit/differences"
    assert (await operator.get(door)).json()["items"] == []
    await line.run(later + datetime.timedelta(hours=1))
    await line.run(later + datetime.timedelta(hours=2))
    items = (await operator.get(door)).json()["items"]
    assert {(each["number"], each["kind"], each["ours"], each["theirs"]) for each in items} == {
        ("amount", "amount_differs", 100, 90),
        ("missing", "missing", 100, None),
        ("rate", "rate_differs", 400, 385),
        ("state", "state_differs", 100, 100),
        ("unknown", "unknown", None, 7),
    }
    assert len(items) == 5
    assert {each["region"] for each in items} == {"330800"}
    elsewhere = await line.city.client("operator", "440000")
    assert (await elsewhere.get(door)).json()["items"] == []
    page = (await operator.get(door, params={"limit": 2})).json()
    rest = (await operator.get(door, params={"cursor": page["next_cursor"]})).json()["items"]
    assert page["items"] + rest == items


async def test_told_once_in_order_by_any_number_of_processes(line: Line) -> None:
    grant = await line.grant()
    for place in range(3):
        await line.tell(grant, "cus_order", place=place)
    await asyncio.gather(*(line.exchange.run() for _ in range(3)))
    await line.run()
    assert line.taken("cus_order") == [{"place": 0}, {"place": 1}, {"place": 2}]
    assert [state for state, _, _ in await line.states("cus_order")] == ["delivered"] * 3


async def test_trouble_is_tried_again_later_and_keeps_the_order(line: Line) -> None:
    grant = await line.grant()
    await line.tell(grant, "cus_trouble", place=0)
    await line.tell(grant, "cus_trouble", place=1)
    line.system.faults.append(lambda _s, _r: Response(status_code=500))
    await line.run()
    assert (await line.states("cus_trouble"))[0] == ("pending", 1, "status 500")
    await line.run()
    assert line.taken("cus_trouble") == []
    await line.run(datetime.timedelta(seconds=30))
    assert line.taken("cus_trouble") == [{"place": 0}, {"place": 1}]


async def test_a_withdrawal_ends_what_waits(line: Line, owner: asyncpg.Connection) -> None:
    grant = await line.grant()
    await line.tell(grant, "cus_withdrawn")
    await owner.execute(
        "UPDATE bank_grants SET ended_at = now(), ended = 'withdrawn' WHERE id = $1", grant[1]
    )
    await line.run()
    assert await line.states("cus_withdrawn") == [("refused", 1, "the holder's grant is over")]
    expired = await line.grant(until=datetime.timedelta(hours=1))
    await line.tell(expired, "cus_expired")
    await line.run(datetime.timedelta(hours=2))
    assert [state for state, _, _ in await line.states("cus_expired")] == ["refused"]
    assert line.taken("cus_withdrawn") == line.taken("cus_expired") == []


async def test_a_refusal_and_a_week_of_trouble_are_final(line: Line) -> None:
    grant = await line.grant()
    await line.tell(grant, "cus_refused")
    line.system.faults.append(lambda _s, _r: Response(status_code=400))
    await line.run()
    assert await line.states("cus_refused") == [("refused", 1, "status 400")]
    await line.tell(grant, "cus_week")
    line.system.faults.append(lambda _s, _r: Response(status_code=503))
    await line.run(GIVE_UP_AFTER + datetime.timedelta(hours=1))
    assert (await line.states("cus_week"))[0][0] == "refused"


async def test_nothing_is_written_for_a_bank_without_a_connection(line: Line, service: Services) -> None:
    notice = Notice(uuid.uuid4(), *(await line.grant()), "quote.made", "cus_nobody", {})
    async with service.database.driver_transaction() as driver:
        await tell(driver, [notice], utc_now())
    assert await line.states("cus_nobody") == []


def loan(number: str, **over: Any) -> dict[str, Any]:
    return {"number": number, "region": "330800", "amount_fen": 1, "rate_bp": 2, "state": "granted"} | over


DAY = datetime.date(2026, 11, 20)


@pytest.mark.parametrize(
    ("line_", "ours", "kinds"),
    [
        (FileLine("a", 1, 2, DAY, "granted"), loan("a"), []),
        (FileLine("a", 3, 4, DAY, "granted"), loan("a"), ["amount_differs", "rate_differs"]),
        (FileLine("a", 3, 4, DAY, "cancelled"), loan("a", state="cancelled"), []),
        (FileLine("a", 1, 2, DAY, "cancelled"), None, []),
        (None, loan("a", state="cancelled"), []),
        (None, loan("a"), ["missing"]),
    ],
)
def test_what_differs(line_: FileLine | None, ours: dict[str, Any] | None, kinds: list[str]) -> None:
    found = compare([] if line_ is None else [line_], [] if ours is None else [ours])
    assert [each.kind for each in found] == kinds
