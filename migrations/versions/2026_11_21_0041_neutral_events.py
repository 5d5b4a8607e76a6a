"""Carbon-neutral events: pools that sell units, what events emit, orders of units for them, participants' shares."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0041"
down_revision = "20261121_0039"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE event_pools (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    origin_id uuid,
    region varchar(6) NOT NULL,
    title_zh varchar NOT NULL,
    title_en varchar NOT NULL,
    price_fen_per_t bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT event_pools_price CHECK (price_fen_per_t > 0)
);
CREATE INDEX event_pools_region ON event_pools (region, id);

CREATE TABLE neutral_events (
    id uuid PRIMARY KEY,
    code varchar NOT NULL,
    organiser_id uuid NOT NULL,
    of_enterprise boolean NOT NULL,
    kind varchar NOT NULL,
    title varchar NOT NULL,
    department varchar NOT NULL,
    region varchar(6) NOT NULL,
    day date NOT NULL,
    participants integer NOT NULL,
    co2e_mg bigint NOT NULL,
    kg bigint NOT NULL,
    ordered_kg bigint NOT NULL,
    paid_kg bigint NOT NULL,
    lines jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT neutral_events_code UNIQUE (code),
    CONSTRAINT neutral_events_kind CHECK (kind IN ('meeting', 'tourism', 'activity', 'personal_life')),
    CONSTRAINT neutral_events_amount CHECK (co2e_mg > 0 AND kg = (co2e_mg + 999999) / 1000000),
    CONSTRAINT neutral_events_participants CHECK (participants > 0),
    CONSTRAINT neutral_events_covered CHECK (paid_kg >= 0 AND paid_kg <= ordered_kg AND ordered_kg <= kg)
);
CREATE INDEX neutral_events_organiser ON neutral_events (organiser_id, id);
CREATE INDEX neutral_events_region ON neutral_events (region, day);

CREATE TABLE event_orders (
    id uuid PRIMARY KEY,
    event_id uuid NOT NULL,
    pool_id uuid NOT NULL,
    buyer_id uuid NOT NULL,
    region varchar(6) NOT NULL,
    kg bigint NOT NULL,
    price_fen_per_t bigint NOT NULL,
    amount_fen bigint NOT NULL,
    state varchar NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    paid_at timestamptz,
    payment_ref varchar,
    CONSTRAINT event_orders_state CHECK (state IN ('awaiting_payment', 'paid', 'expired', 'cancelled')),
    CONSTRAINT event_orders_amount CHECK (kg > 0 AND amount_fen = (kg * price_fen_per_t + 999) / 1000),
    CONSTRAINT event_orders_paid CHECK
        ((state = 'paid') = (paid_at IS NOT NULL) AND (state = 'paid') = (payment_ref IS NOT NULL))
);
CREATE INDEX event_orders_event ON event_orders (event_id, id);
CREATE INDEX event_orders_buyer ON event_orders (buyer_id, id);
CREATE INDEX event_orders_due ON event_orders (expires_at) WHERE state = 'awaiting_payment';

CREATE TABLE event_shares (
    id uuid PRIMARY KEY,
    event_id uuid NOT NULL,
    holder_id uuid NOT NULL,
    co2e_mg bigint NOT NULL,
    taken_at timestamptz NOT NULL,
    order_id uuid,
    CONSTRAINT event_shares_amount CHECK (co2e_mg > 0),
    CONSTRAINT event_shares_once UNIQUE (event_id, holder_id)
);
CREATE INDEX event_shares_holder ON event_shares (holder_id, id);
CREATE INDEX event_shares_order ON event_shares (order_id) WHERE order_id IS NOT NULL;
"""

GRANTS = """
GRANT SELECT, INSERT ON event_pools, neutral_events, event_orders, event_shares TO {role};
GRANT DELETE ON neutral_events, event_shares TO {role};
GRANT UPDATE (closed_at) ON event_pools TO {role};
GRANT UPDATE (organiser_id, title, department, ordered_kg, paid_kg, lines) ON neutral_events TO {role};
GRANT UPDATE (buyer_id, state, paid_at, payment_ref) ON event_orders TO {role};
GRANT UPDATE (holder_id, order_id) ON event_shares TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    run_script("DROP TABLE event_shares, event_orders, neutral_events, event_pools")
