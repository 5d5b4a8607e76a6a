"""Webhook endpoints and their outbox; payments beside points, and what differs from the provider's bills."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0015"
down_revision = "20261121_0013"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE webhook_endpoints (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    url varchar NOT NULL,
    description varchar NOT NULL,
    event_types text[] NOT NULL,
    version integer NOT NULL,
    secret bytea NOT NULL,
    previous_secret bytea,
    previous_until timestamptz,
    created_at timestamptz NOT NULL,
    failing_since timestamptz,
    disabled_at timestamptz,
    disabled_reason varchar,
    CONSTRAINT webhook_endpoints_disabled CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);
CREATE INDEX webhook_endpoints_organisation ON webhook_endpoints (organisation_id, id);

CREATE TABLE webhook_deliveries (
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    type varchar NOT NULL,
    subject varchar NOT NULL,
    data varchar NOT NULL,
    happened_at timestamptz NOT NULL,
    state varchar NOT NULL,
    attempts integer NOT NULL,
    due_at timestamptz NOT NULL,
    settled_at timestamptz,
    last_status integer,
    last_error varchar,
    last_answer varchar,
    PRIMARY KEY (endpoint_id, event_id),
    CONSTRAINT webhook_deliveries_state CHECK (state IN ('pending', 'delivered', 'dead'))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_subject ON webhook_deliveries (endpoint_id, subject, seq) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (endpoint_id, event_id) WHERE state = 'dead';

CREATE TABLE payments (
    id uuid PRIMARY KEY,
    redemption_id uuid NOT NULL,
    holder_id uuid NOT NULL,
    region varchar NOT NULL,
    provider varchar NOT NULL,
    out_trade_no varchar NOT NULL,
    amount_fen bigint NOT NULL,
    state varchar NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    look_at timestamptz,
    looks integer NOT NULL,
    transaction_id varchar,
    paid_fen bigint,
    paid_at timestamptz,
    refund_reason varchar,
    refund_at timestamptz,
    refunded_at timestamptz,
    trouble varchar,
    CONSTRAINT payments_out_trade_no UNIQUE (out_trade_no),
    CONSTRAINT payments_redemption UNIQUE (redemption_id),
    CONSTRAINT payments_amount CHECK (amount_fen > 0),
    CONSTRAINT payments_state
        CHECK (state IN ('awaiting', 'paid', 'closed', 'refunding', 'refunded', 'refund_failed')),
    CONSTRAINT payments_paid CHECK
        (state IN ('awaiting', 'closed') OR (transaction_id IS NOT NULL AND paid_fen IS NOT NULL))
);
CREATE INDEX payments_look ON payments (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX payments_paid_at ON payments (paid_at);
CREATE INDEX payments_refund_at ON payments (refund_at) WHERE refund_at IS NOT NULL;

CREATE TABLE payment_bills (
    provider varchar NOT NULL,
    day date NOT NULL,
    look_at timestamptz NOT NULL,
    lines integer,
    compared_at timestamptz,
    PRIMARY KEY (provider, day)
);

CREATE TABLE payment_differences (
    id uuid PRIMARY KEY,
    provider varchar NOT NULL,
    day date NOT NULL,
    out_trade_no varchar NOT NULL,
    kind varchar NOT NULL,
    region varchar NOT NULL,
    ours_fen bigint,
    theirs_fen bigint,
    found_at timestamptz NOT NULL,
    CONSTRAINT payment_differences_kind CHECK (kind IN ('missing', 'unknown', 'amount_differs', 'state_differs',
        'refund_missing', 'refund_unknown', 'refund_amount_differs'))
);
CREATE INDEX payment_differences_region ON payment_differences (region, id);
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON webhook_endpoints TO {role};
GRANT SELECT, INSERT, DELETE ON webhook_deliveries TO {role};
GRANT UPDATE (state, attempts, due_at, settled_at, last_status, last_error, last_answer)
    ON webhook_deliveries TO {role};
GRANT SELECT, INSERT ON payments, payment_bills, payment_differences TO {role};
GRANT UPDATE (state, look_at, looks, transaction_id, paid_fen, paid_at, refund_reason, refund_at, refunded_at, trouble)
    ON payments TO {role};
GRANT UPDATE (look_at, lines, compared_at) ON payment_bills TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    run_script(
        "DROP TABLE payment_differences, payment_bills, payments, webhook_deliveries, webhook_endpoints"
    )
