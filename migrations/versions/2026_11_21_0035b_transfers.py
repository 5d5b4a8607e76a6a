"""Transfers between registry accounts, their limits, orders that freeze an account, and pledges to banks."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0035b"
down_revision = "20261121_0036"

TABLES = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE registry_accounts
    ADD COLUMN transfer_limit_kg bigint,
    ADD COLUMN daily_limit_kg bigint,
    ADD COLUMN approval_above_kg bigint NOT NULL DEFAULT 1000000,
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD CONSTRAINT registry_accounts_limits CHECK (
        transfer_limit_kg >= 0 AND daily_limit_kg >= 0 AND approval_above_kg >= 0);
CREATE INDEX registry_accounts_region ON registry_accounts (region, id);

CREATE TABLE account_freezes (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    document varchar NOT NULL,
    reason varchar NOT NULL,
    frozen_by varchar NOT NULL,
    frozen_at timestamptz NOT NULL,
    lift_document varchar,
    lifted_by varchar,
    lifted_at timestamptz,
    CONSTRAINT account_freezes_lifted CHECK (
        (lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (lift_document IS NULL))
);
CREATE INDEX account_freezes_account ON account_freezes (account_id, id);

CREATE TABLE unit_transfers (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    to_account_id uuid NOT NULL,
    origin_id uuid,
    quantity_kg bigint NOT NULL,
    note varchar NOT NULL,
    state varchar NOT NULL,
    proposed_by varchar NOT NULL,
    proposed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    approved_by varchar,
    decided_by varchar,
    decided_at timestamptz,
    CONSTRAINT unit_transfers_state
        CHECK (state IN ('proposed', 'offered', 'accepted', 'declined', 'withdrawn', 'expired')),
    CONSTRAINT unit_transfers_accounts CHECK (account_id <> to_account_id),
    CONSTRAINT unit_transfers_quantity CHECK (quantity_kg > 0),
    CONSTRAINT unit_transfers_four_eyes CHECK (approved_by <> proposed_by),
    CONSTRAINT unit_transfers_decided
        CHECK ((decided_at IS NULL) = (state IN ('proposed', 'offered')))
);
CREATE INDEX unit_transfers_account ON unit_transfers (account_id, id);
CREATE INDEX unit_transfers_to_account ON unit_transfers (to_account_id, id);
CREATE INDEX unit_transfers_open ON unit_transfers (expires_at) WHERE decided_at IS NULL;

CREATE TABLE unit_pledges (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    bank_id uuid NOT NULL REFERENCES organisations,
    origin_id uuid,
    quantity_kg bigint NOT NULL,
    contract varchar NOT NULL,
    pledged_by varchar NOT NULL,
    pledged_at timestamptz NOT NULL,
    released_by varchar,
    released_at timestamptz,
    CONSTRAINT unit_pledges_quantity CHECK (quantity_kg > 0),
    CONSTRAINT unit_pledges_released CHECK ((released_at IS NULL) = (released_by IS NULL))
);
CREATE INDEX unit_pledges_account ON unit_pledges (account_id, id);
CREATE INDEX unit_pledges_bank ON unit_pledges (bank_id, id);
"""

GRANTS = """
GRANT SELECT, INSERT ON account_freezes, unit_transfers, unit_pledges TO {role};
GRANT UPDATE (transfer_limit_kg, daily_limit_kg, approval_above_kg, version) ON registry_accounts TO {role};
GRANT UPDATE (lift_document, lifted_by, lifted_at) ON account_freezes TO {role};
GRANT UPDATE (state, approved_by, decided_by, decided_at) ON unit_transfers TO {role};
GRANT UPDATE (released_by, released_at) ON unit_pledges TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("what was transferred and pledged would be lost: restore a backup instead")
