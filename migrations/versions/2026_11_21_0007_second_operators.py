"""Exclusions take two operators; closures say which version caused them; issuable is what was approved here.

Exclusions that one operator decided before go on counting, with an empty `approved_by`.
"""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0007"
down_revision = "20261121_0006"

TABLES = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE methodology_exclusions
    ADD COLUMN approved_by varchar,
    ADD COLUMN approved_at timestamptz,
    ADD COLUMN withdrawn_at timestamptz,
    ADD COLUMN ending_by varchar,
    ADD COLUMN ending_day date,
    ADD COLUMN ended_by varchar,
    ADD COLUMN ended_at timestamptz,
    ADD COLUMN etag integer NOT NULL DEFAULT 1;
UPDATE methodology_exclusions SET approved_by = '', approved_at = created_at;
ALTER TABLE methodology_exclusions
    ALTER COLUMN etag DROP DEFAULT,
    ADD CONSTRAINT methodology_exclusions_approver CHECK ((approved_at IS NULL) = (approved_by IS NULL)),
    ADD CONSTRAINT methodology_exclusions_second CHECK (approved_by <> created_by),
    ADD CONSTRAINT methodology_exclusions_ending CHECK (ending_by IS NULL OR approved_at IS NOT NULL),
    ADD CONSTRAINT methodology_exclusions_ender CHECK
        ((ended_at IS NULL) = (ended_by IS NULL) AND (ended_by IS NULL OR ending_by IS NOT NULL)),
    ADD CONSTRAINT methodology_exclusions_end_second CHECK (ended_by <> ending_by);

ALTER TABLE methodology_closures
    ADD COLUMN revision_id uuid,
    DROP CONSTRAINT methodology_closures_cause,
    ADD CONSTRAINT methodology_closures_cause CHECK
        (cause IN ('succession', 'retirement', 'cancellation', 'recalculation'));
CREATE INDEX methodology_closures_revision ON methodology_closures (revision_id);

UPDATE methodology_versions m SET issuable = false WHERE issuable AND NOT EXISTS (
    SELECT FROM methodology_revisions r WHERE r.content_hash = m.content_hash AND r.approved_at IS NOT NULL);
"""

GUARD = """
CREATE FUNCTION tanpuhui_guard_issuable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.issuable AND NOT EXISTS (
        SELECT FROM methodology_revisions r
        WHERE r.content_hash = NEW.content_hash AND r.approved_at IS NOT NULL) THEN
        RAISE EXCEPTION 'issuable is what a second operator approved here' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER methodology_versions_issuable BEFORE INSERT OR UPDATE ON methodology_versions
    FOR EACH ROW EXECUTE FUNCTION tanpuhui_guard_issuable();
"""

GRANTS = """
GRANT UPDATE (approved_by, approved_at, withdrawn_at, ending_by, ending_day, ended_by, ended_at, etag)
    ON methodology_exclusions TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    run_script(GUARD)
    role = context.config.attributes["service_role"]
    quoted = op.get_bind().dialect.identifier_preparer.quote_identifier(role)
    run_script(GRANTS.format(role=quoted))


def downgrade() -> None:
    raise NotImplementedError("who approved what would be lost: restore a backup instead")
