"""What was seen of an act beside its claims, and the decisions by which reports became duplicates."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0020"
down_revision = "20261121_0019"

TABLES = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE interval_claims ADD COLUMN source_id uuid, ADD COLUMN scene varchar, ADD COLUMN amount bigint,
    ADD COLUMN order_issuer uuid, ADD COLUMN order_number uuid;

CREATE TABLE comparisons (
    holder_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    decision jsonb NOT NULL,
    PRIMARY KEY (holder_id, activity_id)
);
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(f"GRANT SELECT, INSERT ON comparisons TO {role}")


def downgrade() -> None:
    run_script(
        """
        DROP TABLE comparisons;
        ALTER TABLE interval_claims DROP COLUMN source_id, DROP COLUMN scene, DROP COLUMN amount,
            DROP COLUMN order_issuer, DROP COLUMN order_number;
        """
    )
