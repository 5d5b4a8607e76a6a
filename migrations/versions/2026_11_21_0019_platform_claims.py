"""Claims of platforms that keep their own accounts, and daily quotas."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0019"
down_revision = "20261121_0018"

TABLES = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE organisations ADD COLUMN discloses_wins boolean NOT NULL DEFAULT false;

ALTER TABLE holders ADD COLUMN next_person_key bytea;

CREATE TABLE quota_days (
    organisation_id uuid NOT NULL,
    kind varchar NOT NULL,
    day date NOT NULL,
    used bigint NOT NULL,
    allowed bigint NOT NULL,
    PRIMARY KEY (organisation_id, kind, day),
    CONSTRAINT quota_days_within CHECK (used >= 0 AND used <= allowed)
) WITH (fillfactor = 70);

CREATE TABLE quota_grants (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    kind varchar NOT NULL,
    amount bigint NOT NULL,
    used bigint NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    region varchar NOT NULL,
    reason varchar NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT quota_grants_within CHECK (used >= 0 AND used <= amount),
    CONSTRAINT quota_grants_order CHECK (starts_at < ends_at)
);
CREATE INDEX quota_grants_organisation ON quota_grants (organisation_id, kind, ends_at);

CREATE TABLE platform_claims (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    body_mac bytea NOT NULL,
    scene varchar NOT NULL,
    region varchar NOT NULL,
    outcome varchar NOT NULL,
    reason varchar,
    winner_id uuid,
    claim_tokens bytea NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    claimed_at timestamptz NOT NULL,
    released_at timestamptz,
    CONSTRAINT platform_claims_outcome CHECK (outcome IN ('claimed', 'duplicate')),
    CONSTRAINT platform_claims_winner CHECK ((outcome = 'duplicate') = (winner_id IS NOT NULL)),
    CONSTRAINT platform_claims_days CHECK (first_day <= last_day)
);
"""

GRANTS = """
GRANT SELECT, INSERT ON quota_days, quota_grants, platform_claims TO {role};
GRANT UPDATE (used, allowed) ON quota_days TO {role};
GRANT UPDATE (used) ON quota_grants TO {role};
GRANT UPDATE (next_person_key) ON holders TO {role};
GRANT UPDATE (discloses_wins) ON organisations TO {role};
GRANT UPDATE (released_at) ON platform_claims TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    run_script("DROP TABLE platform_claims, quota_grants, quota_days")
    run_script("ALTER TABLE holders DROP COLUMN next_person_key")
    run_script("ALTER TABLE organisations DROP COLUMN discloses_wins")
