"""Obligations, what is filed against them, and what their limits have left; rules that operators write down."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0039"
down_revision = "20261121_0037"

TABLES = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE points_texts DROP CONSTRAINT points_texts_kind,
    ADD CONSTRAINT points_texts_kind CHECK (kind IN (
        'programme', 'campaign', 'review_policy', 'neighbour_agreement', 'label_rules', 'score_cards', 'offset_rules'));
CREATE UNIQUE INDEX points_texts_offset_days ON points_texts (region, counts_from)
    WHERE kind = 'offset_rules' AND approved_at IS NOT NULL;

-- To whom the units of an origin were issued, which tells whose boundary they come from.
CREATE INDEX unit_movements_issued ON unit_movements (subject_id) WHERE kind = 'issued';

CREATE TABLE offset_obligations (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    market varchar NOT NULL,
    region varchar(6) NOT NULL,
    period smallint NOT NULL,
    allowances_issued_t bigint,
    allowances_to_surrender_t bigint,
    file_by date,
    boundary_ids uuid[] NOT NULL,
    boundary_projects text[] NOT NULL,
    document_title varchar NOT NULL,
    document_number varchar NOT NULL,
    document_issued_on date NOT NULL,
    version integer NOT NULL,
    recorded_at timestamptz NOT NULL,
    recorded_by varchar NOT NULL,
    CONSTRAINT offset_obligations_once UNIQUE (organisation_id, market, period),
    CONSTRAINT offset_obligations_version CHECK (version > 0),
    CONSTRAINT offset_obligations_period CHECK (period >= 2000 AND period <= 2199),
    CONSTRAINT offset_obligations_figures CHECK (
        (allowances_issued_t IS NULL OR allowances_issued_t >= 0)
        AND (allowances_to_surrender_t IS NULL OR allowances_to_surrender_t >= 0))
);
CREATE INDEX offset_obligations_region ON offset_obligations (region, id);

CREATE TABLE offset_filings (
    id uuid PRIMARY KEY,
    obligation_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    region varchar(6) NOT NULL,
    beneficiary varchar NOT NULL,
    rule varchar NOT NULL,
    report jsonb NOT NULL,
    elsewhere boolean NOT NULL,
    document varchar NOT NULL,
    state varchar NOT NULL,
    filed_at timestamptz NOT NULL,
    filed_by varchar NOT NULL,
    decided_at timestamptz,
    decided_by varchar,
    reason varchar NOT NULL,
    CONSTRAINT offset_filings_state CHECK (state IN ('filed', 'accepted', 'rejected', 'withdrawn')),
    CONSTRAINT offset_filings_decided CHECK ((state = 'filed') = (decided_at IS NULL)),
    CONSTRAINT offset_filings_decider CHECK ((decided_at IS NULL) = (decided_by IS NULL)),
    CONSTRAINT offset_filings_two CHECK (state <> 'accepted' OR decided_by <> filed_by)
);
CREATE INDEX offset_filings_obligation ON offset_filings (obligation_id, id);
CREATE INDEX offset_filings_organisation ON offset_filings (organisation_id, id);
CREATE INDEX offset_filings_region ON offset_filings (region, id);

CREATE TABLE offset_lines (
    id uuid PRIMARY KEY,
    filing_id uuid NOT NULL,
    obligation_id uuid NOT NULL,
    line smallint NOT NULL,
    origin_id uuid,
    kind varchar NOT NULL,
    region varchar(6) NOT NULL,
    vintage smallint NOT NULL,
    quantity_kg bigint NOT NULL,
    serials varchar NOT NULL,
    CONSTRAINT offset_lines_lots CHECK (quantity_kg > 0 AND quantity_kg % 1000 = 0),
    CONSTRAINT offset_lines_from CHECK ((origin_id IS NULL) = (serials <> ''))
);
CREATE INDEX offset_lines_filing ON offset_lines (filing_id, line);
CREATE INDEX offset_lines_obligation ON offset_lines (obligation_id);

-- The limit is held by this row: what it has used never exceeds its cap.
CREATE TABLE offset_limits (
    obligation_id uuid NOT NULL,
    code varchar NOT NULL,
    kinds text[] NOT NULL,
    outside varchar,
    cap_kg bigint NOT NULL,
    used_kg bigint NOT NULL,
    PRIMARY KEY (obligation_id, code),
    CONSTRAINT offset_limits_cap CHECK (used_kg >= 0 AND used_kg <= cap_kg)
);

-- A filing that is decided stays as it is.
CREATE FUNCTION tanpuhui_decided_filing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a filing that is decided is not changed';
END $$;
CREATE TRIGGER offset_filings_final BEFORE UPDATE ON offset_filings
    FOR EACH ROW WHEN (OLD.state <> 'filed') EXECUTE FUNCTION tanpuhui_decided_filing();
"""

GRANTS = """
GRANT SELECT, INSERT ON offset_obligations, offset_filings, offset_lines, offset_limits TO {role};
GRANT UPDATE (region, allowances_issued_t, allowances_to_surrender_t, file_by, boundary_ids, boundary_projects,
    document_title, document_number, document_issued_on, version, recorded_at, recorded_by)
    ON offset_obligations TO {role};
GRANT UPDATE (state, reason, decided_at, decided_by) ON offset_filings TO {role};
GRANT UPDATE (kinds, outside, cap_kg, used_kg), DELETE ON offset_limits TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("what was filed and retired would be lost: restore a backup instead")
