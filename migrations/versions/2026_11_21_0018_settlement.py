"""Settlement with merchants: statements, their lines, the entries that are settled, disputes and corrections."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0018"
down_revision = "20261121_0017"

TABLES = """
CREATE TABLE settlement_accounts (
    merchant_id uuid NOT NULL REFERENCES organisations,
    asset_id integer NOT NULL,
    region varchar NOT NULL,
    since timestamptz NOT NULL,
    settled_until timestamptz,
    looked_until timestamptz,
    PRIMARY KEY (merchant_id, asset_id)
);
CREATE TABLE settlement_numbers (
    region varchar NOT NULL,
    year integer NOT NULL,
    last integer NOT NULL,
    PRIMARY KEY (region, year)
);
CREATE TABLE settlements (
    id uuid PRIMARY KEY,
    number varchar NOT NULL,
    merchant_id uuid NOT NULL,
    asset_id integer NOT NULL,
    region varchar NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    opening_fen bigint NOT NULL,
    spent_fen bigint NOT NULL,
    refunded_fen bigint NOT NULL,
    adjusted_fen bigint NOT NULL,
    carried_fen bigint NOT NULL,
    redeemed bigint NOT NULL,
    refunded bigint NOT NULL,
    points bigint NOT NULL,
    state varchar NOT NULL,
    version integer NOT NULL,
    issued_at timestamptz NOT NULL,
    issued_by varchar NOT NULL,
    agreed_at timestamptz,
    agreed_by varchar,
    disputed_at timestamptz,
    disputed_by varchar,
    resolution varchar,
    resolution_note varchar NOT NULL,
    resolved_at timestamptz,
    resolved_by varchar,
    bank_reference varchar,
    paid_on date,
    proposed_at timestamptz,
    proposed_by varchar,
    paid_at timestamptz,
    paid_by varchar,
    CONSTRAINT settlements_number UNIQUE (number),
    CONSTRAINT settlements_period UNIQUE (merchant_id, asset_id, ends_at),
    CONSTRAINT settlements_order CHECK (starts_at < ends_at),
    CONSTRAINT settlements_amounts
        CHECK (spent_fen >= 0 AND refunded_fen >= 0 AND carried_fen <= 0 AND redeemed >= 0 AND refunded >= 0),
    CONSTRAINT settlements_state
        CHECK (state IN ('issued', 'agreed', 'disputed', 'corrected', 'upheld', 'in_payment', 'paid')),
    CONSTRAINT settlements_said CHECK ((state <> 'agreed' OR agreed_at IS NOT NULL)
        AND (state <> 'disputed' OR disputed_at IS NOT NULL)
        AND (state <> 'corrected' OR resolution = 'corrected') AND (state <> 'upheld' OR resolution = 'upheld')),
    CONSTRAINT settlements_resolved CHECK ((resolution IS NULL OR resolution IN ('corrected', 'upheld'))
        AND (resolution IS NULL) = (resolved_at IS NULL) AND (resolution IS NULL) = (resolved_by IS NULL)),
    CONSTRAINT settlements_payment CHECK (state IN ('issued', 'agreed', 'disputed', 'corrected', 'upheld')
        OR ((agreed_at IS NOT NULL OR resolution IS NOT NULL) AND bank_reference IS NOT NULL
            AND paid_on IS NOT NULL AND proposed_at IS NOT NULL AND proposed_by IS NOT NULL
            AND opening_fen + spent_fen - refunded_fen + adjusted_fen > 0)),
    CONSTRAINT settlements_four_eyes CHECK ((state = 'paid') = (paid_by IS NOT NULL)
        AND (paid_by IS NULL) = (paid_at IS NULL)
        AND (paid_by IS NULL OR (paid_by <> proposed_by AND (resolved_by IS NULL OR paid_by <> resolved_by))))
);
CREATE INDEX settlements_merchant ON settlements (merchant_id, id);
CREATE INDEX settlements_region ON settlements (region, id);
CREATE TABLE settled_entries (
    holder_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    settlement_id uuid NOT NULL,
    redemption_id uuid NOT NULL,
    day date NOT NULL,
    fen bigint NOT NULL,
    PRIMARY KEY (holder_id, entry_id),
    CONSTRAINT settled_entries_fen CHECK (fen <> 0)
);
CREATE INDEX settled_entries_settlement ON settled_entries (settlement_id, entry_id);
CREATE TABLE settlement_lines (
    settlement_id uuid NOT NULL,
    line integer NOT NULL,
    day date NOT NULL,
    offer_id uuid NOT NULL,
    shop_id uuid,
    redeemed bigint NOT NULL,
    refunded bigint NOT NULL,
    quantity bigint NOT NULL,
    points bigint NOT NULL,
    spent_fen bigint NOT NULL,
    refunded_fen bigint NOT NULL,
    PRIMARY KEY (settlement_id, line)
);
CREATE TABLE settlement_disputes (
    id uuid PRIMARY KEY,
    settlement_id uuid NOT NULL,
    line integer,
    reason varchar NOT NULL,
    raised_at timestamptz NOT NULL,
    raised_by varchar NOT NULL
);
CREATE INDEX settlement_disputes_settlement ON settlement_disputes (settlement_id, id);
CREATE TABLE settlement_adjustments (
    id uuid PRIMARY KEY,
    settlement_id uuid NOT NULL,
    line integer,
    fen bigint NOT NULL,
    reason varchar NOT NULL,
    made_at timestamptz NOT NULL,
    made_by varchar NOT NULL,
    CONSTRAINT settlement_adjustments_fen CHECK (fen <> 0)
);
CREATE INDEX settlement_adjustments_settlement ON settlement_adjustments (settlement_id, id);

-- What is paid stays as it was paid; what a later statement takes over of it may still change.
CREATE FUNCTION tanpuhui_settlement_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'paid' AND to_jsonb(NEW) - 'carried_fen' IS DISTINCT FROM to_jsonb(OLD) - 'carried_fen' THEN
        RAISE EXCEPTION 'what was paid does not change' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER settlements_fixed BEFORE UPDATE ON settlements
    FOR EACH ROW EXECUTE FUNCTION tanpuhui_settlement_fixed();
"""

GRANTS = """
GRANT SELECT, INSERT ON settlement_accounts, settlement_numbers, settlements, settled_entries, settlement_lines,
    settlement_disputes, settlement_adjustments TO {role};
GRANT UPDATE (settled_until, looked_until) ON settlement_accounts TO {role};
GRANT UPDATE (last) ON settlement_numbers TO {role};
GRANT UPDATE (adjusted_fen, carried_fen, state, version, agreed_at, agreed_by, disputed_at, disputed_by, resolution,
    resolution_note, resolved_at, resolved_by, bank_reference, paid_on, proposed_at, proposed_by, paid_at, paid_by)
    ON settlements TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("what was paid to merchants would be forgotten, and could be paid again")
