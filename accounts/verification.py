"""Rules of `tanpuhui verify` about mandates, bindings and holders that were erased."""

from accounts.models import HolderStatus

_LIVE_UNTIL = "coalesce(least(m.valid_until, w.ends_at), 'infinity')"

QUERIES: dict[str, tuple[str, str]] = {
    "mandates_overlap": (
        "No two mandates of a holder are in force at one time",
        f"""
        SELECT holder_id FROM (
            SELECT m.holder_id, m.valid_from, max({_LIVE_UNTIL}) OVER (
                PARTITION BY m.holder_id ORDER BY m.valid_from, m.id
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS given_until
            FROM mandates m
            LEFT JOIN mandate_withdrawals w ON w.holder_id = m.holder_id AND w.mandate_id = m.id
            WHERE {_LIVE_UNTIL} > m.valid_from) g
        WHERE valid_from < given_until ORDER BY 1 LIMIT 1
        """,
    ),
    "bindings": (
        "Every user that is bound leads to a holder",
        """
        SELECT b.holder_id FROM bindings b LEFT JOIN identities i ON i.token = b.identity_token
        WHERE b.identity_token IS NOT NULL AND i.token IS NULL ORDER BY 1 LIMIT 1
        """,
    ),
    "erased": (
        "Nothing leads to a holder that was erased, and nothing of it is in force",
        f"""
        SELECT e.holder_id FROM erasures e JOIN balances b ON b.holder_id = e.holder_id
        WHERE e.done_at IS NOT NULL AND (
            b.status <> {HolderStatus.CLOSED:d}
            OR EXISTS (SELECT FROM identities i WHERE i.holder_id = e.holder_id)
            OR EXISTS (SELECT FROM consents c WHERE c.holder_id = e.holder_id AND c.withdrawn_at IS NULL)
            OR EXISTS (SELECT FROM bindings n WHERE n.holder_id = e.holder_id AND n.ended_at IS NULL)
            OR EXISTS (SELECT FROM exports x WHERE x.holder_id = e.holder_id
                AND x.state IN ('waiting', 'running', 'ready'))
            OR EXISTS (SELECT FROM mandates m
                LEFT JOIN mandate_withdrawals w ON w.holder_id = m.holder_id AND w.mandate_id = m.id
                WHERE m.holder_id = e.holder_id AND {_LIVE_UNTIL} > e.done_at))
        ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES = dict.fromkeys(QUERIES, "hld")
KEPT_TABLES = (
    "agreement_receipts",
    "mandate_terms",
    "mandates",
    "mandate_withdrawals",
    "access_records",
)
"""What is written once and never changed."""
