"""The rule about readings names the day that is not what its readings come to, and nothing in sound books."""

import datetime as dt
import uuid

import asyncpg
import pytest
import pytest_asyncio
from verification.breakages import breaches

from accounts.metering import service as metering
from accounts.metering.marks import mark_of
from accounts.metering.quarters import first_of
from accounts.metering.registers import Exchange
from accounts.metering.service import KnownMeter, Reading
from app.groups import transact
from app.wiring import Services

FIRST = first_of(dt.date(2026, 2, 28))
NOW = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def meters(service: Services) -> dict[str, uuid.UUID]:
    """One of each kind, with estimates, corrections, a gap and an exchange, over two days."""
    interval, cumulative = (
        KnownMeter(uuid.uuid4(), "x", "energy_wh", kind, 1_000 if kind else None, 0, None)
        for kind in (False, True)
    )
    batch = [
        Reading(meter, FIRST + place, value, mark_of(revision, estimated=estimated), "cli_x")
        for meter in (interval, cumulative)
        for place, value, revision, estimated in (
            (90, 980, 1, False),
            (91, 990, 1, True),
            (92, 20, 1, False),
            (92, 15, 2, False),
            (97, 80, 1, False),
            (98, 110, 1, False),
        )
    ]
    exchanged = Exchange(FIRST + 97, 85, 60, None)
    at = dt.datetime(2026, 3, 1, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=8)))
    chain = service.database.chain()
    await transact(chain, lambda driver: metering.record(driver, batch, NOW))
    await transact(chain, lambda driver: metering.exchange(driver, cumulative, exchanged, at, "cli_x", NOW))
    return {"interval": interval.id, "cumulative": cumulative.id}


async def test_sound_rows_break_nothing(root: asyncpg.Connection, meters: dict[str, uuid.UUID]) -> None:
    assert meters
    assert await breaches(root) == {}


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("interval", "amount = amount + 1"),
        ("interval", "measured = measured - 1, estimated = estimated + 1"),
        ("interval", "states = NULL"),
        ("interval", "marks = set_byte(marks, 3, 65)"),
        ("cumulative", "registers[94] = 16"),
        ("cumulative", "amount = amount - 1"),
        (
            "cumulative",
            "amounts[4] = 5, amount = amount + 5, states = set_byte(coalesce(states, marks), 3, 1)",
        ),
    ],
)
async def test_a_day_that_does_not_follow_is_named(
    root: asyncpg.Connection, meters: dict[str, uuid.UUID], kind: str, change: str
) -> None:
    changed = await root.execute(
        f"UPDATE meter_days SET {change} WHERE meter_id = $1 AND day = $2", meters[kind], dt.date(2026, 2, 28)
    )
    assert changed == "UPDATE 1"
    assert await breaches(root) == {"readings": f"mtr_{meters[kind].hex} on 2026-02-28"}


async def test_a_register_that_an_exchange_explains_is_recounted(
    root: asyncpg.Connection, meters: dict[str, uuid.UUID]
) -> None:
    await root.execute("DELETE FROM meter_exchanges")
    assert await breaches(root) == {"readings": f"mtr_{meters['cumulative'].hex} on 2026-03-01"}
