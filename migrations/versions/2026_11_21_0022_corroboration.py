"""Reports that stand behind the credits of others, and the platforms that holders prefer."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0022"
down_revision = "20261121_0021"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE corroborations (
    holder_id uuid NOT NULL,
    winner_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    source_id uuid NOT NULL,
    evidence varchar NOT NULL,
    rule varchar NOT NULL,
    at timestamptz NOT NULL,
    outranks varchar,
    skipped varchar,
    ended_at timestamptz,
    ended varchar,
    PRIMARY KEY (holder_id, winner_id, activity_id),
    CONSTRAINT corroborations_evidence CHECK (evidence IN ('self_report', 'platform')),
    CONSTRAINT corroborations_outranks CHECK (outranks IN ('evidence', 'holder_choice')),
    CONSTRAINT corroborations_ended_as CHECK (ended IN ('credited', 'took_over', 'moved', 'passed_on', 'own_repeat',
        'refuted', 'claimed_elsewhere', 'moved_away', 'points_lost', 'no_consent', 'claimed', 'cap_reached')),
    CONSTRAINT corroborations_ended CHECK ((ended IS NULL) = (ended_at IS NULL)),
    CONSTRAINT corroborations_of_another CHECK (activity_id <> winner_id)
);
CREATE INDEX corroborations_of_activity ON corroborations (holder_id, activity_id);
CREATE INDEX corroborations_outranking ON corroborations (activity_id)
    WHERE outranks IS NOT NULL AND skipped IS NULL AND ended_at IS NULL;

CREATE TABLE preferred_platforms (
    holder_id uuid NOT NULL,
    scene_group varchar NOT NULL,
    chosen_at timestamptz NOT NULL,
    source_id uuid NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (holder_id, scene_group, chosen_at),
    CONSTRAINT preferred_platforms_order CHECK (chosen_at <= ended_at)
);
CREATE UNIQUE INDEX preferred_platforms_one ON preferred_platforms (holder_id, scene_group) WHERE ended_at IS NULL;

ALTER TABLE settled_activities DROP CONSTRAINT settled_activities_cause,
    ADD CONSTRAINT settled_activities_cause CHECK (cause IN ('dispute', 'review', 'reversal', 'precedence'));
"""

GRANTS = """
GRANT SELECT, INSERT ON corroborations, preferred_platforms TO {role};
GRANT UPDATE (skipped, ended_at, ended) ON corroborations TO {role};
GRANT UPDATE (ended_at), DELETE ON preferred_platforms TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError(
        "which report stands behind which credit would be lost: restore a backup instead"
    )
