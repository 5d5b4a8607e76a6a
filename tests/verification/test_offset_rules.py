"""The rules of `tanpuhui verify` over offsets find the row that breaks them."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from account.people import signed_in, uuid_of
from helpers import City, metro
from verification.breakages import breaches

from accounts.ids import public_id
from accounts.offsetting.verification import QUERIES


@dataclass
class Used:
    """A holder with 467 g, of which an offset used 100 g and another one a footprint's 44.19 g."""

    holder: UUID
    offset: UUID
    footprint: UUID
    of_footprint: UUID


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def used(city: City) -> Used:
    operator, source = await city.client("operator", "440000"), await city.client("platform")
    holder = await city.holder(operator, "13755550001", source)
    answer = await source.post("/v1/activities", json=metro("used", "13755550001"))
    assert answer.json()["outcome"] == "credited", answer.text
    resident = signed_in(city, holder)
    first = await resident.post("/v1/me/offsets", json={"co2e_g": "100", "purpose": "travel"})
    lines = [{"item": "electricity", "quantity": 100, "unit": "Wh"}]
    entered = await resident.post("/v1/me/footprints", json={"month": "2025-10", "items": lines})
    footprint = entered.json()["footprint_id"]
    second = await resident.post(
        "/v1/me/offsets", json={"footprint_id": footprint, "purpose": "own_footprint"}
    )
    return Used(
        uuid_of(holder),
        uuid_of(first.json()["offset_id"]),
        uuid_of(footprint),
        uuid_of(second.json()["offset_id"]),
    )


async def test_sound_books_have_no_breach(root: asyncpg.Connection, used: Used) -> None:
    assert await breaches(root) == {}


CASES = {
    "a certificate over more than was used": (
        "offsets",
        ("UPDATE offsets SET amount_mg = amount_mg + 1 WHERE id = '{offset}'",),
        "off {offset}",
        set(),
    ),
    "a certificate over nothing": (
        "offsets",
        (
            (
                "INSERT INTO offsets SELECT holder_id, '00000000-0000-0000-0000-000000000001', NULL, purpose, 1, "
                "booked_at FROM offsets WHERE id = '{offset}'"
            ),
        ),
        "off 00000000-0000-0000-0000-000000000001",
        set(),
    ),
    "grams used without a certificate": (
        "offsets",
        ("DELETE FROM offsets WHERE id = '{offset}'",),
        "off {offset}",
        set(),
    ),
    "grams used that another methodology credited": (
        "open_by_asset",
        (
            "INSERT INTO assets (kind, methodology_id, vintage, programme) VALUES ('reduction', 0, 1998, '')",
            "UPDATE entries SET asset_id = (SELECT id FROM assets WHERE vintage = 1998) WHERE cause_id = '{offset}'",
        ),
        "hld {holder}",
        set(),
    ),
    "a footprint offset by too little": (
        "footprints_offset",
        ("UPDATE footprints SET co2e_mg = co2e_mg + 1 WHERE id = '{footprint}'",),
        "off {of_footprint}",
        set(),
    ),
    "a footprint offset twice": (
        "footprints_offset",
        ("UPDATE offsets SET footprint_id = '{footprint}' WHERE id = '{offset}'",),
        "off {of_footprint}",
        set(),
    ),
    "the service may change offsets": (
        "rights",
        ("GRANT UPDATE ON offsets TO tanpuhui_service",),
        None,
        set(),
    ),
}


def test_every_rule_has_a_case() -> None:
    assert QUERIES.keys() <= {rule for rule, *_ in CASES.values()}


@pytest.mark.parametrize("name", CASES)
async def test_a_broken_row_is_named(root: asyncpg.Connection, used: Used, name: str) -> None:
    rule, statements, told, also = CASES[name]
    for statement in statements:
        done = await root.execute(statement.format(**vars(used)))
        assert not done.endswith(" 0"), statement
    found = await breaches(root)
    assert found.keys() == {rule} | also
    if told is None:
        assert found[rule] == "UPDATE on offsets"
    else:
        prefix, _, value = told.format(**vars(used)).partition(" ")
        assert found[rule] == public_id(prefix, UUID(value))
