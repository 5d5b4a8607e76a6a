"""Payments are no longer for redemptions alone."""

from migrations.script import run_script

revision = "20261121_0038"
down_revision = "20261121_0029"

TABLES = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE payments RENAME COLUMN redemption_id TO subject_id;
ALTER TABLE payments RENAME COLUMN holder_id TO payer_id;
ALTER TABLE payments RENAME CONSTRAINT payments_redemption TO payments_subject_id;
ALTER TABLE payments ADD COLUMN subject varchar NOT NULL DEFAULT 'redemption';
ALTER TABLE payments ALTER COLUMN subject DROP DEFAULT;
ALTER TABLE payments
    ADD CONSTRAINT payments_subject CHECK (subject IN ('redemption', 'event', 'market_funding'));
"""
BACK = """
DELETE FROM payments WHERE subject <> 'redemption';
ALTER TABLE payments DROP COLUMN subject;
ALTER TABLE payments RENAME CONSTRAINT payments_subject_id TO payments_redemption;
ALTER TABLE payments RENAME COLUMN payer_id TO holder_id;
ALTER TABLE payments RENAME COLUMN subject_id TO redemption_id;
"""


def upgrade() -> None:
    run_script(TABLES)


def downgrade() -> None:
    run_script(BACK)
