"""What residents do with their grams: footprints, offsets with their certificates, ranks, teams."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0016"
down_revision = "20261121_0015"

TABLES = """
CREATE TABLE footprints (
    holder_id uuid NOT NULL REFERENCES holders,
    id uuid NOT NULL,
    month date NOT NULL,
    region varchar(6) NOT NULL,
    co2e_mg bigint NOT NULL,
    lines jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT footprints_amount CHECK (co2e_mg > 0),
    CONSTRAINT footprints_month CHECK (extract(day FROM month) = 1)
);
CREATE TABLE offsets (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    footprint_id uuid,
    purpose varchar NOT NULL,
    amount_mg bigint NOT NULL,
    booked_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT offsets_amount CHECK (amount_mg > 0)
);
CREATE INDEX offsets_id ON offsets (id);
CREATE TABLE rank_choices (
    holder_id uuid PRIMARY KEY REFERENCES holders,
    shown boolean NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE TABLE teams (
    id uuid PRIMARY KEY,
    kind varchar NOT NULL,
    name varchar NOT NULL,
    region varchar(6) NOT NULL,
    owner_id uuid NOT NULL,
    code varchar NOT NULL,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT teams_kind CHECK (kind IN ('family', 'company', 'school')),
    CONSTRAINT teams_code UNIQUE (code)
);
CREATE TABLE team_members (
    team_id uuid NOT NULL REFERENCES teams,
    id uuid NOT NULL,
    holder_id uuid NOT NULL,
    joined_at timestamptz NOT NULL,
    left_at timestamptz,
    PRIMARY KEY (team_id, id),
    CONSTRAINT team_members_order CHECK (left_at IS NULL OR left_at >= joined_at)
);
CREATE INDEX teams_owner ON teams (owner_id);
CREATE INDEX team_members_holder ON team_members (holder_id);
-- Entries come in the order of their ids, nearly: what was booked in a period is found by a few pages' bounds.
CREATE INDEX entries_booked ON entries USING brin (id) WITH (pages_per_range = 32, autosummarize = on);
"""

GRANTS = """
GRANT SELECT, INSERT ON footprints, offsets TO {role};
GRANT UPDATE (lines), DELETE ON footprints TO {role};
GRANT SELECT, INSERT ON teams, team_members TO {role};
GRANT UPDATE (name, owner_id, code, closed_at) ON teams TO {role};
GRANT UPDATE (left_at) ON team_members TO {role};
GRANT SELECT, INSERT, UPDATE ON rank_choices TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = context.config.attributes["service_role"]
    quoted = op.get_bind().dialect.identifier_preparer.quote_identifier(role)
    run_script(GRANTS.format(role=quoted))


def downgrade() -> None:
    raise NotImplementedError("offsets are part of the ledger")
