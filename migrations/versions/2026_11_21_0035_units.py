"""Units, who holds them, and what became of them; organisations that take part in the market, and verifiers."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0035"
down_revision = "20261121_0038"

TABLES = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE organisations DROP CONSTRAINT organisations_kind,
    ADD CONSTRAINT organisations_kind CHECK (kind IN (
        'platform', 'bank', 'merchant', 'operator', 'neighbour', 'enterprise', 'participant', 'verifier'));

CREATE TABLE registry_accounts (
    id uuid PRIMARY KEY,
    organisation_id uuid REFERENCES organisations,
    holder_id uuid REFERENCES holders,
    region varchar(6) NOT NULL,
    opened_at timestamptz NOT NULL,
    frozen_at timestamptz,
    CONSTRAINT registry_accounts_organisation_id UNIQUE (organisation_id),
    CONSTRAINT registry_accounts_holder_id UNIQUE (holder_id),
    CONSTRAINT registry_accounts_owner CHECK ((organisation_id IS NULL) <> (holder_id IS NULL))
);

-- The numbers of units run through the whole deployment; the one row is the next that is free.
CREATE TABLE unit_numbers (
    id smallint PRIMARY KEY,
    next_number bigint NOT NULL,
    CONSTRAINT unit_numbers_one CHECK (id = 1),
    CONSTRAINT unit_numbers_next CHECK (next_number > 0)
);
INSERT INTO unit_numbers (id, next_number) VALUES (1, 1);

CREATE TABLE unit_origins (
    id uuid PRIMARY KEY,
    kind varchar NOT NULL,
    subject_id uuid NOT NULL,
    region varchar(6) NOT NULL,
    methodology varchar NOT NULL,
    vintage smallint NOT NULL,
    unit_type varchar NOT NULL,
    units int8range NOT NULL,
    issued_at timestamptz NOT NULL,
    CONSTRAINT unit_origins_subject_id UNIQUE (subject_id),
    CONSTRAINT unit_origins_kind CHECK (kind IN ('issuance', 'project')),
    CONSTRAINT unit_origins_vintage CHECK (vintage >= 1900 AND vintage <= 3000),
    CONSTRAINT unit_origins_units CHECK (lower(units) > 0 AND upper(units) > lower(units)),
    CONSTRAINT unit_origins_disjoint EXCLUDE USING gist (units WITH &&)
);

CREATE TABLE unit_movements (
    id uuid PRIMARY KEY,
    kind varchar NOT NULL,
    account_id uuid NOT NULL,
    to_account_id uuid,
    subject_id uuid NOT NULL,
    units int8multirange NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT unit_movements_kind
        CHECK (kind IN ('issued', 'locked', 'pledged', 'released', 'transferred', 'retired', 'cancelled')),
    CONSTRAINT unit_movements_to CHECK ((kind = 'transferred') = (to_account_id IS NOT NULL)),
    CONSTRAINT unit_movements_units CHECK (NOT isempty(units))
);
CREATE INDEX unit_movements_account ON unit_movements (account_id, id);
CREATE INDEX unit_movements_to_account ON unit_movements (to_account_id, id) WHERE to_account_id IS NOT NULL;

CREATE TABLE unit_locks (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    kind varchar NOT NULL,
    reason varchar NOT NULL,
    subject_id uuid NOT NULL,
    locked_at timestamptz NOT NULL,
    CONSTRAINT unit_locks_subject_id UNIQUE (subject_id),
    CONSTRAINT unit_locks_kind CHECK (kind IN ('locked', 'pledged'))
);

CREATE TABLE unit_retirements (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    purpose varchar NOT NULL,
    beneficiary varchar NOT NULL,
    obligation_period varchar,
    retired_at timestamptz NOT NULL,
    CONSTRAINT unit_retirements_subject_id UNIQUE (subject_id),
    CONSTRAINT unit_retirements_purpose CHECK (purpose IN ('obligation', 'event', 'voluntary'))
);
CREATE INDEX unit_retirements_account ON unit_retirements (account_id, id);

CREATE TABLE unit_cancellations (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    reason varchar NOT NULL,
    cancelled_at timestamptz NOT NULL,
    CONSTRAINT unit_cancellations_subject_id UNIQUE (subject_id)
);

-- A row is one state of a range; it ends when the next one begins, and its children make up the whole of it.
CREATE TABLE unit_holdings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    units int8range NOT NULL,
    origin_id uuid NOT NULL,
    account_id uuid NOT NULL,
    status varchar NOT NULL,
    lock_id uuid,
    parent_id bigint,
    rest boolean NOT NULL,
    begun_by uuid NOT NULL,
    begun_at timestamptz NOT NULL,
    ended_by uuid,
    ended_at timestamptz,
    CONSTRAINT unit_holdings_units CHECK (lower(units) > 0 AND upper(units) > lower(units)),
    CONSTRAINT unit_holdings_status CHECK (status IN ('held', 'locked', 'pledged', 'retired', 'cancelled')),
    CONSTRAINT unit_holdings_lock CHECK ((lock_id IS NOT NULL) = (status IN ('locked', 'pledged'))),
    CONSTRAINT unit_holdings_end CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CONSTRAINT unit_holdings_final CHECK (NOT (ended_at IS NOT NULL AND status IN ('retired', 'cancelled'))),
    CONSTRAINT unit_holdings_disjoint EXCLUDE USING gist (units WITH &&) WHERE (ended_at IS NULL)
);
CREATE INDEX unit_holdings_account ON unit_holdings (account_id, status, lower(units)) WHERE ended_at IS NULL;
CREATE INDEX unit_holdings_lock_id ON unit_holdings (lock_id, lower(units))
    WHERE ended_at IS NULL AND lock_id IS NOT NULL;
"""

FUNCTIONS = """
CREATE FUNCTION tanpuhui_ended_holding() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a holding that has ended is not changed';
END $$;
CREATE TRIGGER unit_holdings_ended BEFORE UPDATE ON unit_holdings
    FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION tanpuhui_ended_holding();

-- Moves units of an account: what it holds freely, or what one of its locks has; the lowest numbers first, all of it
-- where no quantity is given. Takes the account's lock, then looks by a snapshot of its own. Writes nothing unless the
-- outcome is 'moved'.
CREATE FUNCTION tanpuhui_move_units(
        p_id uuid, p_kind varchar, p_account uuid, p_lock uuid, p_origin uuid, p_quantity bigint, p_to_account uuid,
        p_to_status varchar, p_to_lock uuid, p_subject uuid, p_at timestamptz)
    RETURNS TABLE (outcome varchar, moved int8multirange)
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_frozen timestamptz;
    v_row record;
    v_pick refcursor;
    v_length bigint;
    v_sum bigint := 0;
    v_ids bigint[] := '{}';
    v_units int8range[] := '{}';
    v_origins uuid[] := '{}';
    v_left int8range := 'empty';
BEGIN
    SELECT frozen_at INTO v_frozen FROM registry_accounts WHERE id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'missing'::varchar, NULL::int8multirange;
        RETURN;
    END IF;
    IF v_frozen IS NOT NULL AND p_kind NOT IN ('released', 'cancelled') THEN
        RETURN QUERY SELECT 'frozen'::varchar, NULL::int8multirange;
        RETURN;
    END IF;
    IF p_lock IS NULL THEN
        OPEN v_pick FOR SELECT h.id, h.units, h.origin_id, h.status FROM unit_holdings h
            WHERE h.account_id = p_account AND h.status = 'held' AND h.ended_at IS NULL
              AND (p_origin IS NULL OR h.origin_id = p_origin)
            ORDER BY lower(h.units);
    ELSE
        OPEN v_pick FOR SELECT h.id, h.units, h.origin_id, h.status FROM unit_holdings h
            WHERE h.lock_id = p_lock AND h.account_id = p_account AND h.ended_at IS NULL
              AND (p_origin IS NULL OR h.origin_id = p_origin)
            ORDER BY lower(h.units);
    END IF;
    LOOP
        EXIT WHEN v_sum = p_quantity;
        FETCH v_pick INTO v_row;
        EXIT WHEN NOT FOUND;
        v_length := upper(v_row.units) - lower(v_row.units);
        v_ids := v_ids || v_row.id;
        v_origins := v_origins || v_row.origin_id;
        IF v_sum + v_length > p_quantity THEN
            v_left := int8range(lower(v_row.units) + (p_quantity - v_sum), upper(v_row.units));
            v_units := v_units || int8range(lower(v_row.units), lower(v_left));
            v_sum := p_quantity;
        ELSE
            v_units := v_units || v_row.units;
            v_sum := v_sum + v_length;
        END IF;
    END LOOP;
    CLOSE v_pick;
    IF v_sum = 0 OR v_sum < p_quantity THEN
        RETURN QUERY SELECT 'insufficient'::varchar, NULL::int8multirange;
        RETURN;
    END IF;
    UPDATE unit_holdings SET ended_at = p_at, ended_by = p_id WHERE id = ANY(v_ids);
    INSERT INTO unit_holdings (units, origin_id, account_id, status, lock_id, parent_id, rest, begun_by, begun_at)
        SELECT t.units, t.origin_id, coalesce(p_to_account, p_account), p_to_status, p_to_lock, t.id, false, p_id, p_at
        FROM unnest(v_units, v_origins, v_ids) AS t (units, origin_id, id);
    IF NOT isempty(v_left) THEN
        INSERT INTO unit_holdings (units, origin_id, account_id, status, lock_id, parent_id, rest, begun_by, begun_at)
            VALUES (v_left, v_row.origin_id, p_account, v_row.status, p_lock, v_row.id, true, p_id, p_at);
    END IF;
    RETURN QUERY INSERT INTO unit_movements (id, kind, account_id, to_account_id, subject_id, units, at)
        SELECT p_id, p_kind, p_account, p_to_account, p_subject, range_agg(t.units), p_at
        FROM unnest(v_units) AS t (units)
        RETURNING 'moved'::varchar, unit_movements.units;
END $$;
"""

GRANTS = """
GRANT SELECT, INSERT ON registry_accounts, unit_origins, unit_movements, unit_locks, unit_retirements,
    unit_cancellations, unit_holdings TO {role};
GRANT SELECT, UPDATE (next_number) ON unit_numbers TO {role};
GRANT UPDATE (frozen_at) ON registry_accounts TO {role};
GRANT UPDATE (ended_at, ended_by) ON unit_holdings TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    run_script(FUNCTIONS)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("who holds which units would be lost: restore a backup instead")
