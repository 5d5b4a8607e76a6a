"""Disputes of outcomes, the claims that they move, and reviews of acts that signals hold.

What a decision after the intake makes of an activity is a row of `settled_activities`; the trigger that let only
recalculations change amounts lets these as well, and neither another text nor other inputs.
"""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0021"
down_revision = "20261121_0020"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE settled_activities (
    holder_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    cause_id uuid NOT NULL,
    cause varchar NOT NULL,
    at timestamptz NOT NULL,
    before_outcome varchar NOT NULL,
    before_reason varchar,
    after_outcome varchar NOT NULL,
    after_reason varchar,
    after_mg bigint NOT NULL,
    after_aggregated_mg bigint NOT NULL,
    after_points bigint NOT NULL,
    PRIMARY KEY (holder_id, activity_id, cause_id),
    CONSTRAINT settled_activities_cause CHECK (cause IN ('dispute', 'review'))
);

CREATE TABLE disputes (
    id uuid PRIMARY KEY,
    holder_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    region varchar(6) NOT NULL,
    source_id uuid NOT NULL,
    party varchar NOT NULL,
    party_id uuid NOT NULL,
    explanation varchar NOT NULL,
    state varchar NOT NULL,
    opened_at timestamptz NOT NULL,
    ended_at timestamptz,
    decided_by varchar,
    reason varchar NOT NULL,
    CONSTRAINT disputes_state CHECK (state IN ('open', 'upheld', 'moved', 'withdrawn')),
    CONSTRAINT disputes_party CHECK (party IN ('holder', 'platform')),
    CONSTRAINT disputes_ended CHECK ((state = 'open') = (ended_at IS NULL)),
    CONSTRAINT disputes_decided CHECK ((decided_by IS NOT NULL) = (state IN ('upheld', 'moved')))
);
CREATE UNIQUE INDEX disputes_open ON disputes (activity_id) WHERE state = 'open';
CREATE UNIQUE INDEX disputes_once ON disputes (activity_id, party) WHERE state <> 'withdrawn';
CREATE INDEX disputes_of_party ON disputes (party_id, id);
CREATE INDEX disputes_of_holder ON disputes (holder_id, activity_id);
CREATE INDEX disputes_waiting ON disputes (id) WHERE state = 'open';

CREATE TABLE claim_moves (
    to_activity_id uuid PRIMARY KEY,
    to_holder_id uuid NOT NULL,
    from_activity_id uuid,
    from_holder_id uuid,
    dispute_id uuid NOT NULL,
    at timestamptz NOT NULL
);
CREATE UNIQUE INDEX claim_moves_from ON claim_moves (from_activity_id);
CREATE UNIQUE INDEX claim_moves_dispute ON claim_moves (dispute_id);

CREATE TABLE act_traces (
    holder_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    activity_id uuid NOT NULL,
    ended_at timestamptz NOT NULL,
    scene varchar NOT NULL,
    region varchar(6) NOT NULL,
    distance_m bigint,
    device uuid,
    PRIMARY KEY (holder_id, started_at, activity_id)
);
CREATE INDEX act_traces_device ON act_traces (device, started_at) WHERE device IS NOT NULL;
CREATE INDEX act_traces_age ON act_traces (started_at);

CREATE TABLE act_signals (
    holder_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    signal varchar NOT NULL,
    score smallint NOT NULL,
    action varchar NOT NULL,
    evidence jsonb NOT NULL,
    policy_id uuid NOT NULL,
    PRIMARY KEY (holder_id, activity_id, signal),
    CONSTRAINT act_signals_score CHECK (score >= 1 AND score <= 100),
    CONSTRAINT act_signals_action CHECK (action IN ('pass', 'hold', 'reject'))
);

CREATE TABLE held_activities (
    activity_id uuid PRIMARY KEY,
    holder_id uuid NOT NULL,
    region varchar(6) NOT NULL,
    held_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    undecided varchar NOT NULL,
    state varchar NOT NULL,
    ended_at timestamptz,
    decided_by varchar,
    reason varchar NOT NULL,
    CONSTRAINT held_activities_state CHECK (state IN ('waiting', 'released', 'rejected', 'reversed')),
    CONSTRAINT held_activities_undecided CHECK (undecided IN ('release', 'reject')),
    CONSTRAINT held_activities_ended CHECK ((state = 'waiting') = (ended_at IS NULL))
);
CREATE INDEX held_activities_due ON held_activities (due_at) WHERE state = 'waiting';
CREATE INDEX held_activities_waiting ON held_activities (activity_id) WHERE state = 'waiting';

ALTER TABLE points_texts DROP CONSTRAINT points_texts_kind,
    ADD CONSTRAINT points_texts_kind CHECK (kind IN ('programme', 'campaign', 'review_policy'));
CREATE UNIQUE INDEX points_texts_review_days ON points_texts (region, counts_from)
    WHERE kind = 'review_policy' AND approved_at IS NOT NULL;
"""

GUARD = """
CREATE OR REPLACE FUNCTION tanpuhui_guard_recalculated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER') AND NOT EXISTS (
        SELECT FROM recalculated_activities r
        WHERE r.holder_id = NEW.holder_id AND r.activity_id = NEW.id AND r.after_methodology_id = NEW.methodology_id
          AND r.after_outcome = NEW.outcome AND r.after_mg = NEW.co2e_mg
          AND r.after_aggregated_mg = NEW.aggregated_mg AND r.after_full_mg = NEW.full_mg
          AND r.after_points = NEW.points) AND NOT EXISTS (
        SELECT FROM settled_activities s
        WHERE s.holder_id = NEW.holder_id AND s.activity_id = NEW.id AND s.after_outcome = NEW.outcome
          AND s.after_mg = NEW.co2e_mg AND s.after_aggregated_mg = NEW.aggregated_mg
          AND s.after_points = NEW.points AND s.before_outcome = OLD.outcome
          AND (NEW.methodology_id, NEW.inputs, NEW.full_mg) IS NOT DISTINCT FROM
              (OLD.methodology_id, OLD.inputs, OLD.full_mg)) THEN
        RAISE EXCEPTION 'only a recalculation or a decision changes what an activity came to'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
"""

GRANTS = """
GRANT SELECT, INSERT ON settled_activities, disputes, claim_moves TO {role};
GRANT UPDATE (state, ended_at, decided_by, reason, explanation) ON disputes TO {role};
GRANT SELECT, INSERT ON act_traces, act_signals, held_activities TO {role};
GRANT DELETE ON act_traces TO {role};
GRANT UPDATE (state, ended_at, decided_by, reason) ON held_activities TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    run_script(GUARD)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("what disputes moved would be lost: restore a backup instead")
