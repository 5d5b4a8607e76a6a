"""Methodologies that operators change: revisions with their states, closures, exclusions; a fuller audit trail.

Only adds. What is approved cannot be changed any more: the trigger holds it, whoever writes. Closures are written
once and never changed, so that a period in force only ever gets shorter, and the trail of it stays.
"""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0002"
down_revision = "20261121_0001"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE methodology_revisions (
    id uuid PRIMARY KEY,
    region varchar NOT NULL,
    scene varchar NOT NULL,
    code varchar NOT NULL,
    version varchar NOT NULL,
    origin varchar NOT NULL,
    content varchar NOT NULL,
    content_hash varchar,
    first_day date,
    last_day date,
    authors text[] NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    submitted_at timestamptz,
    approved_at timestamptz,
    approved_by varchar,
    activates_at timestamptz,
    retired_at timestamptz,
    etag integer NOT NULL,
    CONSTRAINT methodology_revisions_identity UNIQUE (region, code, version),
    CONSTRAINT methodology_revisions_submitted CHECK (submitted_at IS NULL OR content_hash IS NOT NULL),
    CONSTRAINT methodology_revisions_dated CHECK (submitted_at IS NULL OR first_day IS NOT NULL),
    CONSTRAINT methodology_revisions_approved CHECK (approved_at IS NULL OR submitted_at IS NOT NULL),
    CONSTRAINT methodology_revisions_approver CHECK ((approved_at IS NULL) = (approved_by IS NULL)),
    CONSTRAINT methodology_revisions_second CHECK (approved_by IS NULL OR approved_by <> ALL (authors)),
    CONSTRAINT methodology_revisions_active CHECK (activates_at IS NULL OR approved_at IS NOT NULL),
    CONSTRAINT methodology_revisions_order CHECK (last_day IS NULL OR last_day >= first_day)
);
CREATE INDEX methodology_revisions_place ON methodology_revisions (scene, region);

CREATE TABLE methodology_closures (
    id uuid PRIMARY KEY,
    region varchar NOT NULL,
    scene varchar NOT NULL,
    code varchar NOT NULL,
    version varchar NOT NULL,
    last_day date NOT NULL,
    cause varchar NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT methodology_closures_cause CHECK (cause IN ('succession', 'retirement'))
);
CREATE INDEX methodology_closures_place ON methodology_closures (scene, region);

CREATE TABLE methodology_exclusions (
    id uuid PRIMARY KEY,
    region varchar NOT NULL,
    scene varchar NOT NULL,
    first_day date NOT NULL,
    last_day date,
    legal_basis varchar NOT NULL,
    created_by varchar NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT methodology_exclusions_order CHECK (last_day IS NULL OR last_day >= first_day)
);
CREATE INDEX methodology_exclusions_place ON methodology_exclusions (scene, region);

ALTER TABLE audit_records
    ADD COLUMN region varchar NOT NULL DEFAULT '',
    ADD COLUMN reason varchar NOT NULL DEFAULT '',
    ADD COLUMN address varchar NOT NULL DEFAULT '',
    ADD COLUMN before varchar,
    ADD COLUMN after varchar;
"""

GUARD = """
CREATE FUNCTION tanpuhui_guard_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.region, NEW.scene, NEW.code, NEW.version)
        IS DISTINCT FROM (OLD.id, OLD.region, OLD.scene, OLD.code, OLD.version) THEN
        RAISE EXCEPTION 'a revision keeps its identity' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.approved_at IS NOT NULL AND
        (NEW.content, NEW.content_hash, NEW.first_day, NEW.last_day, NEW.authors, NEW.submitted_at,
         NEW.approved_at, NEW.approved_by)
        IS DISTINCT FROM
        (OLD.content, OLD.content_hash, OLD.first_day, OLD.last_day, OLD.authors, OLD.submitted_at,
         OLD.approved_at, OLD.approved_by) THEN
        RAISE EXCEPTION 'what is approved does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.activates_at IS NOT NULL AND NEW.activates_at IS DISTINCT FROM OLD.activates_at THEN
        RAISE EXCEPTION 'the moment of activation does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.retired_at IS NOT NULL THEN
        RAISE EXCEPTION 'what is retired does not change' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER methodology_revisions_guard BEFORE UPDATE ON methodology_revisions
    FOR EACH ROW EXECUTE FUNCTION tanpuhui_guard_revision();
"""

GRANTS = """
GRANT SELECT, INSERT ON methodology_revisions, methodology_closures, methodology_exclusions TO {role};
GRANT UPDATE (content, content_hash, first_day, last_day, authors, updated_at, submitted_at, approved_at, approved_by,
    activates_at, retired_at, etag) ON methodology_revisions TO {role};
GRANT UPDATE (last_day) ON methodology_exclusions TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    run_script(GUARD)
    role = context.config.attributes["service_role"]
    quoted = op.get_bind().dialect.identifier_preparer.quote_identifier(role)
    run_script(GRANTS.format(role=quoted))


def downgrade() -> None:
    raise NotImplementedError("what operators decided would be lost: restore a backup instead")
