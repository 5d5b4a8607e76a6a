"""Rules of `tanpuhui verify` over carbon-neutral events, in the shape of `app.verification`."""

_LENGTH = "sum(upper(h.units) - lower(h.units))"

QUERIES: dict[str, tuple[str, str]] = {
    "event_orders": (
        "A paid order of an event has its units retired and its payment, a waiting one has them locked, others neither",
        f"""
        WITH retired AS (
            SELECT r.subject_id, {_LENGTH} AS kg FROM unit_retirements r
            JOIN unit_holdings h ON h.begun_by = r.id AND h.status = 'retired'
            WHERE r.purpose = 'event' GROUP BY r.subject_id),
        locked AS (
            SELECT l.subject_id, {_LENGTH} AS kg FROM unit_locks l
            JOIN unit_holdings h ON h.lock_id = l.id AND h.ended_at IS NULL GROUP BY l.subject_id)
        SELECT o.id FROM event_orders o
        LEFT JOIN retired r ON r.subject_id = o.id LEFT JOIN locked l ON l.subject_id = o.id
        LEFT JOIN payments p ON p.out_trade_no = o.payment_ref AND p.subject_id = o.id AND p.state = 'paid'
        WHERE coalesce(r.kg, 0) <> CASE o.state WHEN 'paid' THEN o.kg ELSE 0 END
            OR coalesce(l.kg, 0) <> CASE o.state WHEN 'awaiting_payment' THEN o.kg ELSE 0 END
            OR (o.state = 'paid') <> (p.id IS NOT NULL)
        ORDER BY o.id LIMIT 1
        """,
    ),
    "event_payments": (
        "What was paid for an order of an event paid it in full; what paid for no order is given back",
        """
        SELECT p.id FROM payments p LEFT JOIN event_orders o ON o.id = p.subject_id
        WHERE p.subject = 'event' AND (o.id IS NULL OR o.amount_fen <> p.amount_fen
            OR (o.payment_ref IS NOT DISTINCT FROM p.out_trade_no) <> (p.state = 'paid')
            OR (p.state = 'paid' AND p.paid_fen <> p.amount_fen))
        ORDER BY p.id LIMIT 1
        """,
    ),
    "event_sums": (
        "What an event has ordered and paid is the sum of its orders, and no more than it emits",
        """
        SELECT e.id FROM neutral_events e LEFT JOIN (
            SELECT event_id, sum(kg) FILTER (WHERE state IN ('awaiting_payment', 'paid')) AS ordered,
                sum(kg) FILTER (WHERE state = 'paid') AS paid
            FROM event_orders GROUP BY event_id) o ON o.event_id = e.id
        WHERE e.ordered_kg <> coalesce(o.ordered, 0) OR e.paid_kg <> coalesce(o.paid, 0)
        ORDER BY e.id LIMIT 1
        """,
    ),
    "event_shares": (
        "A share is ordered for its own event, and by an order that is not over",
        """
        SELECT s.id FROM event_shares s LEFT JOIN event_orders o ON o.id = s.order_id
        WHERE s.order_id IS NOT NULL
            AND (o.id IS NULL OR o.event_id <> s.event_id OR o.state NOT IN ('awaiting_payment', 'paid'))
        ORDER BY s.id LIMIT 1
        """,
    ),
}
PREFIXES = {"event_orders": "nvo", "event_payments": "pay", "event_sums": "nev", "event_shares": "shr"}
