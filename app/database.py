"""Connections and transactions. Only the request or the job commits, once: services and repositories never do."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.errors import DomainError

if TYPE_CHECKING:
    import asyncpg

POOL_TIMEOUT_S = 10


LOOKUPS = {
    # Keys in arrays never call for another plan, and planning some twenty partitions anew costs a millisecond.
    "plan_cache_mode": "force_generic_plan",
    # A plan that was made while a month's partition was empty would read all of it when it has grown.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "statement_timeout": "60s",
}
SCANS = {"statement_timeout": "0"}
ARRAYS: tuple[type, ...] = (list, tuple, set, frozenset, type({}.keys()), type({}.values()))
"""What may be sent as an array."""


def _tell_arrays_by_type() -> None:
    """Have the driver tell arrays from their elements by plain types.

    asyncpg 0.32 asks the abstract classes of every element whether it is an array itself, a third of what encoding
    costs. Its module has no setting for that; tests/app/test_arrays.py tells when another version looks elsewhere.
    """
    from asyncpg.protocol import protocol  # noqa: PLC0415 - commands that open no database start without the driver

    protocol.IterableABC = ARRAYS


def engine_for(url: str, *, pool_size: int = 16, scans: bool = False) -> AsyncEngine:
    """An asyncpg engine for `postgresql://…`: for look-ups by key, as the service does, or for `scans`."""
    _tell_arrays_by_type()
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=4,
        pool_timeout=POOL_TIMEOUT_S,
        connect_args={
            "server_settings": {
                "application_name": "tanpuhui",
                "timezone": "UTC",
                "jit": "off",
                **(SCANS if scans else LOOKUPS),
                "idle_in_transaction_session_timeout": "60s",
            },
        },
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Have the pool replace a connection that the server has closed, without asking the server each time."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


async def driver_of(session: AsyncSession) -> "asyncpg.Connection":
    """The asyncpg connection of a session that is in its transaction, for the array-shaped statements."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    driver = cast("asyncpg.Connection", raw.driver_connection)
    if not driver.is_in_transaction():
        # SQLAlchemy begins with the first statement it sends itself.
        await connection.exec_driver_sql("SELECT 1")
    return driver


class Chain:
    """Transactions on bare asyncpg connections; where one commits while `more` is to do, it begins the next as well.

    That saves the next one a round trip, which for a small group costs as much as several of its items.
    """

    def __init__(self, engine: AsyncEngine, more: Callable[[], bool]) -> None:
        self._engine = engine
        self._more = more
        # To asyncpg the transactions of a chain are one, so that savepoints within them work.
        self._begun: tuple[AsyncConnection, asyncpg.Connection, asyncpg.transaction.Transaction] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["asyncpg.Connection"]:
        """One transaction: committed when the block ends well, rolled back otherwise."""
        if self._begun is None:
            self._begun = await self._begin()
        connection, driver, transaction = self._begun
        chained = False
        try:
            try:
                yield driver
            except BaseException:
                await transaction.rollback()
                raise
            if self._more():
                try:
                    await driver.execute("COMMIT AND CHAIN")
                except BaseException:
                    await transaction.rollback()
                    raise
                chained = True
            else:
                await transaction.commit()
        finally:
            if not chained:
                self._begun = None
                await connection.close()

    async def close(self) -> None:
        """End a transaction that was begun for what has gone elsewhere."""
        if self._begun is not None:
            self._more = _nothing
            async with self.transaction():
                pass

    async def _begin(self) -> "tuple[AsyncConnection, asyncpg.Connection, asyncpg.transaction.Transaction]":
        connection = await self._engine.connect()
        try:
            raw = await connection.get_raw_connection()
            driver = cast("asyncpg.Connection", raw.driver_connection)
            transaction = driver.transaction()
            await transaction.start()
        except BaseException:
            await connection.close()
            raise
        return connection, driver, transaction


def _nothing() -> bool:
    return False


class Database:
    """The service's pool."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that commits when the block ends well and rolls back otherwise.

        A refusal that is itself written down commits as well, and is raised once it has.
        """
        refused: DomainError | None = None
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            try:
                yield session
            except DomainError as error:
                if not error.recorded:
                    raise
                refused = error
        if refused is not None:
            raise refused

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session whose transaction the server holds to reading."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            connection = await session.connection()
            await connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            yield session

    @asynccontextmanager
    async def driver_transaction(self) -> AsyncIterator["asyncpg.Connection"]:
        """A bare asyncpg connection in a transaction of its own."""
        connection = await self.engine.connect()
        try:
            raw = await connection.get_raw_connection()
            driver = cast("asyncpg.Connection", raw.driver_connection)
            async with driver.transaction():
                yield driver
        finally:
            # Not by `async with`: it gives the connection back in another task, a turn of the loop later.
            await connection.close()

    @asynccontextmanager
    async def statement(self) -> AsyncIterator["asyncpg.Connection"]:
        """A bare connection without a transaction, for reads of one statement: it costs one round trip, not three."""
        connection = await self.engine.connect()
        try:
            raw = await connection.get_raw_connection()
            yield cast("asyncpg.Connection", raw.driver_connection)
        finally:
            await connection.close()

    def chain(self, more: Callable[[], bool] = _nothing) -> Chain:
        """The door of group commits to the database; with `more` it has to be closed."""
        return Chain(self.engine, more)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator["asyncpg.Connection"]:
        """A bare connection that reads one state of the whole database."""
        async with self.engine.connect() as connection:
            raw = await connection.get_raw_connection()
            driver = cast("asyncpg.Connection", raw.driver_connection)
            async with driver.transaction(isolation="repeatable_read", readonly=True):
                yield driver

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
