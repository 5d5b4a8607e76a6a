"""The rules about filings against obligations find the row that breaks them, and pass sound books."""

import asyncpg
import pytest
import pytest_asyncio
from helpers import City
from offsets.firm import REASON, Firm
from verification.breakages import breaches

from app.offsets.verification import QUERIES


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def obligation(city: City) -> str:
    """An obligation with a filing that waits, one that was accepted and one that was withdrawn."""
    firm = await Firm.made(city)
    made = await firm.obligation()
    origin = await firm.units(6_000)
    filings = [
        (await firm.file(made["obligation_id"], (origin, 2_000))).json()["filing_id"] for _ in range(3)
    ]
    await firm.two.post(f"/v1/operator/offset-filings/{filings[0]}/acceptance", **REASON)
    await firm.firm.post(f"/v1/market/offset-filings/{filings[1]}/withdrawal", **REASON)
    return str(made["obligation_id"])


async def test_sound_filings(root: asyncpg.Connection, obligation: str) -> None:
    states = await root.fetch("SELECT state FROM offset_filings ORDER BY state")
    assert [row[0] for row in states] == ["accepted", "filed", "withdrawn"]
    assert obligation.startswith("obl_")
    assert await breaches(root) == {}


BREAKAGES = {
    "offset_limits": (
        "UPDATE offset_limits SET used_kg = used_kg - 1000",
        "UPDATE offset_limits SET outside = '1'",
        "UPDATE offset_lines SET kind = 'phcer'",
    ),
    "offset_filings": (
        "UPDATE unit_retirements SET obligation_period = 'national 2025'",
        "UPDATE unit_retirements SET purpose = 'voluntary'",
        (
            "UPDATE unit_holdings SET status = 'held', lock_id = NULL"
            " WHERE status = 'locked' AND ended_at IS NULL AND account_id ="
            " (SELECT account_id FROM unit_locks WHERE reason = 'offset_filing' LIMIT 1)"
        ),
        "DELETE FROM unit_retirements",
    ),
}


@pytest.mark.parametrize("rule", BREAKAGES)
async def test_breakages_are_named(root: asyncpg.Connection, obligation: str, rule: str) -> None:
    assert QUERIES.keys() == BREAKAGES.keys()
    for statement in BREAKAGES[rule]:
        point = root.transaction()
        await point.start()
        assert not (await root.execute(statement)).endswith(" 0")
        found = await breaches(root)
        assert rule in found, statement
        if rule == "offset_limits":
            assert found[rule] == obligation
        await point.rollback()
