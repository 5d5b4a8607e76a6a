"""Labels of enterprises: figures with their documents, yearly runs, what was told of distributions, falls."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0030"
down_revision = "20261121_0027"

TABLES = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE points_texts DROP CONSTRAINT points_texts_kind,
    ADD CONSTRAINT points_texts_kind
        CHECK (kind IN ('programme', 'campaign', 'review_policy', 'neighbour_agreement', 'label_rules'));
CREATE UNIQUE INDEX points_texts_label_days ON points_texts (region, counts_from)
    WHERE kind = 'label_rules' AND approved_at IS NOT NULL;

CREATE TABLE label_figures (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    year smallint NOT NULL,
    measure varchar NOT NULL,
    product varchar NOT NULL,
    amount bigint NOT NULL,
    unit varchar NOT NULL,
    source varchar NOT NULL,
    authority varchar NOT NULL,
    document_title varchar NOT NULL,
    document_number varchar NOT NULL,
    document_issued_on date NOT NULL,
    document_sha256 bytea,
    recorded_at timestamptz NOT NULL,
    recorded_by varchar NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT label_figures_year CHECK (year >= 2000 AND year <= 2199),
    CONSTRAINT label_figures_source CHECK (source IN ('enterprise', 'operator'))
);
CREATE INDEX label_figures_year_of ON label_figures (holder_id, year, measure, product, id);

CREATE TABLE label_runs (
    id uuid PRIMARY KEY,
    region varchar(6) NOT NULL,
    year smallint NOT NULL,
    rules_id uuid NOT NULL,
    yearly boolean NOT NULL,
    reason varchar NOT NULL,
    created_at timestamptz NOT NULL,
    created_by varchar NOT NULL,
    position uuid,
    assessed_at timestamptz,
    decided_at timestamptz,
    published_at timestamptz,
    published_by varchar,
    official boolean,
    CONSTRAINT label_runs_year CHECK (year >= 2000 AND year <= 2199),
    CONSTRAINT label_runs_phases CHECK (decided_at IS NULL OR assessed_at IS NOT NULL),
    CONSTRAINT label_runs_publication
        CHECK ((published_at IS NULL) = (official IS NULL) AND (published_at IS NULL) = (published_by IS NULL)),
    CONSTRAINT label_runs_done CHECK (published_at IS NULL OR decided_at IS NOT NULL),
    CONSTRAINT label_runs_second CHECK (official IS NOT TRUE OR published_by <> created_by)
);
CREATE UNIQUE INDEX label_runs_yearly ON label_runs (region, year) WHERE yearly;
CREATE INDEX label_runs_open ON label_runs (id) WHERE decided_at IS NULL;

CREATE TABLE enterprise_labels (
    holder_id uuid NOT NULL,
    run_id uuid NOT NULL,
    year smallint NOT NULL,
    domain varchar NOT NULL,
    industry varchar,
    cell varchar,
    facts jsonb NOT NULL,
    colour varchar,
    points varchar,
    percentile smallint,
    views jsonb,
    reasons jsonb,
    decided_at timestamptz,
    PRIMARY KEY (holder_id, run_id),
    CONSTRAINT enterprise_labels_colour
        CHECK (colour IN ('red', 'yellow', 'light_green', 'dark_green', 'unlabelled')),
    CONSTRAINT enterprise_labels_percentile CHECK (percentile >= 0 AND percentile <= 100),
    CONSTRAINT enterprise_labels_decided CHECK ((colour IS NULL) = (decided_at IS NULL))
);
CREATE INDEX enterprise_labels_run ON enterprise_labels (run_id, holder_id);

CREATE TABLE label_distributions (
    run_id uuid NOT NULL,
    cell varchar NOT NULL,
    indicator varchar NOT NULL,
    year smallint NOT NULL,
    enterprises integer NOT NULL,
    percentiles jsonb,
    own boolean NOT NULL,
    released_at timestamptz,
    PRIMARY KEY (run_id, cell, indicator)
);
CREATE INDEX label_distributions_told ON label_distributions (cell, year) WHERE released_at IS NOT NULL;

CREATE TABLE label_released_enterprises (
    holder_id uuid NOT NULL,
    year smallint NOT NULL,
    run_id uuid NOT NULL,
    PRIMARY KEY (holder_id, year)
);

CREATE TABLE label_falls (
    holder_id uuid NOT NULL,
    run_id uuid NOT NULL,
    year smallint NOT NULL,
    from_year smallint NOT NULL,
    from_colour varchar NOT NULL,
    to_colour varchar NOT NULL,
    official boolean NOT NULL,
    reasons jsonb NOT NULL,
    happened_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, run_id)
);
CREATE INDEX label_falls_run ON label_falls (run_id, holder_id);
"""

GRANTS = """
GRANT SELECT, INSERT ON label_figures, label_runs, enterprise_labels, label_distributions,
    label_released_enterprises, label_falls TO {role};
GRANT UPDATE (position, assessed_at, decided_at, published_at, published_by, official) ON label_runs TO {role};
GRANT UPDATE (colour, points, percentile, views, reasons, decided_at) ON enterprise_labels TO {role};
GRANT UPDATE (released_at) ON label_distributions TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("labels that were published would be lost: restore a backup instead")
