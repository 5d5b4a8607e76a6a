"""Alembic environment: runs inside `tanpuhui migrate`, which hands over an open connection of the owner."""

from alembic import context
from sqlalchemy import text

from migrations.schema import METADATA

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    transaction_per_migration=True,
    compare_type=True,
)
# A migration that waits for a lock would make every later statement wait behind it: give up instead, and retry.
connection.execute(text("SET lock_timeout = '5s'"))
connection.commit()
with context.begin_transaction():
    context.run_migrations()
