import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.embedded.postgres import EmbeddedPostgres
from app.embedded.valkey import EmbeddedValkey


@contextmanager
def temporary_folder() -> Iterator[Path]:
    # Not pytest's tmp_path: each run closes that tree (0700) again for the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="tanpuhui-test-"))
    yield folder
    # A test that failed in the middle leaves servers; adopt and stop them.
    for server in (EmbeddedPostgres(folder), EmbeddedValkey(folder)):
        if server.running:
            server.start()
            server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with temporary_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def made_cluster() -> Iterator[Path]:
    with temporary_folder() as folder:
        server = EmbeddedPostgres(folder)
        server.start()
        server.stop()
        yield folder


@pytest.fixture
def cluster_dir(data_dir: Path, made_cluster: Path) -> Path:
    """A data folder after its first start; copying one is quicker than making it."""
    # With its owners, which shutil does not copy.
    subprocess.run(["/bin/cp", "-a", f"{made_cluster}/.", str(data_dir)], check=True)
    return data_dir
