"""What always holds of corroborations and of the credits that they came to."""

HOLDS = """
    w.id IS NOT NULL AND w.outcome <> 'duplicate' AND w.reversed_at IS NULL
    AND w.reason IS DISTINCT FROM 'rejected_in_review'
"""
QUERIES: dict[str, tuple[str, str]] = {
    "corroborations_stand": (
        "What a corroboration stands behind is a credit of the same person by another platform's report",
        f"""
        SELECT c.activity_id FROM corroborations c
        LEFT JOIN activities w ON w.holder_id = c.holder_id AND w.id = c.winner_id
        WHERE c.ended_at IS NULL AND NOT coalesce({HOLDS} AND w.source_id <> c.source_id, false)
        ORDER BY 1 LIMIT 1
        """,
    ),
    "corroborations_reports": (
        "A corroboration is a report without a credit, with the platform and the grade that it was reported with",
        """
        SELECT c.activity_id FROM corroborations c
        LEFT JOIN activities a ON a.holder_id = c.holder_id AND a.id = c.activity_id
        WHERE a.id IS NULL OR (a.source_id, a.evidence) IS DISTINCT FROM (c.source_id, c.evidence)
           OR c.ended_at IS NULL AND a.outcome <> 'duplicate' AND a.reversed_at IS NULL
        ORDER BY 1 LIMIT 1
        """,
    ),
    "corroborations_credited": (
        "A corroboration that got the credit was credited by the decision that says so, and its winner has none",
        """
        SELECT coalesce(c.activity_id, s.activity_id) FROM (
            SELECT * FROM corroborations WHERE ended IN ('credited', 'took_over')) c
        FULL JOIN (SELECT * FROM settled_activities WHERE cause IN ('reversal', 'precedence')) s
            ON s.holder_id = c.holder_id AND s.activity_id = c.activity_id AND s.cause_id = c.winner_id
            AND s.cause = CASE c.ended WHEN 'credited' THEN 'reversal' ELSE 'precedence' END
        LEFT JOIN activities w ON w.holder_id = c.holder_id AND w.id = c.winner_id
        WHERE c.activity_id IS NULL OR s.activity_id IS NULL OR w.reversed_at IS NULL
           OR s.after_outcome NOT IN ('credited', 'capped', 'pending')
        ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES: dict[str, str] = {}
