"""Every rule about issuances finds the row that breaks it, and finds nothing wrong with sound books."""

import asyncpg
from issuance.bureau import Bureau, Quarter
from issuance.conftest import bureau, clock, office, opened, quarter
from verification.breakages import breaches
from versions.office import Office

from accounts.ids import parse_public_id
from accounts.issuance.verification import QUERIES

__all__ = ["bureau", "clock", "office", "opened", "quarter"]

ANOTHER = """
    INSERT INTO issuances
    SELECT (jsonb_populate_record(i, '{{"id": "{id}", "number": "other", "status": "draft", "approved_at": null,
        "approved_by": null, "first_unit": null, "last_unit": null, {changed}}}')).*
    FROM issuances i WHERE i.id = $1
"""
# Changes that no trigger lets the service make.
CASES = {
    "a figure that entries do not have": (
        "issuances",
        "UPDATE issuances SET credits_mg = credits_mg + 1, carried_mg = carried_mg + 1 WHERE id = $1",
    ),
    "an entry that came later": (
        "issuances",
        """
        UPDATE entries SET booked_at = i.booked_until - interval '1 second',
            id = tanpuhui_uuid7_floor(i.booked_until - interval '1 second') FROM issuances i
        WHERE i.id = $1 AND entries.asset_id = i.asset_id AND entries.booked_at > i.booked_until
          AND entries.kind = 1
        """,
    ),
    "an act that was let out": (
        "issuances",
        """
        UPDATE issuance_exclusions SET entry_id = '00000000-0000-0000-0000-000000000001', included_at = NULL
        WHERE issuance_id = $1
        """,
    ),
    "a remainder that nobody left": (
        "issuance_series",
        "UPDATE issuances SET brought_mg = 1, carried_mg = carried_mg + 1 WHERE id = $1",
    ),
    "another issuance of the same entries": (
        "issuance_series",
        ANOTHER.format(id="01a1fc69-3a86-700e-9ae5-25ac545ac6cd", changed='"place": 1, "region": "440000"'),
    ),
    "units that are too many": (
        "issuance_units",
        "UPDATE issuances SET last_unit = last_unit + 1 WHERE id = $1",
    ),
    "more grams than credits": (
        "issuance_grams",
        "UPDATE entries SET amount = amount + 10000000 WHERE party_id = $1 AND kind = 14",
    ),
    "grams that nobody excluded": (
        "issuance_grams",
        "UPDATE issuance_exclusions SET amount_mg = amount_mg + 1 WHERE issuance_id = $1",
    ),
}
FOLLOWING = {
    "an entry that came later": {"issuance_roots"},
    "an act that was let out": {"issuance_roots"},
    "more grams than credits": {"balances", "open_by_asset"},
}
"""Rules of the ledger that the same change breaks."""


async def test_each_broken_row_is_named(
    root: asyncpg.Connection, bureau: Bureau, quarter: Quarter, office: Office
) -> None:
    await bureau.signed(quarter.closed)
    await bureau.step(quarter.closed, "notice")
    office.clock.forward(days=15)
    issued = await bureau.step(quarter.closed, "approval", office.second)
    await bureau.trip(quarter.first)
    issuance = parse_public_id("iss", issued["issuance_id"])
    await root.execute("ALTER TABLE issuances DISABLE TRIGGER issuances_kept")
    assert await broken(root, "SELECT 1 FROM issuances WHERE id = $1", issuance) == {}
    for name, (rule, statement) in CASES.items():
        found = await broken(root, statement, issuance)
        assert found.keys() - FOLLOWING.get(name, set()) == {rule}, name
    assert {rule for rule, _ in CASES.values()} == QUERIES.keys()


async def broken(root: asyncpg.Connection, statement: str, issuance: object) -> dict[str, str]:
    """What is found after a change, which is taken back."""
    transaction = root.transaction()
    await transaction.start()
    try:
        assert not (await root.execute(statement, issuance)).endswith(" 0")
        return await breaches(root)
    finally:
        await transaction.rollback()
