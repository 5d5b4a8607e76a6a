"""What revisions in shadow would have given, by day and region."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0004"
down_revision = "20261121_0003"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE shadow_progress (
    revision_id uuid PRIMARY KEY,
    content_hash varchar NOT NULL,
    through_id uuid NOT NULL
);
CREATE TABLE shadow_days (
    revision_id uuid NOT NULL,
    region varchar NOT NULL,
    day date NOT NULL,
    activities bigint NOT NULL,
    refused bigint NOT NULL,
    active_mg bigint NOT NULL,
    shadow_mg bigint NOT NULL,
    PRIMARY KEY (revision_id, region, day),
    CONSTRAINT shadow_days_counts CHECK
        (activities >= refused AND refused >= 0 AND active_mg >= 0 AND shadow_mg >= 0)
);
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(f"GRANT SELECT, INSERT, UPDATE, DELETE ON shadow_progress, shadow_days TO {role}")


def downgrade() -> None:
    run_script("DROP TABLE shadow_days, shadow_progress")
