"""Rules of `tanpuhui verify` over offsets, in the shape of `app.verification`."""

from accounts.models import AccountKind, AssetKind, EntryKind

QUERIES: dict[str, tuple[str, str]] = {
    "offsets": (
        "The entries of an offset are what its certificate says, and every such entry has its offset",
        f"""
        SELECT coalesce(o.id, e.cause_id) FROM offsets o
        FULL JOIN (
            SELECT holder_id, cause_id, sum(amount) AS amount FROM entries
            WHERE kind = {EntryKind.OFFSET:d} AND debit = {AccountKind.HOLDER_OPEN:d}
                AND credit = {AccountKind.HOLDER_USED:d}
            GROUP BY holder_id, cause_id) e ON e.cause_id = o.id AND e.holder_id = o.holder_id
        WHERE o.amount_mg IS DISTINCT FROM e.amount ORDER BY 1 LIMIT 1
        """,
    ),
    "open_by_asset": (
        "No more grams of a methodology and vintage are used than were credited to the holder",
        f"""
        SELECT e.holder_id FROM entries e JOIN assets a ON a.id = e.asset_id
        WHERE a.kind = '{AssetKind.REDUCTION}'
        GROUP BY e.holder_id, e.asset_id
        HAVING sum(CASE WHEN e.credit = {AccountKind.HOLDER_OPEN:d} THEN e.amount
            WHEN e.debit = {AccountKind.HOLDER_OPEN:d} THEN -e.amount ELSE 0 END) < 0
        ORDER BY 1 LIMIT 1
        """,
    ),
    "footprints_offset": (
        "A footprint is offset once, by as much as it has",
        """
        SELECT max(o.id::text)::uuid FROM footprints f
        JOIN offsets o ON o.holder_id = f.holder_id AND o.footprint_id = f.id
        GROUP BY f.holder_id, f.id, f.co2e_mg
        HAVING count(*) > 1 OR sum(o.amount_mg) <> f.co2e_mg ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES = {"offsets": "off", "open_by_asset": "hld", "footprints_offset": "off"}
