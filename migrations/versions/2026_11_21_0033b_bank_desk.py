"""Human reviews of what banks were answered, lawful channels of score exports, and monitoring after a loan."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0033b"
down_revision = "20261121_0030"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE score_channels (
    id uuid PRIMARY KEY,
    bank_id uuid NOT NULL,
    region varchar(6) NOT NULL,
    name varchar NOT NULL,
    basis varchar NOT NULL,
    proposed_by varchar NOT NULL,
    proposed_at timestamptz NOT NULL,
    approved_by varchar,
    approved_at timestamptz,
    ended_at timestamptz,
    CONSTRAINT score_channels_approved CHECK ((approved_at IS NULL) = (approved_by IS NULL)),
    CONSTRAINT score_channels_two CHECK (approved_by IS NULL OR approved_by <> proposed_by)
);
CREATE INDEX score_channels_bank ON score_channels (bank_id, id);
CREATE UNIQUE INDEX score_channels_in_force ON score_channels (bank_id)
    WHERE approved_at IS NOT NULL AND ended_at IS NULL;

CREATE TABLE score_reviews (
    id uuid PRIMARY KEY,
    holder_id uuid NOT NULL,
    access_id uuid NOT NULL,
    bank_id uuid NOT NULL,
    bank_name varchar NOT NULL,
    region varchar(6) NOT NULL,
    what varchar NOT NULL,
    explanation varchar NOT NULL,
    state varchar NOT NULL,
    opened_at timestamptz NOT NULL,
    ended_at timestamptz,
    decided_by varchar,
    answer varchar NOT NULL,
    CONSTRAINT score_reviews_state CHECK (state IN ('waiting', 'upheld', 'corrected')),
    CONSTRAINT score_reviews_ended CHECK ((state = 'waiting') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX score_reviews_once ON score_reviews (holder_id, access_id);
CREATE INDEX score_reviews_waiting ON score_reviews (id) WHERE state = 'waiting';
CREATE INDEX score_reviews_holder ON score_reviews (holder_id, id);
CREATE INDEX score_reviews_bank ON score_reviews (bank_id, id);

CREATE TABLE bank_monitors (
    bank_id uuid NOT NULL,
    holder_id uuid NOT NULL,
    card varchar NOT NULL,
    tier varchar,
    label varchar,
    since timestamptz NOT NULL,
    looked_at timestamptz NOT NULL,
    PRIMARY KEY (bank_id, holder_id)
);
CREATE INDEX bank_monitors_holder ON bank_monitors (holder_id);
"""

GRANTS = """
GRANT SELECT, INSERT ON score_channels, score_reviews TO {role};
GRANT UPDATE (approved_by, approved_at, ended_at) ON score_channels TO {role};
GRANT UPDATE (state, ended_at, decided_by, answer, explanation) ON score_reviews TO {role};
GRANT SELECT, INSERT, DELETE ON bank_monitors TO {role};
GRANT UPDATE (card, tier, label, looked_at) ON bank_monitors TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("what was reviewed and approved would be lost: restore a backup instead")
