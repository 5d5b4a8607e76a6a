"""Recalculation of a past period under a corrected version.

Closures may count from a moment on, so that a version keeps its past days until the corrected one counts. The service
may change what an activity was computed to, and only together with the row that tells it: a trigger holds it.
"""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0005"
down_revision = "20261121_0004"

TABLES = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE methodology_closures
    ADD COLUMN counts_from timestamptz,
    DROP CONSTRAINT methodology_closures_cause,
    ADD CONSTRAINT methodology_closures_cause CHECK (cause IN ('succession', 'retirement', 'recalculation'));

CREATE TABLE recalculations (
    id uuid PRIMARY KEY,
    region varchar NOT NULL,
    scene varchar NOT NULL,
    revision_id uuid NOT NULL REFERENCES methodology_revisions,
    content_hash varchar NOT NULL,
    first_day date NOT NULL,
    last_day date,
    state varchar NOT NULL,
    requested_by varchar NOT NULL,
    reason varchar NOT NULL,
    created_at timestamptz NOT NULL,
    replaces jsonb NOT NULL,
    cursor uuid,
    preview jsonb NOT NULL,
    previewed_at timestamptz,
    approved_by varchar,
    approved_at timestamptz,
    approval_reason varchar NOT NULL,
    activates_at timestamptz,
    runs_from timestamptz,
    totals jsonb NOT NULL,
    changed_in_pass bigint NOT NULL,
    cancelled_by varchar,
    ended_at timestamptz,
    CONSTRAINT recalculations_state CHECK
        (state IN ('previewing', 'previewed', 'approved', 'running', 'done', 'cancelled')),
    CONSTRAINT recalculations_second CHECK (approved_by IS NULL OR approved_by <> requested_by),
    CONSTRAINT recalculations_approved CHECK
        (state <> ALL (ARRAY['approved', 'running', 'done'])
         OR approved_at IS NOT NULL AND approved_by IS NOT NULL AND activates_at IS NOT NULL
            AND runs_from IS NOT NULL AND previewed_at IS NOT NULL),
    CONSTRAINT recalculations_ended CHECK ((ended_at IS NOT NULL) = (state IN ('done', 'cancelled')))
);
CREATE UNIQUE INDEX recalculations_open ON recalculations (revision_id) WHERE ended_at IS NULL;

CREATE TABLE recalculated_activities (
    holder_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    recalculation_id uuid NOT NULL REFERENCES recalculations,
    at timestamptz NOT NULL,
    before_methodology_id integer NOT NULL,
    before_outcome varchar NOT NULL,
    before_reason varchar,
    before_mg bigint NOT NULL,
    before_full_mg bigint NOT NULL,
    before_points bigint NOT NULL,
    after_methodology_id integer NOT NULL,
    after_outcome varchar NOT NULL,
    after_reason varchar,
    after_mg bigint NOT NULL,
    after_full_mg bigint NOT NULL,
    after_points bigint NOT NULL,
    PRIMARY KEY (holder_id, activity_id, recalculation_id)
);
"""

GUARD = """
CREATE FUNCTION tanpuhui_guard_recalculated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER') AND NOT EXISTS (
        SELECT FROM recalculated_activities r
        WHERE r.holder_id = NEW.holder_id AND r.activity_id = NEW.id AND r.after_methodology_id = NEW.methodology_id
          AND r.after_outcome = NEW.outcome AND r.after_mg = NEW.co2e_mg AND r.after_full_mg = NEW.full_mg
          AND r.after_points = NEW.points) THEN
        RAISE EXCEPTION 'only a recalculation changes what an activity was computed to'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER activities_guard
    BEFORE UPDATE OF methodology_id, inputs, reason, co2e_mg, full_mg, points ON activities
    FOR EACH ROW EXECUTE FUNCTION tanpuhui_guard_recalculated();
"""

GRANTS = """
GRANT SELECT, INSERT ON recalculations, recalculated_activities TO {role};
GRANT UPDATE (state, cursor, preview, previewed_at, approved_by, approved_at, approval_reason, activates_at, runs_from,
    totals, changed_in_pass, cancelled_by, ended_at) ON recalculations TO {role};
GRANT UPDATE (methodology_id, inputs, reason, co2e_mg, full_mg, points) ON activities TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    run_script(GUARD)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("what was recalculated would be lost: restore a backup instead")
