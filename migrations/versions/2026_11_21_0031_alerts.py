"""What meters are expected to use, alerts of them, and load shedding: what lines can do, and plans."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0031"
down_revision = "20261121_0034c"

TABLES = """
CREATE TABLE meter_expectations (
    meter_id uuid PRIMARY KEY,
    holder_id uuid NOT NULL,
    learn_at timestamptz NOT NULL,
    looked_until timestamptz NOT NULL,
    run_amount bigint,
    run_quarters integer NOT NULL,
    profile varchar,
    CONSTRAINT meter_expectations_run CHECK (run_quarters >= 0)
);
CREATE INDEX meter_expectations_learn ON meter_expectations (learn_at);
CREATE INDEX meter_expectations_look ON meter_expectations (looked_until);

CREATE TABLE meter_alerts (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    meter_id uuid NOT NULL,
    kind varchar NOT NULL,
    starts_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    ended_at timestamptz,
    amount bigint,
    expected bigint,
    opened_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    closed_at timestamptz,
    verdict varchar,
    note varchar NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT meter_alerts_kind CHECK (kind IN ('deviation', 'stuck', 'gap')),
    CONSTRAINT meter_alerts_verdict CHECK (verdict IS NULL OR verdict IN ('fault', 'false_alarm', 'known')),
    CONSTRAINT meter_alerts_closed CHECK ((closed_at IS NULL) = (verdict IS NULL)),
    CONSTRAINT meter_alerts_order CHECK (last_at >= starts_at)
);
CREATE UNIQUE INDEX meter_alerts_lasting ON meter_alerts (meter_id, kind) WHERE ended_at IS NULL;
CREATE INDEX meter_alerts_meter ON meter_alerts (meter_id, starts_at);

CREATE TABLE line_shedding_data (
    holder_id uuid NOT NULL,
    line_id uuid NOT NULL,
    version integer NOT NULL,
    value_fen_per_kwh integer NOT NULL,
    can_stop boolean NOT NULL,
    load_w bigint,
    least_w bigint,
    least_off_minutes integer NOT NULL,
    ramp_w_per_minute bigint,
    feeds_line_id uuid,
    entered_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, line_id, version),
    CONSTRAINT line_shedding_data_amounts
        CHECK (value_fen_per_kwh >= 0 AND least_off_minutes >= 0 AND load_w >= 0 AND least_w >= 0
            AND ramp_w_per_minute > 0),
    CONSTRAINT line_shedding_data_feeds CHECK (feeds_line_id <> line_id)
);

CREATE TABLE load_shedding_plans (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    site_id uuid,
    cut_kw integer NOT NULL,
    solar_kw integer NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    options varchar NOT NULL,
    skipped varchar NOT NULL,
    state varchar NOT NULL,
    chosen integer,
    made_at timestamptz NOT NULL,
    decided_at timestamptz,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT load_shedding_plans_state CHECK (state IN ('proposed', 'accepted', 'dropped')),
    CONSTRAINT load_shedding_plans_chosen CHECK ((state = 'accepted') = (chosen IS NOT NULL)),
    CONSTRAINT load_shedding_plans_period CHECK (ends_at > starts_at),
    CONSTRAINT load_shedding_plans_amounts CHECK (cut_kw > 0 AND solar_kw >= 0)
);
"""

GRANTS = """
GRANT SELECT, INSERT ON meter_expectations, meter_alerts, line_shedding_data, load_shedding_plans TO {role};
GRANT UPDATE (learn_at, looked_until, run_amount, run_quarters, profile) ON meter_expectations TO {role};
GRANT UPDATE (last_at, ended_at, acknowledged_at, closed_at, verdict, note) ON meter_alerts TO {role};
GRANT UPDATE (state, chosen, decided_at) ON load_shedding_plans TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("alerts and plans would be lost: restore a backup instead")
