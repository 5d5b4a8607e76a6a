"""What always holds of held acts."""

QUERIES: dict[str, tuple[str, str]] = {
    "held": (
        "An act that is held has a review that waits, and each review that waits its act",
        """
        SELECT coalesce(a.id, h.activity_id) FROM (
            SELECT id, holder_id FROM activities
            WHERE outcome = 'pending' AND reason = 'held_for_review' AND reversed_at IS NULL) a
        FULL JOIN (SELECT activity_id, holder_id FROM held_activities WHERE state = 'waiting') h
            ON h.activity_id = a.id AND h.holder_id = a.holder_id
        WHERE a.id IS NULL OR h.activity_id IS NULL ORDER BY 1 LIMIT 1
        """,
    ),
    "held_by_signals": (
        "What was held was held by a signal whose policy says so",
        """
        SELECT h.activity_id FROM held_activities h
        WHERE NOT EXISTS (SELECT FROM act_signals s WHERE s.holder_id = h.holder_id
            AND s.activity_id = h.activity_id AND s.action = 'hold')
        ORDER BY 1 LIMIT 1
        """,
    ),
    "reviewed": (
        "What a review came to is what was made of the act",
        """
        SELECT h.activity_id FROM held_activities h
        LEFT JOIN settled_activities s
            ON s.holder_id = h.holder_id AND s.activity_id = h.activity_id AND s.cause = 'review'
        WHERE h.state = 'released' AND coalesce(s.after_outcome, '') NOT IN ('credited', 'capped', 'pending')
           OR h.state = 'rejected' AND s.after_outcome IS DISTINCT FROM 'rejected'
           OR h.state IN ('waiting', 'reversed') AND s.activity_id IS NOT NULL
        ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES: dict[str, str] = {}
KEPT_TABLES = ("act_signals",)
