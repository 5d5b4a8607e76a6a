"""Rules of `tanpuhui verify` over instructions to exchanges, in the shape of `app.verification`."""

KEPT_TABLES = ("exchange_differences",)
QUERIES: dict[str, tuple[str, str]] = {
    "exchange_deliveries": (
        "Units that stand at an exchange are held back here until they are retired there, and retired here then",
        """
        SELECT i.id FROM exchange_instructions i
        LEFT JOIN exchange_instructions t ON t.delivery_id = i.id AND t.kind = 'retire' AND t.state = 'done'
        LEFT JOIN unit_locks k ON k.subject_id = i.id
        LEFT JOIN LATERAL (
            SELECT sum(upper(h.units) - lower(h.units)) AS kg FROM unit_holdings h
            WHERE h.lock_id = k.id AND h.ended_at IS NULL) held ON true
        LEFT JOIN unit_retirements r ON r.subject_id = t.id
        LEFT JOIN LATERAL (
            SELECT sum(upper(p) - lower(p)) AS kg FROM unit_movements m CROSS JOIN unnest(m.units) AS p
            WHERE m.id = r.id) used ON true
        WHERE i.kind = 'deliver_units' AND (k.id IS NULL
           OR coalesce(held.kg, 0) <> CASE WHEN t.id IS NULL AND i.state IN ('staged', 'approved', 'done')
              THEN i.quantity_kg ELSE 0 END
           OR t.id IS NOT NULL AND coalesce(used.kg, 0) <> i.quantity_kg)
        ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES = {"exchange_deliveries": "exi"}
