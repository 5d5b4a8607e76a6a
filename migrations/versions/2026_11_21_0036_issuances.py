"""Period close: what closes a booking period of an asset, issuances, what stays out of them, and objections.

`tanpuhui_booked_at` is how an entry gets its period. Whoever books takes the shared lock with the statement that
writes the entries, and holds it until the commit; a close takes it exclusively. So what was dated before a close is
either committed before it, and seen by it, or reads the close, and is refused with a serialisation error: tried again
it is dated later. A query within a VOLATILE function has a snapshot of its own, taken behind the lock.
"""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0036"
down_revision = "20261121_0038b"

TABLES = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE balances ADD COLUMN excluded_mg bigint DEFAULT 0 NOT NULL;
ALTER TABLE balances DROP CONSTRAINT balances_not_negative;
ALTER TABLE balances ADD CONSTRAINT balances_not_negative CHECK (
    open_mg >= 0 AND issued_mg >= 0 AND used_mg >= 0 AND excluded_mg >= 0
    AND points >= 0 AND held_points >= 0 AND owed_points >= 0) NOT VALID;
ALTER TABLE balances VALIDATE CONSTRAINT balances_not_negative;

CREATE TABLE booking_closes (
    asset_id integer PRIMARY KEY,
    closed_until timestamptz NOT NULL
);

CREATE TABLE issuances (
    id uuid PRIMARY KEY,
    number varchar NOT NULL,
    applicant_id uuid NOT NULL,
    methodology_version_id integer NOT NULL,
    asset_id integer NOT NULL,
    region varchar NOT NULL,
    vintage smallint NOT NULL,
    place integer NOT NULL,
    booked_from timestamptz NOT NULL,
    booked_until timestamptz NOT NULL,
    status varchar NOT NULL,
    version integer NOT NULL,
    opened_by varchar NOT NULL,
    opened_at timestamptz NOT NULL,
    secret bytea NOT NULL,
    preview jsonb,
    previewed_at timestamptz,
    last_error varchar NOT NULL,
    closed_by varchar,
    closed_at timestamptz,
    credits_mg bigint,
    reversals_mg bigint,
    entries bigint,
    brought_mg bigint,
    quantity_kg bigint,
    carried_mg bigint,
    root bytea,
    evidence jsonb,
    moved_until uuid,
    verifier_id uuid,
    stated_by varchar,
    stated_at timestamptz,
    remarks varchar NOT NULL,
    noticed_by varchar,
    noticed_at timestamptz,
    notice_ends_on date,
    approved_by varchar,
    approved_at timestamptz,
    first_unit bigint,
    last_unit bigint,
    CONSTRAINT issuances_number UNIQUE (number),
    CONSTRAINT issuances_period CHECK (booked_from < booked_until),
    CONSTRAINT issuances_status CHECK (status IN ('draft', 'previewed', 'closing', 'submitted', 'signed', 'returned',
        'noticed', 'issued', 'withdrawn', 'opening')),
    CONSTRAINT issuances_closed CHECK (
        status IN ('draft', 'previewed', 'closing', 'returned', 'opening', 'withdrawn') OR credits_mg >= 0
        AND reversals_mg >= 0
        AND entries >= 0 AND quantity_kg >= 0 AND moved_until IS NOT NULL
        AND brought_mg + credits_mg - reversals_mg = quantity_kg * 1000000 + carried_mg
        AND carried_mg < 1000000 AND (quantity_kg = 0 OR carried_mg >= 0)),
    CONSTRAINT issuances_two_operators CHECK (approved_by IS NULL OR approved_by <> opened_by),
    CONSTRAINT issuances_units CHECK ((status = 'issued') = (approved_at IS NOT NULL))
);
CREATE UNIQUE INDEX issuances_series ON issuances (applicant_id, asset_id, region, place) WHERE status <> 'withdrawn';
CREATE INDEX issuances_region ON issuances (region, id);
CREATE INDEX issuances_asset ON issuances (asset_id, booked_from);

CREATE TABLE issuance_exclusions (
    holder_id uuid NOT NULL,
    cause_id uuid NOT NULL,
    issuance_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    amount_mg bigint NOT NULL,
    reason varchar NOT NULL,
    note varchar NOT NULL,
    excluded_by varchar NOT NULL,
    excluded_at timestamptz NOT NULL,
    included_at timestamptz,
    PRIMARY KEY (holder_id, cause_id, entry_id),
    CONSTRAINT issuance_exclusions_amount CHECK (amount_mg >= 0),
    CONSTRAINT issuance_exclusions_reason
        CHECK (reason IN ('disputed', 'held', 'outside_boundary', 'used', 'evidence', 'objection'))
);
CREATE INDEX issuance_exclusions_issuance ON issuance_exclusions (issuance_id, cause_id);

CREATE TABLE issuance_objections (
    id uuid PRIMARY KEY,
    issuance_id uuid NOT NULL,
    objector varchar NOT NULL,
    text varchar NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_by varchar NOT NULL,
    upheld boolean,
    answer varchar NOT NULL,
    decided_by varchar,
    decided_at timestamptz,
    CONSTRAINT issuance_objections_decided CHECK ((upheld IS NULL) = (decided_at IS NULL))
);
CREATE INDEX issuance_objections_issuance ON issuance_objections (issuance_id, id);

CREATE FUNCTION tanpuhui_booked_at(moment timestamptz, assets integer[]) RETURNS timestamptz
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7362001);
    IF moment < (SELECT max(closed_until) FROM booking_closes)
        AND EXISTS (SELECT FROM booking_closes WHERE asset_id = ANY(assets) AND closed_until > moment) THEN
        RAISE EXCEPTION 'the booking period is closed' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN moment;
END $$;

CREATE FUNCTION tanpuhui_close_bookings(asset integer, until timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7362001);
    INSERT INTO booking_closes (asset_id, closed_until) VALUES (asset, until)
    ON CONFLICT (asset_id) DO UPDATE SET closed_until = greatest(booking_closes.closed_until, excluded.closed_until);
END $$;

-- What was issued stays as it is; what was closed keeps its period and its series.
CREATE FUNCTION tanpuhui_issuance_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status IN ('issued', 'withdrawn') THEN
        RAISE EXCEPTION 'an issuance that is over does not change' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.status IN ('submitted', 'signed', 'noticed') AND NEW.status <> 'opening' AND (NEW.credits_mg,
        NEW.reversals_mg, NEW.entries, NEW.brought_mg,
        NEW.quantity_kg, NEW.carried_mg, NEW.root, NEW.evidence) IS DISTINCT FROM
        (OLD.credits_mg, OLD.reversals_mg, OLD.entries, OLD.brought_mg, OLD.quantity_kg, OLD.carried_mg, OLD.root,
        OLD.evidence) THEN
        RAISE EXCEPTION 'the figures of a closed period do not change' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER issuances_kept BEFORE UPDATE ON issuances FOR EACH ROW EXECUTE FUNCTION tanpuhui_issuance_kept();
"""

GRANTS = """
GRANT SELECT, INSERT ON booking_closes, issuances, issuance_exclusions, issuance_objections TO {role};
GRANT UPDATE (closed_until) ON booking_closes TO {role};
GRANT UPDATE (status, version, preview, previewed_at, last_error, closed_by, closed_at, credits_mg, reversals_mg,
    entries, brought_mg, quantity_kg, carried_mg, root, evidence, moved_until, verifier_id, stated_by, stated_at,
    remarks, noticed_by, noticed_at, notice_ends_on, approved_by, approved_at, first_unit, last_unit) ON issuances
    TO {role};
GRANT UPDATE (included_at) ON issuance_exclusions TO {role};
GRANT UPDATE (upheld, answer, decided_by, decided_at) ON issuance_objections TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    run_script(
        """
        DROP TABLE issuances, issuance_exclusions, issuance_objections, booking_closes;
        DROP FUNCTION tanpuhui_issuance_kept();
        DROP FUNCTION tanpuhui_booked_at(timestamptz, integer[]);
        DROP FUNCTION tanpuhui_close_bookings(integer, timestamptz);
        ALTER TABLE balances DROP CONSTRAINT balances_not_negative;
        ALTER TABLE balances DROP COLUMN excluded_mg;
        ALTER TABLE balances ADD CONSTRAINT balances_not_negative CHECK (
            open_mg >= 0 AND issued_mg >= 0 AND used_mg >= 0
            AND points >= 0 AND held_points >= 0 AND owed_points >= 0);
        """
    )
