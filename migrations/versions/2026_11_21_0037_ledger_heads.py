"""Daily heads of the ledger: appended, never changed."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0037"
down_revision = "20261121_0035"

TABLES = """
CREATE TABLE ledger_heads (
    day date PRIMARY KEY,
    entries bigint NOT NULL,
    root bytea NOT NULL,
    previous bytea NOT NULL UNIQUE,
    head bytea NOT NULL,
    taken_at timestamptz NOT NULL,
    CONSTRAINT ledger_heads_sizes CHECK (
        entries >= 0 AND octet_length(root) = 32 AND octet_length(previous) = 32 AND octet_length(head) = 32)
);
"""

GRANTS = "GRANT SELECT, INSERT ON ledger_heads TO {role};"


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    run_script("DROP TABLE ledger_heads")
