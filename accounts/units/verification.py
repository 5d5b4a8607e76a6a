"""Rules of `tanpuhui verify` about units: a query names the first row that breaks one.

A split, a transfer, a retirement loses nothing and makes nothing: what an origin was given is what stands of it.
"""

KEPT_TABLES = ("unit_origins", "unit_movements", "unit_locks", "unit_retirements", "unit_cancellations")
_LENGTH = "upper(h.units) - lower(h.units)"

QUERIES: dict[str, tuple[str, str]] = {
    "units_disjoint": (
        "No unit stands in two places",
        """
        SELECT origin_id FROM (
            SELECT origin_id, units, max(upper(units)) OVER (
                ORDER BY lower(units), id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_until
            FROM unit_holdings WHERE ended_at IS NULL) h
        WHERE lower(units) < taken_until ORDER BY lower(units) LIMIT 1
        """,
    ),
    "units_whole": (
        "What stands of an origin is what it was given, every unit once",
        f"""
        SELECT coalesce(o.id, h.origin_id) FROM unit_origins o
        FULL JOIN (
            SELECT origin_id, range_agg(units) AS units, sum({_LENGTH}) AS kg
            FROM unit_holdings h WHERE ended_at IS NULL GROUP BY origin_id) h ON h.origin_id = o.id
        WHERE h.units IS DISTINCT FROM int8multirange(o.units) OR h.kg <> upper(o.units) - lower(o.units)
        ORDER BY 1 LIMIT 1
        """,
    ),
    "unit_numbers": (
        "Numbers run from 1 without a gap through all origins, and the next is the one after the last",
        """
        SELECT o.id FROM (
            SELECT id, units, coalesce(lag(upper(units)) OVER w, 1) AS wanted, lead(id) OVER w AS following
            FROM unit_origins WINDOW w AS (ORDER BY units)) o
        CROSS JOIN unit_numbers n
        WHERE lower(o.units) <> o.wanted OR o.following IS NULL AND upper(o.units) <> n.next_number
        ORDER BY lower(o.units) LIMIT 1
        """,
    ),
    "unit_splits": (
        "What follows a holding makes up the whole of it, of the same origin; only what has ended is followed",
        f"""
        SELECT p.origin_id FROM unit_holdings p
        LEFT JOIN (
            SELECT h.parent_id, range_agg(h.units) AS units, sum({_LENGTH}) AS kg,
                array_agg(DISTINCT h.origin_id) AS origins, array_agg(DISTINCT h.begun_by) AS begun_by
            FROM unit_holdings h WHERE h.parent_id IS NOT NULL GROUP BY h.parent_id) c ON c.parent_id = p.id
        WHERE (p.ended_at IS NULL) <> (c.parent_id IS NULL)
           OR c.units <> int8multirange(p.units) OR c.kg <> upper(p.units) - lower(p.units)
           OR c.origins <> ARRAY[p.origin_id] OR c.begun_by <> ARRAY[p.ended_by]
        UNION ALL
        SELECT h.origin_id FROM unit_holdings h LEFT JOIN unit_holdings p ON p.id = h.parent_id
        WHERE (h.parent_id IS NULL) <> (p.id IS NULL)
           OR h.rest AND (h.account_id, h.status, h.lock_id) IS DISTINCT FROM (p.account_id, p.status, p.lock_id)
        LIMIT 1
        """,
    ),
    "unit_movements": (
        "A movement tells what it moved, out of which account into which, and what that became",
        """
        SELECT coalesce(m.id, h.begun_by) FROM unit_movements m
        FULL JOIN (
            SELECT h.begun_by, range_agg(h.units) AS units, array_agg(DISTINCT h.status::text) AS statuses,
                array_agg(DISTINCT h.account_id) AS into, array_agg(DISTINCT p.account_id) AS out_of
            FROM unit_holdings h LEFT JOIN unit_holdings p ON p.id = h.parent_id
            WHERE NOT h.rest GROUP BY h.begun_by) h ON h.begun_by = m.id
        WHERE m.id IS NULL OR h.begun_by IS NULL OR h.units <> m.units
           OR h.into <> ARRAY[coalesce(m.to_account_id, m.account_id)]
           OR h.out_of <> ARRAY[CASE WHEN m.kind <> 'issued' THEN m.account_id END]
           OR h.statuses <> ARRAY[
                CASE WHEN m.kind IN ('issued', 'released', 'transferred') THEN 'held' ELSE m.kind END::text]
        ORDER BY 1 LIMIT 1
        """,
    ),
    "unit_records": (
        "Every retirement, cancellation and lock has its movement, and every such movement its record",
        """
        SELECT coalesce(m.id, r.id) FROM (
            SELECT id, kind, account_id, subject_id FROM unit_movements
            WHERE kind IN ('retired', 'cancelled', 'locked', 'pledged')) m
        FULL JOIN (
            SELECT id, 'retired' AS kind, account_id, subject_id FROM unit_retirements
            UNION ALL SELECT id, 'cancelled', account_id, subject_id FROM unit_cancellations
            UNION ALL SELECT id, kind, account_id, subject_id FROM unit_locks) r ON r.id = m.id
        WHERE (m.id, m.kind, m.account_id, m.subject_id) IS DISTINCT FROM (r.id, r.kind, r.account_id, r.subject_id)
        ORDER BY 1 LIMIT 1
        """,
    ),
    "unit_locks": (
        "What is held back is held back by a lock of its account and kind",
        """
        SELECT h.lock_id FROM unit_holdings h LEFT JOIN unit_locks l ON l.id = h.lock_id
        WHERE h.lock_id IS NOT NULL
          AND (l.id, l.account_id, l.kind) IS DISTINCT FROM (h.lock_id, h.account_id, h.status)
        ORDER BY 1 LIMIT 1
        """,
    ),
    "unit_accounts": (
        "Units stand in registry accounts",
        """
        SELECT h.account_id FROM unit_holdings h LEFT JOIN registry_accounts a ON a.id = h.account_id
        WHERE a.id IS NULL ORDER BY 1 LIMIT 1
        """,
    ),
    "unit_transfers": (
        "A transfer that is open holds its units back, an accepted one moved them, any other gave them back",
        f"""
        SELECT t.id FROM unit_transfers t
        LEFT JOIN unit_locks l ON l.subject_id = t.id AND l.account_id = t.account_id AND l.kind = 'locked'
        LEFT JOIN (
            SELECT h.lock_id, sum({_LENGTH}) AS kg FROM unit_holdings h
            WHERE h.ended_at IS NULL AND h.lock_id IS NOT NULL GROUP BY h.lock_id) h ON h.lock_id = l.id
        LEFT JOIN (
            SELECT m.subject_id, m.to_account_id, sum(upper(r) - lower(r)) AS kg
            FROM unit_movements m CROSS JOIN unnest(m.units) AS r WHERE m.kind = 'transferred' GROUP BY 1, 2) m
            ON m.subject_id = t.id AND m.to_account_id = t.to_account_id
        WHERE l.id IS NULL OR coalesce(h.kg, 0) <> CASE WHEN t.decided_at IS NULL THEN t.quantity_kg ELSE 0 END
           OR coalesce(m.kg, 0) <> CASE WHEN t.state = 'accepted' THEN t.quantity_kg ELSE 0 END
        ORDER BY 1 LIMIT 1
        """,
    ),
    "unit_pledges": (
        "A pledge has units until its bank gave them free, and none afterwards",
        f"""
        SELECT p.id FROM unit_pledges p
        LEFT JOIN unit_locks l ON l.subject_id = p.id AND l.account_id = p.account_id AND l.kind = 'pledged'
        LEFT JOIN (
            SELECT h.lock_id, sum({_LENGTH}) AS kg FROM unit_holdings h
            WHERE h.ended_at IS NULL AND h.lock_id IS NOT NULL GROUP BY h.lock_id) h ON h.lock_id = l.id
        WHERE l.id IS NULL OR (h.kg IS NULL) <> (p.released_at IS NOT NULL) OR h.kg > p.quantity_kg
        ORDER BY 1 LIMIT 1
        """,
    ),
    "account_freezes": (
        "An account is frozen while an order on it is in force, and only then",
        """
        SELECT coalesce(a.id, f.account_id) FROM registry_accounts a
        FULL JOIN (SELECT DISTINCT account_id FROM account_freezes WHERE lifted_at IS NULL) f
            ON f.account_id = a.id
        WHERE a.id IS NULL OR (a.frozen_at IS NULL) <> (f.account_id IS NULL) ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES = {
    "units_disjoint": "uor",
    "units_whole": "uor",
    "unit_numbers": "uor",
    "unit_splits": "uor",
    "unit_movements": "umv",
    "unit_records": "umv",
    "unit_locks": "ulk",
    "unit_accounts": "rac",
    "unit_transfers": "utr",
    "unit_pledges": "upl",
    "account_freezes": "rac",
}
