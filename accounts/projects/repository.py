"""SQL of projects and their stock."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.ids import uuid7

if TYPE_CHECKING:
    from accounts.projects.models import Project, ProjectStock
    from accounts.repository import Driver, Row


async def add_project(driver: "Driver", project: "Project") -> bool:
    """Whether the code was free, and the owner is a participant of the market."""
    found = await driver.fetchval(
        """
        INSERT INTO projects (id, code, owner_id, region, kind, name_zh, name_en, unit_type, registered_at)
        SELECT $1, $2, o.id, $4, $5, $6, $7, $8, $9 FROM organisations o WHERE o.id = $3 AND o.kind = 'participant'
        ON CONFLICT (code) DO NOTHING RETURNING id
        """,
        *project.model_dump().values(),
    )
    return found is not None


async def add_document(
    driver: "Driver", project_id: UUID, title: str, reference: str, sha256: bytes, now: datetime.datetime
) -> UUID:
    """A document, once; the same content again is the one that is there."""
    found: UUID = await driver.fetchval(
        """
        WITH made AS (
            INSERT INTO project_documents (id, project_id, title, reference, sha256, recorded_at)
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (project_id, sha256) DO NOTHING RETURNING id)
        SELECT id FROM made UNION ALL
        SELECT id FROM project_documents WHERE project_id = $2 AND sha256 = $5 LIMIT 1
        """,
        uuid7(now),
        project_id,
        title,
        reference,
        sha256,
        now,
    )
    return found


async def project(driver: "Driver", project_id: UUID) -> "Row | None":
    """A project."""
    return await driver.fetchrow("SELECT * FROM projects WHERE id = $1", project_id)


async def add_stock(driver: "Driver", stock: "ProjectStock") -> bool:
    """Whether the project had none of this vintage."""
    found = await driver.fetchval(
        """
        INSERT INTO project_stocks (id, project_id, vintage, expected_kg, recorded_by, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (project_id, vintage) DO NOTHING RETURNING id
        """,
        *list(stock.model_dump().values())[:6],
    )
    return found is not None


async def lock_stock(driver: "Driver", stock_id: UUID) -> "Row | None":
    """A stock, locked, with its project: one caller at a time verifies it."""
    if await driver.fetchval("SELECT id FROM project_stocks WHERE id = $1 FOR UPDATE", stock_id) is None:
        return None
    return await driver.fetchrow(
        """
        SELECT s.*, p.code, p.owner_id, p.region, p.unit_type
        FROM project_stocks s JOIN projects p ON p.id = s.project_id WHERE s.id = $1
        """,
        stock_id,
    )


async def verified(
    driver: "Driver", stock_id: UUID, quantity_kg: int, document_id: UUID, now: datetime.datetime
) -> None:
    """The stock is what the statement says."""
    await driver.execute(
        "UPDATE project_stocks SET verified_kg = $2, document_id = $3, verified_at = $4 WHERE id = $1",
        stock_id,
        quantity_kg,
        document_id,
        now,
    )


async def page(driver: "Driver", before: UUID | None, limit: int) -> "list[Row]":
    """Projects, the latest first."""
    rows: list[Row] = await driver.fetch(
        "SELECT * FROM projects WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2", before, limit
    )
    return rows


async def stocks_of(driver: "Driver", projects: list[UUID]) -> "list[Row]":
    """Stock of projects, one a vintage."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT s.id, s.project_id, s.vintage, s.expected_kg, s.verified_kg, s.verified_at
        FROM project_stocks s WHERE s.project_id = ANY($1) ORDER BY s.vintage
        """,
        projects,
    )
    return rows


async def documents_of(driver: "Driver", projects: list[UUID]) -> "list[Row]":
    """Documents of projects, in the order in which they came."""
    rows: list[Row] = await driver.fetch(
        """
        SELECT project_id, title, reference, sha256 FROM project_documents
        WHERE project_id = ANY($1) ORDER BY id LIMIT 2000
        """,
        projects,
    )
    return rows
