"""PostgreSQL's own benchmark, on the same server in a database of its own."""

import asyncio
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import asyncpg

from app.bench.registry import BenchError
from app.embedded.postgres import PORT
from app.embedded.shared_server import plain_environment

if TYPE_CHECKING:
    from app.embedded.postgres import EmbeddedPostgres

DATABASE: Final = "bench_pgbench"
ROLE: Final = "tanpuhui_owner"
SCALE: Final = 50
OPTIONS: Final = ("-c", "16", "-j", "2", "-M", "prepared")
_TPS: Final = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


class Pgbench:
    """`pgbench -s 50 -c 16 -j 2 -M prepared`."""

    def __init__(self, postgres: "EmbeddedPostgres") -> None:
        self._postgres = postgres

    async def create(self) -> None:
        """Make the database and fill it."""
        await self._as_owner(f"CREATE DATABASE {DATABASE}")
        await self._run("-i", "-s", str(SCALE), "-q", limit_s=600)

    async def tps(self, seconds: int) -> float:
        """Transactions a second, without the time to connect."""
        told = await self._run("-s", str(SCALE), *OPTIONS, "-T", str(seconds), limit_s=seconds + 120)
        found = _TPS.search(told)
        if found is None:
            raise BenchError(f"pgbench told no tps:\n{told}")
        return float(found[1])

    async def drop(self) -> None:
        """Remove the database."""
        await self._as_owner(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")

    async def _as_owner(self, statement: str) -> None:
        driver = await asyncpg.connect(self._postgres.url(ROLE, "postgres"))
        try:
            await driver.execute(statement)
        finally:
            await driver.close()

    async def _run(self, *arguments: str, limit_s: float) -> str:
        postgres = self._postgres
        process = await asyncio.create_subprocess_exec(
            str(postgres.pg_bin / "pgbench"),
            *arguments,
            "-h",
            str(postgres.socket_folder),
            "-p",
            str(PORT),
            "-U",
            ROLE,
            DATABASE,
            cwd="/",
            env={
                **plain_environment(),
                "PGPASSWORD": urlsplit(postgres.url(ROLE)).netloc.partition(":")[2].partition("@")[0],
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            told, _ = await asyncio.wait_for(process.communicate(), limit_s)
        except TimeoutError:
            raise BenchError("pgbench did not end in time") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise BenchError(f"pgbench failed:\n{told.decode(errors='replace')}")
        return told.decode(errors="replace")
