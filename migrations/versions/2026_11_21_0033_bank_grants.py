"""What holders let banks see: grants, names that each bank has for a holder, and what banks asked in the access log."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0033"
down_revision = "20261121_0034"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE bank_references (
    holder_id uuid NOT NULL,
    bank_id uuid NOT NULL,
    reference uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, bank_id),
    CONSTRAINT bank_references_reference UNIQUE (reference)
);

CREATE TABLE bank_grants (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    bank_id uuid NOT NULL,
    purpose varchar NOT NULL,
    scope varchar NOT NULL,
    text_version varchar NOT NULL,
    granted_at timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    receipt_id uuid NOT NULL,
    ended_at timestamptz,
    ended varchar,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT bank_grants_purpose
        CHECK (purpose IN ('loan_application', 'pre_screening', 'white_list', 'post_loan_monitoring')),
    CONSTRAINT bank_grants_scope CHECK (scope IN ('tier', 'score', 'report')),
    CONSTRAINT bank_grants_order CHECK (valid_until > granted_at),
    CONSTRAINT bank_grants_ended CHECK (ended IN ('withdrawn', 'replaced')),
    CONSTRAINT bank_grants_end CHECK ((ended_at IS NULL) = (ended IS NULL))
);
CREATE UNIQUE INDEX bank_grants_live ON bank_grants (holder_id, bank_id, purpose) WHERE ended_at IS NULL;
CREATE INDEX bank_grants_bank ON bank_grants (bank_id, id) WHERE ended_at IS NULL;

ALTER TABLE access_records ADD COLUMN purpose varchar, ADD COLUMN refused varchar;
"""

GRANTS = """
GRANT SELECT, INSERT, DELETE ON bank_references TO {role};
GRANT SELECT, INSERT ON bank_grants TO {role};
GRANT UPDATE (ended_at, ended) ON bank_grants TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("what holders granted would be lost: restore a backup instead")
