"""Emissions of enterprises (factors, fuels, certificates, processes, statements) and their energy budgets."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0029"
down_revision = "20261121_0031"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE emission_factors (
    id uuid PRIMARY KEY,
    kind varchar NOT NULL,
    region varchar(6) NOT NULL,
    fuel varchar NOT NULL,
    value varchar NOT NULL,
    first_day date NOT NULL,
    last_day date,
    data_year integer,
    published date,
    notice_no varchar,
    source varchar NOT NULL,
    url varchar,
    confidence varchar NOT NULL,
    reason varchar NOT NULL,
    proposed_by varchar NOT NULL,
    proposed_at timestamptz NOT NULL,
    approved_by varchar,
    approved_at timestamptz,
    CONSTRAINT emission_factors_kind CHECK (kind IN ('grid', 'residual', 'solid_or_liquid', 'gas', 'heat')),
    CONSTRAINT emission_factors_order CHECK (last_day IS NULL OR last_day >= first_day),
    CONSTRAINT emission_factors_approver CHECK ((approved_at IS NULL) = (approved_by IS NULL)),
    CONSTRAINT emission_factors_second CHECK (approved_by IS NULL OR approved_by <> proposed_by)
);
CREATE INDEX emission_factors_region ON emission_factors (region, id);
CREATE INDEX emission_factors_approved ON emission_factors (approved_at) WHERE approved_at IS NOT NULL;

CREATE TABLE meter_fuels (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    meter_id uuid NOT NULL,
    from_month date NOT NULL,
    fuel varchar NOT NULL,
    furnace varchar,
    document_reference varchar NOT NULL,
    entered_by varchar NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT meter_fuels_month CHECK (extract(day FROM from_month) = 1)
);

CREATE TABLE green_certificates (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    number varchar NOT NULL,
    issuer varchar NOT NULL,
    energy_wh bigint NOT NULL,
    first_month date NOT NULL,
    last_month date NOT NULL,
    cancelled_on date NOT NULL,
    document_reference varchar NOT NULL,
    document_hash bytea NOT NULL,
    entered_by varchar NOT NULL,
    created_at timestamptz NOT NULL,
    withdrawn_at timestamptz,
    withdrawn_by varchar,
    withdrawn_reason varchar NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT green_certificates_energy CHECK (energy_wh > 0),
    CONSTRAINT green_certificates_months CHECK (
        last_month >= first_month AND extract(year FROM last_month) = extract(year FROM first_month)
        AND extract(day FROM first_month) = 1 AND extract(day FROM last_month) = 1
    ),
    CONSTRAINT green_certificates_withdrawn CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL))
);
CREATE UNIQUE INDEX green_certificates_number ON green_certificates (number) WHERE withdrawn_at IS NULL;

CREATE TABLE process_emissions (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    line_id uuid,
    month date NOT NULL,
    process varchar NOT NULL,
    co2e_mg bigint NOT NULL,
    document_reference varchar NOT NULL,
    document_hash bytea NOT NULL,
    replaces uuid,
    reason varchar NOT NULL,
    entered_by varchar NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT process_emissions_amount CHECK (co2e_mg >= 0),
    CONSTRAINT process_emissions_month CHECK (extract(day FROM month) = 1)
);
CREATE UNIQUE INDEX process_emissions_replaced ON process_emissions (holder_id, replaces) WHERE replaces IS NOT NULL;
CREATE INDEX process_emissions_place ON process_emissions (holder_id, month);

CREATE TABLE emission_statements (
    holder_id uuid NOT NULL,
    month date NOT NULL,
    id uuid NOT NULL,
    computed_at timestamptz NOT NULL,
    total_mg bigint NOT NULL,
    content varchar NOT NULL,
    content_hash bytea NOT NULL,
    changed text[] NOT NULL,
    PRIMARY KEY (holder_id, month, id),
    CONSTRAINT emission_statements_total CHECK (total_mg >= 0),
    CONSTRAINT emission_statements_month CHECK (extract(day FROM month) = 1)
);

CREATE TABLE emission_checks (
    holder_id uuid PRIMARY KEY,
    checked_at timestamptz NOT NULL
);
CREATE INDEX emission_checks_due ON emission_checks (checked_at, holder_id);

CREATE TABLE energy_quotas (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    measure varchar NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    amount bigint NOT NULL,
    document_reference varchar NOT NULL,
    entered_by varchar NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT energy_quotas_measure
        CHECK (measure IN ('electricity', 'gas', 'coal', 'oil', 'steam', 'water', 'energy')),
    CONSTRAINT energy_quotas_amount CHECK (amount > 0),
    CONSTRAINT energy_quotas_period CHECK (last_day >= first_day)
);

CREATE TABLE energy_budget_warnings (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    quota_id uuid NOT NULL,
    kind varchar NOT NULL,
    used bigint NOT NULL,
    expected bigint,
    upper bigint,
    warned_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT energy_budget_warnings_kind CHECK (kind IN ('overrun_expected', 'exceeded'))
);
CREATE UNIQUE INDEX energy_budget_warnings_once ON energy_budget_warnings (holder_id, quota_id, kind);
"""

GRANTS = """
GRANT SELECT, INSERT ON emission_factors, meter_fuels, green_certificates, process_emissions, emission_statements,
    emission_checks, energy_quotas, energy_budget_warnings TO {role};
GRANT UPDATE (approved_by, approved_at) ON emission_factors TO {role};
GRANT UPDATE (withdrawn_at, withdrawn_by, withdrawn_reason) ON green_certificates TO {role};
GRANT UPDATE (checked_at) ON emission_checks TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError(
        "statements that reports were made from would be lost: restore a backup instead"
    )
