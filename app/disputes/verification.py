"""What always holds of disputes and of what they moved."""

QUERIES: dict[str, tuple[str, str]] = {
    "moves": (
        "A moved claim is its dispute's, the old credit is reversed, the new one was made by it",
        """
        SELECT coalesce(d.id, m.dispute_id) FROM (SELECT id FROM disputes WHERE state = 'moved') d
        FULL JOIN claim_moves m ON m.dispute_id = d.id
        LEFT JOIN activities f ON f.id = m.from_activity_id AND f.holder_id = m.from_holder_id
        LEFT JOIN settled_activities s ON s.holder_id = m.to_holder_id AND s.activity_id = m.to_activity_id
            AND s.cause = 'dispute' AND s.cause_id = m.dispute_id
        WHERE d.id IS NULL OR m.dispute_id IS NULL OR s.cause_id IS NULL
           OR s.after_outcome NOT IN ('credited', 'capped', 'pending')
           OR m.from_activity_id IS NOT NULL AND f.reversed_at IS NULL
        ORDER BY 1 LIMIT 1
        """,
    ),
    "moved_once": (
        "An activity that lost its credit by a move never gets one by another",
        """
        SELECT a.to_activity_id FROM claim_moves a JOIN claim_moves b ON b.from_activity_id = a.to_activity_id
        ORDER BY 1 LIMIT 1
        """,
    ),
    "settled": (
        "What a decision last made of an activity is what it is, but for a recalculation or a collection since",
        """
        SELECT s.activity_id FROM (
            SELECT *, row_number() OVER (PARTITION BY holder_id, activity_id ORDER BY at DESC, cause_id DESC) AS back
            FROM settled_activities) s
        LEFT JOIN activities a ON a.holder_id = s.holder_id AND a.id = s.activity_id
        WHERE s.back = 1 AND (a.id IS NULL OR NOT EXISTS (
                SELECT FROM recalculated_activities r
                WHERE r.holder_id = s.holder_id AND r.activity_id = s.activity_id AND r.at >= s.at)
            AND ((s.after_reason, s.after_mg, s.after_aggregated_mg, s.after_points)
                    IS DISTINCT FROM (a.reason, a.co2e_mg, a.aggregated_mg, a.points)
                OR s.after_outcome <> a.outcome
                    AND NOT (s.after_outcome = 'pending' AND a.outcome IN ('credited', 'capped'))))
        ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES = {"moves": "dsp"}
KEPT_TABLES = ("claim_moves", "settled_activities")
