"""Clocks of sources, measured; what platforms' claims were compared with; old months of claims in archives."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0024"
down_revision = "20261121_0022"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE source_clocks (
    left_id uuid NOT NULL,
    right_id uuid NOT NULL,
    ahead_s integer NOT NULL,
    tolerance_s integer NOT NULL,
    differences integer NOT NULL,
    measured_at timestamptz NOT NULL,
    PRIMARY KEY (left_id, right_id),
    CONSTRAINT source_clocks_order CHECK (left_id < right_id),
    CONSTRAINT source_clocks_positive CHECK (tolerance_s > 0 AND differences > 0)
);
ALTER TABLE platform_claims ADD COLUMN comparison jsonb;
CREATE INDEX activities_lost ON activities (id) WHERE outcome = 'duplicate';
CREATE TABLE claim_archives (
    month date PRIMARY KEY,
    state varchar NOT NULL,
    folder varchar NOT NULL,
    claims bigint,
    tokens bigint,
    claims_sha256 varchar,
    tokens_sha256 varchar,
    detached_at timestamptz NOT NULL,
    archived_at timestamptz,
    CONSTRAINT claim_archives_state CHECK (state IN ('detached', 'exported', 'archived')),
    CONSTRAINT claim_archives_exported CHECK ((state = 'detached') = (claims_sha256 IS NULL)),
    CONSTRAINT claim_archives_archived CHECK ((state = 'archived') = (archived_at IS NOT NULL))
);
"""

# The service's role owns nothing: these two are all that it may do to the months of claims. Both refuse by themselves
# what would lose a claim: a month that reports still come for, and tables whose rows are not all in the files.
FUNCTIONS = """
CREATE FUNCTION tanpuhui_detach_claims(wanted date, place text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    parent text;
    partition text;
    following date := (wanted + interval '1 month')::date;
BEGIN
    IF wanted IS DISTINCT FROM date_trunc('month', wanted)::date
            OR following + 62 > (now() AT TIME ZONE 'Asia/Shanghai')::date THEN
        RAISE EXCEPTION 'only a month that ended two months ago can be taken out';
    END IF;
    -- In the order of the intake, which asks for the second while it holds the first. Whoever has the second alone
    -- may want the first: so it is not waited for.
    LOCK TABLE interval_tokens IN ACCESS EXCLUSIVE MODE;
    LOCK TABLE interval_claims IN ACCESS EXCLUSIVE MODE NOWAIT;
    IF EXISTS (SELECT FROM claim_archives a WHERE a.month = wanted) THEN
        RETURN;
    END IF;
    FOREACH parent IN ARRAY ARRAY['interval_tokens', 'interval_claims'] LOOP
        partition := parent || '_' || to_char(wanted, 'YYYY_MM');
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, partition);
        EXECUTE format('ALTER TABLE %I RENAME TO %I', partition, partition || '_detached');
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) WITH (fillfactor = %s)', partition, parent,
            CASE parent WHEN 'interval_tokens' THEN 80 ELSE 100 END);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition,
            wanted, following);
        EXECUTE format('GRANT SELECT ON %I TO %I', partition || '_detached', session_user);
    END LOOP;
    INSERT INTO claim_archives (month, state, folder, detached_at) VALUES (wanted, 'detached', place, now());
END
$$;
REVOKE ALL ON FUNCTION tanpuhui_detach_claims(date, text) FROM PUBLIC;

CREATE FUNCTION tanpuhui_drop_claims(wanted date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    kept claim_archives;
    parent text;
    number bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('tanpuhui_claim_archives'));
    SELECT * INTO kept FROM claim_archives a WHERE a.month = wanted FOR UPDATE;
    IF kept.state = 'archived' THEN
        RETURN;
    END IF;
    IF kept.state IS DISTINCT FROM 'exported' THEN
        RAISE EXCEPTION 'only a month that is in its files can be dropped';
    END IF;
    FOREACH parent IN ARRAY ARRAY['interval_tokens', 'interval_claims'] LOOP
        EXECUTE format('SELECT count(*) FROM %I', parent || '_' || to_char(wanted, 'YYYY_MM') || '_detached')
            INTO number;
        IF number IS DISTINCT FROM (CASE parent WHEN 'interval_tokens' THEN kept.tokens ELSE kept.claims END) THEN
            RAISE EXCEPTION 'not all rows of % are in its file', parent;
        END IF;
        EXECUTE format('DROP TABLE %I', parent || '_' || to_char(wanted, 'YYYY_MM') || '_detached');
    END LOOP;
    UPDATE claim_archives a SET state = 'archived', archived_at = now() WHERE a.month = wanted;
END
$$;
REVOKE ALL ON FUNCTION tanpuhui_drop_claims(date) FROM PUBLIC;
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON source_clocks TO {role};
GRANT SELECT ON claim_archives TO {role};
GRANT UPDATE (state, folder, claims, tokens, claims_sha256, tokens_sha256) ON claim_archives TO {role};
GRANT EXECUTE ON FUNCTION tanpuhui_detach_claims(date, text), tanpuhui_drop_claims(date) TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    run_script(FUNCTIONS)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("what is in archives would be lost: restore a backup instead")
