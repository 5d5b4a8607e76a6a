"""Points that expire and are owed; programmes and campaigns that operators write.

`lots_due` holds the lots that have not been swept; what credits change of a lot is in no index, so that their updates
stay within the page.
"""

from alembic import context, op

from migrations.script import run_script

revision = "20261121_0017"
down_revision = "20261121_0016"

SCHEMA = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE lots ADD COLUMN swept boolean NOT NULL DEFAULT false;
CREATE INDEX lots_due ON lots (expires_on) WHERE NOT swept;

CREATE TABLE receivables (
    holder_id uuid NOT NULL,
    asset_id integer NOT NULL,
    owed bigint NOT NULL,
    PRIMARY KEY (holder_id, asset_id),
    CONSTRAINT receivables_not_negative CHECK (owed >= 0)
);
CREATE TABLE points_texts (
    id uuid PRIMARY KEY,
    kind varchar NOT NULL,
    region varchar(6) NOT NULL,
    content varchar NOT NULL,
    counts_from timestamptz NOT NULL,
    counts_until timestamptz,
    authors text[] NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    approved_at timestamptz,
    approved_by varchar,
    etag integer NOT NULL,
    CONSTRAINT points_texts_kind CHECK (kind IN ('programme', 'campaign')),
    CONSTRAINT points_texts_approver CHECK ((approved_at IS NULL) = (approved_by IS NULL)),
    CONSTRAINT points_texts_second CHECK (approved_by IS NULL OR approved_by <> ALL (authors)),
    CONSTRAINT points_texts_order CHECK (counts_until IS NULL OR counts_until >= counts_from)
);
CREATE UNIQUE INDEX points_texts_days ON points_texts (region, counts_from)
    WHERE kind = 'programme' AND approved_at IS NOT NULL;
CREATE INDEX points_texts_place ON points_texts (kind, region);
CREATE TABLE campaign_slices (
    campaign_id uuid NOT NULL REFERENCES points_texts,
    slice smallint NOT NULL,
    points_left bigint NOT NULL,
    PRIMARY KEY (campaign_id, slice),
    CONSTRAINT campaign_slices_not_negative CHECK (points_left >= 0)
) WITH (fillfactor = 50);
CREATE TABLE campaign_progress (
    holder_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    acts bigint NOT NULL,
    streak integer NOT NULL,
    last_day date,
    awarded bigint NOT NULL,
    day date,
    awarded_on_day bigint NOT NULL,
    PRIMARY KEY (holder_id, campaign_id),
    CONSTRAINT campaign_progress_not_negative CHECK (awarded >= 0 AND awarded_on_day >= 0)
) WITH (fillfactor = 80);
CREATE TABLE campaign_awards (
    holder_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    asset_id integer NOT NULL,
    expires_on date NOT NULL,
    points bigint NOT NULL,
    PRIMARY KEY (holder_id, activity_id, campaign_id),
    CONSTRAINT campaign_awards_amount CHECK (points > 0)
);

-- What a second operator approved does not change; that a campaign ends earlier may be decided later.
CREATE FUNCTION tanpuhui_guard_points_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.kind, NEW.region) IS DISTINCT FROM (OLD.id, OLD.kind, OLD.region) THEN
        RAISE EXCEPTION 'a text keeps its identity' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.approved_at IS NOT NULL AND (
        (NEW.content, NEW.counts_from, NEW.authors, NEW.approved_at, NEW.approved_by)
            IS DISTINCT FROM (OLD.content, OLD.counts_from, OLD.authors, OLD.approved_at, OLD.approved_by)
        OR NEW.counts_until IS DISTINCT FROM least(NEW.counts_until, OLD.counts_until)) THEN
        RAISE EXCEPTION 'what is approved does not change' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER points_texts_guard BEFORE UPDATE ON points_texts
    FOR EACH ROW EXECUTE FUNCTION tanpuhui_guard_points_text();
"""

GRANTS = """
GRANT SELECT, INSERT ON receivables, points_texts, campaign_slices, campaign_progress, campaign_awards TO {role};
GRANT UPDATE ON receivables, campaign_progress TO {role};
GRANT UPDATE (points_left) ON campaign_slices TO {role};
GRANT UPDATE (content, counts_from, counts_until, authors, updated_at, approved_at, approved_by, etag)
    ON points_texts TO {role};
"""


def upgrade() -> None:
    run_script(SCHEMA)
    role = context.config.attributes["service_role"]
    quoted = op.get_bind().dialect.identifier_preparer.quote_identifier(role)
    run_script(GRANTS.format(role=quoted))


def downgrade() -> None:
    raise NotImplementedError("what holders owe would be lost: restore a backup instead")
