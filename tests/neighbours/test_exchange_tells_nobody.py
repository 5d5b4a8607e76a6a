"""A list of all phone numbers, every export and table of both deployments, and the exchange key: nobody is found."""

import datetime
import uuid
from collections.abc import Iterator
from typing import Any

import asyncpg
from claims.test_nothing_tells_who import everything, guesses, spellings
from helpers import metro
from neighbours.towns import Town

from dedup.encoding import encoded
from dedup.periods import day_of
from dedup.person_key import PersonKeys, identity_input
from dedup.tokens import TokenMaker

DAYS = [datetime.date(2026, 11, 16), datetime.date(2026, 11, 17)]
RULES = ("body", "order", "steps", "meter")


def by_the_exchange_key(key: bytes, phone: str) -> Iterator[bytes]:
    """All that a neighbour's thief can compute of one number: it has the common key, and no key of the federation."""
    maker = TokenMaker(key)
    subjects = [phone.encode(), f"+86{phone}".encode(), identity_input("phone", phone), *guesses(phone)]
    subjects.append(PersonKeys(key).person_key("phone", phone))
    for subject in subjects:
        for rule in RULES:
            for day in DAYS:
                yield maker.interval(subject, rule, day)
            yield maker.calendar(subject, rule, "", "2026-11")
    for rule in RULES:
        yield maker.once(rule, "", phone)


async def test_no_export_and_no_table_tells_who(towns: tuple[Town, Town], phones: Any) -> None:
    one, _ = towns
    people = [phones() for _ in range(3)]
    for each in towns:
        await each.agree(asks_first=True)
        for person in people:
            await each.holder(person)
            for day in DAYS:
                times = {
                    "started_at": f"{day}T08:00:00+08:00",
                    "ended_at": f"{day}T08:25:00+08:00",
                }
                await each.report(metro(uuid.uuid4().hex, person, **times))
        await each.exchange()
    key = one.settings.exchange_key
    assert key is not None
    client = await one.city.client("neighbour")
    export = await client.get(
        "/v1/neighbour/claims", params={"from_day": "2026-11-01", "to_day": "2026-11-30"}
    )
    digests = [line.split(b'"')[3].decode() for line in export.content.splitlines()[1:-1]]
    assert len(digests) >= len(people) * len(DAYS)
    tables = []
    for each in towns:
        owner = await asyncpg.connect(each.owner_url)
        tables.append(await everything(owner))
        await owner.close()
    haystack = "\n".join([export.text, *tables])
    for person in people:
        for guess in (*guesses(person), *by_the_exchange_key(key.get_secret_value(), person)):
            for text in spellings(guess):
                assert text not in haystack
    # With both keys it works: the test would notice what it looks for.
    federation = one.settings.federation_oprf_key
    assert federation is not None
    person_key = PersonKeys(federation.get_secret_value()).person_key("phone", people[0])
    found = TokenMaker(key.get_secret_value()).interval(person_key, "body", DAYS[0])
    assert encoded(found) in export.text
    assert str(uuid.UUID(bytes=found)) in tables[1]
    assert person_key.hex() in tables[0]


async def test_digests_of_one_person_have_nothing_in_common(towns: tuple[Town, Town], phones: Any) -> None:
    """Two days of one person are as far apart as those of two people."""
    one, _ = towns
    person = phones()
    await one.holder(person)
    acts = []
    for day in DAYS:
        times = {"started_at": f"{day}T07:00:00+08:00", "ended_at": f"{day}T07:20:00+08:00"}
        acts.append((await one.report(metro(uuid.uuid4().hex, person, **times)))["activity_id"])
    rows = await one.rows(
        "SELECT day, digest, activity_id FROM exchanged_claims WHERE activity_id = ANY($1::uuid[])",
        [uuid.UUID(hex=act[4:]) for act in acts],
    )
    assert len({row["digest"] for row in rows}) == len(rows) == len(DAYS)
    columns = await one.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_name IN"
        " ('exchanged_claims', 'neighbour_claims')"
    )
    assert not {"holder_id", "source_id", "person_key"} & {row[0] for row in columns}
    assert day_of(int(datetime.datetime(2026, 11, 16, 4, tzinfo=datetime.UTC).timestamp())) == DAYS[0]


async def test_without_a_federation_nothing_is_computed_and_nothing_stored(
    city: Any, service: Any, owner: asyncpg.Connection, phone: str
) -> None:
    assert service.neighbours.federation is None
    assert service.neighbours.ledger is None
    assert service.preparer.ledger is None
    operator, platform = await city.client("operator"), await city.client("platform")
    await city.holder(operator, phone, platform)
    answer = (await platform.post("/v1/activities", json=metro("f" + phone, phone))).json()
    assert answer["outcome"] == "credited"
    assert await owner.fetchval("SELECT count(*) FROM exchanged_claims") == 0
    assert await owner.fetchval("SELECT count(federation_key) FROM holders") == 0
