"""Readings of meters: a row for each meter and day, what was replaced, exchanges."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0028"
down_revision = "20261121_0032"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE meter_days (
    meter_id uuid NOT NULL,
    day date NOT NULL,
    amount bigint NOT NULL,
    measured smallint NOT NULL,
    estimated smallint NOT NULL,
    marks bytea,
    states bytea,
    amounts bigint[] NOT NULL,
    registers bigint[],
    PRIMARY KEY (meter_id, day),
    CONSTRAINT meter_days_amounts CHECK (cardinality(amounts) = 96),
    CONSTRAINT meter_days_registers CHECK (cardinality(registers) = 96),
    CONSTRAINT meter_days_bytes CHECK (octet_length(marks) = 96 AND octet_length(states) = 96),
    CONSTRAINT meter_days_counts CHECK (measured >= 0 AND estimated >= 0 AND measured + estimated <= 96)
) PARTITION BY RANGE (day);

CREATE TABLE reading_revisions (
    meter_id uuid NOT NULL,
    day date NOT NULL,
    place smallint NOT NULL,
    mark smallint NOT NULL,
    value bigint NOT NULL,
    replaced_by varchar NOT NULL,
    replaced_at timestamptz NOT NULL,
    PRIMARY KEY (meter_id, day, place, mark),
    CONSTRAINT reading_revisions_place CHECK (place >= 0 AND place <= 95),
    CONSTRAINT reading_revisions_mark CHECK (mark >= 1 AND mark <= 127)
) PARTITION BY RANGE (day);

CREATE TABLE meter_registers (
    meter_id uuid PRIMARY KEY,
    last_day date NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE meter_exchanges (
    meter_id uuid NOT NULL,
    at timestamptz NOT NULL,
    last_register bigint,
    first_register bigint NOT NULL,
    register_max bigint,
    entered_by varchar NOT NULL,
    entered_at timestamptz NOT NULL,
    PRIMARY KEY (meter_id, at),
    CONSTRAINT meter_exchanges_registers
        CHECK (first_register >= 0 AND (last_register IS NULL OR last_register >= 0)),
    CONSTRAINT meter_exchanges_max CHECK (register_max IS NULL OR register_max > first_register)
);
"""

# Each quarter-hour writes the row of the day anew: with room on its page, no index learns of it. A table without a
# room of its own stays full, as before.
PARTITIONS = """
CREATE OR REPLACE FUNCTION tanpuhui_make_partitions(first_month date, months integer) RETURNS integer
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
               CASE WHEN c.relname IN ('interval_tokens', 'cap_usage') THEN 80
                    WHEN c.relname = 'meter_days' THEN 50 ELSE 100 END AS fill
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

DO $$
DECLARE
    parent text;
    first_month date := (date_trunc('month', now() AT TIME ZONE 'Asia/Shanghai') - interval '13 months')::date;
BEGIN
    FOREACH parent IN ARRAY ARRAY['meter_days', 'reading_revisions'] LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (MINVALUE) TO (%L)',
            parent || '_past', parent, first_month);
    END LOOP;
    PERFORM tanpuhui_make_partitions(first_month, 17);
END
$$;
"""

GRANTS = """
GRANT SELECT, INSERT ON meter_days, reading_revisions, meter_registers, meter_exchanges TO {role};
GRANT UPDATE (amount, measured, estimated, marks, states, amounts, registers) ON meter_days TO {role};
GRANT UPDATE (last_day) ON meter_registers TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    run_script(PARTITIONS)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("readings would be lost: restore a backup instead")
