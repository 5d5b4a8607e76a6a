"""What platforms take with the person's consent stands beside what the person gets; a recalculation splits anew."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0006"
down_revision = "20261121_0005"

# The index holds aggregated acts only, so that the rest of the intake writes nothing into it.
TABLES = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE activities
    ADD COLUMN aggregated_mg bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT activities_aggregated CHECK (aggregated_mg >= 0);
CREATE INDEX activities_aggregating ON activities (source_id, id) WHERE aggregated_mg > 0;

ALTER TABLE recalculated_activities
    ADD COLUMN before_aggregated_mg bigint NOT NULL DEFAULT 0,
    ADD COLUMN after_aggregated_mg bigint NOT NULL DEFAULT 0;
"""

GUARD = """
CREATE OR REPLACE FUNCTION tanpuhui_guard_recalculated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER') AND NOT EXISTS (
        SELECT FROM recalculated_activities r
        WHERE r.holder_id = NEW.holder_id AND r.activity_id = NEW.id AND r.after_methodology_id = NEW.methodology_id
          AND r.after_outcome = NEW.outcome AND r.after_mg = NEW.co2e_mg
          AND r.after_aggregated_mg = NEW.aggregated_mg AND r.after_full_mg = NEW.full_mg
          AND r.after_points = NEW.points) THEN
        RAISE EXCEPTION 'only a recalculation changes what an activity was computed to'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
DROP TRIGGER activities_guard ON activities;
CREATE TRIGGER activities_guard
    BEFORE UPDATE OF methodology_id, inputs, reason, co2e_mg, aggregated_mg, full_mg, points ON activities
    FOR EACH ROW EXECUTE FUNCTION tanpuhui_guard_recalculated();
"""


def upgrade() -> None:
    run_script(TABLES)
    run_script(GUARD)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(f"GRANT UPDATE (aggregated_mg) ON activities TO {role}")


def downgrade() -> None:
    raise NotImplementedError("what platforms took would be lost: restore a backup instead")
