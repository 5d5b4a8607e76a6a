"""What locks guard, read in the round trip that takes them.

A query within a VOLATILE function reads by a snapshot of its own, taken when it begins. So a statement that takes its
locks first and calls one of these then reads what is true under them, as a statement of its own would.
"""

from migrations.script import run_script

revision = "20261121_0025"
down_revision = "20261121_0024"

FUNCTIONS = """
CREATE FUNCTION tanpuhui_claims_now(tokens uuid[], first date, last date)
    RETURNS TABLE (token uuid, starts_at timestamptz, ends_at timestamptz, activity_id uuid, raw_starts_at timestamptz,
                   raw_ends_at timestamptz, source_id uuid, scene varchar, amount bigint, order_issuer uuid,
                   order_number uuid)
    LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF tokens IS NOT NULL THEN
        RETURN QUERY SELECT c.token, c.starts_at, c.ends_at, c.activity_id, c.raw_starts_at, c.raw_ends_at,
                            c.source_id, c.scene, c.amount, c.order_issuer, c.order_number
                     FROM interval_claims c WHERE c.token = ANY(tokens) AND c.day BETWEEN first AND last;
    END IF;
END $$;

CREATE FUNCTION tanpuhui_consents_now(holders uuid[], sources uuid[], groups varchar[], moments timestamptz[])
    RETURNS TABLE (n bigint, scene_group varchar)
    LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Live consents that are old enough for what is asked, for its own group, movement and aggregation. Read under the
    -- holders' locks, which a withdrawal takes as well: what it commits first counts, whatever the clocks say.
    RETURN QUERY SELECT k.n, c.scene_group
                 FROM unnest(holders, sources, groups, moments) WITH ORDINALITY
                          AS k (holder, source, scene_group, at, n)
                 JOIN consents c ON c.holder_id = k.holder AND c.source_id = k.source
                 WHERE c.scene_group IN (k.scene_group, 'movement', 'aggregation')
                   AND c.granted_at <= k.at AND c.withdrawn_at IS NULL;
END $$;

CREATE FUNCTION tanpuhui_caps_now(holders uuid[], firsts date[], lasts date[])
    RETURNS TABLE (holder_id uuid, rule varchar, window_start date, used bigint)
    LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    FOR place IN 1 .. coalesce(cardinality(firsts), 0) LOOP
        RETURN QUERY SELECT c.holder_id, c.rule, c.window_start, c.used FROM cap_usage c
                     WHERE c.holder_id = ANY(holders) AND c.window_start BETWEEN firsts[place] AND lasts[place];
    END LOOP;
END $$;
"""


def upgrade() -> None:
    run_script(FUNCTIONS)


def downgrade() -> None:
    run_script(
        """
        DROP FUNCTION tanpuhui_claims_now(uuid[], date, date);
        DROP FUNCTION tanpuhui_consents_now(uuid[], uuid[], varchar[], timestamptz[]);
        DROP FUNCTION tanpuhui_caps_now(uuid[], date[], date[]);
        """
    )
