"""PostgreSQL refuses to run as root, so root runs it as a system user of its own.

All functions do nothing for other users than root.
"""

import contextlib
import logging
import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from app.embedded.errors import EmbeddedServerError

logger: Final = logging.getLogger(__name__)

_SYSTEM_USER: Final = "pgserver"


class Identity(TypedDict, total=False):
    """Arguments of `subprocess` that run a command as another user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class ServerUser:
    """The system user that the server runs as."""

    name: str
    uid: int
    gid: int


def server_user(folder: Path) -> ServerUser | None:
    """Find or create the system user that serves `folder`; None if this process is not root.

    A folder that another user made is served as that user: root may look after somebody's data, and a volume
    keeps its owner when a new container numbers its users differently.
    """
    if os.geteuid() != 0:
        return None
    owner = other_owner(folder)
    if owner is not None:
        return owner
    entry = _entry(_SYSTEM_USER) or _created(_SYSTEM_USER)
    return ServerUser(_SYSTEM_USER, entry.pw_uid, entry.pw_gid)


def other_owner(folder: Path) -> ServerUser | None:
    """Tell whose folder it is, if this process is root and it is not root's."""
    found = folder.stat()
    if os.geteuid() != 0 or found.st_uid == 0:
        return None
    return ServerUser(_name(found.st_uid), found.st_uid, found.st_gid)


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _created(name: str) -> pwd.struct_passwd:
    command = [
        "useradd",
        "--system",
        "--user-group",
        "--no-create-home",
        "--shell",
        "/usr/sbin/nologin",
        name,
    ]
    failure = "useradd is not installed"
    with contextlib.suppress(FileNotFoundError):
        failure = subprocess.run(  # noqa: S603 -- constants
            command, capture_output=True, text=True, check=False
        ).stderr.strip()
    # Of two first starts at once one fails, and finds the user that the other one made.
    entry = _entry(name)
    if entry is None:
        raise EmbeddedServerError(
            f"PostgreSQL does not run as root, and the system user {name!r} could not be made ({failure}); "
            "create it, or run the service as another user than root"
        )
    return entry


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def identity(user: ServerUser | None) -> Identity:
    """Run a command as `user`: with its own group too, as root's group would open root's files to it."""
    return Identity(user=user.uid, group=user.gid, extra_groups=[]) if user else Identity()


def own(path: Path, user: ServerUser | None) -> None:
    """Give `path` to the server's user."""
    if user:
        os.chown(path, user.uid, user.gid)


def make_reachable(path: Path, user: ServerUser | None) -> None:
    """Let `user` pass through the folders above `path`, adding nothing but the right to pass (`o+x`).

    It lists and reads nothing there by that. The package's own helper would also make them readable by all.
    """
    if not user:
        return
    for folder in reversed(path.parents):
        mode = folder.stat()
        if mode.st_uid == user.uid:
            passes = mode.st_mode & stat.S_IXUSR
        elif mode.st_gid == user.gid:
            passes = mode.st_mode & stat.S_IXGRP
        else:
            passes = mode.st_mode & stat.S_IXOTH
        if passes:
            continue
        logger.warning("letting system users pass through %s, for the embedded database (o+x)", folder)
        _add(folder, mode.st_mode, stat.S_IXOTH, user)


def make_readable(folder: Path, user: ServerUser | None) -> None:
    """Let `user` read and execute what lies in `folder`, as a strict umask at installation hides it."""
    if not user:
        return
    make_reachable(folder, user)
    for path in (folder, *folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            continue
        wanted = stat.S_IROTH
        if stat.S_ISDIR(mode) or mode & stat.S_IXUSR:
            wanted |= stat.S_IXOTH
        if mode & wanted != wanted:
            _add(path, mode, wanted, user)


def _add(path: Path, mode: int, rights: int, user: ServerUser) -> None:
    try:
        path.chmod(stat.S_IMODE(mode) | rights)
    except OSError as error:
        raise EmbeddedServerError(
            f"PostgreSQL runs as the system user {user.name!r}, which cannot pass {path} ({error.strerror}); "
            "move the data folder with TANPUHUI_DATA_DIR to a place that it can reach, such as "
            "/var/lib/tanpuhui, or run the service as another user than root"
        ) from None
