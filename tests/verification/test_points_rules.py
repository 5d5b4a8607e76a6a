"""Each rule about points finds the row that breaks it, and nothing in sound books."""

import datetime
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from lots.fair import campaign, launch
from lots.purse import programme, purse
from verification.breakages import breaches

from accounts.ids import public_id
from app.wiring import Services
from dedup.periods import LOCAL
from points.verification_lots import QUERIES

OWED = {"spent_reversal": {"other_lots": False, "shortfall": "receivable"}}
START = datetime.datetime(2026, 10, 16, 12, tzinfo=LOCAL)


@dataclass
class Books:
    """Whom and what the rules name."""

    holder: UUID
    campaign: UUID
    act: UUID


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def books(service: Services) -> Books:
    """Somebody with points that expired, are there, and are owed; somebody else who got some of a campaign."""
    async with purse(service, START, programme(**OWED)) as own:
        phone, holder = await own.person()
        await own.earn(phone, 30)
        own.local(2026, 11, 16, 12, 0)
        spent = await own.earn(phone, 7)
        own.local(2026, 12, 1, 12, 0)
        await own.expire()
        assert await own.spend(holder, 7)
        await own.earn(phone, 50)
        await own.reverse(spent)
        books = await own.books(holder)
        assert (books["points"], books["owed"], books["lots"]) == (50, 7, {"2027-02-01": 50})
        assert books["moved"]["EXPIRY HOLDER_POINTS>BREAKAGE"] == 30
        (known,) = await launch(own, campaign(per_person=25))
        other, _ = await own.person()
        own.local(2026, 12, 2, 12, 0)
        undone = await own.earn(other, 1)
        act = await own.earn(other, 1)
        await own.reverse(undone)
        return Books(holder, known, act)


@dataclass
class Case:
    """Statements that break a rule, each about the holder, campaign or act that the rule is to name."""

    name: str
    rule: str
    statements: tuple[str, ...]
    named: str = "holder"


CASES = [
    Case(
        "points of one programme lie in a lot of another",
        "lots_of_assets",
        ("UPDATE lots SET asset_id = 998 WHERE holder_id = $1 AND remaining > 0",),
    ),
    Case(
        "a lot was closed with points in it",
        "lots_swept",
        ("UPDATE lots SET swept = true WHERE holder_id = $1 AND remaining > 0",),
    ),
    Case(
        "points were taken before their day",
        "expiries",
        ("UPDATE entries SET booked_at = booked_at - interval '1 day' WHERE holder_id = $1 AND kind = 7",),
    ),
    Case(
        "somebody owes less than was booked",
        "receivables",
        ("UPDATE receivables SET owed = owed - 1 WHERE holder_id = $1",),
    ),
    Case(
        "it is forgotten that somebody owes",
        "receivables",
        ("DELETE FROM receivables WHERE holder_id = $1",),
    ),
    Case(
        "a budget has a point too much",
        "campaign_budgets",
        ("UPDATE campaign_slices SET points_left = points_left + 1 WHERE campaign_id = $1 AND slice = 3",),
        "campaign",
    ),
    Case(
        "a slice of a budget is gone",
        "campaign_budgets",
        ("DELETE FROM campaign_slices WHERE campaign_id = $1 AND slice = 3",),
        "campaign",
    ),
    Case(
        "what a campaign gave is forgotten",
        "campaign_awards",
        (
            """
            UPDATE campaign_progress SET awarded = awarded - 10
            WHERE holder_id = (SELECT holder_id FROM campaign_awards WHERE activity_id = $1)
            """,
            "DELETE FROM campaign_awards WHERE activity_id = $1",
        ),
        "act",
    ),
    Case(
        "somebody got more than one person may",
        "campaign_progress",
        (
            """
            INSERT INTO campaign_progress
            SELECT $1, id, 1, 1, NULL, 26, NULL, 0 FROM points_texts WHERE kind = 'campaign'
            """,
        ),
    ),
]


async def test_sound_books(root: asyncpg.Connection, books: Books) -> None:
    assert await breaches(root) == {}


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == QUERIES.keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
async def test_a_broken_row_is_named(root: asyncpg.Connection, books: Books, case: Case) -> None:
    about = getattr(books, case.named)
    for statement in case.statements:
        assert not (await root.execute(statement, about)).endswith(" 0"), statement
    prefix = {"holder": "hld", "campaign": "ppt", "act": "act"}[case.named]
    assert await breaches(root) == {case.rule: public_id(prefix, about)}
