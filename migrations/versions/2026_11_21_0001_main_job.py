"""The main job: organisations, holders, activities, claims, ledger, points.

Tables whose distribution key is a holder or a token have it first in the primary key. Hot tables are
range-partitioned by time; `tanpuhui_make_partitions` makes the months ahead and is the only thing the
service's role may do to the schema, since that role owns nothing.
"""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0001"
down_revision = None

TABLES = """
CREATE TABLE organisations (
    id uuid PRIMARY KEY,
    kind varchar NOT NULL,
    name varchar NOT NULL,
    region varchar NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT organisations_kind CHECK (kind IN ('platform', 'bank', 'merchant', 'operator'))
);
CREATE TABLE clients (
    id varchar PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisations,
    secret_hash varchar NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz
);
CREATE TABLE signing_keys (
    kid varchar PRIMARY KEY,
    private_key bytea NOT NULL,
    public_key bytea NOT NULL,
    signs_from timestamptz NOT NULL,
    verifies_until timestamptz
);
CREATE TABLE audit_records (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    actor_client_id varchar NOT NULL,
    actor_name varchar NOT NULL,
    action varchar NOT NULL,
    target_type varchar NOT NULL,
    target_id varchar NOT NULL,
    detail varchar NOT NULL
);
CREATE INDEX audit_records_target ON audit_records (target_type, target_id);
CREATE TABLE jobs (
    name varchar PRIMARY KEY,
    next_run_at timestamptz NOT NULL,
    last_run_at timestamptz,
    last_error varchar NOT NULL
);
CREATE TABLE idempotent_answers (
    token bytea PRIMARY KEY,
    body_mac bytea NOT NULL,
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX idempotent_answers_age ON idempotent_answers (created_at);
CREATE TABLE holders (
    id uuid PRIMARY KEY,
    kind varchar NOT NULL,
    region varchar(6) NOT NULL,
    person_key bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    CONSTRAINT holders_kind CHECK (kind IN ('person', 'organisation'))
);
CREATE TABLE identities (
    token uuid PRIMARY KEY,
    holder_id uuid NOT NULL REFERENCES holders,
    scheme varchar NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX identities_holder ON identities (holder_id);
CREATE TABLE consents (
    holder_id uuid NOT NULL REFERENCES holders,
    source_id uuid NOT NULL REFERENCES organisations,
    scene_group varchar NOT NULL,
    granted_at timestamptz NOT NULL,
    withdrawn_at timestamptz,
    text_version varchar NOT NULL,
    receipt_id varchar NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, source_id, scene_group, granted_at),
    CONSTRAINT consents_order CHECK (withdrawn_at IS NULL OR withdrawn_at >= granted_at)
);
CREATE TABLE balances (
    holder_id uuid PRIMARY KEY REFERENCES holders,
    status smallint NOT NULL,
    open_mg bigint NOT NULL,
    points bigint NOT NULL,
    CONSTRAINT balances_not_negative CHECK (open_mg >= 0 AND points >= 0)
) WITH (fillfactor = 70);
CREATE TABLE methodology_versions (
    id serial PRIMARY KEY,
    region varchar NOT NULL,
    scene varchar NOT NULL,
    code varchar NOT NULL,
    version varchar NOT NULL,
    content_hash varchar NOT NULL,
    content varchar NOT NULL,
    issuable boolean NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT methodology_versions_content UNIQUE (content_hash)
);
CREATE TABLE assets (
    id serial PRIMARY KEY,
    kind varchar NOT NULL,
    methodology_id integer NOT NULL,
    vintage smallint NOT NULL,
    programme varchar NOT NULL,
    CONSTRAINT assets_identity UNIQUE (kind, methodology_id, vintage, programme)
);
CREATE TABLE receipts (
    token uuid PRIMARY KEY,
    body_mac bytea NOT NULL,
    holder_id uuid NOT NULL,
    activity_id uuid NOT NULL
);
CREATE TABLE activities (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    source_id uuid NOT NULL,
    scene varchar NOT NULL,
    region varchar NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    evidence varchar NOT NULL,
    inputs jsonb NOT NULL,
    outcome varchar NOT NULL,
    reason varchar,
    methodology_id integer NOT NULL,
    co2e_mg bigint NOT NULL,
    full_mg bigint NOT NULL,
    points bigint NOT NULL,
    winner_id uuid,
    claim_tokens bytea NOT NULL,
    reversed_at timestamptz,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT activities_not_negative CHECK (co2e_mg >= 0 AND points >= 0),
    CONSTRAINT activities_order CHECK (started_at <= ended_at)
) PARTITION BY RANGE (id);
CREATE INDEX activities_id ON activities (id);
CREATE TABLE whole_claims (
    token uuid PRIMARY KEY,
    activity_id uuid NOT NULL
);
CREATE TABLE interval_tokens (
    token uuid NOT NULL,
    day date NOT NULL,
    claimed integer NOT NULL,
    PRIMARY KEY (token, day)
) PARTITION BY RANGE (day);
CREATE TABLE interval_claims (
    token uuid NOT NULL,
    day date NOT NULL,
    activity_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    raw_starts_at timestamptz NOT NULL,
    raw_ends_at timestamptz NOT NULL,
    PRIMARY KEY (token, day, activity_id),
    CONSTRAINT interval_claims_not_empty CHECK (starts_at < ends_at),
    CONSTRAINT interval_claims_bounded CHECK (ends_at - starts_at <= interval '1 day'),
    CONSTRAINT interval_claims_trimmed CHECK (raw_starts_at <= starts_at AND ends_at <= raw_ends_at)
) PARTITION BY RANGE (day);
CREATE TABLE cap_usage (
    holder_id uuid NOT NULL,
    rule varchar NOT NULL,
    window_start date NOT NULL,
    used bigint NOT NULL,
    cap bigint NOT NULL,
    PRIMARY KEY (holder_id, rule, window_start),
    CONSTRAINT cap_usage_within CHECK (used >= 0 AND used <= cap)
) PARTITION BY RANGE (window_start);
CREATE TABLE entries (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    activity_id uuid NOT NULL,
    asset_id integer NOT NULL,
    kind smallint NOT NULL,
    debit smallint NOT NULL,
    credit smallint NOT NULL,
    amount bigint NOT NULL,
    booked_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT entries_amount CHECK (amount > 0),
    CONSTRAINT entries_two_legs CHECK (debit <> credit)
) PARTITION BY RANGE (id);
CREATE TABLE lots (
    holder_id uuid NOT NULL,
    asset_id integer NOT NULL,
    expires_on date NOT NULL,
    earned bigint NOT NULL,
    remaining bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    PRIMARY KEY (holder_id, asset_id, expires_on),
    CONSTRAINT lots_not_negative CHECK (remaining >= 0 AND remaining <= earned)
) WITH (fillfactor = 80);
"""

PARTITIONS = """
CREATE FUNCTION tanpuhui_uuid7_floor(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

CREATE FUNCTION tanpuhui_partition_bound(key_type regtype, month date) RETURNS text
LANGUAGE sql STABLE STRICT AS $$
    SELECT CASE WHEN key_type = 'uuid'::regtype
        THEN quote_literal(tanpuhui_uuid7_floor(month::timestamp AT TIME ZONE 'Asia/Shanghai')::text)
        ELSE quote_literal(month::text) END
$$;

-- Makes the missing monthly partitions from a month on; answers how many it made. ATTACH takes a weaker lock
-- than CREATE … PARTITION OF, so that credits go on meanwhile.
CREATE FUNCTION tanpuhui_make_partitions(first_month date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    parent record;
    month date;
    partition text;
    made integer := 0;
BEGIN
    IF months NOT BETWEEN 1 AND 60 THEN
        RAISE EXCEPTION 'between 1 and 60 months at a time';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('tanpuhui_make_partitions'));
    FOR parent IN
        SELECT c.relname AS name, a.atttypid::regtype AS key_type,
               CASE WHEN c.relname IN ('interval_tokens', 'cap_usage') THEN 80 ELSE 100 END AS fill
        FROM pg_partitioned_table p
        JOIN pg_class c ON c.oid = p.partrelid
        JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
        WHERE c.relnamespace = 'public'::regnamespace
        ORDER BY c.relname
    LOOP
        FOR i IN 0 .. months - 1 LOOP
            month := (date_trunc('month', first_month) + make_interval(months => i))::date;
            partition := parent.name || '_' || to_char(month, 'YYYY_MM');
            IF to_regclass(partition) IS NULL THEN
                EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) WITH (fillfactor = %s)',
                    partition, parent.name, parent.fill);
                EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                    parent.name, partition,
                    tanpuhui_partition_bound(parent.key_type, month),
                    tanpuhui_partition_bound(parent.key_type, (month + interval '1 month')::date));
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION tanpuhui_make_partitions(date, integer) FROM PUBLIC;

-- What lies before the first month has one partition: late reports are rare and bounded by claim windows.
DO $$
DECLARE
    parent record;
    first_month date := (date_trunc('month', now() AT TIME ZONE 'Asia/Shanghai') - interval '13 months')::date;
BEGIN
    FOR parent IN
        SELECT c.relname AS name, a.atttypid::regtype AS key_type
        FROM pg_partitioned_table p
        JOIN pg_class c ON c.oid = p.partrelid
        JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
        WHERE c.relnamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (MINVALUE) TO (%s)',
            parent.name || '_past', parent.name, tanpuhui_partition_bound(parent.key_type, first_month));
    END LOOP;
    PERFORM tanpuhui_make_partitions(first_month, 17);
END
$$;
"""

# Invariant 12: append-only is a matter of rights. What is not granted here the service cannot do.
GRANTS = """
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
GRANT INSERT ON organisations, clients, signing_keys, audit_records, jobs,
    idempotent_answers, holders, identities, consents, balances,
    methodology_versions, assets, receipts, activities, whole_claims, interval_tokens, interval_claims,
    cap_usage, entries, lots TO {role};
GRANT USAGE ON SEQUENCE methodology_versions_id_seq, assets_id_seq TO {role};
GRANT UPDATE ON balances, lots, cap_usage, interval_tokens, jobs TO {role};
GRANT UPDATE (reversed_at) ON activities TO {role};
GRANT UPDATE (withdrawn_at) ON consents TO {role};
GRANT UPDATE (activity_id) ON whole_claims TO {role};
GRANT UPDATE (disabled_at, secret_hash) ON clients TO {role};
GRANT UPDATE (verifies_until) ON signing_keys TO {role};
GRANT DELETE ON whole_claims, interval_claims, idempotent_answers TO {role};
GRANT EXECUTE ON FUNCTION tanpuhui_make_partitions(date, integer) TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    run_script(PARTITIONS)
    role = context.config.attributes["service_role"]
    quoted = op.get_bind().dialect.identifier_preparer.quote_identifier(role)
    run_script(GRANTS.format(role=quoted))


def downgrade() -> None:
    raise NotImplementedError("the first migration has nothing to go back to: drop the database")
