"""The market: money of participants, listings, auctions, bids, trades, and prices of other markets."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0038b"
down_revision = "20261121_0039b"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE market_auctions (
    id uuid NOT NULL,
    seller_id uuid NOT NULL,
    region varchar NOT NULL,
    origin_id uuid NOT NULL,
    lock_id uuid NOT NULL,
    title varchar NOT NULL,
    round integer NOT NULL,
    previous_id uuid,
    kind varchar NOT NULL,
    pricing varchar NOT NULL,
    quantity_kg bigint NOT NULL,
    least_kg bigint NOT NULL,
    floor_fen_per_t bigint NOT NULL,
    reserve_fen_per_t bigint,
    step_fen_per_t bigint NOT NULL,
    deposit_percent integer NOT NULL,
    opens_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    extension_s integer NOT NULL,
    payment_hours integer NOT NULL,
    state varchar NOT NULL,
    proposed_by varchar NOT NULL,
    proposed_at timestamptz NOT NULL,
    decided_by varchar,
    decided_at timestamptz,
    remarks varchar NOT NULL,
    bids integer NOT NULL,
    result varchar,
    clearing_fen_per_t bigint,
    sold_kg bigint NOT NULL,
    winners integer NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (id),
    CONSTRAINT market_auctions_kind CHECK (kind IN ('sealed', 'ascending')),
    CONSTRAINT market_auctions_pricing CHECK (pricing IN ('uniform', 'as_bid')),
    CONSTRAINT market_auctions_state CHECK (state IN ('proposed', 'announced', 'ended', 'rejected', 'withdrawn')),
    CONSTRAINT market_auctions_result
        CHECK ((state = 'ended') = (result IS NOT NULL)
            AND coalesce(result IN ('sold', 'sold_in_part'), false) = (clearing_fen_per_t IS NOT NULL)),
    CONSTRAINT market_auctions_quantity CHECK (quantity_kg > 0 AND quantity_kg % 1000 = 0),
    CONSTRAINT market_auctions_least CHECK (least_kg > 0 AND least_kg % 1000 = 0 AND least_kg <= quantity_kg),
    CONSTRAINT market_auctions_sold CHECK (sold_kg >= 0 AND sold_kg <= quantity_kg),
    CONSTRAINT market_auctions_prices
        CHECK (floor_fen_per_t > 0 AND step_fen_per_t > 0 AND reserve_fen_per_t >= floor_fen_per_t),
    CONSTRAINT market_auctions_deposit CHECK (deposit_percent >= 1 AND deposit_percent <= 100),
    CONSTRAINT market_auctions_two CHECK (decided_by <> proposed_by),
    CONSTRAINT market_auctions_previous UNIQUE (previous_id)
);
CREATE INDEX market_auctions_due ON market_auctions (ends_at) WHERE state = 'announced';
CREATE INDEX market_auctions_region ON market_auctions (region, id);
CREATE INDEX market_auctions_seller ON market_auctions (seller_id, id);

CREATE TABLE market_bids (
    id uuid NOT NULL,
    auction_id uuid NOT NULL,
    buyer_id uuid NOT NULL,
    place integer NOT NULL,
    price_fen_per_t bigint NOT NULL,
    quantity_kg bigint NOT NULL,
    deposit_fen bigint NOT NULL,
    state varchar NOT NULL,
    won_kg bigint NOT NULL,
    placed_at timestamptz NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT market_bids_state CHECK (state IN ('standing', 'replaced', 'won', 'lost')),
    CONSTRAINT market_bids_quantity CHECK (quantity_kg > 0 AND quantity_kg % 1000 = 0),
    CONSTRAINT market_bids_won CHECK (won_kg >= 0 AND won_kg <= quantity_kg),
    CONSTRAINT market_bids_price CHECK (price_fen_per_t > 0 AND deposit_fen > 0),
    CONSTRAINT market_bids_place UNIQUE (auction_id, place)
);
CREATE INDEX market_bids_buyer ON market_bids (buyer_id, id);
CREATE UNIQUE INDEX market_bids_standing ON market_bids (auction_id, buyer_id) WHERE state <> 'replaced';

CREATE TABLE market_fundings (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    region varchar NOT NULL,
    way varchar NOT NULL,
    amount_fen bigint NOT NULL,
    reference varchar,
    state varchar NOT NULL,
    asked_by varchar NOT NULL,
    asked_at timestamptz NOT NULL,
    expires_at timestamptz,
    decided_by varchar,
    decided_at timestamptz,
    PRIMARY KEY (id),
    CONSTRAINT market_fundings_way CHECK (way IN ('provider', 'bank')),
    CONSTRAINT market_fundings_state CHECK (state IN ('awaiting', 'booked', 'rejected')),
    CONSTRAINT market_fundings_amount CHECK (amount_fen > 0),
    CONSTRAINT market_fundings_expiry CHECK ((way = 'bank') = (expires_at IS NULL)),
    CONSTRAINT market_fundings_two CHECK (decided_by <> asked_by),
    CONSTRAINT market_fundings_reference UNIQUE (reference)
);
CREATE INDEX market_fundings_organisation ON market_fundings (organisation_id, id);
CREATE INDEX market_fundings_region ON market_fundings (region, id);

CREATE TABLE market_listings (
    id uuid NOT NULL,
    seller_id uuid NOT NULL,
    origin_id uuid NOT NULL,
    lock_id uuid NOT NULL,
    price_fen_per_t bigint NOT NULL,
    quantity_kg bigint NOT NULL,
    lot_kg bigint NOT NULL,
    sold_kg bigint NOT NULL,
    state varchar NOT NULL,
    opened_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (id),
    CONSTRAINT market_listings_state CHECK (state IN ('open', 'sold', 'withdrawn', 'expired')),
    CONSTRAINT market_listings_price CHECK (price_fen_per_t > 0),
    CONSTRAINT market_listings_sold CHECK (sold_kg >= 0 AND sold_kg <= quantity_kg),
    CONSTRAINT market_listings_lots CHECK (lot_kg > 0 AND quantity_kg > 0 AND quantity_kg % lot_kg = 0)
);
CREATE INDEX market_listings_open ON market_listings (id) WHERE state = 'open';
CREATE INDEX market_listings_seller ON market_listings (seller_id, id);

CREATE TABLE market_money (
    organisation_id uuid NOT NULL,
    available_fen bigint NOT NULL,
    held_fen bigint NOT NULL,
    PRIMARY KEY (organisation_id),
    CONSTRAINT market_money_not_negative CHECK (available_fen >= 0 AND held_fen >= 0)
);

CREATE TABLE market_money_entries (
    id uuid NOT NULL,
    reason varchar NOT NULL,
    subject_id uuid NOT NULL,
    debit_id uuid,
    debit varchar NOT NULL,
    credit_id uuid,
    credit varchar NOT NULL,
    amount_fen bigint NOT NULL,
    booked_at timestamptz NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT market_money_entries_amount CHECK (amount_fen > 0),
    CONSTRAINT market_money_entries_purses
        CHECK ((debit = 'outside') = (debit_id IS NULL) AND (credit = 'outside') = (credit_id IS NULL)),
    CONSTRAINT market_money_entries_reason
        CHECK (reason IN ('funding', 'deposit', 'deposit_return', 'price_from_deposit', 'price', 'forfeit',
            'withdrawal', 'withdrawal_return', 'payout')),
    CONSTRAINT market_money_entries_once UNIQUE (subject_id, reason)
);
CREATE INDEX market_money_entries_credit ON market_money_entries (credit_id, id);
CREATE INDEX market_money_entries_debit ON market_money_entries (debit_id, id);

CREATE TABLE market_trades (
    id uuid NOT NULL,
    listing_id uuid,
    auction_id uuid,
    bid_id uuid,
    seller_id uuid NOT NULL,
    buyer_id uuid NOT NULL,
    origin_id uuid NOT NULL,
    quantity_kg bigint NOT NULL,
    price_fen_per_t bigint NOT NULL,
    total_fen bigint NOT NULL,
    deposit_fen bigint NOT NULL,
    state varchar NOT NULL,
    agreed_at timestamptz NOT NULL,
    pay_by timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (id),
    CONSTRAINT market_trades_state CHECK (state IN ('due', 'settled', 'defaulted')),
    CONSTRAINT market_trades_subject
        CHECK ((listing_id IS NULL) <> (auction_id IS NULL) AND (auction_id IS NULL) = (bid_id IS NULL)),
    CONSTRAINT market_trades_end CHECK ((state = 'due') = (ended_at IS NULL)),
    CONSTRAINT market_trades_parties CHECK (seller_id <> buyer_id AND quantity_kg > 0),
    CONSTRAINT market_trades_total
        CHECK (total_fen = (price_fen_per_t * quantity_kg + 999) / 1000 AND deposit_fen <= total_fen),
    CONSTRAINT market_trades_bid UNIQUE (bid_id)
);
CREATE INDEX market_trades_auction ON market_trades (auction_id);
CREATE INDEX market_trades_buyer ON market_trades (buyer_id, id);
CREATE INDEX market_trades_due ON market_trades (pay_by) WHERE state = 'due';
CREATE INDEX market_trades_listing ON market_trades (listing_id);
CREATE INDEX market_trades_seller ON market_trades (seller_id, id);

CREATE TABLE market_withdrawals (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    region varchar NOT NULL,
    amount_fen bigint NOT NULL,
    state varchar NOT NULL,
    asked_by varchar NOT NULL,
    asked_at timestamptz NOT NULL,
    reference varchar,
    decided_by varchar,
    decided_at timestamptz,
    PRIMARY KEY (id),
    CONSTRAINT market_withdrawals_state CHECK (state IN ('requested', 'paid', 'rejected')),
    CONSTRAINT market_withdrawals_amount CHECK (amount_fen > 0),
    CONSTRAINT market_withdrawals_reference UNIQUE (reference)
);
CREATE INDEX market_withdrawals_organisation ON market_withdrawals (organisation_id, id);
CREATE INDEX market_withdrawals_region ON market_withdrawals (region, id);

CREATE TABLE reference_prices (
    market varchar NOT NULL,
    day date NOT NULL,
    close_fen_per_t bigint NOT NULL,
    average_fen_per_t bigint,
    volume_t bigint,
    turnover_fen bigint,
    source varchar NOT NULL,
    imported_at timestamptz NOT NULL,
    PRIMARY KEY (market, day),
    CONSTRAINT reference_prices_price CHECK (close_fen_per_t > 0 AND average_fen_per_t > 0),
    CONSTRAINT reference_prices_volume CHECK (volume_t >= 0 AND turnover_fen >= 0)
);
"""

FUNCTIONS = """
-- Hands parts of a lock to accounts, one after the other, as so many calls of tanpuhui_move_units would, in one go: for
-- thousands of buyers. Writes nothing unless the outcome is 'moved'.
CREATE FUNCTION tanpuhui_deliver_units(
        p_lock uuid, p_account uuid, p_ids uuid[], p_to_accounts uuid[], p_kg bigint[], p_subjects uuid[],
        p_at timestamptz)
    RETURNS varchar LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_frozen timestamptz;
    v_ids bigint[];
    v_firsts uuid[];
    v_wanted bigint := (SELECT sum(kg) FROM unnest(p_kg) AS kg);
    v_there bigint;
BEGIN
    SELECT frozen_at INTO v_frozen FROM registry_accounts WHERE id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'missing';
    END IF;
    IF v_frozen IS NOT NULL THEN
        RETURN 'frozen';
    END IF;
    -- The holdings that parts are taken of, and the movement that ends each: that of the first part in it.
    SELECT array_agg(h.id), array_agg(d.id), max(h.there) INTO v_ids, v_firsts, v_there
        FROM (
            SELECT id, kg, sum(kg) OVER (ORDER BY units) - kg AS before, sum(kg) OVER () AS there FROM (
                SELECT id, units, upper(units) - lower(units) AS kg FROM unit_holdings
                WHERE lock_id = p_lock AND account_id = p_account AND ended_at IS NULL) live) h
        JOIN (
            SELECT id, kg, sum(kg) OVER (ORDER BY place) - kg AS before
            FROM unnest(p_ids, p_kg) WITH ORDINALITY AS t (id, kg, place)) d
        ON h.before >= d.before AND h.before < d.before + d.kg;
    IF v_there IS NULL OR v_there < v_wanted THEN
        RETURN 'insufficient';
    END IF;
    UPDATE unit_holdings h SET ended_at = p_at, ended_by = t.first
        FROM unnest(v_ids, v_firsts) AS t (id, first) WHERE h.id = t.id;
    -- Each part leaves a rest, of which the next part is taken; the last rest stays in the lock.
    WITH part AS (
        SELECT h.id AS holding, h.origin_id, h.status, d.id AS movement, d.account_id, d.place, upper(h.units) AS ends,
            lower(h.units) + greatest(d.before - h.before, 0) AS first,
            lower(h.units) + least(d.before + d.kg - h.before, h.kg) AS last
        FROM (
            SELECT id, units, origin_id, status, kg, sum(kg) OVER (ORDER BY units) - kg AS before FROM (
                SELECT id, units, origin_id, status, upper(units) - lower(units) AS kg FROM unit_holdings
                WHERE id = ANY(v_ids)) taken) h
        JOIN (
            SELECT id, account_id, kg, place, sum(kg) OVER (ORDER BY place) - kg AS before
            FROM unnest(p_ids, p_to_accounts, p_kg) WITH ORDINALITY AS t (id, account_id, kg, place)) d
        ON d.before < h.before + h.kg AND h.before < d.before + d.kg),
    chain AS MATERIALIZED (
        SELECT *, lead(movement) OVER w AS following,
            CASE WHEN last < ends THEN nextval('unit_holdings_id_seq') END AS rest_id
        FROM part WINDOW w AS (PARTITION BY holding ORDER BY place)),
    linked AS (
        SELECT *, coalesce(lag(rest_id) OVER (PARTITION BY holding ORDER BY place), holding) AS parent FROM chain),
    moved AS (
        INSERT INTO unit_movements (id, kind, account_id, to_account_id, subject_id, units, at)
        SELECT m.id, 'transferred', p_account, m.account_id, m.subject_id, l.units, p_at
        FROM (SELECT movement, range_agg(int8range(first::bigint, last::bigint)) AS units
            FROM linked GROUP BY movement) l
        JOIN unnest(p_ids, p_to_accounts, p_subjects) AS m (id, account_id, subject_id) ON m.id = l.movement)
    INSERT INTO unit_holdings (id, units, origin_id, account_id, status, lock_id, parent_id, rest, begun_by, begun_at,
            ended_by, ended_at)
        OVERRIDING SYSTEM VALUE
        SELECT nextval('unit_holdings_id_seq'), int8range(first::bigint, last::bigint), origin_id, account_id, 'held',
            NULL, parent, false, movement, p_at, NULL, NULL FROM linked
        UNION ALL
        SELECT rest_id, int8range(last::bigint, ends), origin_id, p_account, status, p_lock, parent, true, movement,
            p_at, following, CASE WHEN following IS NOT NULL THEN p_at END FROM linked WHERE rest_id IS NOT NULL;
    RETURN 'moved';
END $$;
"""

GRANTS = """
GRANT USAGE ON SEQUENCE unit_holdings_id_seq TO {role};
GRANT SELECT, INSERT ON market_money, market_money_entries, market_fundings, market_withdrawals, market_listings,
    market_auctions, market_bids, market_trades, reference_prices TO {role};
GRANT UPDATE (available_fen, held_fen) ON market_money TO {role};
GRANT UPDATE (reference, state, decided_by, decided_at) ON market_fundings, market_withdrawals TO {role};
GRANT UPDATE (sold_kg, state, ended_at) ON market_listings TO {role};
GRANT UPDATE (ends_at, state, decided_by, decided_at, remarks, bids, result, clearing_fen_per_t, sold_kg, winners,
    ended_at) ON market_auctions TO {role};
GRANT UPDATE (state, won_kg) ON market_bids TO {role};
GRANT UPDATE (deposit_fen, state, ended_at) ON market_trades TO {role};
GRANT UPDATE (close_fen_per_t, average_fen_per_t, volume_t, turnover_fen, source, imported_at)
    ON reference_prices TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    run_script(FUNCTIONS)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("whose money it is would be lost: restore a backup instead")
