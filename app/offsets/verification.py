"""Rules of `tanpuhui verify` over what is filed against obligations, in the shape of `app.verification`."""

KEPT_TABLES = ("offset_lines",)
QUERIES: dict[str, tuple[str, str]] = {
    "offset_limits": (
        "No limit of an obligation is exceeded, and what it has used is what is filed under it",
        """
        SELECT m.obligation_id FROM offset_limits m
        WHERE m.used_kg > m.cap_kg OR m.used_kg <> (
            SELECT coalesce(sum(l.quantity_kg), 0) FROM offset_lines l
            JOIN offset_filings f ON f.id = l.filing_id AND f.state IN ('filed', 'accepted')
            WHERE l.obligation_id = m.obligation_id AND l.kind = ANY(m.kinds)
              AND (m.outside IS NULL OR NOT starts_with(l.region, m.outside)))
        ORDER BY 1 LIMIT 1
        """,
    ),
    "offset_filings": (
        "What is filed is held back, what was accepted is retired once for the period, what ended holds nothing",
        """
        SELECT f.id FROM offset_filings f JOIN offset_lines l ON l.filing_id = f.id AND l.origin_id IS NOT NULL
        JOIN offset_obligations o ON o.id = f.obligation_id
        LEFT JOIN unit_locks k ON k.subject_id = l.id
        LEFT JOIN LATERAL (
            SELECT sum(upper(h.units) - lower(h.units)) AS kg FROM unit_holdings h
            WHERE h.lock_id = k.id AND h.ended_at IS NULL) held ON true
        LEFT JOIN unit_retirements r ON r.subject_id = l.id
        LEFT JOIN LATERAL (
            SELECT sum(upper(p) - lower(p)) AS kg FROM unit_movements m CROSS JOIN unnest(m.units) AS p
            WHERE m.id = r.id) used ON true
        WHERE k.id IS NULL
           OR coalesce(held.kg, 0) <> CASE WHEN f.state = 'filed' THEN l.quantity_kg ELSE 0 END
           OR coalesce(used.kg, 0) <> CASE WHEN f.state = 'accepted' THEN l.quantity_kg ELSE 0 END
           OR r.id IS NOT NULL AND (r.purpose, r.obligation_period)
              IS DISTINCT FROM ('obligation', o.market || ' ' || o.period)
        ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES = {"offset_limits": "obl", "offset_filings": "ofl"}
