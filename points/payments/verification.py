"""Rules of `tanpuhui verify` about payments: a query names the first row that breaks one."""

QUERIES: dict[str, tuple[str, str]] = {
    "payments": (
        "What was paid paid for its order, once, in full; what paid for no order is given back",
        """
        SELECT p.id FROM payments p LEFT JOIN redemptions r ON r.id = p.subject_id
        WHERE p.subject = 'redemption' AND (r.id IS NULL OR r.holder_id <> p.payer_id OR r.fen <> p.amount_fen
            OR (r.payment_ref IS NOT DISTINCT FROM p.out_trade_no) <>
                (p.state = 'paid' OR coalesce(p.refund_reason = 'redemption_over', false))
            OR (p.state = 'paid' AND (p.paid_fen <> p.amount_fen OR r.state = 'refunded')))
        ORDER BY p.id LIMIT 1
        """,
    ),
}
PREFIXES = {"payments": "pay"}
