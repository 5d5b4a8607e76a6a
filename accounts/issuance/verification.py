"""Rules of `tanpuhui verify` about issuances: each is backed by the entries of its period, and by nothing twice."""

from accounts.issuance.selection import INSIDE, candidates
from accounts.models import AccountKind, EntryKind

_CLOSED = "i.status IN ('submitted', 'signed', 'returned', 'noticed', 'issued')"
_DIGITS = """CASE WHEN {0} = '100000' THEN '' WHEN {0} LIKE '%0000' THEN left({0}, 2)
    WHEN {0} LIKE '%00' THEN left({0}, 4) ELSE {0} END"""
_OF_ISSUANCE = {
    "$1": "i.applicant_id",
    "$2": "i.asset_id",
    "$3": "i.booked_from",
    "$4": "i.booked_until",
    "$5": "i.secret",
    "$6": f"{_DIGITS.format('i.region')} || '%'",
}


def _of_each(query: str) -> str:
    """A query with its arguments taken from the row of each issuance."""
    for argument, column in _OF_ISSUANCE.items():
        query = query.replace(argument, column)
    return query


QUERIES: dict[str, tuple[str, str]] = {
    "issuances": (
        "The figures of a closed period are those of its entries under mandates, and of nothing that was excluded",
        f"""
        SELECT i.id FROM issuances i JOIN methodology_versions v ON v.id = i.methodology_version_id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(e.amount) FILTER (WHERE NOT e.reversal), 0) AS credits,
                coalesce(sum(e.amount) FILTER (WHERE e.reversal), 0) AS reversals, count(*) AS entries
            FROM ({_of_each(candidates())}) e
            WHERE NOT e.excluded AND (i.region = v.region OR {_of_each(INSIDE)})) t
        WHERE {_CLOSED} AND (t.credits, t.reversals, t.entries) IS DISTINCT FROM
            (i.credits_mg::numeric, i.reversals_mg::numeric, i.entries)
        ORDER BY i.id LIMIT 1
        """,
    ),
    "issuance_series": (
        "An issuance begins where the one before ends, with its remainder, and shares no entries with another",
        f"""
        SELECT i.id FROM issuances i
        LEFT JOIN issuances b ON b.applicant_id = i.applicant_id AND b.asset_id = i.asset_id AND b.region = i.region
            AND b.place = i.place - 1 AND b.status <> 'withdrawn'
        WHERE i.status <> 'withdrawn' AND (i.place > 1 AND b.booked_until IS DISTINCT FROM i.booked_from
            OR {_CLOSED} AND i.brought_mg IS DISTINCT FROM CASE WHEN i.place = 1 THEN 0 ELSE b.carried_mg END
            OR EXISTS (
                SELECT FROM issuances o WHERE o.id <> i.id AND o.applicant_id = i.applicant_id
                    AND o.asset_id = i.asset_id AND o.status <> 'withdrawn'
                    AND (o.region LIKE {_DIGITS.format("i.region")} || '%'
                        OR i.region LIKE {_DIGITS.format("o.region")} || '%')
                    AND o.booked_from < i.booked_until AND i.booked_from < o.booked_until))
        ORDER BY i.id LIMIT 1
        """,
    ),
    "issuance_units": (
        "An issuance has as many units as its figures say, and none before it is issued",
        """
        SELECT i.id FROM issuances i LEFT JOIN unit_origins o ON o.subject_id = i.id
        WHERE CASE WHEN i.status <> 'issued' THEN o.id IS NOT NULL
            ELSE coalesce(upper(o.units) - lower(o.units), 0) <> i.quantity_kg
                OR lower(o.units) IS DISTINCT FROM i.first_unit OR upper(o.units) - 1 IS DISTINCT FROM i.last_unit END
        ORDER BY i.id LIMIT 1
        """,
    ),
    "issuance_grams": (
        "What an issuance has of holders' grams is no more than its credits, and what it excluded is what it says",
        f"""
        SELECT m.party_id FROM (
            SELECT party_id,
                sum(CASE WHEN credit = {AccountKind.HOLDER_ISSUED:d} THEN amount
                    WHEN debit = {AccountKind.HOLDER_ISSUED:d} THEN -amount ELSE 0 END) AS issued,
                sum(CASE WHEN credit = {AccountKind.HOLDER_EXCLUDED:d} THEN amount
                    WHEN debit = {AccountKind.HOLDER_EXCLUDED:d} THEN -amount ELSE 0 END) AS excluded
            FROM entries
            WHERE kind IN ({EntryKind.EXCLUSION:d}, {EntryKind.INCLUSION:d}, {EntryKind.ISSUE:d}, {EntryKind.RETURN:d})
            GROUP BY party_id) m
        LEFT JOIN issuances i ON i.id = m.party_id
        LEFT JOIN (
            SELECT issuance_id, sum(amount_mg) AS excluded FROM issuance_exclusions
            WHERE included_at IS NULL GROUP BY issuance_id) x ON x.issuance_id = m.party_id
        WHERE i.id IS NULL OR m.issued < 0 OR m.issued > coalesce(i.credits_mg, 0)
           OR m.excluded <> coalesce(x.excluded, 0)
        ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES = dict.fromkeys(QUERIES, "iss")
