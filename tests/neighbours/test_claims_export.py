"""The export: sorted, signed, resumable, and nothing that is committed later is passed by."""

import asyncio
import datetime
import uuid
from typing import Any

import asyncpg
import orjson
import pytest
from helpers import metro
from neighbours.towns import Town

from app.neighbours import repository
from app.neighbours.client import Door
from app.neighbours.errors import Forged, Unreachable
from app.neighbours.pages import Ask
from app.neighbours.pulling import Puller
from dedup.exchange import Exchanged, read_line

Towns = tuple[Town, Town]
DAYS = {"from_day": "2026-11-01", "to_day": "2026-11-30"}
MANY = 23


async def trips(town: Town, phones: Any, count: int) -> None:
    people = [phones() for _ in range(count)]
    for person in people:
        await town.holder(person)
    for number, person in enumerate(people):
        day = f"2026-11-{number % 5 + 14:02d}"
        times = {"started_at": f"{day}T08:00:00+08:00", "ended_at": f"{day}T08:25:00+08:00"}
        order = {"order_no": uuid.uuid4().hex, "issuer": "metro"} if number % 2 else {}
        await town.report(metro(uuid.uuid4().hex, person, **times, **order))


async def all_of(town: Town, limit: int, **over: Any) -> tuple[list[Exchanged], dict[str, Any]]:
    """The rows of all pages, and the last head."""
    client = await town.city.client("neighbour")
    found: list[Exchanged] = []
    after: dict[str, str] = {}
    while True:
        query = {**DAYS, "limit": limit, **over, **after}
        answer = await client.get("/v1/neighbour/claims", params=query)
        assert answer.status_code == 200, answer.text
        lines = answer.content.splitlines()
        head = orjson.loads(lines[0])
        found += [read_line(line) for line in lines[1:-1]]
        assert len(lines) == head["claims"] + 2
        if head["next"] is None:
            return found, head
        after = {"after": head["next"]}


def place(row: Exchanged) -> tuple[datetime.date, str, str]:
    return row.day, row.digest.hex, row.reference.hex


async def test_it_is_sorted_whole_in_pages_of_any_size_and_then_incremental(
    towns: Towns, phones: Any
) -> None:
    one, _ = towns
    await trips(one, phones, MANY)
    whole, head = await all_of(one, 20_000)
    assert len(whole) >= MANY
    assert whole == sorted(whole, key=place)
    for limit in (3, 7):
        assert (await all_of(one, limit))[0] == whole
    # From there on only what changed: a new act, and a release of an old one.
    nothing, _ = await all_of(one, 20_000, since=head["until"])
    assert nothing == []
    person = phones()
    await one.holder(person)
    new = await one.report(metro(uuid.uuid4().hex, person))
    old = whole[0].reference
    done = await one.platform.post(f"/v1/activities/act_{old.hex}/reversal", json={"reason": "refunded"})
    assert done.status_code == 200
    changed, _ = await all_of(one, 20_000, since=head["until"])
    released = {row.reference.hex for row in changed if row.released_ms is not None}
    assert released == {old.hex}
    assert {row.reference.hex for row in changed} == released | {new["activity_id"][4:]}


async def test_what_is_committed_late_is_not_passed_by(towns: Towns, phones: Any) -> None:
    """A credit that is open while others commit: a position by time or by a sequence would leave it behind."""
    one, _ = towns
    await trips(one, phones, 1)
    slow = await asyncpg.connect(one.owner_url)
    open_one = slow.transaction()
    await open_one.start()
    reference = uuid.uuid4()
    await slow.execute(
        """
        INSERT INTO exchanged_claims SELECT day, digest, $1, kind, scene, region, starts_at, ends_at, arrived_at, NULL,
            home, amount, unchecked, pg_current_xact_id()::text::bigint
        FROM exchanged_claims LIMIT 1
        """,
        reference,
    )
    await trips(one, phones, 2)
    during, head = await all_of(one, 20_000)
    assert reference not in {row.reference for row in during}
    await open_one.commit()
    await slow.close()
    after, _ = await all_of(one, 20_000, since=head["until"])
    assert reference in {row.reference for row in after}
    # It was of no act.
    await one.rows("DELETE FROM exchanged_claims WHERE activity_id = $1", reference)


async def kept(town: Town) -> list[tuple[Any, ...]]:
    rows = await town.rows(
        """
        SELECT day, digest, reference, released_at IS NULL FROM neighbour_claims WHERE neighbour_id = $1
        ORDER BY day, digest, reference
        """,
        town.neighbour_id,
    )
    return [tuple(row) for row in rows]


async def told(town: Town) -> list[tuple[Any, ...]]:
    rows = await town.rows(
        "SELECT day, digest, activity_id, released_at IS NULL FROM exchanged_claims ORDER BY day, digest, activity_id"
    )
    return [tuple(row) for row in rows]


def puller(town: Town, rows: int) -> Puller:
    neighbours = town.services.neighbours
    return Puller(neighbours.database, neighbours.directory, neighbours.clock, rows)


async def test_an_import_that_is_cut_off_goes_on_with_nothing_double_or_missing(
    towns: Towns, phones: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = towns
    assert (await puller(other, 1_000).pull(other.neighbour_id, 60)).whole
    before_it = len(await kept(other))
    await trips(one, phones, 9)
    written = 0

    def dying(*arguments: Any) -> None:
        nonlocal written
        written += 1
        if written == 3:
            raise asyncio.CancelledError  # the process ends between the page's place and its rows
        real(*arguments)

    real = repository.write_claims
    monkeypatch.setattr(repository, "write_claims", dying)
    with pytest.raises(asyncio.CancelledError):
        await puller(other, 2).pull(other.neighbour_id, 60)
    assert len(await kept(other)) == before_it + 4
    monkeypatch.undo()
    assert (await puller(other, 2).pull(other.neighbour_id, 60)).whole
    assert await kept(other) == await told(one)
    # The same pages again, as after a restored database, change nothing.
    await other.rows("UPDATE neighbours SET since = 0, position = NULL")
    before = await other.rows("SELECT max(changed_by) FROM neighbour_claims")
    assert (await puller(other, 5).pull(other.neighbour_id, 60)).whole
    assert await kept(other) == await told(one)
    assert await other.rows("SELECT max(changed_by) FROM neighbour_claims") == before


async def test_two_that_fetch_at_once_lose_and_double_nothing(towns: Towns, phones: Any) -> None:
    one, other = towns
    await trips(one, phones, 8)
    await asyncio.gather(*(puller(other, 1).pull(other.neighbour_id, 60) for _ in range(3)))
    assert (await puller(other, 1).pull(other.neighbour_id, 60)).whole
    assert await kept(other) == await told(one)


async def test_a_page_that_was_altered_or_is_another_ones_is_refused(
    towns: Towns, phones: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = towns
    await trips(one, phones, 3)
    async with other.services.database.reading() as session:
        neighbour = await repository.neighbour(session, other.neighbour_id)
    assert neighbour is not None
    door = other.services.neighbours.directory.door(neighbour)
    ask = Ask(datetime.date(2026, 11, 1), datetime.date(2026, 11, 30), 0, None)
    page, _ = await door.page(ask)
    assert page.claims
    real = Door._body

    async def altered(self: Door, method: str, path: str, **parts: Any) -> bytes:
        body = await real(self, method, path, **parts)
        return body.replace(b'"trip.metro"', b'"trip.bus"', 1)

    monkeypatch.setattr(Door, "_body", altered)
    with pytest.raises(Forged):
        await door.page(ask)
    monkeypatch.undo()

    async def of_other_days(self: Door, method: str, path: str, **parts: Any) -> bytes:
        if "params" in parts:
            parts["params"]["from_day"] = "2026-11-02"
        return await real(self, method, path, **parts)

    monkeypatch.setattr(Door, "_body", of_other_days)
    with pytest.raises(Unreachable):
        await door.page(ask)
    monkeypatch.undo()
    # Signed by somebody else's key.
    mine, theirs = one.services.tokens.keys._keys, other.services.tokens.keys._keys
    door._keys = {kid: next(iter(theirs.values())).public for kid in mine}
    with pytest.raises(Forged):
        await door.page(ask)
    door._keys = {}
    assert (await door.page(ask))[0].claims == page.claims


async def test_who_may_ask_and_for_what(towns: Towns) -> None:
    one, _ = towns
    client = await one.city.client("neighbour")
    for bad in (
        {"from_day": "2026-11-30", "to_day": "2026-11-01"},
        {"from_day": "2020-01-01", "to_day": "2026-11-01"},
        {**DAYS, "after": "x"},
        {**DAYS, "after": "9.2026-11-01.zz.zz"},
        {**DAYS, "after": f"{1 << 62}.2026-11-01.{'0' * 32}.{'0' * 32}"},
        {**DAYS, "since": -1},
    ):
        assert (await client.get("/v1/neighbour/claims", params=bad)).status_code == 422, bad
    for stranger in (one.platform, one.operator):
        assert (await stranger.get("/v1/neighbour/claims", params=DAYS)).json()["code"] == "auth.scope"
        asked = {"digests": [["2026-11-16", "A" * 22]]}
        assert (await stranger.post("/v1/neighbour/claims/query", json=asked)).status_code == 403
    # The evaluator of the federation evaluates its key for neighbours, and for nobody else.
    federation = one.services.evaluator.federation
    assert federation is not None
    element = federation.public_key
    from dedup.encoding import encoded  # noqa: PLC0415

    body = {"elements": [encoded(element)], "key_id": federation.key_id}
    assert (await client.post("/v1/tokens/evaluate", json=body)).json()["key_id"] == federation.key_id
    assert (await one.platform.post("/v1/tokens/evaluate", json=body)).status_code == 422
    present = {**body, "key_id": one.services.person_keys.key_id}
    assert (await client.post("/v1/tokens/evaluate", json=present)).status_code == 422
