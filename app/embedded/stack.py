"""The database and Redis that the settings ask for: external ones by URL, or the embedded ones."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from app.embedded.postgres import EmbeddedPostgres
from app.embedded.shared_server import Progress
from app.embedded.valkey import EmbeddedValkey
from app.settings import Settings


@dataclass(frozen=True)
class Stack:
    """Where the database and Redis are.

    `database_url` is for the service's role, `owner_database_url` for migrations (None if the settings give
    no such role of an external server). `postgres` and `valkey` are None where the server is external.
    """

    database_url: str = field(repr=False)
    owner_database_url: str | None = field(repr=False)
    redis_url: str = field(repr=False)
    postgres: EmbeddedPostgres | None = None
    valkey: EmbeddedValkey | None = None

    @property
    def embedded_database(self) -> bool:
        """Whether the database is the embedded one."""
        return self.postgres is not None

    @property
    def embedded_redis(self) -> bool:
        """Whether Redis is the embedded one."""
        return self.valkey is not None

    def ensure_running(self) -> None:
        """Start an embedded server again that died, and wait for its recovery; quick while all is well."""
        for server in (self.postgres, self.valkey):
            if server is not None:
                server.start()


@contextmanager
def start_stack(settings: Settings, *, progress: Progress | None = None) -> Iterator[Stack]:
    """Start or adopt what is embedded, and give it up at the end; the last process to do so stops it.

    `progress` gets a line every few seconds of a long start, such as a recovery. Blocks: enter it before the
    event loop runs, or from a thread.
    """
    with ExitStack() as stack:
        postgres: EmbeddedPostgres | None = None
        valkey: EmbeddedValkey | None = None
        owner_database_url: str | None
        if settings.database_url is None:
            postgres = EmbeddedPostgres(settings.data_dir, progress=progress)
            stack.callback(postgres.stop)
            postgres.start()
            database_url, owner_database_url = postgres.service_url, postgres.owner_url
        else:
            database_url = settings.database_url.get_secret_value()
            owner = settings.migration_database_url
            owner_database_url = owner.get_secret_value() if owner else None
        if settings.redis_url is None:
            valkey = EmbeddedValkey(settings.data_dir, progress=progress)
            stack.callback(valkey.stop)
            valkey.start()
            redis_url = valkey.redis_url
        else:
            redis_url = settings.redis_url.get_secret_value()
        yield Stack(
            database_url=database_url,
            owner_database_url=owner_database_url,
            redis_url=redis_url,
            postgres=postgres,
            valkey=valkey,
        )
