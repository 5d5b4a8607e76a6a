"""The embedded PostgreSQL through crashes, restarts and several users."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.sql import text

from app.embedded.errors import EmbeddedServerError
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.server_user import identity, make_reachable, server_user

USER = """
import sys
from pathlib import Path
from app.embedded.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.readline()
server.stop()
print("left", flush=True)
"""


async def query(url: str, sql: str, *arguments: Any) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(sql, *arguments)]
    finally:
        await connection.close()


@contextlib.contextmanager
def other_process(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process of the service, that uses the server until it gets a line."""
    command = [sys.executable, "-c", USER, str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def printed(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def let_go(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return printed(process)


def kill_postgres(server: EmbeddedPostgres, *, children: bool = True) -> None:
    """`kill -9` of the postmaster, then of each of its children."""
    assert server.pid is not None
    postmaster = psutil.Process(server.pid)
    family = [postmaster, *(postmaster.children(recursive=True) if children else [])]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


async def test_restart_keeps_data_and_passwords(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    owner_url, first_pid = server.owner_url, server.pid
    await query(owner_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    assert not server.running
    assert server.pid is None

    again = EmbeddedPostgres(data_dir)
    again.start()
    assert again.pid != first_pid
    assert again.owner_url == owner_url
    assert await query(owner_url, "SELECT answer FROM kept") == [42]
    again.stop()
    again.stop()  # a second stop is nothing


async def test_acknowledged_row_survives_kill_9(cluster_dir: Path) -> None:
    server = EmbeddedPostgres(cluster_dir)
    server.start()
    await query(server.owner_url, "CREATE TABLE credits (id int PRIMARY KEY)")
    await query(server.owner_url, "INSERT INTO credits VALUES (1)")
    before = server.pid

    kill_postgres(server)
    server.start()

    assert server.pid != before
    assert await query(server.owner_url, "SELECT id FROM credits") == [1]
    assert "database system was not properly shut down" in server.log_path.read_text()
    # Children that outlive the postmaster keep the data folder in use until they are gone.
    kill_postgres(server, children=False)
    server.start()
    assert await query(server.owner_url, "SELECT id FROM credits") == [1]
    server.stop()


def test_pid_file_whose_number_was_given_to_another_process(cluster_dir: Path) -> None:
    server = EmbeddedPostgres(cluster_dir)
    server.start()
    pid_file = server.folder / "cluster" / "postmaster.pid"
    lines = pid_file.read_text().splitlines(keepends=True)
    kill_postgres(server)
    server.stop()
    # Of the server's own user, as PostgreSQL ignores the processes of others.
    with subprocess.Popen(["/bin/sleep", "60"], **identity(server_user(server.folder))) as other:
        pid_file.write_text("".join([f"{other.pid}\n", *lines[1:]]))

        server.start()

        assert server.pid != other.pid
        server.stop()
        assert other.poll() is None, "a process that is not ours was stopped"
        other.kill()


def test_server_that_somebody_else_started_is_refused(cluster_dir: Path) -> None:
    server = EmbeddedPostgres(cluster_dir)
    server.start()
    server.stop()
    command = [str(server.pg_bin / "pg_ctl"), "-D", str(server.folder / "cluster"), "-w"]
    log = ["-l", str(server.folder / "cluster" / "by-hand.log")]
    as_owner = identity(server_user(server.folder))
    subprocess.run([*command, *log, "start"], check=True, stdout=subprocess.DEVNULL, **as_owner)

    with pytest.raises(EmbeddedServerError, match="not started by this project"):
        server.start()

    subprocess.run([*command, "stop"], check=True, stdout=subprocess.DEVNULL, **as_owner)
    server.start()
    server.stop()


def test_server_outlives_a_killed_service_and_is_adopted(cluster_dir: Path) -> None:
    with other_process(cluster_dir) as service:
        pid = int(printed(service))
        service.kill()
        service.wait()
    server = EmbeddedPostgres(cluster_dir)
    assert server.running

    server.start()

    assert server.pid == pid
    server.stop()
    assert not server.running


def test_the_last_user_stops_the_server(cluster_dir: Path) -> None:
    server, second = EmbeddedPostgres(cluster_dir), EmbeddedPostgres(cluster_dir)
    server.start()
    with other_process(cluster_dir) as verify:
        assert int(printed(verify)) == server.pid
        assert let_go(verify) == "left"
        assert server.running
    second.start()
    with other_process(cluster_dir) as verify:
        pid = int(printed(verify))
        server.stop()
        second.stop()
        assert second.pid == pid
        assert let_go(verify) == "left"
        assert not server.running


def test_first_start_by_several_processes_at_once(data_dir: Path) -> None:
    with contextlib.ExitStack() as stack:
        users = [stack.enter_context(other_process(data_dir)) for _ in range(3)]
        assert len({printed(user) for user in users}) == 1
        assert {let_go(user) for user in users} == {"left"}
    assert not EmbeddedPostgres(data_dir).running


async def test_roles_settings_and_log(cluster_dir: Path) -> None:
    weak = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    server = EmbeddedPostgres(cluster_dir, overrides=weak)
    server.start()
    service, owner = server.service_url, server.owner_url

    role = "SELECT (rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls) FROM pg_roles"
    assert await query(service, f"{role} WHERE rolname = current_user") == [(False,) * 5]
    assert await query(owner, f"{role} WHERE rolname = current_user") == [(False, True, False, False, False)]
    owned = (
        "SELECT count(*) FROM pg_shdepend JOIN pg_roles r ON r.oid = refobjid AND refclassid = 'pg_authid'"
    )
    assert await query(service, f"{owned}::regclass WHERE rolname = current_user AND deptype = 'o'") == [0]
    memberships = "SELECT count(*) FROM pg_auth_members WHERE member = to_regrole(current_user)"
    assert await query(service, memberships) == [0]
    for forbidden in ("CREATE TABLE x (i int)", "CREATE TEMP TABLE x (i int)", "CREATE SCHEMA x"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await query(service, forbidden)

    for name in weak:
        assert await query(owner, f"SHOW {name}") == ["on"]
    assert await query(owner, "SHOW listen_addresses") == [""]
    assert await query(owner, "SHOW data_checksums") == ["on"]
    locale = "SELECT (datlocprovider::text, datlocale, datcollate, pg_encoding_to_char(encoding))"
    database = "FROM pg_database WHERE datname = current_database()"
    assert await query(owner, f"{locale} {database}") == [("b", "C.UTF-8", "C", "UTF8")]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(service, password="wrong")

    engine = create_async_engine(service.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT current_user"))).scalar() == "tanpuhui_service"
    await engine.dispose()

    await query(owner, "CREATE TABLE people (phone text PRIMARY KEY)")
    for _ in range(2):
        with contextlib.suppress(asyncpg.UniqueViolationError):
            await query(owner, "INSERT INTO people VALUES ('13800138000')")
    with contextlib.suppress(asyncpg.InvalidTextRepresentationError):
        await query(owner, "SELECT 'x13800138000'::int")
    assert "13800138000" not in server.log_path.read_text()

    server.stop()


def test_server_is_apart_from_the_service(cluster_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANPUHUI_DEDUP_KEY", "aa" * 32)
    server = EmbeddedPostgres(cluster_dir)
    server.start()
    assert server.pid is not None
    assert os.getsid(server.pid) != os.getsid(0), "Ctrl-C would reach the server before the service is done"
    assert "TANPUHUI_DEDUP_KEY" not in psutil.Process(server.pid).environ()
    assert (server.folder / "passwords.json").stat().st_mode & 0o777 == 0o600
    server.stop()


async def test_long_path_with_blanks_and_chinese(data_dir: Path) -> None:
    deep = data_dir / "碳普惠 数据" / ("d" * 90)
    server = EmbeddedPostgres(deep)
    server.start()
    sockets = server.socket_folder
    assert len(os.fsencode(sockets)) < 90
    assert await query(server.service_url, "SELECT 1") == [1]
    server.stop()
    sockets.rmdir()  # outside the data folder, so not removed with it


def test_a_start_that_fails_says_why_and_leaves_nothing(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, overrides={"shared_buffers": "nonsense"})
    with pytest.raises(EmbeddedServerError, match="invalid value for parameter"):
        server.start()
    assert not server.running
    mended = EmbeddedPostgres(data_dir)
    mended.start()
    mended.stop()
    assert not mended.running


@pytest.mark.skipif(os.geteuid() != 0, reason="other users run the server themselves")
def test_closed_home_is_opened_for_passing_only(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = data_dir / "home"
    home.mkdir(mode=0o700)
    user = server_user(data_dir)
    make_reachable(home / "data", user)
    assert home.stat().st_mode & 0o777 == 0o701

    home.chmod(0o700)

    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(EmbeddedServerError, match="TANPUHUI_DATA_DIR"):
        make_reachable(home / "data", user)
