"""Rules of `tanpuhui verify` over labels, in the shape of `app.verification`."""

from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from accounts.ids import public_id
from accounts.labels.rules import LabelRules
from accounts.labels.run_repository import Assessed, distributions
from app.labels.runs import decided_of

if TYPE_CHECKING:
    import asyncpg

KEPT_TABLES = ("label_figures", "label_released_enterprises", "label_falls")
QUERIES: dict[str, tuple[str, str]] = {
    "labels_decided": (
        "All labels of a run that is done are decided, and falls are of published ones",
        """
        SELECT r.id FROM label_runs r WHERE r.decided_at IS NOT NULL
            AND EXISTS (SELECT FROM enterprise_labels l WHERE l.run_id = r.id AND l.decided_at IS NULL)
        UNION ALL
        SELECT f.run_id FROM label_falls f JOIN label_runs r ON r.id = f.run_id WHERE r.published_at IS NULL
        ORDER BY 1 LIMIT 1
        """,
    ),
    "labels_told": (
        "Percentiles that were told count enterprises that no others of the year do",
        """
        SELECT d.run_id FROM label_distributions d JOIN enterprise_labels l ON l.run_id = d.run_id AND l.cell = d.cell
        LEFT JOIN label_released_enterprises e
            ON e.holder_id = l.holder_id AND e.year = d.year AND e.run_id = d.run_id
        WHERE d.released_at IS NOT NULL AND d.percentiles IS NOT NULL AND e.holder_id IS NULL
        ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES = {"labels_decided": "lbr", "labels_told": "lbr"}


async def recompute(driver: "asyncpg.Connection") -> str | None:
    """The first enterprise whose label does not follow from the facts, rules and percentiles that are stored."""
    runs = await driver.fetch(
        "SELECT r.id, t.content FROM label_runs r JOIN points_texts t ON t.id = r.rules_id ORDER BY r.id"
    )
    for run_id, content in runs:
        rules = LabelRules.model_validate_json(content)
        peers = await distributions(driver, run_id)
        rows = driver.cursor(
            "SELECT holder_id, domain, industry, cell, facts::text, colour, points, views::text"
            " FROM enterprise_labels WHERE run_id = $1 AND decided_at IS NOT NULL ORDER BY holder_id",
            run_id,
            prefetch=500,
        )
        async for row in rows:
            holder_id = UUID(bytes=row[0].bytes)
            found = decided_of(
                Assessed(holder_id, row[1], row[2], row[3], orjson.loads(row[4])), rules, peers
            )
            if (row[5], row[6], orjson.loads(row[7])) != (found.colour, found.points, found.views):
                return public_id("hld", holder_id)
    return None
