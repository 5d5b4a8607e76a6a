"""What `verify` asks of projects."""

from typing import Final

QUERIES: Final = {
    "project_stocks": (
        "A verified stock of a project has as many units as its verification states, and any other none",
        """
        SELECT s.id FROM project_stocks s
        LEFT JOIN (SELECT subject_id, upper(units) - lower(units) AS kg FROM unit_origins WHERE kind = 'project') o
            ON o.subject_id = s.id
        WHERE s.verified_kg IS DISTINCT FROM o.kg ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES: Final = {"project_stocks": "pst"}
