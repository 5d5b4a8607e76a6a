"""A server process that all processes of one data folder share.

Three lock files in the server's folder say everything; the kernel drops their locks when a process ends,
however it ends, so none of them can be stale.

`start.lock`   held for the time of a start or a stop: one at a time.
`users.lock`   held in shared mode by each user as long as it uses the server. Whoever stops and then gets
               it exclusively was the last user, and stops the server.
`server.lock`  inherited by the server itself: held as long as any of its processes lives. This tells a
               running server (to be adopted after `kill -9` of the service) from a dead one without trusting
               process numbers, which are reused, and shows children that outlive a killed parent.
"""

import fcntl
import logging
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

from app.embedded.errors import EmbeddedServerError
from app.embedded.server_user import Identity

logger: Final = logging.getLogger(__name__)

Progress = Callable[[str], None]

_POLL_S: Final = 0.02
_REPORT_EVERY_S: Final = 5.0
_LOG_TAIL_BYTES: Final = 4_000
_LOG_KEPT_BYTES: Final = 16 * 1024 * 1024


class SharedServer(ABC):
    """Start, adopt, share and stop one server; subclasses know which.

    `start` and `stop` block; call them from a thread in asynchronous code. Both may be called again: `start`
    on a server that died in the meantime starts it anew.
    """

    name: ClassVar[str]
    folder_name: ClassVar[str]
    program: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    # A limit against waiting for ever; recovery after a crash legitimately takes minutes.
    start_limit_s: ClassVar[float]
    stop_limit_s: ClassVar[float]

    def __init__(self, data_dir: Path, *, progress: Progress | None = None) -> None:
        # Resolved, so that two ways to write one folder mean one server.
        self.folder = data_dir.expanduser().resolve() / self.folder_name
        self._progress = progress or logger.info
        self._use: int | None = None
        self._used_by = 0
        self._process: subprocess.Popen[bytes] | None = None

    # -- what a server is ------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """Number of the server's first process, as its own file tells; None without such a file."""

    @abstractmethod
    def _prepare_folder(self) -> None:
        """Create the folder with its permissions; called before anything else, by every user."""

    @abstractmethod
    def _prepare(self) -> None:
        """Create or refresh what the server needs; called before each launch while no server runs."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Give the command line that runs the server in the foreground."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Connect and tell whether the server answers."""

    def _identity(self) -> Identity:
        """Tell which system user runs the server, if not this one."""
        return Identity()

    @abstractmethod
    def _once_ready(self) -> None:
        """Finish what needs a running server; called at each start, also on adoption."""

    def _may_launch_again(self) -> bool:
        """Mend what made a launch fail at once; False if there is nothing to mend."""
        return False

    # -- use -------------------------------------------------------------------------------------------------

    @property
    def log_path(self) -> Path:
        """Where the server writes its log."""
        return self.folder / f"{self.folder_name}.log"

    @property
    def running(self) -> bool:
        """Whether any process of the server lives, whoever started it."""
        lock = self._open_lock("server.lock") if self.folder.is_dir() else None
        if lock is None:
            return False
        try:
            # Shared, so that two processes that ask at the same time do not take each other for the server.
            return not _try_lock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)

    def start(self) -> None:
        """Start the server, or adopt the one that runs, and wait until it answers."""
        self._prepare_folder()
        with self._one_at_a_time():
            first = self._use is None
            if first:
                self._use = self._open_lock("users.lock")
                fcntl.flock(self._use, fcntl.LOCK_SH)
                self._used_by = os.getpid()
            try:
                self._bring_up()
                self._once_ready()
            except BaseException:
                if first:
                    self._leave()
                raise

    def stop(self) -> None:
        """Give up the use of the server; the last user stops it. Does nothing without a start."""
        # A fork has inherited this object and its lock, but is no user of its own.
        if self._use is None or self._used_by != os.getpid():
            return
        with self._one_at_a_time():
            self._leave()

    def _bring_up(self) -> None:
        launches = 0
        wait = _Wait(self._progress, self.start_limit_s)
        while not (self.running and self._is_ready()):
            if not self.running:
                self._reap()
                if launches and not (launches == 1 and self._may_launch_again()):
                    raise EmbeddedServerError(f"{self.name} did not start; its log ends:\n{self._log_tail()}")
                self._prepare()
                self._launch_with_lock()
                launches += 1
            wait.once(
                lambda: f"waiting for {self.name}: {self._log_tail().strip().rpartition(chr(10))[2]}",
                f"{self.name} does not answer; see {self.log_path}",
            )

    def _launch_with_lock(self) -> None:
        lock = self._open_lock("server.lock")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        log = self._given_to_owner(os.open(self._rotated_log(), flags, 0o600))
        try:
            if _try_lock(lock, fcntl.LOCK_EX):
                self._process = subprocess.Popen(  # noqa: S603 -- our own command line
                    self._command(),
                    cwd=self.folder,
                    env=plain_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(lock,),
                    # Ctrl-C in the terminal is for the service, which then stops the server itself.
                    start_new_session=True,
                    **self._identity(),
                )
        except OSError as error:
            raise EmbeddedServerError(f"{self.name} cannot be run: {error}") from None
        finally:
            # Closed, never unlocked: an unlock here would also take the lock from the server.
            os.close(lock)
            os.close(log)

    def _leave(self) -> None:
        if self._use is None:
            return
        use, self._use = self._use, None
        try:
            if _try_lock(use, fcntl.LOCK_EX):
                self._shut_down()
        finally:
            os.close(use)
            self._reap()

    def _shut_down(self) -> None:
        wait = _Wait(self._progress, self.stop_limit_s)
        asked = False
        while self.running:
            pid = self.pid
            if pid is not None and not asked and runs(pid, self.program):
                os.kill(pid, self.stop_signal)
                asked = True
            self._reap()
            wait.once(
                lambda: f"waiting for {self.name} to stop", f"{self.name} does not stop; see {self.log_path}"
            )

    def _reap(self) -> None:
        """Collect the exit of a server that we launched; otherwise it stays in the process table."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None

    # -- files -----------------------------------------------------------------------------------------------

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        lock = self._open_lock("start.lock")
        try:
            if not _try_lock(lock, fcntl.LOCK_EX):
                self._progress(f"another process is starting or stopping {self.name}; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _open_lock(self, name: str) -> int:
        path = self.folder / name
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            return self._given_to_owner(descriptor)
        except PermissionError:
            raise EmbeddedServerError(
                f"{path} belongs to another user; run as the user that made the data folder, or choose "
                "another one with TANPUHUI_DATA_DIR"
            ) from None

    def _given_to_owner(self, descriptor: int) -> int:
        """Keep the folder usable for its owner after root came by, as with `sudo tanpuhui verify`."""
        if os.geteuid() == 0:
            owner = self.folder.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    def _rotated_log(self) -> Path:
        path = self.log_path
        if path.exists() and path.stat().st_size > _LOG_KEPT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def _log_tail(self) -> str:
        try:
            with self.log_path.open("rb") as file:
                file.seek(max(0, self.log_path.stat().st_size - _LOG_TAIL_BYTES))
                return file.read().decode(errors="replace")
        except OSError:
            return "(no log)"


class _Wait:
    """Sleeps a little each time, reports every few seconds, gives up at a limit."""

    def __init__(self, progress: Progress, limit_s: float) -> None:
        self._progress = progress
        self._began = self._reported = time.monotonic()
        self._limit_s = limit_s

    def once(self, report: Callable[[], str], failure: str) -> None:
        now = time.monotonic()
        if now - self._began > self._limit_s:
            raise EmbeddedServerError(f"{failure} (after {self._limit_s:.0f} s)")
        if now - self._reported > _REPORT_EVERY_S:
            self._reported = now
            self._progress(f"{now - self._began:.0f} s, {report()}")
        time.sleep(_POLL_S)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def plain_environment() -> dict[str, str]:
    """Give the servers a locale and a path, and nothing of ours: no key, no PGHOST."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C"}


def runs(pid: int, program: str) -> bool:
    """Tell whether process `pid` lives and runs `program`; numbers are reused, and a zombie does not live."""
    stat_file = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # "4711 (postgres) S ...": the name may hold blanks and parentheses, so split at the last one.
            head, _, tail = stat_file.read_text().rpartition(")")
        except OSError:
            return False
        return head.partition("(")[2] == program and tail.split()[0] not in {"Z", "X"}
    listed = subprocess.run(  # noqa: S603 -- a number and constants
        ["/bin/ps", "-o", "stat=,comm=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return len(listed) > 1 and not listed[0].startswith("Z") and Path(listed[1].strip()).name == program
