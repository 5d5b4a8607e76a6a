"""Rules of `tanpuhui verify` about settlement with merchants: a query names the first row that breaks one."""

from accounts.models import AccountKind, AssetKind, EntryKind
from points.settlement_states import LATE, State

_LATE_S = int(LATE.total_seconds())
_FEN = f"CASE WHEN e.credit = {AccountKind.MERCHANT:d} THEN e.amount ELSE -e.amount END"
_TOTAL = "s.opening_fen + s.spent_fen - s.refunded_fen + s.adjusted_fen"
_DAY = "(e.booked_at AT TIME ZONE 'Asia/Shanghai')::date"

QUERIES: dict[str, tuple[str, str]] = {
    "settled_entries": (
        "What is settled is an entry of its statement's merchant and money, booked before the period's end, in full",
        f"""
        SELECT t.settlement_id FROM settled_entries t
        LEFT JOIN settlements s ON s.id = t.settlement_id
        LEFT JOIN entries e ON e.holder_id = t.holder_id AND e.id = t.entry_id
        WHERE s.id IS NULL OR e.id IS NULL OR e.party_id IS DISTINCT FROM s.merchant_id OR e.asset_id <> s.asset_id
            OR e.kind NOT IN ({EntryKind.SPEND:d}, {EntryKind.REFUND:d}) OR e.booked_at >= s.ends_at
            OR e.cause_id <> t.redemption_id OR t.fen <> {_FEN} OR t.day <> {_DAY}
        ORDER BY 1 LIMIT 1
        """,
    ),
    "settlement_left_out": (
        "No entry that is owed to a merchant is left behind: what was booked before the last statement is in one",
        f"""
        SELECT e.cause_id FROM entries e
        JOIN assets a ON a.id = e.asset_id AND a.kind = '{AssetKind.MONEY}'
        JOIN settlement_accounts c ON c.merchant_id = e.party_id AND c.asset_id = e.asset_id
        LEFT JOIN settled_entries t ON t.holder_id = e.holder_id AND t.entry_id = e.id
        WHERE t.entry_id IS NULL AND e.kind IN ({EntryKind.SPEND:d}, {EntryKind.REFUND:d})
            AND e.booked_at < c.settled_until - make_interval(secs => {_LATE_S})
        ORDER BY 1 LIMIT 1
        """,
    ),
    "settlement_sums": (
        "A statement says what its entries, its lines and its corrections add up to",
        """
        SELECT s.id FROM settlements s
        LEFT JOIN (
            SELECT settlement_id, sum(fen) FILTER (WHERE fen > 0) AS spent, -sum(fen) FILTER (WHERE fen < 0) AS back,
                count(*) FILTER (WHERE fen > 0) AS redeemed, count(*) FILTER (WHERE fen < 0) AS refunded
            FROM settled_entries GROUP BY 1) e ON e.settlement_id = s.id
        LEFT JOIN (
            SELECT settlement_id, sum(spent_fen) AS spent, sum(refunded_fen) AS back, sum(redeemed) AS redeemed,
                sum(refunded) AS refunded, sum(points) AS points
            FROM settlement_lines GROUP BY 1) l ON l.settlement_id = s.id
        LEFT JOIN (SELECT settlement_id, sum(fen) AS fen FROM settlement_adjustments GROUP BY 1) a
            ON a.settlement_id = s.id
        WHERE (s.spent_fen, s.refunded_fen, s.redeemed, s.refunded) IS DISTINCT FROM
                (coalesce(e.spent, 0), coalesce(e.back, 0), coalesce(e.redeemed, 0), coalesce(e.refunded, 0))
            OR (s.spent_fen, s.refunded_fen, s.redeemed, s.refunded, s.points) IS DISTINCT FROM
                (coalesce(l.spent, 0), coalesce(l.back, 0), coalesce(l.redeemed, 0), coalesce(l.refunded, 0),
                 coalesce(l.points, 0))
            OR s.adjusted_fen <> coalesce(a.fen, 0)
        ORDER BY 1 LIMIT 1
        """,
    ),
    "settlement_carry": (
        "What statements begin with is what others left over, no more and no less",
        """
        SELECT min(s.id::text)::uuid FROM settlements s
        GROUP BY s.merchant_id, s.asset_id HAVING sum(s.opening_fen) <> sum(s.carried_fen)
        ORDER BY 1 LIMIT 1
        """,
    ),
    "settlement_periods": (
        "Statements of a merchant and region follow each other, and the last one ends where the account says",
        """
        SELECT s.id FROM (
            SELECT id, merchant_id, asset_id, starts_at, ends_at,
                lag(ends_at) OVER w AS before, lead(ends_at) OVER w AS after
            FROM settlements WINDOW w AS (PARTITION BY merchant_id, asset_id ORDER BY ends_at)) s
        LEFT JOIN settlement_accounts c ON c.merchant_id = s.merchant_id AND c.asset_id = s.asset_id
        WHERE s.starts_at < s.before OR (s.after IS NULL AND c.settled_until IS DISTINCT FROM s.ends_at)
        ORDER BY 1 LIMIT 1
        """,
    ),
    "settlement_payments": (
        "Paid is what was agreed or resolved and above zero, on the word of two; disputed is what has a reason",
        f"""
        SELECT s.id FROM settlements s
        WHERE (s.state IN ('{State.IN_PAYMENT}', '{State.PAID}')
                AND ((s.agreed_at IS NULL AND s.resolution IS NULL) OR {_TOTAL} <= 0
                    OR s.bank_reference IS NULL OR s.proposed_by IS NULL))
            OR (s.state = '{State.PAID}' AND (s.paid_by IS NULL OR s.paid_by IN (s.proposed_by, s.resolved_by)))
            OR ((s.state = '{State.DISPUTED}' OR s.resolution IS NOT NULL) AND NOT EXISTS (
                SELECT FROM settlement_disputes d WHERE d.settlement_id = s.id))
        ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES = {
    "settled_entries": "stl",
    "settlement_left_out": "red",
    "settlement_sums": "stl",
    "settlement_carry": "stl",
    "settlement_periods": "stl",
    "settlement_payments": "stl",
}
