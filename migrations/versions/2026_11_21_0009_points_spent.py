"""The ledger beyond credits: what is held, used, issued and owed, and whose a system's account is."""

from migrations.script import run_script

revision = "20261121_0009"
down_revision = "20261121_0008"

SCHEMA = """
ALTER TABLE entries RENAME COLUMN activity_id TO cause_id;
ALTER TABLE entries ADD COLUMN party_id uuid;
CREATE INDEX entries_party ON entries (party_id, id) WHERE party_id IS NOT NULL;
ALTER TABLE balances
    ADD COLUMN issued_mg bigint NOT NULL DEFAULT 0,
    ADD COLUMN used_mg bigint NOT NULL DEFAULT 0,
    ADD COLUMN held_points bigint NOT NULL DEFAULT 0,
    ADD COLUMN owed_points bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT balances_not_negative,
    ADD CONSTRAINT balances_not_negative CHECK (open_mg >= 0 AND issued_mg >= 0 AND used_mg >= 0
        AND points >= 0 AND held_points >= 0 AND owed_points >= 0);
"""


def upgrade() -> None:
    run_script(SCHEMA)


def downgrade() -> None:
    raise NotImplementedError("entries of the new kinds have no place in the older schema")
