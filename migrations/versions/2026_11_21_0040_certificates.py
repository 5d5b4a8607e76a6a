"""Certificates of what was retired: numbers, versions, files, operators' seals."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0040"
down_revision = "20261121_0041"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE certificate_seals (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    region varchar NOT NULL,
    authority varchar NOT NULL,
    image bytea NOT NULL,
    uploaded_at timestamptz NOT NULL
);
CREATE INDEX certificate_seals_region ON certificate_seals (region, id);

CREATE TABLE certificates (
    id uuid PRIMARY KEY,
    number varchar NOT NULL,
    kind varchar NOT NULL,
    subject_id uuid NOT NULL,
    region varchar NOT NULL,
    quantity_kg bigint NOT NULL,
    holder_id uuid,
    organisation_id uuid,
    version integer NOT NULL,
    issued_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revocation_reason varchar,
    CONSTRAINT certificates_number UNIQUE (number),
    CONSTRAINT certificates_subject UNIQUE (kind, subject_id),
    CONSTRAINT certificates_kind CHECK (kind IN ('retirement', 'neutral_event', 'participant_share')),
    CONSTRAINT certificates_quantity CHECK (quantity_kg > 0),
    CONSTRAINT certificates_revocation CHECK ((revoked_at IS NULL) = (revocation_reason IS NULL))
);
CREATE INDEX certificates_region ON certificates (region, id);
CREATE INDEX certificates_holder ON certificates (holder_id, id) WHERE holder_id IS NOT NULL;
CREATE INDEX certificates_organisation ON certificates (organisation_id, id) WHERE organisation_id IS NOT NULL;

CREATE TABLE certificate_versions (
    certificate_id uuid NOT NULL,
    version integer NOT NULL,
    issued_at timestamptz NOT NULL,
    reason varchar NOT NULL,
    named boolean NOT NULL,
    seal_id uuid,
    digest bytea NOT NULL,
    jws varchar,
    PRIMARY KEY (certificate_id, version),
    CONSTRAINT certificate_versions_digest UNIQUE (digest),
    CONSTRAINT certificate_versions_reason CHECK ((version = 1) = (reason = ''))
);

CREATE TABLE certificate_files (
    digest bytea PRIMARY KEY,
    certificate_id uuid NOT NULL,
    version integer NOT NULL,
    revoked boolean NOT NULL,
    made_at timestamptz NOT NULL,
    pdf bytea,
    CONSTRAINT certificate_files_version UNIQUE (certificate_id, version, revoked)
);
"""

# What was signed stays; a text that names a resident can be forgotten, its digest cannot.
GRANTS = """
GRANT SELECT, INSERT ON certificate_seals, certificates, certificate_versions, certificate_files TO {role};
GRANT UPDATE (version, issued_at, holder_id, revoked_at, revocation_reason) ON certificates TO {role};
GRANT UPDATE (jws) ON certificate_versions TO {role};
GRANT UPDATE (pdf) ON certificate_files TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    run_script("DROP TABLE certificate_files, certificate_versions, certificates, certificate_seals")
