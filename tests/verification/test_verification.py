"""Every rule of `tanpuhui verify` finds the row that breaks it, and finds nothing wrong with a sound database."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from crediting.desk import Desk, bag, charge, clothes, metro
from verification.breakages import breaches

from accounts.ids import public_id
from app.crediting.service import Result
from app.embedded.stack import Stack
from app.settings import Settings
from app.verification import AREAS, QUERIES, verify
from app.wiring import Services

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Books:
    """A handful of activities, one of each kind."""

    holder: UUID
    other: UUID
    trip: UUID
    later_trip: UUID
    night_trip: UUID
    bag: UUID
    charge: UUID
    reversed: UUID
    duplicate: UUID
    rejected: UUID


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def books(service: Services) -> Books:
    desk = Desk(service)
    source = await desk.source()
    (one, holder), (two, other) = await desk.people(2, source)

    async def report(report: dict[str, Any], outcome: str = "credited") -> UUID:
        result = await desk.intake.report(desk.prepare(source, report))
        assert isinstance(result, Result)
        assert (result.outcome, result.activity_id is None) == (outcome, False)
        assert result.activity_id is not None
        return result.activity_id

    made = Books(
        holder=holder,
        other=other,
        trip=await report(metro(one, 480, 505)),
        later_trip=await report(metro(one, 600, 620)),
        night_trip=await report(metro(two, 1430, 1450)),
        bag=await report(bag(one, "b1")),
        charge=await report(charge(two, "pile", 60, 90)),
        reversed=await report(clothes(one, "c1")),
        duplicate=await report(metro(one, 481, 504), "duplicate"),
        rejected=await report(metro(one, 700, 701), "rejected"),
    )
    await desk.reverse(source, made.reversed)
    return made


@dataclass
class Case:
    """One row broken on purpose; `found` is what verify is to name, `also` which rules break with it."""

    name: str
    rule: str
    found: Callable[[Books], str]
    statements: tuple[str, ...]
    arguments: Callable[[Books], tuple[Any, ...]] = lambda _: ()
    also: frozenset[str] = field(default_factory=frozenset)


def act(name: str) -> Callable[[Books], str]:
    return lambda books: public_id("act", getattr(books, name))


def hld(name: str) -> Callable[[Books], str]:
    return lambda books: public_id("hld", getattr(books, name))


def of(*names: str) -> Callable[[Books], tuple[Any, ...]]:
    return lambda books: tuple(getattr(books, name) for name in names)


STRAY = UUID(int=0)
MONTH = f"entries_{datetime.now(UTC):%Y_%m}"
STRAY_ENTRY = """
    INSERT INTO entries
    SELECT holder_id, (left(id::text, 35) || CASE right(id::text, 1) WHEN '0' THEN '1' ELSE '0' END)::uuid,
        cause_id, asset_id, kind, debit, credit, 1, booked_at
    FROM entries WHERE cause_id = $1 AND credit = 10
"""
TO_A_PLATFORM = """
    INSERT INTO entries
    SELECT holder_id, (left(id::text, 35) || CASE right(id::text, 1) WHEN '0' THEN '1' ELSE '0' END)::uuid,
        cause_id, asset_id, kind, 1, 3, 1, booked_at
    FROM entries WHERE cause_id = $1 AND credit = 10
"""
ONE_MG_MORE = """
    UPDATE balances SET open_mg = open_mg + 1 WHERE holder_id = (SELECT holder_id FROM activities WHERE id = $1)
"""
REVISION = """
    INSERT INTO methodology_revisions (id, region, scene, code, version, origin, content, content_hash, first_day,
        last_day, authors, created_at, updated_at, submitted_at, approved_at, approved_by, activates_at, etag)
    VALUES ('00000000-0000-0000-0000-00000000000{0}', '440300', 'trip.metro', 'C', '{0}', '', '', '', {1}, {2},
        '{{a}}', now(), now(), now(), now(), 'b', now(), 1)
"""

RECALCULATION = (
    REVISION.format(7, "'2026-01-01'", "NULL")
    + """
    ; INSERT INTO recalculations (id, region, scene, revision_id, content_hash, first_day, state, requested_by, reason,
        created_at, replaces, preview, previewed_at, approved_by, approved_at, approval_reason, activates_at, runs_from,
        totals, changed_in_pass, ended_at)
    SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, '440300', 'trip.metro',
        '00000000-0000-0000-0000-000000000007', '', '2026-01-01', 'done', 'a', '', now(), '[]', '{}', now(), 'b', now(),
        '', now(), now(), '{"total": {"activities": 0, "before_mg": 0, "after_mg": 0, "before_points": 0,
        "after_points": 0}}', 0, now() FROM generate_series(1, 2) n
    """
)
RECALCULATED = """
    INSERT INTO recalculated_activities
    SELECT holder_id, id, '00000000-0000-0000-0000-00000000000{1}', now() + interval '{1} s', methodology_id, outcome,
        reason, co2e_mg, full_mg, points, methodology_id, outcome, reason, {0}, full_mg, points
    FROM activities WHERE id = $1
"""
TOTALS = """
    UPDATE recalculations SET totals = (SELECT jsonb_build_object('total', jsonb_build_object('activities', 1,
        'before_mg', co2e_mg, 'after_mg', {1}, 'before_points', points, 'after_points', points))
        FROM activities WHERE id = $1)
    WHERE id = '00000000-0000-0000-0000-00000000000{0}'
"""

CASES = [
    Case(
        "two claims of one person overlap",
        "claims_overlap",
        act("later_trip"),
        (
            """
            UPDATE interval_claims l SET starts_at = e.ends_at - interval '1 second', raw_starts_at = e.raw_starts_at
            FROM interval_claims e WHERE l.activity_id = $1 AND e.activity_id = $2
            """,
        ),
        of("later_trip", "trip"),
    ),
    Case(
        "a claim within another",
        "claims_overlap",
        act("later_trip"),
        (
            (
                "UPDATE interval_claims SET starts_at = '2026-11-16 00:10Z', ends_at = '2026-11-16 00:11Z', "
                "raw_starts_at = '2026-11-16 00:00Z' WHERE activity_id = $1"
            ),
        ),
        of("later_trip"),
    ),
    Case(
        "no row guards a claim",
        "claims_unlocked",
        act("charge"),
        (
            "DELETE FROM interval_tokens WHERE token = (SELECT token FROM interval_claims WHERE activity_id = $1)",
        ),
        of("charge"),
    ),
    Case(
        "a credit lost its interval",
        "claims_of_credits",
        act("trip"),
        ("DELETE FROM interval_claims WHERE activity_id = $1",),
        of("trip"),
    ),
    Case(
        "a credit lost one of its two days",
        "claims_of_credits",
        act("night_trip"),
        ("DELETE FROM interval_claims WHERE activity_id = $1 AND day = '2026-11-17'",),
        of("night_trip"),
    ),
    Case(
        "a credit lost its order number",
        "claims_of_credits",
        act("bag"),
        ("DELETE FROM whole_claims WHERE activity_id = $1",),
        of("bag"),
    ),
    Case(
        "an order number that nobody was credited for",
        "claims_without_credit",
        lambda _: public_id("act", STRAY),
        (f"INSERT INTO whole_claims VALUES (gen_random_uuid(), '{STRAY}')",),
    ),
    Case(
        "a reversed activity still holds a number",
        "claims_without_credit",
        act("reversed"),
        ("INSERT INTO whole_claims VALUES (gen_random_uuid(), $1)",),
        of("reversed"),
    ),
    Case(
        "a duplicate holds a claim",
        "claims_without_credit",
        act("duplicate"),
        ("INSERT INTO whole_claims VALUES (gen_random_uuid(), $1)",),
        of("duplicate"),
    ),
    Case(
        "a claim that its activity does not know of",
        "claims_without_credit",
        act("trip"),
        ("INSERT INTO whole_claims VALUES (gen_random_uuid(), $1)",),
        of("trip"),
    ),
    Case(
        "an archive without its files",
        "claims_archived",
        lambda _: "/nowhere/interval_claims_2020_01.parquet",
        (
            """
            INSERT INTO claim_archives (month, state, folder, claims, tokens, claims_sha256, tokens_sha256, detached_at)
            VALUES ('2020-01-01', 'exported', '/nowhere', 0, 0, 'x', 'x', now())
            """,
        ),
    ),
    Case(
        "an activity without receipt",
        "receipts",
        act("rejected"),
        ("DELETE FROM receipts WHERE activity_id = $1",),
        of("rejected"),
    ),
    Case(
        "a receipt without activity",
        "receipts",
        lambda _: public_id("act", STRAY),
        (f"INSERT INTO receipts VALUES (gen_random_uuid(), 'x', gen_random_uuid(), '{STRAY}')",),
    ),
    Case(
        "an activity with two receipts",
        "receipts",
        act("trip"),
        (
            """
            INSERT INTO receipts
            SELECT gen_random_uuid(), body_mac, holder_id, activity_id FROM receipts WHERE activity_id = $1
            """,
        ),
        of("trip"),
    ),
    Case(
        "a balance of grams that no entry tells of",
        "balances",
        hld("holder"),
        ("UPDATE balances SET open_mg = open_mg + 1 WHERE holder_id = $1",),
        of("holder"),
    ),
    Case(
        "a balance of points that no entry tells of",
        "balances",
        hld("other"),
        ("UPDATE balances SET points = points + 1 WHERE holder_id = $1",),
        of("other"),
        frozenset({"lots"}),
    ),
    Case(
        "a balance is gone",
        "balances",
        hld("other"),
        ("DELETE FROM balances WHERE holder_id = $1",),
        of("other"),
        frozenset({"lots"}),
    ),
    Case(
        "an entry too many",
        "entries_of_activities",
        act("trip"),
        (
            STRAY_ENTRY,
            ONE_MG_MORE,
        ),
        of("trip"),
    ),
    Case(
        "an entry whose amount was changed",
        "entries_of_activities",
        act("trip"),
        ("UPDATE entries SET amount = amount + 1 WHERE cause_id = $1 AND credit = 10",),
        of("trip"),
        frozenset({"balances"}),
    ),
    Case(
        "an entry of no activity",
        "entries_of_activities",
        lambda _: public_id("act", STRAY),
        (f"UPDATE entries SET cause_id = '{STRAY}' WHERE cause_id = $1",),
        of("charge"),
    ),
    Case(
        "a credit without entries",
        "entries_of_activities",
        act("bag"),
        ("DELETE FROM entries WHERE cause_id = $1",),
        of("bag"),
        frozenset({"balances"}),
    ),
    Case(
        "a reversal that took nothing back",
        "entries_of_activities",
        act("reversed"),
        ("DELETE FROM entries WHERE cause_id = $1 AND kind = 2",),
        of("reversed"),
        frozenset({"balances"}),
    ),
    Case(
        "grams of another text",
        "assets_of_activities",
        act("trip"),
        (
            """
            INSERT INTO assets (kind, methodology_id, vintage, programme) VALUES ('reduction', 1000000, 2026, '')
            """,
            """
            UPDATE entries SET asset_id = (SELECT id FROM assets WHERE methodology_id = 1000000)
            WHERE cause_id = $1 AND credit = 10
            """,
        ),
        of("trip"),
    ),
    Case(
        "an activity that is not what a recalculation made of it",
        "recalculated",
        act("bag"),
        (RECALCULATION, RECALCULATED.format("co2e_mg + 1", 1), TOTALS.format(1, "co2e_mg + 1")),
        of("bag"),
    ),
    Case(
        "a recalculation that began with something else than the one before left",
        "recalculated",
        act("bag"),
        (
            RECALCULATION,
            RECALCULATED.format("co2e_mg + 1", 1),
            RECALCULATED.format("co2e_mg", 2),
            TOTALS.format(1, "co2e_mg + 1"),
            TOTALS.format(2, "co2e_mg"),
        ),
        of("bag"),
    ),
    Case(
        "a recalculation that says more than it did",
        "recalculations",
        lambda _: "mrc_" + "0" * 31 + "1",
        (RECALCULATION, RECALCULATED.format("co2e_mg", 1), TOTALS.format(1, "co2e_mg + 1")),
        of("bag"),
    ),
    Case(
        "grams booked as points",
        "assets_mixed",
        act("trip"),
        (
            (
                "UPDATE entries SET asset_id = (SELECT id FROM assets WHERE kind = 'points' LIMIT 1) "
                "WHERE cause_id = $1 AND credit = 10"
            ),
        ),
        of("trip"),
    ),
    Case(
        "a platform's part that was never booked",
        "aggregated",
        act("bag"),
        (
            "UPDATE activities SET co2e_mg = co2e_mg - 1, aggregated_mg = 1 WHERE id = $1",
            "UPDATE entries SET amount = amount - 1 WHERE cause_id = $1 AND credit = 10",
            ONE_MG_MORE.replace("+ 1", "- 1"),
        ),
        of("bag"),
    ),
    Case(
        "a platform that took what the act does not say",
        "aggregated",
        act("trip"),
        (TO_A_PLATFORM,),
        of("trip"),
    ),
    Case(
        "a platform that kept its part of a reversed act",
        "aggregated",
        act("reversed"),
        (TO_A_PLATFORM,),
        of("reversed"),
    ),
    Case(
        "points booked as grams",
        "assets_mixed",
        act("charge"),
        (
            (
                "UPDATE entries SET asset_id = (SELECT id FROM assets WHERE kind = 'reduction' LIMIT 1) "
                "WHERE cause_id = $1 AND credit = 20"
            ),
        ),
        of("charge"),
        frozenset({"assets_of_activities", "lots_of_assets"}),
    ),
    Case(
        "an asset that does not exist",
        "assets_mixed",
        act("bag"),
        ("UPDATE entries SET asset_id = 999999 WHERE cause_id = $1",),
        of("bag"),
        frozenset({"lots_of_assets"}),
    ),
    Case(
        "a lot that does not add up",
        "lots",
        hld("holder"),
        (
            (
                "UPDATE lots SET remaining = remaining - 1 WHERE (holder_id, expires_on, asset_id) = "
                "(SELECT holder_id, expires_on, asset_id FROM lots WHERE holder_id = $1 AND remaining > 0 LIMIT 1)"
            ),
        ),
        of("holder"),
    ),
    Case(
        "lots of nobody",
        "lots",
        lambda _: public_id("hld", STRAY),
        (f"INSERT INTO lots VALUES ('{STRAY}', 1, '2030-01-01', 1, 1, now())",),
    ),
    Case(
        "a negative balance",
        "negative",
        hld("other"),
        (
            "ALTER TABLE balances DROP CONSTRAINT balances_not_negative",
            "UPDATE balances SET open_mg = -1 WHERE holder_id = $1",
        ),
        of("other"),
        frozenset({"balances"}),
    ),
    Case(
        "a negative lot",
        "negative",
        hld("other"),
        (
            "ALTER TABLE lots DROP CONSTRAINT lots_not_negative",
            "UPDATE lots SET remaining = -1 WHERE holder_id = $1",
        ),
        of("other"),
        frozenset({"lots"}),
    ),
    Case(
        "a cap that is exceeded",
        "negative",
        hld("holder"),
        (
            "DROP CONSTRAINT cap_usage_within ON cap_usage",
            "UPDATE cap_usage SET used = cap + 1 WHERE holder_id = $1 AND rule LIKE '%own_bag%'",
        ),
        of("holder"),
        frozenset({"caps"}),
    ),
    Case(
        "grams that the text does not give",
        "recomputed",
        act("trip"),
        (
            "UPDATE activities SET full_mg = full_mg + 1, co2e_mg = co2e_mg + 1 WHERE id = $1",
            "UPDATE entries SET amount = amount + 1 WHERE cause_id = $1 AND credit = 10",
            ONE_MG_MORE,
        ),
        of("trip"),
    ),
    Case(
        "an input that was changed",
        "recomputed",
        act("later_trip"),
        ("""UPDATE activities SET inputs = '{"distance_m": 9000, "duration_s": 1200}' WHERE id = $1""",),
        of("later_trip"),
    ),
    Case(
        "credited in full and yet capped",
        "recomputed",
        act("charge"),
        ("UPDATE activities SET outcome = 'capped' WHERE id = $1",),
        of("charge"),
    ),
    Case(
        "grams of a duplicate",
        "recomputed",
        act("duplicate"),
        ("UPDATE activities SET co2e_mg = 1 WHERE id = $1",),
        of("duplicate"),
    ),
    Case(
        "a methodology that is not stored",
        "recomputed",
        act("bag"),
        ("UPDATE activities SET methodology_id = 999999 WHERE id = $1",),
        of("bag"),
        frozenset({"caps", "assets_of_activities"}),
    ),
    Case(
        "a text that is not what its hash says",
        "recomputed",
        lambda _: "methodology 1",
        (
            "ALTER TABLE methodology_versions DROP CONSTRAINT methodology_versions_content",
            "UPDATE methodology_versions SET content_hash = 'x' WHERE id = 1",
        ),
    ),
    Case(
        "a text that can no longer be read",
        "recomputed",
        lambda _: "methodology 1: /region: this is missing",
        ("UPDATE methodology_versions SET content = '{}' WHERE id = 1",),
    ),
    Case(
        "a cap that counts too much",
        "caps",
        hld("holder"),
        ("UPDATE cap_usage SET used = used + 1 WHERE holder_id = $1 AND rule LIKE '%metro%'",),
        of("holder"),
    ),
    Case(
        "a cap that forgot an act",
        "caps",
        hld("other"),
        ("DELETE FROM cap_usage WHERE holder_id = $1 AND rule LIKE '%charging%'",),
        of("other"),
    ),
    Case(
        "a cap of somebody who did nothing",
        "caps",
        lambda _: public_id("hld", STRAY),
        (f"INSERT INTO cap_usage VALUES ('{STRAY}', 'x', '2026-11-16', 1, 3)",),
    ),
    Case(
        "two texts in force on one day",
        "methodologies_overlap",
        lambda _: public_id("mrv", UUID(int=2)),
        (REVISION.format(1, "'2026-01-01'", "'2026-06-30'"), REVISION.format(2, "'2026-06-30'", "NULL")),
    ),
    Case(
        "a text that was closed too late",
        "methodologies_overlap",
        lambda _: public_id("mrv", UUID(int=2)),
        (
            REVISION.format(1, "'2026-01-01'", "NULL"),
            REVISION.format(2, "'2026-07-01'", "NULL"),
            (
                "INSERT INTO methodology_closures VALUES "
                f"('{UUID(int=3)}', '440300', 'trip.metro', 'C', '1', '2026-07-01', 'succession', now())"
            ),
        ),
    ),
    Case(
        "the service may move the end of a text",
        "rights",
        lambda _: "UPDATE on methodology_closures",
        ("GRANT UPDATE ON methodology_closures TO tanpuhui_service",),
    ),
    Case(
        "the service may change entries",
        "rights",
        lambda _: "UPDATE on entries",
        ("GRANT UPDATE ON entries TO tanpuhui_service",),
    ),
    Case(
        "the service may change one column of entries",
        "rights",
        lambda _: "UPDATE on entries",
        ("GRANT UPDATE (amount) ON entries TO tanpuhui_service",),
    ),
    Case(
        "the service may empty a month of entries",
        "rights",
        lambda _: f"TRUNCATE on {MONTH}",
        (f"GRANT TRUNCATE ON {MONTH} TO tanpuhui_service",),
    ),
    Case(
        "the service may delete receipts",
        "rights",
        lambda _: "DELETE on receipts",
        ("GRANT DELETE ON receipts TO tanpuhui_service",),
    ),
    Case(
        "the service may rewrite the audit trail",
        "rights",
        lambda _: "UPDATE on audit_records",
        ("GRANT UPDATE ON audit_records TO tanpuhui_service",),
    ),
    Case(
        "the service owns a table",
        "rights",
        lambda _: "the role has rights of an owner",
        ("ALTER TABLE lots OWNER TO tanpuhui_service",),
    ),
    Case(
        "the service may become the owner",
        "rights",
        lambda _: "the role has rights of an owner",
        ("GRANT tanpuhui_owner TO tanpuhui_service",),
    ),
]


async def test_a_sound_database_has_no_breach(root: asyncpg.Connection, books: Books) -> None:
    assert await breaches(root) == {}


async def test_texts_that_follow_each_other_are_sound(root: asyncpg.Connection, books: Books) -> None:
    """One after the other, one closed in time, one that never began."""
    await root.execute(REVISION.format(1, "'2026-01-01'", "NULL"))
    await root.execute(REVISION.format(2, "'2026-07-01'", "NULL"))
    await root.execute(REVISION.format(3, "'2026-08-01'", "'2026-12-31'"))
    for number, last_day in ((1, "2026-06-30"), (1, "2026-08-01"), (2, "2026-07-31"), (3, "2026-07-15")):
        await root.execute(
            "INSERT INTO methodology_closures VALUES"
            " (gen_random_uuid(), '440300', 'trip.metro', 'C', $1, $2, 'succession', now())",
            str(number),
            datetime.fromisoformat(last_day).date(),
        )
    assert await breaches(root) == {}


async def test_every_rule_has_a_case(root: asyncpg.Connection, books: Books) -> None:
    rules = {finding.rule async for finding in verify(root)}
    assert QUERIES.keys() <= rules
    # Each area has its cases in a file of its own.
    elsewhere = {rule for area in AREAS for rule in area.QUERIES} | {
        "labels_recomputed",
        "readings",
        "ledger_heads",
        "issuance_roots",
    }
    assert {case.rule for case in CASES} == rules - elsewhere


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
async def test_a_broken_row_is_named(root: asyncpg.Connection, books: Books, case: Case) -> None:
    for statement in case.statements:
        if statement.startswith("DROP CONSTRAINT"):
            await drop_everywhere(root, *statement.removeprefix("DROP CONSTRAINT ").split(" ON "))
            continue
        arguments = case.arguments(books) if "$1" in statement else ()
        done = await root.execute(statement, *arguments)
        assert not done.endswith(" 0"), statement
    found = await breaches(root)
    assert found.get(case.rule) == case.found(books), found
    assert found.keys() == {case.rule} | case.also


async def drop_everywhere(root: asyncpg.Connection, constraint: str, table: str) -> None:
    """A partition that was attached has the constraint in its own right, too."""
    await root.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
    for row in await root.fetch(
        "SELECT conrelid::regclass::text AS name FROM pg_constraint WHERE conname = $1", constraint
    ):
        await root.execute(f"ALTER TABLE {row['name']} DROP CONSTRAINT {constraint}")


async def test_the_command_line_names_the_breach_and_exits_with_1(
    settings: Settings, stack: Stack, database_urls: tuple[str, str], owner: asyncpg.Connection, books: Books
) -> None:
    environment = {
        **os.environ,
        "TANPUHUI_DATA_DIR": str(settings.data_dir),
        "TANPUHUI_DATABASE_URL": database_urls[0],
        "TANPUHUI_REDIS_URL": stack.redis_url,
        "TANPUHUI_ENVIRONMENT": "test",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app.cli", "verify", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    sound = run("--json")
    assert sound.returncode == 0, sound.stderr
    assert json.loads(sound.stdout)["ok"]

    token = uuid.uuid4()
    await owner.execute("INSERT INTO whole_claims VALUES ($1, $2)", token, books.duplicate)
    try:
        broken = run("--json")
        assert broken.returncode == 1
        told = json.loads(broken.stdout)
        assert not told["ok"]
        assert [(rule["rule"], rule["breach"]) for rule in told["rules"] if rule["breach"]] == [
            ("claims_without_credit", public_id("act", books.duplicate))
        ]
        assert public_id("act", books.duplicate) in run().stdout.replace("\n", "")
    finally:
        await owner.execute("DELETE FROM whole_claims WHERE token = $1", token)
