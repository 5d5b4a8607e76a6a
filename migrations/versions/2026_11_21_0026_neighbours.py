"""Claims that are exchanged with neighbouring deployments: keys of their federation, both sides' rows, doubles."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0026"
down_revision = "20261121_0025"

TABLES = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE holders ADD COLUMN federation_key bytea;

ALTER TABLE organisations DROP CONSTRAINT organisations_kind,
    ADD CONSTRAINT organisations_kind CHECK (kind IN ('platform', 'bank', 'merchant', 'operator', 'neighbour'));

ALTER TABLE points_texts DROP CONSTRAINT points_texts_kind,
    ADD CONSTRAINT points_texts_kind
        CHECK (kind IN ('programme', 'campaign', 'review_policy', 'neighbour_agreement'));
CREATE UNIQUE INDEX points_texts_agreement_days ON points_texts (region, counts_from)
    WHERE kind = 'neighbour_agreement' AND approved_at IS NOT NULL;

CREATE TABLE neighbours (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    name varchar NOT NULL,
    url varchar NOT NULL,
    client_id varchar NOT NULL,
    sealed_secret bytea NOT NULL,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    since bigint NOT NULL,
    position varchar,
    reconciled bigint NOT NULL,
    pulled_at timestamptz,
    last_error varchar NOT NULL
);
CREATE UNIQUE INDEX neighbours_name ON neighbours (name);
CREATE UNIQUE INDEX neighbours_organisation ON neighbours (organisation_id);

CREATE TABLE exchanged_claims (
    day date NOT NULL,
    digest uuid NOT NULL,
    activity_id uuid NOT NULL,
    kind smallint NOT NULL,
    scene varchar NOT NULL,
    region varchar(6) NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    arrived_at timestamptz NOT NULL,
    released_at timestamptz,
    home boolean NOT NULL,
    amount bigint,
    unchecked boolean NOT NULL,
    changed_by bigint NOT NULL,
    PRIMARY KEY (day, digest, activity_id),
    CONSTRAINT exchanged_claims_kind CHECK (kind IN (1, 2, 3)),
    CONSTRAINT exchanged_claims_order CHECK (starts_at <= ends_at)
);
CREATE INDEX exchanged_claims_changed ON exchanged_claims (changed_by, day);
CREATE INDEX exchanged_claims_activity ON exchanged_claims (activity_id);

CREATE TABLE neighbour_claims (
    neighbour_id uuid NOT NULL,
    day date NOT NULL,
    digest uuid NOT NULL,
    reference uuid NOT NULL,
    kind smallint NOT NULL,
    scene varchar NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    arrived_at timestamptz NOT NULL,
    released_at timestamptz,
    home boolean NOT NULL,
    amount bigint,
    changed_by bigint NOT NULL,
    PRIMARY KEY (neighbour_id, day, digest, reference),
    CONSTRAINT neighbour_claims_kind CHECK (kind IN (1, 2, 3)),
    CONSTRAINT neighbour_claims_order CHECK (starts_at <= ends_at)
);
CREATE INDEX neighbour_claims_changed ON neighbour_claims (neighbour_id, changed_by, day);

CREATE TABLE neighbour_pages (
    id uuid PRIMARY KEY,
    neighbour_id uuid NOT NULL,
    received_at timestamptz NOT NULL,
    claims integer NOT NULL,
    signature varchar NOT NULL
);

CREATE TABLE double_claims (
    neighbour_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    reference uuid NOT NULL,
    region varchar(6) NOT NULL,
    day date NOT NULL,
    kind smallint NOT NULL,
    scene varchar NOT NULL,
    their_scene varchar NOT NULL,
    arrived_at timestamptz NOT NULL,
    their_arrived_at timestamptz NOT NULL,
    precedence varchar NOT NULL,
    state varchar NOT NULL,
    automatic boolean NOT NULL,
    found_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by varchar,
    reason varchar NOT NULL,
    PRIMARY KEY (neighbour_id, activity_id, reference),
    CONSTRAINT double_claims_state CHECK (state IN ('kept', 'lost', 'reversed', 'ended')),
    CONSTRAINT double_claims_decided CHECK ((state = 'reversed') = (decided_at IS NOT NULL))
);
CREATE INDEX double_claims_lost ON double_claims (neighbour_id, activity_id) WHERE state = 'lost';
"""

GRANTS = """
GRANT UPDATE (federation_key) ON holders TO {role};
GRANT SELECT, INSERT ON neighbours, exchanged_claims, neighbour_claims, neighbour_pages, double_claims TO {role};
GRANT UPDATE (name, url, client_id, sealed_secret, disabled_at, since, position, reconciled, pulled_at, last_error)
    ON neighbours TO {role};
GRANT UPDATE (released_at, changed_by) ON exchanged_claims, neighbour_claims TO {role};
GRANT UPDATE (state, automatic, precedence, decided_at, decided_by, reason) ON double_claims TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("what neighbours were told would be lost: restore a backup instead")
