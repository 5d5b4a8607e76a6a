"""Snapshots: what cards compile to equals the row engine on any history; slice by slice, once, by many at a time."""

import asyncio
import datetime as dt
import random
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from scores.made import AS_OF, histories, some_card
from scores.world import COUNTED, REGION, in_force, write_conduct, write_world

from accounts.ids import uuid7_batch
from accounts.scores.cards import Card, load_cards
from accounts.scores.engine import score
from accounts.scores.model import Facts, Score
from accounts.scores.queries import latest
from accounts.scores.repository import know_card
from app.scoring import snapshots
from app.scoring.service import score_of
from app.scoring.snapshots import NotCounted, due_on, snapshot_all
from app.wiring import Services

HOLDERS = 240
SHIPPED = {card.name: card for card in load_cards()}
SEEDS = range(24)


def now() -> dt.datetime:
    return COUNTED


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(service: Services, database_urls: tuple[str, str]) -> dict[object, Facts]:
    """Holder → all that there is of it."""
    draw = random.Random(7)
    made = histories(draw, HOLDERS)
    owner = await asyncpg.connect(database_urls[1])
    await write_world(owner, made)
    conduct = await write_conduct(owner, draw, draw.sample(list(made), 40))
    await owner.close()
    return {holder: Facts(tuple(deeds), tuple(conduct.get(holder, ()))) for holder, deeds in made.items()}


async def stored(service: Services, world: dict[object, Facts], card: Card) -> list[Score]:
    async with service.database.driver_transaction() as driver:
        return await latest(driver, list(world), card.name)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_a_card_compiles_to_equals_the_row_engine(
    service: Services, owner: asyncpg.Connection, world: dict[object, Facts], seed: int
) -> None:
    draw = random.Random(seed)
    card = list(SHIPPED.values())[1 + seed] if seed < 2 else some_card(draw, f"made-{seed}")
    assert card.text.subject == "person"
    assert await snapshot_all(service.database, in_force(card), AS_OF, now, size=draw.choice((50, 1000)))
    found = await stored(service, world, card)
    assert len(found) == HOLDERS
    by_holder = {each.holder_id: each for each in found}
    for holder, facts in world.items():
        wanted = score(card, facts, AS_OF, counted_until=COUNTED, holder_id=holder)  # type: ignore[arg-type]
        assert by_holder[holder] == wanted  # type: ignore[index]
    # Points and tier as PostgreSQL computed them, not as they are explained.
    rows = await owner.fetch(
        "SELECT holder_id, points, tier FROM scores s JOIN score_cards c ON c.id = s.card_id WHERE c.card = $1",
        card.name,
    )
    assert {row[0]: (row[1], row[2]) for row in rows} == {
        each.holder_id: (each.points, each.tier) for each in found
    }
    if seed < 2:
        assert len({each.points for each in found}) > 3


async def test_on_demand_is_what_the_snapshot_says(service: Services, world: dict[object, Facts]) -> None:
    card = SHIPPED["resident"]
    async with service.database.driver_transaction() as driver:
        for each in (await latest(driver, list(world), "resident"))[:20]:  # type: ignore[arg-type]
            assert each.holder_id is not None
            assert await score_of(driver, in_force(card), each.holder_id, "resident", AS_OF) == each


async def test_workers_share_the_slices_and_each_is_done_once(
    service: Services, owner: asyncpg.Connection, world: dict[object, Facts]
) -> None:
    card = some_card(random.Random(99), "shared")
    runs = [snapshot_all(service.database, in_force(card), AS_OF, now, workers=3, size=7) for _ in range(2)]
    assert await asyncio.gather(*runs) == [True, True]
    # Again: nothing is left to do, and nothing is done again.
    assert await snapshot_all(service.database, in_force(card), AS_OF, now, size=7)
    assert len(await stored(service, world, card)) == HOLDERS
    left, slices = await owner.fetchrow(
        """
        SELECT count(*) FILTER (WHERE done_at IS NULL), count(*) FROM score_slices s
        JOIN score_cards c ON c.id = s.card_id WHERE c.card = 'shared'
        """
    )
    assert (left, slices) == (0, -(-HOLDERS // 7) + (HOLDERS % 7 == 0))
    assert await owner.fetchval(
        "SELECT finished_at IS NOT NULL FROM score_runs r JOIN score_cards c ON c.id = r.card_id WHERE card = 'shared'"
    )


async def test_a_slice_that_fails_leaves_nothing_and_is_done_by_the_next_run(
    service: Services, owner: asyncpg.Connection, world: dict[object, Facts], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = some_card(random.Random(5), "failing")
    statement = snapshots.compiled(card)
    calls = iter(range(1000))

    def failing(of: Card) -> str:
        assert of is card
        return statement if next(calls) != 3 else f"{statement}; SELECT 1/0"

    monkeypatch.setattr(snapshots, "compiled", failing)
    with pytest.raises(asyncpg.PostgresError):
        await snapshot_all(service.database, in_force(card), AS_OF, now, workers=1, size=40)
    assert len(await stored(service, world, card)) == 120
    assert await snapshot_all(service.database, in_force(card), AS_OF, now, workers=1, size=40)
    assert len(await stored(service, world, card)) == HOLDERS


async def test_only_where_a_card_is_in_force_and_not_of_closed_accounts(
    service: Services, owner: asyncpg.Connection, world: dict[object, Facts]
) -> None:
    card = some_card(random.Random(11), "elsewhere")
    holders = list(world)
    await owner.execute("UPDATE balances SET status = 2 WHERE holder_id = $1", holders[0])
    await owner.execute("UPDATE holders SET region = '310100' WHERE id = $1", holders[1])
    assert await snapshot_all(service.database, in_force(card, region="440000"), AS_OF, now)
    found = await stored(service, world, card)
    assert {each.holder_id for each in found} == set(holders[2:])
    await owner.execute("UPDATE balances SET status = 1 WHERE holder_id = $1", holders[0])
    await owner.execute("UPDATE holders SET region = $2 WHERE id = $1", holders[1], REGION)


async def test_no_snapshot_before_its_deeds_are_counted(
    service: Services, owner: asyncpg.Connection, world: dict[object, Facts]
) -> None:
    early = some_card(random.Random(3), "early")
    with pytest.raises(NotCounted):
        await snapshot_all(service.database, in_force(early), dt.date(2026, 11, 30), now)
    assert await owner.fetchval("SELECT count(*) FROM score_runs WHERE as_of = '2026-11-30'") == 0
    assert due_on(dt.datetime(2026, 11, 2, 15, 59, tzinfo=dt.UTC)) == dt.date(2026, 9, 30)
    assert due_on(dt.datetime(2026, 11, 2, 16, 0, tzinfo=dt.UTC)) == dt.date(2026, 10, 31)


async def test_another_text_of_a_known_version_is_refused(service: Services) -> None:
    card, other = (some_card(random.Random(seed), "changed") for seed in (1, 2))
    text = other.text.model_copy(update={"version": card.version})
    changed = Card(text, "{}", "0" * 64)
    async with service.database.driver_transaction() as driver:
        number = await know_card(driver, card, COUNTED)
        assert await know_card(driver, card, COUNTED) == number
        with pytest.raises(Exception, match=r"score\.card_changed"):
            await know_card(driver, changed, COUNTED)


async def test_enterprises_are_scored_by_the_label_that_counted_on_the_day(
    service: Services, owner: asyncpg.Connection
) -> None:
    """Trial before official, an earlier year, one published after the day, none at all."""
    card = SHIPPED["enterprise"]
    plants = [UUID(bytes=each.bytes) for each in uuid7_batch(1_760_000_000_000, 4)]
    await owner.copy_records_to_table(
        "holders",
        records=[(each, "organisation", REGION, each.bytes * 2, COUNTED) for each in plants],
        columns=["id", "kind", "region", "person_key", "created_at"],
    )
    await owner.copy_records_to_table(
        "balances",
        records=[(each, 1, 0, 0) for each in plants],
        columns=["holder_id", "status", "open_mg", "points"],
    )
    for plant, colour, year, official, published in (
        (0, "dark_green", 2025, False, "2026-05-01"),
        (0, "yellow", 2024, True, "2025-05-01"),
        (1, "red", 2024, True, "2025-05-01"),
        (1, "light_green", 2025, True, "2026-06-01"),
        (1, "dark_green", 2026, True, "2026-11-01"),
        (2, "unlabelled", 2025, True, "2026-06-01"),
    ):
        at = dt.datetime.fromisoformat(f"{published}T00:00:00+08:00")
        run = await owner.fetchval(
            """
            INSERT INTO label_runs (id, region, year, rules_id, yearly, reason, created_at, created_by, assessed_at,
                decided_at, published_at, published_by, official)
            VALUES (gen_random_uuid(), $1, $2, gen_random_uuid(), false, 'x', $3, 'a', $3, $3, $3, 'b', $4)
            RETURNING id
            """,
            *(REGION, year, at, official),
        )
        await owner.execute(
            """
            INSERT INTO enterprise_labels (holder_id, run_id, year, domain, facts, colour, views, reasons, decided_at)
            VALUES ($1, $2, $3, 'industry', '{}', $4, '{}', '[]', $5)
            """,
            *(plants[plant], run, year, colour, at),
        )
    assert await snapshot_all(service.database, in_force(card), AS_OF, now)
    async with service.database.driver_transaction() as driver:
        found = {each.holder_id: each for each in await latest(driver, plants, "enterprise")}
        assert [(found[each].points, found[each].tier) for each in plants] == [
            (400, "yellow"),
            (700, "light_green"),
            (None, None),
            (None, None),
        ]
        for each in plants:
            assert await score_of(driver, in_force(card), each, "enterprise", AS_OF) == found[each]
        before = dt.date(2026, 5, 31)
        assert (await score_of(driver, in_force(card), plants[1], "enterprise", before)).tier == "red"
