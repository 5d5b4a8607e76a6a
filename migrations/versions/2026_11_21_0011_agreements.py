"""What residents agree to and may ask for: receipts, mandates, bindings, exports, erasure, corrections, who read."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0011"
down_revision = "20261121_0010"

TABLES = """
CREATE TABLE agreement_receipts (
    holder_id uuid NOT NULL REFERENCES holders,
    id uuid NOT NULL,
    kind varchar NOT NULL,
    issued_at timestamptz NOT NULL,
    signed varchar NOT NULL,
    PRIMARY KEY (holder_id, id)
);
CREATE TABLE mandate_terms (
    id uuid PRIMARY KEY,
    applicant_id uuid NOT NULL REFERENCES organisations,
    version varchar NOT NULL,
    holder_percent smallint NOT NULL,
    text_zh varchar NOT NULL,
    text_en varchar NOT NULL,
    content_hash varchar NOT NULL,
    published_at timestamptz NOT NULL,
    CONSTRAINT mandate_terms_version UNIQUE (applicant_id, version),
    CONSTRAINT mandate_terms_share CHECK (holder_percent >= 0 AND holder_percent <= 100)
);
CREATE TABLE mandates (
    holder_id uuid NOT NULL REFERENCES holders,
    id uuid NOT NULL,
    applicant_id uuid NOT NULL REFERENCES organisations,
    terms_id uuid NOT NULL REFERENCES mandate_terms,
    granted_at timestamptz NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz,
    receipt_id uuid NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT mandates_order CHECK (valid_from >= granted_at AND (valid_until IS NULL OR valid_until > valid_from))
);
CREATE INDEX mandates_applicant ON mandates (applicant_id, holder_id, id);
CREATE TABLE mandate_withdrawals (
    holder_id uuid NOT NULL REFERENCES holders,
    mandate_id uuid NOT NULL,
    withdrawn_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    receipt_id uuid NOT NULL,
    PRIMARY KEY (holder_id, mandate_id),
    CONSTRAINT mandate_withdrawals_order CHECK (ends_at <= withdrawn_at)
);
CREATE TABLE mandate_totals (
    terms_id uuid PRIMARY KEY REFERENCES mandate_terms,
    counted_at timestamptz NOT NULL,
    holders integer NOT NULL,
    net_mg bigint NOT NULL
);
CREATE TABLE bindings (
    holder_id uuid NOT NULL REFERENCES holders,
    id uuid NOT NULL,
    source_id uuid NOT NULL REFERENCES organisations,
    agreed varchar NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    redeemed_at timestamptz,
    ended_at timestamptz,
    identity_token uuid,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT bindings_live CHECK (identity_token IS NULL OR (redeemed_at IS NOT NULL AND ended_at IS NULL))
);
CREATE INDEX bindings_id ON bindings (id);
CREATE TABLE access_records (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    reader_id uuid,
    reader_name varchar NOT NULL,
    what varchar NOT NULL,
    target varchar NOT NULL,
    PRIMARY KEY (holder_id, id)
);
CREATE INDEX access_records_at ON access_records (at);
CREATE TABLE exports (
    holder_id uuid NOT NULL REFERENCES holders,
    id uuid NOT NULL,
    state varchar NOT NULL,
    requested_at timestamptz NOT NULL,
    progress_percent smallint NOT NULL,
    attempt integer NOT NULL,
    size_bytes bigint NOT NULL,
    ready_at timestamptz,
    expires_at timestamptz,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT exports_state CHECK (state IN ('waiting', 'running', 'ready', 'failed', 'gone'))
);
CREATE INDEX exports_waiting ON exports (id) WHERE state IN ('waiting', 'running');
CREATE INDEX exports_expiry ON exports (expires_at) WHERE state = 'ready';
CREATE TABLE export_parts (
    export_id uuid NOT NULL,
    attempt integer NOT NULL,
    number integer NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (export_id, attempt, number)
);
CREATE TABLE erasures (
    holder_id uuid NOT NULL REFERENCES holders,
    id uuid NOT NULL,
    requested_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    cancelled_at timestamptz,
    done_at timestamptz,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT erasures_one_end CHECK (cancelled_at IS NULL OR done_at IS NULL)
);
CREATE INDEX erasures_due ON erasures (due_at) WHERE cancelled_at IS NULL AND done_at IS NULL;
CREATE TABLE corrections (
    holder_id uuid NOT NULL REFERENCES holders,
    id uuid NOT NULL,
    region varchar NOT NULL,
    subject varchar NOT NULL,
    target varchar NOT NULL,
    explanation varchar NOT NULL,
    requested_at timestamptz NOT NULL,
    decided_at timestamptz,
    accepted boolean,
    reason varchar NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT corrections_subject CHECK (subject IN ('region', 'activity'))
);
CREATE INDEX corrections_id ON corrections (id);

-- The access log is only ever appended to; what is older than its retention goes by this function alone, which
-- lets nobody forget a younger record.
CREATE FUNCTION tanpuhui_forget_access(before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    forgotten bigint;
BEGIN
    IF before > now() - interval '180 days' THEN
        RAISE EXCEPTION 'the access log is kept for at least 180 days';
    END IF;
    DELETE FROM access_records WHERE at < before;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;
REVOKE ALL ON FUNCTION tanpuhui_forget_access(timestamptz) FROM PUBLIC;
"""

GRANTS = """
GRANT SELECT, INSERT ON agreement_receipts, mandate_terms, mandates, mandate_withdrawals, access_records TO {role};
GRANT SELECT, INSERT, UPDATE ON mandate_totals TO {role};
GRANT SELECT, INSERT ON bindings, exports, erasures, corrections TO {role};
GRANT UPDATE (redeemed_at, ended_at, identity_token) ON bindings TO {role};
GRANT UPDATE (state, progress_percent, attempt, size_bytes, ready_at, expires_at) ON exports TO {role};
GRANT SELECT, INSERT, DELETE ON export_parts TO {role};
GRANT UPDATE (cancelled_at, done_at) ON erasures TO {role};
GRANT UPDATE (explanation, decided_at, accepted, reason) ON corrections TO {role};
GRANT UPDATE (person_key, region) ON holders TO {role};
GRANT DELETE ON identities TO {role};
GRANT EXECUTE ON FUNCTION tanpuhui_forget_access(timestamptz) TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = context.config.attributes["service_role"]
    quoted = op.get_bind().dialect.identifier_preparer.quote_identifier(role)
    run_script(GRANTS.format(role=quoted))


def downgrade() -> None:
    raise NotImplementedError("receipts and mandates would be lost: restore a backup instead")
