"""Short folders for Unix sockets."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from app.embedded.errors import EmbeddedServerError

# Linux allows 107 bytes, macOS 103.
MAX_SOCKET_PATH: Final = 100


def socket_folder(folder: Path, socket_name: str) -> Path:
    """Choose a folder in which the socket's path is short enough: `folder/run`, or one in the temp folder.

    The second is named after a hash of the first, so that each data folder has its own.
    """
    short = f"tanpuhui-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
    candidates = (
        folder / "run",
        Path(tempfile.gettempdir()).resolve() / short,
        Path("/tmp") / short,  # noqa: S108 -- a private folder in it, checked by `private_folder`
    )
    for candidate in candidates:
        if len(os.fsencode(candidate / socket_name)) <= MAX_SOCKET_PATH:
            return candidate
    raise EmbeddedServerError(f"no place for a socket of {folder}: every path is too long")


def private_folder(folder: Path, uid: int, gid: int) -> None:
    """Create a folder that only `uid` (and root) can enter; refuse one that somebody else put there first."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {uid, os.geteuid()}:
            raise EmbeddedServerError(f"{folder} belongs to somebody else; remove it") from None
    os.chown(folder, uid, gid)
    folder.chmod(0o700)
