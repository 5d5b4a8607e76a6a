"""Where the wheels that carry the servers' programs are installed."""

from importlib.util import find_spec
from pathlib import Path

from app.embedded.errors import EmbeddedServerError


def wheel_folder(package: str, *, instead: str) -> Path:
    """Find the folder of a package without importing it; `instead` is the variable that does without it.

    An import has effects that nobody asked for: one wheel warns about XDG_RUNTIME_DIR and leaves a lock in
    the temp folder, the other loads a client that is not used.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(f"{package} is not installed; set {instead} to use another server")
    return Path(spec.origin).resolve().parent
