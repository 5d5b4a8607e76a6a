"""The rules of `tanpuhui verify` over labels find the row that breaks them."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from labels.district import District, new_region, spread
from labels.made import scale_text
from verification.breakages import breaches

from accounts.ids import public_id
from accounts.labels.measures import Indicator
from app.labels.verification import QUERIES
from app.wiring import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class Labelled:
    """A city whose labels were published, one of which fell."""

    run: UUID
    first: UUID
    holder: UUID


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def labelled(service: Services, database_urls: tuple[str, str]) -> Labelled:
    owner = await asyncpg.connect(database_urls[1])
    try:
        district = District(service, owner, new_region())
        scale = scale_text(Indicator.PER_FLOOR_AREA)
        scale["against_industry"]["indicators"] = [
            {"indicator": "per_floor_area", "weight": 100, "percentile": 50}
        ]
        await district.rules(scale)
        holders = [await district.building(each) for each in spread(12)]
        first = await district.labelled()
        district.mg[holders[0], 2025] *= 9
        return Labelled(await district.labelled(), first, holders[0])
    finally:
        await owner.close()


async def test_sound_labels_have_no_breach(root: asyncpg.Connection, labelled: Labelled) -> None:
    assert await root.fetchval("SELECT count(*) FROM label_falls WHERE holder_id = $1", labelled.holder) == 1
    assert await breaches(root) == {}


CASES = {
    "another colour": (
        "labels_recomputed",
        "UPDATE enterprise_labels SET colour = 'dark_green' WHERE run_id = '{run}' AND holder_id = '{holder}'",
        "hld {holder}",
    ),
    "other facts": (
        "labels_recomputed",
        (
            "UPDATE enterprise_labels SET facts = jsonb_set(facts, '{{facts,emissions_mg}}', '1')"
            " WHERE run_id = '{run}' AND holder_id = '{holder}'"
        ),
        "hld {holder}",
    ),
    "a label that is not decided": (
        "labels_decided",
        (
            "UPDATE enterprise_labels SET colour = NULL, decided_at = NULL"
            " WHERE run_id = '{run}' AND holder_id = '{holder}'"
        ),
        "lbr {run}",
    ),
    "a fall that nobody published": (
        "labels_decided",
        "UPDATE label_runs SET published_at = NULL, published_by = NULL, official = NULL WHERE id = '{run}'",
        "lbr {run}",
    ),
    "percentiles told of whom nobody marked": (
        "labels_told",
        "DELETE FROM label_released_enterprises WHERE holder_id = '{holder}'",
        "lbr {first}",
    ),
    "the service may change figures": ("rights", "GRANT UPDATE ON label_figures TO tanpuhui_service", None),
}


def test_every_rule_has_a_case() -> None:
    assert {*QUERIES, "labels_recomputed"} <= {rule for rule, *_ in CASES.values()}


@pytest.mark.parametrize("name", CASES)
async def test_a_broken_row_is_named(root: asyncpg.Connection, labelled: Labelled, name: str) -> None:
    rule, statement, told = CASES[name]
    done = await root.execute(statement.format(**vars(labelled)))
    assert not done.endswith(" 0"), statement
    found = await breaches(root)
    assert found.keys() == {rule}
    if told is None:
        assert found[rule] == "UPDATE on label_figures"
    else:
        prefix, _, text = told.format(**vars(labelled)).partition(" ")
        assert found[rule] == public_id(prefix, UUID(text))
