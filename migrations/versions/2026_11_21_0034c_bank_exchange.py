"""The exchange with banks' own systems: connections, messages, daily files and what differs."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0034c"
down_revision = "20261121_0034b"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE bank_connections (
    bank_id uuid PRIMARY KEY,
    url varchar NOT NULL,
    token_url varchar NOT NULL,
    client_id varchar NOT NULL,
    sealed_secret bytea NOT NULL,
    jwks varchar NOT NULL,
    files_from date NOT NULL,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz
);

CREATE TABLE bank_messages (
    id uuid PRIMARY KEY,
    bank_id uuid NOT NULL,
    holder_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    kind varchar NOT NULL,
    subject varchar NOT NULL,
    data varchar NOT NULL,
    happened_at timestamptz NOT NULL,
    state varchar NOT NULL,
    attempts integer NOT NULL,
    due_at timestamptz NOT NULL,
    settled_at timestamptz,
    receipt varchar NOT NULL,
    last_error varchar NOT NULL,
    CONSTRAINT bank_messages_state CHECK (state IN ('pending', 'delivered', 'refused'))
);
CREATE INDEX bank_messages_due ON bank_messages (due_at) WHERE state = 'pending';

CREATE TABLE bank_files (
    bank_id uuid NOT NULL,
    day date NOT NULL,
    look_at timestamptz NOT NULL,
    lines integer,
    compared_at timestamptz,
    last_error varchar NOT NULL,
    PRIMARY KEY (bank_id, day)
);

CREATE TABLE bank_differences (
    id uuid PRIMARY KEY,
    bank_id uuid NOT NULL,
    day date NOT NULL,
    number varchar NOT NULL,
    kind varchar NOT NULL,
    region varchar NOT NULL,
    ours bigint,
    theirs bigint,
    found_at timestamptz NOT NULL,
    CONSTRAINT bank_differences_kind
        CHECK (kind IN ('missing', 'unknown', 'amount_differs', 'rate_differs', 'state_differs'))
);
CREATE INDEX bank_differences_region ON bank_differences (region, id);
"""

GRANTS = """
GRANT SELECT, INSERT ON bank_connections, bank_messages, bank_files, bank_differences TO {role};
GRANT UPDATE (url, token_url, client_id, sealed_secret, jwks, disabled_at) ON bank_connections TO {role};
GRANT UPDATE (state, attempts, due_at, settled_at, receipt, last_error) ON bank_messages TO {role};
GRANT UPDATE (look_at, lines, compared_at, last_error) ON bank_files TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    run_script("DROP TABLE bank_differences, bank_files, bank_messages, bank_connections")
