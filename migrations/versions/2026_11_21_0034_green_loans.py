"""Banks' green-loan products with their terms, quotes on them, and the loans that banks report back."""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0034"
down_revision = "20261121_0026"

TABLES = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE bank_products (
    id uuid NOT NULL,
    version integer NOT NULL,
    bank_id uuid NOT NULL,
    code varchar NOT NULL,
    name_zh varchar NOT NULL,
    name_en varchar NOT NULL,
    holder_kind varchar NOT NULL,
    basis varchar NOT NULL,
    card varchar,
    valid_from date NOT NULL,
    valid_until date,
    quote_days integer NOT NULL,
    source varchar NOT NULL,
    created_at timestamptz NOT NULL,
    created_by varchar NOT NULL,
    PRIMARY KEY (id, version),
    CONSTRAINT bank_products_code UNIQUE (bank_id, code, version),
    CONSTRAINT bank_products_version CHECK (version > 0),
    CONSTRAINT bank_products_basis CHECK (basis IN ('tier', 'label')),
    CONSTRAINT bank_products_card CHECK ((basis = 'tier') = (card IS NOT NULL)),
    CONSTRAINT bank_products_kind CHECK (holder_kind IN ('person', 'organisation')),
    CONSTRAINT bank_products_days CHECK (valid_until IS NULL OR valid_until >= valid_from),
    CONSTRAINT bank_products_quote_days CHECK (quote_days >= 1 AND quote_days <= 365)
);

CREATE TABLE bank_product_terms (
    product_id uuid NOT NULL,
    version integer NOT NULL,
    level varchar NOT NULL,
    limit_from_bp integer NOT NULL,
    limit_to_bp integer NOT NULL,
    discount_from_bp integer NOT NULL,
    discount_to_bp integer NOT NULL,
    PRIMARY KEY (product_id, version, level),
    CONSTRAINT bank_product_terms_limit
        CHECK (limit_from_bp >= 10000 AND limit_from_bp <= limit_to_bp AND limit_to_bp <= 15000),
    CONSTRAINT bank_product_terms_discount
        CHECK (discount_from_bp >= 0 AND discount_from_bp <= discount_to_bp AND discount_to_bp <= 100)
);

CREATE TABLE bank_quotes (
    holder_id uuid NOT NULL,
    id uuid NOT NULL,
    bank_id uuid NOT NULL,
    grant_id uuid NOT NULL,
    product_id uuid NOT NULL,
    product_version integer NOT NULL,
    region varchar(6) NOT NULL,
    basis varchar NOT NULL,
    level varchar,
    eligible boolean NOT NULL,
    reason varchar NOT NULL,
    limit_from_bp integer,
    limit_to_bp integer,
    discount_from_bp integer,
    discount_to_bp integer,
    answer jsonb NOT NULL,
    made_at timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    PRIMARY KEY (holder_id, id),
    CONSTRAINT bank_quotes_limit CHECK (eligible = false OR
        (limit_from_bp >= 10000 AND limit_from_bp <= limit_to_bp AND limit_to_bp <= 15000)),
    CONSTRAINT bank_quotes_discount CHECK (eligible = false OR
        (discount_from_bp >= 0 AND discount_from_bp <= discount_to_bp AND discount_to_bp <= 100)),
    CONSTRAINT bank_quotes_eligible CHECK (eligible = (limit_from_bp IS NOT NULL AND limit_to_bp IS NOT NULL
        AND discount_from_bp IS NOT NULL AND discount_to_bp IS NOT NULL AND level IS NOT NULL))
);
CREATE INDEX bank_quotes_bank ON bank_quotes (bank_id, id);

CREATE TABLE green_loans (
    id uuid NOT NULL,
    version integer NOT NULL,
    latest boolean NOT NULL,
    bank_id uuid NOT NULL,
    number varchar NOT NULL,
    quote_id uuid NOT NULL,
    holder_id uuid NOT NULL,
    region varchar(6) NOT NULL,
    product_id uuid NOT NULL,
    product_version integer NOT NULL,
    basis varchar NOT NULL,
    level varchar NOT NULL,
    amount_fen bigint NOT NULL,
    rate_bp integer NOT NULL,
    granted_on date NOT NULL,
    ends_on date,
    funded_mg bigint,
    state varchar NOT NULL,
    reason varchar NOT NULL,
    recorded_at timestamptz NOT NULL,
    recorded_by varchar NOT NULL,
    PRIMARY KEY (id, version),
    CONSTRAINT green_loans_version CHECK (version > 0),
    CONSTRAINT green_loans_state CHECK (state IN ('granted', 'cancelled')),
    CONSTRAINT green_loans_amount CHECK (amount_fen > 0),
    CONSTRAINT green_loans_rate CHECK (rate_bp >= 0 AND rate_bp <= 10000),
    CONSTRAINT green_loans_funded CHECK (funded_mg IS NULL OR funded_mg >= 0),
    CONSTRAINT green_loans_days CHECK (ends_on IS NULL OR ends_on >= granted_on)
);
CREATE UNIQUE INDEX green_loans_number ON green_loans (bank_id, number) WHERE version = 1;
CREATE UNIQUE INDEX green_loans_quote ON green_loans (quote_id) WHERE version = 1;
CREATE UNIQUE INDEX green_loans_latest ON green_loans (id) WHERE latest;
CREATE INDEX green_loans_bank ON green_loans (bank_id, id) WHERE latest;
CREATE INDEX green_loans_granted ON green_loans (granted_on) WHERE latest;
CREATE INDEX green_loans_holder ON green_loans (holder_id);
"""

GRANTS = """
GRANT SELECT, INSERT ON bank_products, bank_product_terms, bank_quotes, green_loans TO {role};
GRANT UPDATE (latest) ON green_loans TO {role};
"""


def upgrade() -> None:
    run_script(TABLES)
    role = op.get_bind().dialect.identifier_preparer.quote_identifier(
        context.config.attributes["service_role"]
    )
    run_script(GRANTS.format(role=role))


def downgrade() -> None:
    raise NotImplementedError("what banks were told and reported would be lost: restore a backup instead")
