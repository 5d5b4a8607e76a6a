"""Runs a script of many statements; asyncpg prepares what SQLAlchemy sends, and prepared means one at a time."""

from alembic import op


def run_script(sql: str) -> None:
    """Send the script as it is, in the migration's own transaction."""
    bind = op.get_bind()
    bind.exec_driver_sql("SELECT 1")  # SQLAlchemy begins with its first statement
    bind.connection.dbapi_connection.run_async(lambda driver: driver.execute(sql))
