"""Rules of `tanpuhui verify` about lots, what is owed and campaigns: a query names the first row that breaks one."""

from accounts.models import AccountKind, AssetKind, EntryKind

POINTS, OWED, PROGRAMME = AccountKind.HOLDER_POINTS, AccountKind.HOLDER_OWED, AccountKind.PROGRAMME
OF_CAMPAIGNS = ", ".join(
    f"{kind:d}" for kind in (EntryKind.BONUS, EntryKind.REPAYMENT, EntryKind.REVERSAL, EntryKind.SHORTFALL)
)
"""Kinds of entries that, with a party, are a campaign's."""

QUERIES: dict[str, tuple[str, str]] = {
    "lots_of_assets": (
        "The lots of each programme add up to that programme's points, not only all lots to all points",
        f"""
        SELECT holder_id FROM (
            SELECT holder_id, sum(points) AS off, sum(sum(points)) OVER (PARTITION BY holder_id) AS all_off FROM (
                SELECT holder_id, asset_id, remaining AS points FROM lots UNION ALL
                SELECT e.holder_id, e.asset_id, CASE WHEN e.credit = {POINTS:d} THEN -e.amount ELSE e.amount END
                FROM entries e WHERE {POINTS:d} IN (e.debit, e.credit)) p
            GROUP BY holder_id, asset_id) d
        WHERE off <> 0 AND all_off = 0 ORDER BY 1 LIMIT 1
        """,
    ),
    "lots_swept": (
        "A lot that is swept holds nothing: what comes back to it is due again",
        "SELECT holder_id FROM lots WHERE swept AND remaining > 0 ORDER BY 1 LIMIT 1",
    ),
    "expiries": (
        "Points expire once their day has come, not before",
        f"""
        SELECT e.holder_id FROM entries e
        WHERE e.kind = {EntryKind.EXPIRY:d} AND e.debit = {POINTS:d}
          AND e.cause_id > tanpuhui_uuid7_floor(e.booked_at) ORDER BY 1 LIMIT 1
        """,
    ),
    "receivables": (
        "What a holder owes of each programme equals the sum of its entries",
        f"""
        SELECT coalesce(r.holder_id, e.holder_id) FROM receivables r
        FULL JOIN (
            SELECT e.holder_id, e.asset_id,
                sum(CASE WHEN e.debit = {OWED:d} THEN e.amount ELSE -e.amount END) AS owed
            FROM entries e JOIN assets a ON a.id = e.asset_id AND a.kind = '{AssetKind.POINTS}'
            WHERE {OWED:d} IN (e.debit, e.credit) GROUP BY 1, 2) e
            ON e.holder_id = r.holder_id AND e.asset_id = r.asset_id
        WHERE coalesce(r.owed, 0) <> coalesce(e.owed, 0) ORDER BY 1 LIMIT 1
        """,
    ),
    "campaign_budgets": (
        "What a campaign gave out and what is left of its budget make up the budget",
        f"""
        SELECT t.id FROM points_texts t
        LEFT JOIN (SELECT campaign_id, sum(points_left) AS points FROM campaign_slices GROUP BY 1) s
            ON s.campaign_id = t.id
        LEFT JOIN (
            SELECT party_id, sum(CASE WHEN debit = {PROGRAMME:d} THEN amount
                                      WHEN debit = {AccountKind.LOSS:d} THEN 0 ELSE -amount END) AS points
            FROM entries WHERE kind IN ({OF_CAMPAIGNS}) AND party_id IS NOT NULL GROUP BY 1) e ON e.party_id = t.id
        WHERE t.kind = 'campaign' AND t.approved_at IS NOT NULL
          AND coalesce(s.points, 0) + coalesce(e.points, 0) <> (t.content::jsonb ->> 'budget')::bigint
        ORDER BY 1 LIMIT 1
        """,
    ),
    "campaign_awards": (
        "What campaigns gave for an act is booked, and nothing is left of it once the act is reversed",
        f"""
        SELECT coalesce(w.activity_id, e.cause_id) FROM (
            SELECT w.holder_id, w.activity_id, w.campaign_id,
                CASE WHEN a.reversed_at IS NULL THEN w.points ELSE 0 END AS points
            FROM campaign_awards w JOIN activities a ON a.holder_id = w.holder_id AND a.id = w.activity_id) w
        FULL JOIN (
            SELECT holder_id, cause_id, party_id,
                sum(CASE WHEN debit = {PROGRAMME:d} THEN amount ELSE -amount END) AS points
            FROM entries WHERE kind IN ({OF_CAMPAIGNS}) AND party_id IS NOT NULL GROUP BY 1, 2, 3) e
            ON e.holder_id = w.holder_id AND e.cause_id = w.activity_id AND e.party_id = w.campaign_id
        WHERE coalesce(w.points, -1) <> coalesce(e.points, -1) ORDER BY 1 LIMIT 1
        """,
    ),
    "campaign_progress": (
        "Nobody got more of a campaign than it gives to one person, and what they got is what is counted",
        """
        SELECT p.holder_id FROM campaign_progress p JOIN points_texts t ON t.id = p.campaign_id
        LEFT JOIN (
            SELECT w.holder_id, w.campaign_id, sum(w.points) AS points
            FROM campaign_awards w JOIN activities a ON a.holder_id = w.holder_id AND a.id = w.activity_id
            WHERE a.reversed_at IS NULL GROUP BY 1, 2) w
            ON w.holder_id = p.holder_id AND w.campaign_id = p.campaign_id
        WHERE p.awarded <> coalesce(w.points, 0) OR p.awarded > (t.content::jsonb ->> 'per_person')::bigint
        ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES = dict.fromkeys(QUERIES, "hld") | {"campaign_budgets": "ppt", "campaign_awards": "act"}
