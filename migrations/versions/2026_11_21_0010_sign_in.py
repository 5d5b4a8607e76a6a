"""Sign-in of residents: their sessions, what was signed out everywhere, how an identity was proven, minors."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0010"
down_revision = "20261121_0009"

TABLES = """
CREATE TABLE resident_sessions (
    id uuid PRIMARY KEY,
    holder_id uuid NOT NULL REFERENCES holders,
    method varchar NOT NULL,
    device varchar NOT NULL,
    family_hash bytea NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    end_reason varchar NOT NULL,
    CONSTRAINT resident_sessions_family UNIQUE (family_hash)
) WITH (fillfactor = 80);
CREATE INDEX resident_sessions_holder ON resident_sessions (holder_id);
CREATE INDEX resident_sessions_ended ON resident_sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX resident_sessions_expiry ON resident_sessions (expires_at);
CREATE TABLE resident_epochs (
    holder_id uuid PRIMARY KEY,
    epoch integer NOT NULL,
    revoked_at timestamptz NOT NULL
);
CREATE INDEX resident_epochs_revoked ON resident_epochs (revoked_at);
CREATE TABLE minors (
    holder_id uuid PRIMARY KEY REFERENCES holders,
    guardian_id uuid NOT NULL REFERENCES holders,
    label varchar NOT NULL,
    minor_until date NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT minors_not_oneself CHECK (holder_id <> guardian_id)
);
CREATE INDEX minors_guardian ON minors (guardian_id);
ALTER TABLE identities
    ADD COLUMN proof varchar NOT NULL DEFAULT 'onboarding',
    ADD COLUMN proven_at timestamptz,
    ADD CONSTRAINT identities_proof CHECK (proof IN ('onboarding', 'sms', 'wechat', 'provider', 'operator'));
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON resident_sessions TO {role};
GRANT SELECT, INSERT, UPDATE ON resident_epochs TO {role};
GRANT SELECT, INSERT ON minors TO {role};
GRANT UPDATE (ended_at) ON minors TO {role};
GRANT UPDATE (holder_id, proof, proven_at) ON identities TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = context.config.attributes["service_role"]
    quoted = op.get_bind().dialect.identifier_preparer.quote_identifier(role)
    run_script(GRANTS.format(role=quoted))


def downgrade() -> None:
    raise NotImplementedError("residents would be signed out and minors forgotten: restore a backup instead")
