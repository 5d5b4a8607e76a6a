"""Brings the schema up to date, as its owner."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

LOCATION = Path(__file__).resolve().parent.parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(LOCATION))
    return config


def latest_revision() -> str:
    """The revision that this code expects the database to be at."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("no migrations found")
    return head


async def migrate(owner_url: str, service_role: str) -> str:
    """Run what is missing; answers the revision reached. Two callers at once wait for each other."""
    config = _config()
    config.attributes["service_role"] = service_role

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    engine = create_async_engine(make_url(owner_url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    try:
        async with engine.connect() as guard:
            await guard.exec_driver_sql("SELECT pg_advisory_lock(hashtext('tanpuhui_migrate'))")
            async with engine.connect() as connection:
                await connection.run_sync(run)
    finally:
        await engine.dispose()
    return latest_revision()
