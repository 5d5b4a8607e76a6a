"""Rules of `tanpuhui verify` about platforms' claims: a query names the first row that breaks one."""

HOLDS = "outcome = 'claimed' AND released_at IS NULL"
"""Which platforms' claims own their tokens."""
TOGETHER = "00000000-0000-0000-0000-000000000000"

ARCHIVED = """
    EXISTS (SELECT FROM claim_archives c WHERE c.month BETWEEN date_trunc('month', a.first_day) AND a.last_day)
    AND NOT EXISTS (
        SELECT FROM interval_tokens t WHERE t.token = a.token AND t.day BETWEEN a.first_day AND a.last_day)
"""
"""SQL: a token `a` of an act of these days is to be looked for in an archive, where it was not brought back from."""

QUERIES: dict[str, tuple[str, str]] = {
    "claims_of_platforms": (
        "A platform's claim that is not released holds all its tokens, and one that was lost knows of none",
        f"""
        SELECT id FROM (
            SELECT a.id FROM (
                SELECT id, encode(substring(claim_tokens FROM 16 * n + 1 FOR 16), 'hex')::uuid AS token,
                    first_day, last_day
                FROM platform_claims, generate_series(0, octet_length(claim_tokens) / 16 - 1) AS n
                WHERE {HOLDS}) a
            LEFT JOIN whole_claims w ON w.token = a.token AND w.activity_id = a.id
            LEFT JOIN interval_claims i ON i.token = a.token AND i.activity_id = a.id
            WHERE w.token IS NULL AND i.token IS NULL AND NOT ({ARCHIVED})
            UNION ALL SELECT id FROM platform_claims WHERE (outcome = 'claimed') = (claim_tokens = '')) b
        ORDER BY id LIMIT 1
        """,
    ),
    "quotas": (
        "What platforms used of a quota that all share on a day adds up to what all used, and none is exceeded",
        f"""
        SELECT coalesce(max(organisation_id::text) FILTER (WHERE used > allowed), max(organisation_id::text))::uuid
        FROM quota_days
        WHERE kind IN (SELECT kind FROM quota_days WHERE organisation_id = '{TOGETHER}')
        GROUP BY kind, day
        HAVING bool_or(used > allowed) OR sum(CASE WHEN organisation_id = '{TOGETHER}' THEN -used ELSE used END) <> 0
        ORDER BY day LIMIT 1
        """,
    ),
}
PREFIXES = {"claims_of_platforms": "clm", "quotas": "org"}
