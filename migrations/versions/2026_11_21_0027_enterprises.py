"""Enterprises: sites, lines and meters, members with roles and how they are invited, clients bound to a holder."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0027"
down_revision = "20261121_0033"

TABLES = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE organisations ADD COLUMN holder_id uuid;
ALTER TABLE organisations DROP CONSTRAINT organisations_kind,
    ADD CONSTRAINT organisations_kind
        CHECK (kind IN ('platform', 'bank', 'merchant', 'operator', 'neighbour', 'enterprise')),
    ADD CONSTRAINT organisations_holder CHECK ((kind = 'enterprise') = (holder_id IS NOT NULL)),
    ADD CONSTRAINT organisations_holder_id UNIQUE (holder_id);

ALTER TABLE clients ADD COLUMN role varchar;

CREATE TABLE enterprises (
    holder_id uuid PRIMARY KEY,
    name varchar NOT NULL,
    domain varchar NOT NULL,
    industry_code varchar,
    region varchar(6) NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT enterprises_domain
        CHECK (domain IN ('industry', 'agriculture', 'energy', 'building', 'transport', 'residential')),
    CONSTRAINT enterprises_industry CHECK (industry_code IS NOT NULL OR domain = 'residential')
);
CREATE INDEX enterprises_region ON enterprises (region, holder_id);
CREATE INDEX enterprises_industry_code ON enterprises (industry_code);

CREATE TABLE enterprise_sites (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    name varchar NOT NULL,
    region varchar(6) NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, id)
);

CREATE TABLE enterprise_lines (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    name varchar NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, id)
);

CREATE TABLE meters (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    line_id uuid,
    number varchar NOT NULL,
    carrier varchar NOT NULL,
    flow varchar NOT NULL,
    reading varchar NOT NULL,
    register_max bigint,
    counts boolean NOT NULL,
    installed_at timestamptz NOT NULL,
    removed_at timestamptz,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT meters_number UNIQUE (holder_id, number),
    CONSTRAINT meters_id UNIQUE (id),
    CONSTRAINT meters_carrier CHECK (carrier IN ('electricity', 'gas', 'coal', 'oil', 'steam', 'water')),
    CONSTRAINT meters_flow CHECK (flow IN ('use', 'import', 'export', 'generation')),
    CONSTRAINT meters_reading CHECK (reading IN ('interval', 'cumulative')),
    CONSTRAINT meters_register CHECK (register_max IS NULL OR (register_max > 0 AND reading = 'cumulative')),
    CONSTRAINT meters_order CHECK (removed_at IS NULL OR removed_at >= installed_at)
);

CREATE TABLE enterprise_members (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    member_id uuid NOT NULL,
    role varchar NOT NULL,
    label varchar NOT NULL,
    joined_at timestamptz NOT NULL,
    left_at timestamptz,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT enterprise_members_role CHECK (role IN ('owner', 'energy_manager', 'viewer')),
    CONSTRAINT enterprise_members_order CHECK (left_at IS NULL OR left_at >= joined_at),
    CONSTRAINT enterprise_members_not_oneself CHECK (member_id <> holder_id)
);
CREATE UNIQUE INDEX enterprise_members_present ON enterprise_members (holder_id, member_id) WHERE left_at IS NULL;
CREATE INDEX enterprise_members_member ON enterprise_members (member_id);
CREATE INDEX enterprise_members_left ON enterprise_members (left_at) WHERE left_at IS NOT NULL;

CREATE TABLE enterprise_invitations (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    role varchar NOT NULL,
    label varchar NOT NULL,
    code_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    withdrawn_at timestamptz,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT enterprise_invitations_code UNIQUE (code_hash),
    CONSTRAINT enterprise_invitations_role CHECK (role IN ('owner', 'energy_manager', 'viewer')),
    CONSTRAINT enterprise_invitations_once CHECK (used_at IS NULL OR withdrawn_at IS NULL)
);
"""

GRANTS = """
GRANT SELECT, INSERT ON enterprises, enterprise_sites, enterprise_lines, meters, enterprise_members,
    enterprise_invitations TO {role};
GRANT UPDATE (name, domain, industry_code, version) ON enterprises TO {role};
GRANT UPDATE (name, region, version) ON enterprise_sites TO {role};
GRANT UPDATE (name, version) ON enterprise_lines TO {role};
GRANT UPDATE (line_id, counts, register_max, removed_at, version) ON meters TO {role};
GRANT UPDATE (left_at, label) ON enterprise_members TO {role};
GRANT UPDATE (label, used_at, withdrawn_at) ON enterprise_invitations TO {role};
GRANT UPDATE (name) ON organisations TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("what enterprises entered would be lost: restore a backup instead")
