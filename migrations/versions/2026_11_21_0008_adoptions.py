"""Regions adopt the nation's rule of a scene for some days: proposed by one operator, approved by another."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0008"
down_revision = "20261121_0007"

TABLES = """
CREATE TABLE methodology_adoptions (
    id uuid PRIMARY KEY,
    region varchar NOT NULL,
    scene varchar NOT NULL,
    first_day date NOT NULL,
    last_day date,
    legal_basis varchar NOT NULL,
    created_by varchar NOT NULL,
    created_at timestamptz NOT NULL,
    approved_by varchar,
    approved_at timestamptz,
    withdrawn_at timestamptz,
    ending_by varchar,
    ending_day date,
    ended_by varchar,
    ended_at timestamptz,
    etag integer NOT NULL,
    CONSTRAINT methodology_adoptions_order CHECK (last_day IS NULL OR last_day >= first_day),
    CONSTRAINT methodology_adoptions_approver CHECK ((approved_at IS NULL) = (approved_by IS NULL)),
    CONSTRAINT methodology_adoptions_second CHECK (approved_by <> created_by),
    CONSTRAINT methodology_adoptions_ending CHECK (ending_by IS NULL OR approved_at IS NOT NULL),
    CONSTRAINT methodology_adoptions_ender CHECK
        ((ended_at IS NULL) = (ended_by IS NULL) AND (ended_by IS NULL OR ending_by IS NOT NULL)),
    CONSTRAINT methodology_adoptions_end_second CHECK (ended_by <> ending_by)
);
CREATE INDEX methodology_adoptions_place ON methodology_adoptions (scene, region);
"""

GRANTS = """
GRANT SELECT, INSERT ON methodology_adoptions TO {role};
GRANT UPDATE (last_day, approved_by, approved_at, withdrawn_at, ending_by, ending_day, ended_by, ended_at, etag)
    ON methodology_adoptions TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = context.config.attributes["service_role"]
    quoted = op.get_bind().dialect.identifier_preparer.quote_identifier(role)
    run_script(GRANTS.format(role=quoted))


def downgrade() -> None:
    raise NotImplementedError("what regions adopted would be lost: restore a backup instead")
