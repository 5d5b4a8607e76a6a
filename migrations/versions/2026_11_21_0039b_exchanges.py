"""The exchange with carbon exchanges and registries: connections, instructions, statements and what differs."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0039b"
down_revision = "20261121_0040"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE exchange_connections (
    id uuid PRIMARY KEY,
    code varchar NOT NULL,
    name varchar NOT NULL,
    region varchar(6) NOT NULL,
    way varchar NOT NULL,
    url varchar NOT NULL,
    token_url varchar NOT NULL,
    client_id varchar NOT NULL,
    sealed_secret bytea NOT NULL,
    folder varchar NOT NULL,
    jwks varchar NOT NULL,
    statements_from date NOT NULL,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    CONSTRAINT exchange_connections_code UNIQUE (code),
    CONSTRAINT exchange_connections_way CHECK (way IN ('http', 'files')),
    CONSTRAINT exchange_connections_place
        CHECK ((way = 'http') = (url <> '') AND (way = 'files') = (folder <> ''))
);

CREATE TABLE exchange_instructions (
    id uuid PRIMARY KEY,
    exchange_id uuid NOT NULL,
    region varchar(6) NOT NULL,
    kind varchar NOT NULL,
    subject varchar NOT NULL,
    content jsonb NOT NULL,
    account_id uuid,
    delivery_id uuid,
    quantity_kg bigint,
    price_fen_per_t bigint,
    state varchar NOT NULL,
    staged_by varchar NOT NULL,
    staged_at timestamptz NOT NULL,
    approved_by varchar,
    approved_at timestamptz,
    attempts integer NOT NULL,
    due_at timestamptz NOT NULL,
    settled_at timestamptz,
    done_on date,
    reference varchar NOT NULL,
    last_error varchar NOT NULL,
    CONSTRAINT exchange_instructions_kind
        CHECK (kind IN ('open_account', 'deliver_units', 'report_trade', 'retire')),
    CONSTRAINT exchange_instructions_state
        CHECK (state IN ('staged', 'approved', 'done', 'refused', 'withdrawn')),
    CONSTRAINT exchange_instructions_two CHECK (
        state IN ('staged', 'withdrawn') OR (approved_by IS NOT NULL AND approved_by <> staged_by)),
    CONSTRAINT exchange_instructions_done CHECK ((state = 'done') = (done_on IS NOT NULL)),
    CONSTRAINT exchange_instructions_quantity CHECK (quantity_kg IS NULL OR quantity_kg > 0)
);
CREATE INDEX exchange_instructions_due ON exchange_instructions (due_at) WHERE state = 'approved';
CREATE INDEX exchange_instructions_region ON exchange_instructions (region, id);
CREATE UNIQUE INDEX exchange_instructions_once ON exchange_instructions (exchange_id, kind, subject)
    WHERE state IN ('staged', 'approved', 'done');
CREATE INDEX exchange_instructions_days ON exchange_instructions (exchange_id, done_on) WHERE state = 'done';

CREATE TABLE exchange_statements (
    exchange_id uuid NOT NULL,
    day date NOT NULL,
    look_at timestamptz NOT NULL,
    lines integer,
    compared_at timestamptz,
    last_error varchar NOT NULL,
    PRIMARY KEY (exchange_id, day)
);

CREATE TABLE exchange_differences (
    id uuid PRIMARY KEY,
    exchange_id uuid NOT NULL,
    day date NOT NULL,
    instruction varchar NOT NULL,
    kind varchar NOT NULL,
    region varchar(6) NOT NULL,
    ours varchar NOT NULL,
    theirs varchar NOT NULL,
    found_at timestamptz NOT NULL,
    CONSTRAINT exchange_differences_kind CHECK (kind IN (
        'missing', 'unknown', 'kind_differs', 'quantity_differs', 'price_differs', 'reference_differs',
        'holdings_differ'))
);
CREATE INDEX exchange_differences_region ON exchange_differences (region, id);
"""

GRANTS = """
GRANT SELECT, INSERT ON exchange_connections, exchange_instructions, exchange_statements, exchange_differences
    TO {role};
GRANT UPDATE (name, region, way, url, token_url, client_id, sealed_secret, folder, jwks, disabled_at)
    ON exchange_connections TO {role};
GRANT UPDATE (state, approved_by, approved_at, attempts, due_at, settled_at, done_on, reference, last_error)
    ON exchange_instructions TO {role};
GRANT UPDATE (look_at, lines, compared_at, last_error) ON exchange_statements TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("what exchanges were told would be lost: restore a backup instead")
