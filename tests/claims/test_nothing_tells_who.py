"""Who holds a list of all phone numbers and every table, log and answer cannot find a person without the key."""

import base64
import datetime as dt
import hashlib
import logging
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
import structlog
from claims.made import asked, ride
from helpers import City, metro
from tanpuhui_platform import AsyncPlatform, Identifier, encoded

from dedup.oprf import Mode, blind
from dedup.person_key import PersonKeys, identity_input, person_key_from_output
from dedup.tokens import TokenMaker

_SAME = (1).to_bytes(32, "little")


def guesses(phone: str) -> Iterator[bytes]:
    """All that the list's holder can compute of one number without a key of the service."""
    texts = [phone, "+86" + phone, "86" + phone, phone[-8:]]
    inputs = [text.encode() for text in texts] + [identity_input("phone", phone)]
    yield from inputs
    for each in inputs:
        for name in ("md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "blake2s"):
            yield hashlib.new(name, each).digest()
        for size in (16, 32, 64):
            yield hashlib.blake2b(each, digest_size=size).digest()
            for person in (b"tph identity", b"tph interval", b"tph once", b"tph receipt", b"tph claim"):
                yield hashlib.blake2b(each, digest_size=size, person=person).digest()
        yield person_key_from_output(each)
        for mode in Mode:
            # The element itself: what a blind of one, or none, would give.
            yield blind(each, mode, scalar=_SAME).element
    # With keys that everybody knows, and with the wrong one.
    for key in (bytes(32), b"\xff" * 32, hashlib.sha256(b"tanpuhui").digest()):
        person = PersonKeys(key).person_key("phone", phone)
        yield person
        yield TokenMaker(key).interval(person, "body", dt.date(2026, 11, 16))
        yield hashlib.blake2b(identity_input("phone", phone), key=key, digest_size=16).digest()


def spellings(value: bytes) -> Iterator[str]:
    yield value.hex()
    yield base64.b64encode(value).decode().rstrip("=")
    yield base64.urlsafe_b64encode(value).decode().rstrip("=")
    if value.isascii():
        yield value.decode()


async def everything(owner: asyncpg.Connection) -> str:
    """Every row of every table as text; bytes and tokens in hexadecimal."""
    found = []
    tables = await owner.fetch(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
    )
    for (table,) in tables:
        rows = await owner.fetch(f"SELECT t::text FROM {table} t")
        found += [row[0] for row in rows]
    return "\n".join(found)


async def test_a_list_of_phone_numbers_finds_nobody(
    city: City,
    base_url: str,
    owner: asyncpg.Connection,
    phones: Any,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
):
    structlog.reset_defaults()
    caplog.set_level(logging.DEBUG)
    people = [phones() for _ in range(6)]
    operator, client, source = (
        await city.client("operator", "440000"),
        await city.client("platform"),
        await city.client("platform"),
    )
    for each in people[:3]:
        await city.holder(operator, each, source)
        await source.post("/v1/activities", json=metro(f"l-{each[-3:]}-x", each))
    said: list[str] = []
    async with AsyncPlatform(base_url, client.client_id, client.secret) as platform:
        keys = await platform.person_keys([Identifier("phone", each) for each in people])
        claims = [ride(f"l-{n}", encoded(key), order_no=f"l-{n}") for n, key in enumerate(keys)]
        outcomes = await platform.claim(claims)
        assert [each["outcome"] for each in outcomes] == ["duplicate"] * 3 + ["claimed"] * 3
        said += [str(outcomes), str(await platform.query([asked(each) for each in claims]))]
        said += [str([each async for each in platform.claim_stream(claims)])]
        said.append(str(await platform.release(outcomes[5]["id"], "x")))
    wrong = await client.post("/v1/claims/batch", json=[ride("l-x", encoded(keys[0]), issuer=7)])
    trail = await operator.get("/v1/operator/audit", params={"format": "ndjson"})
    metrics = (await city.http.get("/metrics")).text
    # Without the values: in a float's digits anybody's number may come up.
    names = "\n".join(line.rpartition(" ")[0] for line in metrics.splitlines())
    said += [wrong.text, trail.text, names, caplog.text, *capfd.readouterr()]
    tables = await everything(owner)
    answers = "\n".join(said)
    for phone in people:
        for guess in guesses(phone):
            for text in spellings(guess):
                assert text not in tables
                assert text not in answers
    # The keys of those who only the platform knows are nowhere at all; those of holders are with the holder only.
    for place, key in enumerate(keys):
        for text in spellings(key):
            assert text not in answers
            assert tables.count(text) == (1 if place < 3 and text == key.hex() else 0)
    # With the keys it works: the test would notice what it looks for.
    assert keys[0].hex() in tables
