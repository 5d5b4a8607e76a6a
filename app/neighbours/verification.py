"""What always holds of claims that neighbours are told."""

_STANDS = """
    a.reversed_at IS NULL AND (a.outcome IN ('credited', 'capped', 'pending') OR a.outcome = 'rejected' AND EXISTS (
        SELECT FROM recalculated_activities r WHERE r.holder_id = a.holder_id AND r.activity_id = a.id))
"""
QUERIES: dict[str, tuple[str, str]] = {
    "exchanged": (
        "What neighbours are told to be claimed is of acts that stand, and what is released of acts that do not",
        f"""
        SELECT e.activity_id FROM exchanged_claims e LEFT JOIN activities a ON a.id = e.activity_id
        WHERE a.id IS NULL OR (e.released_at IS NULL) <> ({_STANDS})
        ORDER BY 1 LIMIT 1
        """,
    ),
    "yielded": (
        "What is said to be reversed for a neighbour is reversed",
        """
        SELECT d.activity_id FROM double_claims d LEFT JOIN activities a ON a.id = d.activity_id
        WHERE d.state = 'reversed' AND a.reversed_at IS NULL ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES: dict[str, str] = {}
KEPT_TABLES = ("neighbour_pages",)
