"""Rules of `tanpuhui verify` about the market: a query names the first row that breaks one."""

KEPT_TABLES = ("market_money_entries",)
_LIVE = "sum(upper(units) - lower(units)) FILTER (WHERE ended_at IS NULL)"
_LOCKED = f"(SELECT lock_id, {_LIVE} AS kg FROM unit_holdings WHERE lock_id IS NOT NULL GROUP BY lock_id)"

QUERIES: dict[str, tuple[str, str]] = {
    "market_money": (
        "A participant's money is what entries made it, and what is held is held for something that is not over",
        """
        SELECT coalesce(m.organisation_id, e.id, h.id) FROM market_money m
        FULL JOIN (
            SELECT id, sum(available) AS available, sum(held) AS held FROM (
                SELECT credit_id AS id, CASE credit WHEN 'available' THEN amount_fen ELSE 0 END AS available,
                    CASE credit WHEN 'held' THEN amount_fen ELSE 0 END AS held FROM market_money_entries
                UNION ALL
                SELECT debit_id, CASE debit WHEN 'available' THEN -amount_fen ELSE 0 END,
                    CASE debit WHEN 'held' THEN -amount_fen ELSE 0 END FROM market_money_entries) moved
            WHERE id IS NOT NULL GROUP BY id) e ON e.id = m.organisation_id
        FULL JOIN (
            SELECT id, sum(fen) AS fen FROM (
                SELECT buyer_id AS id, deposit_fen AS fen FROM market_bids WHERE state = 'standing'
                UNION ALL SELECT buyer_id, deposit_fen FROM market_trades WHERE state = 'due'
                UNION ALL SELECT organisation_id, amount_fen FROM market_withdrawals WHERE state = 'requested') f
            GROUP BY id) h ON h.id = coalesce(m.organisation_id, e.id)
        WHERE coalesce(m.available_fen, 0) <> coalesce(e.available, 0)
           OR coalesce(m.held_fen, 0) <> coalesce(e.held, 0) OR coalesce(m.held_fen, 0) <> coalesce(h.fen, 0)
        ORDER BY 1 LIMIT 1
        """,
    ),
    "market_settled": (
        "A trade is settled whole or not at all: its total went from buyer to seller and its units came, once",
        """
        SELECT t.id FROM market_trades t
        LEFT JOIN registry_accounts s ON s.organisation_id = t.seller_id
        LEFT JOIN registry_accounts b ON b.organisation_id = t.buyer_id
        LEFT JOIN (
            SELECT subject_id, sum(amount_fen) FILTER (WHERE reason <> 'forfeit') AS price,
                min(debit_id::text) AS payer, max(debit_id::text) AS payer_too,
                min(credit_id::text) AS payee, max(credit_id::text) AS payee_too,
                bool_and(credit = 'available') AS free, bool_or(reason = 'forfeit') AS forfeited
            FROM market_money_entries WHERE reason IN ('price', 'price_from_deposit', 'forfeit') GROUP BY subject_id
        ) e ON e.subject_id = t.id
        LEFT JOIN (
            SELECT m.subject_id, count(*) AS times, min(m.account_id::text) AS out_of,
                min(m.to_account_id::text) AS into,
                sum((SELECT sum(upper(r) - lower(r)) FROM unnest(m.units) AS r)) AS kg
            FROM unit_movements m WHERE m.kind = 'transferred' GROUP BY m.subject_id) u ON u.subject_id = t.id
        WHERE CASE t.state
            WHEN 'settled' THEN (e.price, e.payer, e.payer_too, e.payee, e.payee_too, e.free, e.forfeited)
                    IS DISTINCT FROM (t.total_fen::numeric, t.buyer_id::text, t.buyer_id::text, t.seller_id::text,
                        t.seller_id::text, true, false)
                OR (u.times, u.out_of, u.into, u.kg)
                    IS DISTINCT FROM (1::bigint, s.id::text, b.id::text, t.quantity_kg::numeric)
            WHEN 'defaulted' THEN u.times IS NOT NULL OR e.price IS NOT NULL OR e.forfeited IS NOT true
                OR (e.payer, e.payee, e.free) IS DISTINCT FROM (t.buyer_id::text, t.seller_id::text, true)
            ELSE u.times IS NOT NULL OR e.subject_id IS NOT NULL END
        ORDER BY t.id LIMIT 1
        """,
    ),
    "market_listings": (
        "What is sold of a listing is what its trades say, and what is not sold is locked while it is open",
        f"""
        SELECT l.id FROM market_listings l
        LEFT JOIN (SELECT listing_id, sum(quantity_kg) AS kg FROM market_trades WHERE state = 'settled'
            GROUP BY listing_id) t ON t.listing_id = l.id
        LEFT JOIN {_LOCKED} k ON k.lock_id = l.lock_id
        WHERE l.sold_kg <> coalesce(t.kg, 0) OR (l.state = 'sold') <> (l.sold_kg = l.quantity_kg)
           OR coalesce(k.kg, 0) <> CASE l.state WHEN 'open' THEN l.quantity_kg - l.sold_kg ELSE 0 END
           OR EXISTS (SELECT FROM market_trades x WHERE x.listing_id = l.id
                AND (x.price_fen_per_t, x.seller_id, x.origin_id) <> (l.price_fen_per_t, l.seller_id, l.origin_id))
        ORDER BY l.id LIMIT 1
        """,
    ),
    "market_auctions": (
        "Who bid more won before who bid less, none below the price, and no more than there was",
        f"""
        SELECT a.id FROM market_auctions a
        LEFT JOIN (SELECT auction_id, sum(quantity_kg) AS kg, count(*) FILTER (WHERE state = 'due') AS due
            FROM market_trades GROUP BY auction_id) t ON t.auction_id = a.id
        LEFT JOIN (SELECT auction_id, sum(won_kg) AS kg,
                count(DISTINCT buyer_id) FILTER (WHERE state = 'won') AS winners,
                min(price_fen_per_t) FILTER (WHERE state = 'won') AS lowest,
                max(price_fen_per_t) FILTER (WHERE state = 'lost') AS highest_lost,
                count(*) FILTER (WHERE state = 'standing') AS standing, max(place) AS places
            FROM market_bids GROUP BY auction_id) b ON b.auction_id = a.id
        LEFT JOIN {_LOCKED} k ON k.lock_id = a.lock_id
        WHERE a.sold_kg <> coalesce(t.kg, 0) OR a.sold_kg <> coalesce(b.kg, 0) OR a.sold_kg > a.quantity_kg
           OR a.winners <> coalesce(b.winners, 0) OR a.bids <> coalesce(b.places, 0)
           OR a.clearing_fen_per_t IS DISTINCT FROM b.lowest OR b.lowest < a.floor_fen_per_t
           OR b.lowest < a.reserve_fen_per_t OR b.highest_lost > b.lowest
           OR a.state <> 'announced' AND b.standing > 0
           OR CASE WHEN a.state IN ('proposed', 'announced') THEN coalesce(k.kg, 0) <> a.quantity_kg
                WHEN coalesce(t.due, 0) = 0 THEN coalesce(k.kg, 0) <> 0 ELSE false END
           OR EXISTS (
                SELECT FROM market_trades x LEFT JOIN market_bids y ON y.id = x.bid_id
                WHERE x.auction_id = a.id AND (y.id IS NULL OR y.auction_id <> a.id OR y.buyer_id <> x.buyer_id
                    OR y.won_kg <> x.quantity_kg OR x.seller_id <> a.seller_id OR x.origin_id <> a.origin_id
                    OR x.price_fen_per_t <>
                        CASE a.pricing WHEN 'uniform' THEN a.clearing_fen_per_t ELSE y.price_fen_per_t END))
        ORDER BY a.id LIMIT 1
        """,
    ),
    "market_fundings": (
        "Money came in for a funding that is booked, once and in full, and its payment says the same",
        """
        SELECT coalesce(f.id, e.subject_id, p.subject_id) FROM market_fundings f
        FULL JOIN (SELECT * FROM market_money_entries WHERE reason = 'funding') e ON e.subject_id = f.id
        FULL JOIN (SELECT * FROM payments WHERE subject = 'market_funding') p ON p.subject_id = f.id
        WHERE f.id IS NULL OR (f.state = 'booked') <> (e.id IS NOT NULL)
           OR e.amount_fen <> f.amount_fen OR e.credit_id <> f.organisation_id
           OR e.debit <> 'outside' OR e.credit <> 'available'
           OR (f.way = 'provider' AND f.state = 'booked') <> coalesce(p.state = 'paid', false)
           OR p.amount_fen <> f.amount_fen OR p.payer_id <> f.organisation_id
        ORDER BY 1 LIMIT 1
        """,
    ),
    "market_withdrawals": (
        "A withdrawal took its money out of what was available, and it left or came back, once",
        """
        SELECT coalesce(w.id, e.subject_id) FROM market_withdrawals w
        FULL JOIN (
            SELECT subject_id, sum(amount_fen) FILTER (WHERE reason = 'withdrawal') AS asked,
                sum(amount_fen) FILTER (WHERE reason = 'payout') AS paid,
                sum(amount_fen) FILTER (WHERE reason = 'withdrawal_return') AS returned,
                min(debit_id::text) AS owner, max(debit_id::text) AS owner_too
            FROM market_money_entries WHERE reason IN ('withdrawal', 'payout', 'withdrawal_return')
            GROUP BY subject_id) e ON e.subject_id = w.id
        WHERE w.id IS NULL OR (e.asked, e.paid, e.returned, e.owner, e.owner_too) IS DISTINCT FROM
            (w.amount_fen::numeric, CASE w.state WHEN 'paid' THEN w.amount_fen::numeric END,
                CASE w.state WHEN 'rejected' THEN w.amount_fen::numeric END, w.organisation_id::text,
                w.organisation_id::text)
        ORDER BY 1 LIMIT 1
        """,
    ),
}
PREFIXES = {
    "market_money": "org",
    "market_settled": "trd",
    "market_listings": "lst",
    "market_auctions": "auc",
    "market_fundings": "mfu",
    "market_withdrawals": "mwd",
}
