"""Projects, their documents, and their stock by vintage."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0040b"
down_revision = "20261121_0035b"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE projects (
    id uuid PRIMARY KEY,
    code varchar NOT NULL,
    owner_id uuid NOT NULL,
    region varchar(6) NOT NULL,
    kind varchar NOT NULL,
    name_zh varchar NOT NULL,
    name_en varchar NOT NULL,
    unit_type varchar NOT NULL,
    registered_at timestamptz NOT NULL,
    CONSTRAINT projects_code UNIQUE (code)
);

CREATE TABLE project_documents (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    title varchar NOT NULL,
    reference varchar NOT NULL,
    sha256 bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT project_documents_once UNIQUE (project_id, sha256)
);

CREATE TABLE project_stocks (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    vintage smallint NOT NULL,
    expected_kg bigint NOT NULL,
    recorded_by varchar NOT NULL,
    recorded_at timestamptz NOT NULL,
    verified_kg bigint,
    verified_at timestamptz,
    document_id uuid,
    CONSTRAINT project_stocks_vintage UNIQUE (project_id, vintage),
    CONSTRAINT project_stocks_expected CHECK (expected_kg > 0),
    CONSTRAINT project_stocks_quantity CHECK (verified_kg > 0),
    CONSTRAINT project_stocks_verified CHECK
        ((verified_kg IS NULL) = (verified_at IS NULL) AND (verified_kg IS NULL) = (document_id IS NULL))
);
"""

GRANTS = """
GRANT SELECT, INSERT ON projects, project_documents, project_stocks TO {role};
GRANT UPDATE (verified_kg, verified_at, document_id) ON project_stocks TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    run_script("DROP TABLE project_stocks, project_documents, projects")
