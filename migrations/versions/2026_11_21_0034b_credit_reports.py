"""Credit reports as banks were given them."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0034b"
down_revision = "20261121_0028"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE credit_reports (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    bank_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    purpose varchar NOT NULL,
    kind varchar NOT NULL,
    as_of date NOT NULL,
    issued_at timestamptz NOT NULL,
    digest bytea NOT NULL,
    jws varchar,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT credit_reports_kind CHECK (kind IN ('resident', 'enterprise'))
);
CREATE INDEX credit_reports_bank ON credit_reports (bank_id, id);
"""

GRANTS = """
GRANT SELECT, INSERT ON credit_reports TO {role};
GRANT UPDATE (jws) ON credit_reports TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    run_script("DROP TABLE credit_reports")
