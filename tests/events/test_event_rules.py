"""The rules of `tanpuhui verify` over events find the row that breaks them."""

from dataclasses import dataclass

import asyncpg
import pytest
import pytest_asyncio
from events.conftest import Fair
from verification.breakages import breaches
from verification.conftest import root

from accounts.ids import parse_public_id
from app.events.verification import QUERIES

__all__ = ["root"]


@dataclass
class Kept:
    """An event with a paid order and one that waits, for a share; ids as hex."""

    event: str
    paid: str
    waiting: str
    payment: str
    share: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def kept(fair: Fair, database_urls: tuple[str, str]) -> Kept:
    pool, organiser, guest = await fair.pool(10), await fair.resident(), await fair.resident()
    event = await fair.event(organiser, participants=2)
    share = (await guest.post("/v1/me/event-shares", json={"code": event["code"]})).json()["share_id"]
    paid = (await fair.order(organiser, event["event_id"], pool_id=pool, kg=1)).json()["order_id"]
    await fair.paid(organiser, paid)
    waiting = await guest.post(f"/v1/me/event-shares/{share}/orders", json={"pool_id": pool})
    assert waiting.status_code == 200, waiting.text
    owner = await asyncpg.connect(database_urls[1])
    try:
        payment = await owner.fetchval(
            "SELECT id FROM payments WHERE subject_id = $1", parse_public_id("nvo", paid)
        )
    finally:
        await owner.close()
    ids = (event["event_id"], paid, waiting.json()["order_id"])
    return Kept(*(each[4:] for each in ids), payment.hex, share[4:])


async def test_sound_events_have_no_breach(root: asyncpg.Connection, kept: Kept) -> None:
    assert await breaches(root) == {}


CASES = {
    "paid without a retirement": (
        "event_orders",
        ("UPDATE unit_retirements SET purpose = 'voluntary' WHERE subject_id = '{paid}'",),
        "nvo_{paid}",
        set(),
    ),
    "waiting without its lock": (
        "event_orders",
        ("UPDATE unit_locks SET subject_id = gen_random_uuid() WHERE subject_id = '{waiting}'",),
        "nvo_{waiting}",
        {"unit_records"},
    ),
    "over, and locked all the same": (
        "event_orders",
        (
            "UPDATE event_orders SET state = 'expired' WHERE id = '{waiting}'",
            "UPDATE neutral_events SET ordered_kg = ordered_kg - 1 WHERE id = '{event}'",
            "UPDATE event_shares SET order_id = NULL WHERE order_id = '{waiting}'",
        ),
        "nvo_{waiting}",
        set(),
    ),
    "paid by no payment": (
        "event_orders",
        ("UPDATE event_orders SET payment_ref = 'x' WHERE id = '{paid}'",),
        "nvo_{paid}",
        {"event_payments"},
    ),
    "another amount": (
        "event_payments",
        ("UPDATE payments SET paid_fen = paid_fen + 1 WHERE id = '{payment}'",),
        "pay_{payment}",
        set(),
    ),
    "more ordered than there are orders": (
        "event_sums",
        (
            "ALTER TABLE neutral_events DROP CONSTRAINT neutral_events_covered",
            "UPDATE neutral_events SET ordered_kg = ordered_kg + 1 WHERE id = '{event}'",
        ),
        "nev_{event}",
        set(),
    ),
    "a share of another event's order": (
        "event_shares",
        ("UPDATE event_shares SET event_id = gen_random_uuid() WHERE id = '{share}'",),
        "shr_{share}",
        set(),
    ),
}


def test_every_rule_of_events_has_a_case() -> None:
    assert {rule for rule, *_ in CASES.values()} == QUERIES.keys()


@pytest.mark.parametrize("name", CASES)
async def test_a_broken_event_is_named(root: asyncpg.Connection, kept: Kept, name: str) -> None:
    rule, statements, names, also = CASES[name]
    for statement in statements:
        done = await root.execute(statement.format(**vars(kept)))
        assert not done.endswith(" 0"), statement
    found = await breaches(root)
    assert found[rule] == names.format(**vars(kept))
    assert found.keys() == {rule} | also
