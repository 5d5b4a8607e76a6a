"""Rules of `tanpuhui verify` about offers and redemptions: a query names the first row that breaks one."""

from accounts.models import AccountKind, AssetKind, EntryKind
from points.redemption_states import IN_ALL, OPEN, SPENT, Delivery, State

_OF_REDEMPTIONS = (EntryKind.HOLD, EntryKind.RELEASE, EntryKind.SPEND, EntryKind.REFUND)


def _words(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _net(account: AccountKind, asset: AssetKind) -> str:
    side = (
        f"CASE WHEN e.credit = {account:d} THEN e.amount WHEN e.debit = {account:d} THEN -e.amount ELSE 0 END"
    )
    return f"coalesce(sum({side}) FILTER (WHERE a.kind = '{asset}'), 0)"


QUERIES: dict[str, tuple[str, str]] = {
    "redemption_entries": (
        "The points of a redemption are held, with its merchant, or back, as its state says; what is owed as well",
        f"""
        SELECT coalesce(r.id, e.cause_id) FROM redemptions r
        FULL JOIN (
            SELECT e.holder_id, e.cause_id, {_net(AccountKind.HOLDER_HELD, AssetKind.POINTS)} AS held,
                {_net(AccountKind.MERCHANT, AssetKind.POINTS)} AS merchant,
                {_net(AccountKind.HOLDER_POINTS, AssetKind.POINTS)} AS own,
                {_net(AccountKind.MERCHANT, AssetKind.MONEY)} AS owed,
                count(DISTINCT e.party_id) AS parties, min(e.party_id::text) AS party
            FROM entries e JOIN assets a ON a.id = e.asset_id
            WHERE e.kind IN ({", ".join(f"{kind:d}" for kind in _OF_REDEMPTIONS)})
                OR (e.kind = {EntryKind.EXPIRY:d} AND {AccountKind.MERCHANT:d} IN (e.debit, e.credit))
            GROUP BY e.holder_id, e.cause_id) e ON e.cause_id = r.id AND e.holder_id = r.holder_id
        WHERE r.id IS NULL OR e.cause_id IS NULL
            OR e.held <> CASE WHEN r.state IN ({_words(OPEN)}) THEN r.points ELSE 0 END
            OR e.merchant <> CASE WHEN r.state IN ({_words(SPENT)}) THEN r.points ELSE 0 END
            OR e.owed <> CASE WHEN r.state = '{State.FULFILLED}' THEN r.settle_fen ELSE 0 END
            OR (r.state IN ('{State.CANCELLED}', '{State.TIMED_OUT}') AND e.own <> 0)
            OR e.parties > 1 OR e.party <> r.merchant_id::text
        ORDER BY 1 LIMIT 1
        """,
    ),
    "redemption_lots": (
        "The lots that a redemption's points came from add up to them, in the programme of its offer",
        """
        SELECT coalesce(r.id, l.redemption_id) FROM redemptions r
        FULL JOIN (
            SELECT holder_id, redemption_id, sum(points) AS points, min(asset_id) AS low, max(asset_id) AS high
            FROM redemption_lots GROUP BY 1, 2) l ON l.redemption_id = r.id AND l.holder_id = r.holder_id
        LEFT JOIN offers o ON o.id = r.offer_id
        WHERE r.id IS NULL OR l.points IS DISTINCT FROM r.points OR l.low IS DISTINCT FROM o.points_asset_id
            OR l.high IS DISTINCT FROM o.points_asset_id
        ORDER BY 1 LIMIT 1
        """,
    ),
    "offer_stock": (
        "What is gone of an offer's stock is what its redemptions take up; of a pool, what is left are free codes",
        f"""
        SELECT o.id FROM offers o
        LEFT JOIN offer_stock s ON s.offer_id = o.id
        LEFT JOIN (
            SELECT offer_id, sum(quantity) FILTER (WHERE counted) AS taken,
                coalesce(sum(quantity) FILTER (WHERE state IN ({_words(OPEN)})), 0) AS held
            FROM redemptions GROUP BY 1) r ON r.offer_id = o.id
        LEFT JOIN (SELECT offer_id, count(*) AS free FROM offer_codes WHERE redemption_id IS NULL GROUP BY 1) c
            ON c.offer_id = o.id
        WHERE o.limited AND (s.offer_id IS NULL OR s.remaining < 0
            OR s.added - s.remaining <> coalesce(r.taken, 0)
            OR (o.delivery = '{Delivery.POOL}' AND coalesce(c.free, 0) <> s.remaining + coalesce(r.held, 0)))
        ORDER BY 1 LIMIT 1
        """,
    ),
    "redemption_limits": (
        "What is counted toward a person's limits of an offer is what the person's redemptions take up",
        f"""
        WITH counted AS (
            SELECT r.holder_id, r.offer_id, d.day, sum(r.quantity) AS used FROM redemptions r
            JOIN offers o ON o.id = r.offer_id
            CROSS JOIN LATERAL (VALUES (date '{IN_ALL}', o.per_person), (r.ordered_on, o.per_person_day))
                AS d (day, cap)
            WHERE r.counted AND d.cap IS NOT NULL GROUP BY 1, 2, 3)
        SELECT coalesce(l.offer_id, c.offer_id) FROM redemption_limits l
        FULL JOIN counted c ON c.holder_id = l.holder_id AND c.offer_id = l.offer_id AND c.day = l.day
        LEFT JOIN offers o ON o.id = l.offer_id
        WHERE coalesce(l.used, 0) <> coalesce(c.used, 0)
            OR l.used > CASE WHEN l.day = date '{IN_ALL}' THEN o.per_person ELSE o.per_person_day END
        ORDER BY 1 LIMIT 1
        """,
    ),
    "redemption_codes": (
        "A redemption by text code has one code of its merchant and offer, and each given code its redemption",
        f"""
        SELECT coalesce(r.id, c.redemption_id) FROM (
            SELECT r.* FROM redemptions r JOIN offers o ON o.id = r.offer_id
            WHERE r.confirmed_at IS NOT NULL AND o.delivery IN ('{Delivery.POOL}', '{Delivery.GENERATED}')) r
        FULL JOIN (SELECT * FROM offer_codes WHERE redemption_id IS NOT NULL) c
            ON c.redemption_id = r.id AND c.holder_id = r.holder_id
        WHERE r.id IS NULL OR c.redemption_id IS NULL OR c.offer_id <> r.offer_id OR c.merchant_id <> r.merchant_id
        GROUP BY 1 UNION ALL
        SELECT redemption_id FROM offer_codes WHERE redemption_id IS NOT NULL
        GROUP BY 1 HAVING count(*) > 1
        ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES = {
    "redemption_entries": "red",
    "redemption_lots": "red",
    "offer_stock": "ofr",
    "redemption_limits": "ofr",
    "redemption_codes": "red",
}
