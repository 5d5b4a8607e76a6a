"""Where points are spent: shops and tills of merchants, offers with stock and codes, redemptions."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0013"
down_revision = "20261121_0011"

TABLES = """
CREATE TABLE shops (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL REFERENCES organisations,
    name varchar NOT NULL,
    address varchar NOT NULL,
    created_at timestamptz NOT NULL,
    closed_at timestamptz
);
CREATE INDEX shops_merchant ON shops (merchant_id, id);
CREATE TABLE tills (
    id uuid PRIMARY KEY,
    shop_id uuid NOT NULL REFERENCES shops,
    merchant_id uuid NOT NULL,
    number varchar NOT NULL,
    name varchar NOT NULL,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT tills_number UNIQUE (number)
);
CREATE INDEX tills_shop ON tills (shop_id, id);
CREATE TABLE offers (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL REFERENCES organisations,
    region varchar NOT NULL,
    kind varchar NOT NULL,
    delivery varchar NOT NULL,
    title_zh varchar NOT NULL,
    title_en varchar NOT NULL,
    terms_zh varchar NOT NULL,
    terms_en varchar NOT NULL,
    programme varchar NOT NULL,
    price_points bigint NOT NULL,
    price_fen bigint NOT NULL,
    settle_fen bigint NOT NULL,
    limited boolean NOT NULL,
    per_person integer,
    per_person_day integer,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    code_days integer NOT NULL,
    refund_lapsed boolean NOT NULL,
    blackout_days date[] NOT NULL,
    shop_ids uuid[] NOT NULL,
    state varchar NOT NULL,
    paused_by varchar,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    submitted_at timestamptz,
    approved_at timestamptz,
    approved_by varchar,
    review_note varchar NOT NULL,
    points_asset_id integer,
    money_asset_id integer,
    CONSTRAINT offers_kind CHECK (kind IN ('voucher', 'cash_off', 'transit_ticket', 'public_good')),
    CONSTRAINT offers_delivery CHECK (delivery IN ('qr', 'generated', 'pool', 'none')),
    CONSTRAINT offers_state CHECK (state IN ('draft', 'in_review', 'live', 'paused', 'ended')),
    CONSTRAINT offers_prices CHECK (price_points > 0 AND price_fen >= 0 AND settle_fen >= 0),
    CONSTRAINT offers_limits CHECK (per_person > 0 AND per_person_day > 0 AND code_days > 0),
    CONSTRAINT offers_order CHECK (valid_from < valid_until),
    CONSTRAINT offers_pool CHECK (delivery <> 'pool' OR limited),
    CONSTRAINT offers_reviewed CHECK (state IN ('draft', 'in_review', 'ended') OR (approved_at IS NOT NULL
        AND approved_by IS NOT NULL AND points_asset_id IS NOT NULL AND money_asset_id IS NOT NULL)),
    CONSTRAINT offers_paused CHECK ((state = 'paused') = (paused_by IS NOT NULL))
);
CREATE INDEX offers_merchant ON offers (merchant_id, id);
CREATE INDEX offers_region ON offers (region, id);
CREATE TABLE offer_stock (
    offer_id uuid PRIMARY KEY REFERENCES offers,
    added bigint NOT NULL,
    remaining bigint NOT NULL,
    CONSTRAINT offer_stock_within CHECK (remaining >= 0 AND remaining <= added)
) WITH (fillfactor = 20);
CREATE TABLE offer_codes (
    merchant_id uuid NOT NULL,
    code varchar NOT NULL,
    offer_id uuid NOT NULL,
    holder_id uuid,
    redemption_id uuid,
    PRIMARY KEY (merchant_id, code),
    CONSTRAINT offer_codes_given CHECK ((holder_id IS NULL) = (redemption_id IS NULL))
);
CREATE INDEX offer_codes_free ON offer_codes (offer_id) WHERE redemption_id IS NULL;
CREATE INDEX offer_codes_redemption ON offer_codes (redemption_id) WHERE redemption_id IS NOT NULL;
CREATE TABLE redemptions (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    offer_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    state varchar NOT NULL,
    quantity integer NOT NULL,
    points bigint NOT NULL,
    fen bigint NOT NULL,
    settle_fen bigint NOT NULL,
    counted boolean NOT NULL,
    ordered_on date NOT NULL,
    hold_until timestamptz NOT NULL,
    code_until timestamptz,
    shop_id uuid,
    till_id uuid,
    bound_at timestamptz,
    bound_until timestamptz,
    binding_nonce bytea,
    payment_ref varchar,
    confirmed_at timestamptz,
    fulfilled_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT redemptions_state CHECK (state IN ('held', 'awaiting_payment', 'confirmed', 'fulfilled',
        'cancelled', 'timed_out', 'refunded', 'lapsed')),
    CONSTRAINT redemptions_amounts CHECK (quantity > 0 AND points > 0 AND fen >= 0 AND settle_fen >= 0),
    CONSTRAINT redemptions_confirmed CHECK (state IN ('held', 'awaiting_payment', 'cancelled', 'timed_out')
        OR confirmed_at IS NOT NULL),
    CONSTRAINT redemptions_paid CHECK (fen = 0 OR confirmed_at IS NULL OR payment_ref IS NOT NULL),
    CONSTRAINT redemptions_bound CHECK ((bound_at IS NULL) = (binding_nonce IS NULL)
        AND (bound_at IS NULL) = (bound_until IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX redemptions_id ON redemptions (id);
CREATE INDEX redemptions_merchant ON redemptions (merchant_id, id);
CREATE INDEX redemptions_holds ON redemptions (hold_until) WHERE state IN ('held', 'awaiting_payment');
CREATE INDEX redemptions_codes ON redemptions (code_until) WHERE state = 'confirmed';
CREATE TABLE redemption_lots (
    holder_id uuid NOT NULL,
    redemption_id uuid NOT NULL,
    asset_id integer NOT NULL,
    expires_on date NOT NULL,
    points bigint NOT NULL,
    PRIMARY KEY (holder_id, redemption_id, asset_id, expires_on),
    CONSTRAINT redemption_lots_points CHECK (points > 0)
);
CREATE TABLE redemption_limits (
    holder_id uuid NOT NULL,
    offer_id uuid NOT NULL,
    day date NOT NULL,
    used integer NOT NULL,
    cap integer NOT NULL,
    PRIMARY KEY (holder_id, offer_id, day),
    CONSTRAINT redemption_limits_within CHECK (used >= 0 AND used <= cap)
) WITH (fillfactor = 80);

-- What an operator has reviewed never changes; a state, and who paused it, does.
CREATE FUNCTION tanpuhui_offer_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.approved_at IS NOT NULL AND (
        to_jsonb(NEW) - ARRAY['state', 'paused_by', 'version', 'updated_at', 'review_note']
        IS DISTINCT FROM to_jsonb(OLD) - ARRAY['state', 'paused_by', 'version', 'updated_at', 'review_note']
        OR OLD.state = 'ended' OR NEW.state IN ('draft', 'in_review'))
    THEN
        RAISE EXCEPTION 'what was reviewed does not change' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER offers_fixed BEFORE UPDATE ON offers FOR EACH ROW EXECUTE FUNCTION tanpuhui_offer_fixed();
"""

GRANTS = """
GRANT SELECT, INSERT ON shops, tills, offers, offer_stock, offer_codes, redemptions, redemption_lots,
    redemption_limits TO {role};
GRANT UPDATE (name, address, closed_at) ON shops TO {role};
GRANT UPDATE (name, closed_at) ON tills TO {role};
GRANT UPDATE ON offers, offer_stock, redemption_limits TO {role};
GRANT UPDATE (holder_id, redemption_id) ON offer_codes TO {role};
GRANT UPDATE (state, counted, code_until, shop_id, till_id, bound_at, bound_until, binding_nonce, payment_ref,
    confirmed_at, fulfilled_at, ended_at) ON redemptions TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("entries of redemptions would be left without what they were booked for")
