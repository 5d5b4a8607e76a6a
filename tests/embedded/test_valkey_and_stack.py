"""The embedded Valkey, and the choice between embedded and external servers."""

import os
import signal
import time
from pathlib import Path

import pytest
import redis

from app.embedded.errors import EmbeddedServerError
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.stack import start_stack
from app.embedded.tuning import GIB, MIB, Machine, fitting, render
from app.embedded.valkey import EmbeddedValkey
from app.settings import load_settings


def test_valkey_is_shared_and_starts_again_after_kill_9(data_dir: Path) -> None:
    server, second = EmbeddedValkey(data_dir), EmbeddedValkey(data_dir)
    server.start()
    second.start()
    assert server.pid == second.pid
    client = redis.Redis.from_url(server.redis_url)
    assert client.set("key", "value")
    assert client.config_get("save") == {"save": ""}
    assert client.config_get("port") == {"port": "0"}

    server.stop()
    assert second.running
    assert client.get("key") == b"value"

    before = second.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    while second.running:
        time.sleep(0.01)
    second.start()
    assert second.pid not in {None, before}
    assert redis.Redis.from_url(second.redis_url).ping()
    second.stop()
    assert not second.running
    assert second.pid is None


def test_stack_starts_and_stops_what_is_embedded(cluster_dir: Path) -> None:
    settings = load_settings(environment="test", data_dir=cluster_dir)
    with start_stack(settings) as stack:
        assert stack.postgres is not None
        assert stack.valkey is not None
        assert stack.embedded_database
        assert stack.embedded_redis
        assert stack.database_url == stack.postgres.service_url
        assert stack.owner_database_url == stack.postgres.owner_url
        assert redis.Redis.from_url(stack.redis_url).ping()
        password = stack.database_url.split(":")[2].partition("@")[0]
        assert password not in repr(stack)

        pid = stack.valkey.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        stack.ensure_running()
        assert redis.Redis.from_url(stack.redis_url).ping()
    assert not stack.postgres.running
    assert not stack.valkey.running


def test_external_urls_start_nothing(data_dir: Path) -> None:
    settings = load_settings(
        data_dir=data_dir,
        database_url="postgresql://service:pw@db.example/tanpuhui",
        migration_database_url="postgresql://owner:pw@db.example/tanpuhui",
        redis_url="redis://redis.example/0",
    )
    with start_stack(settings) as stack:
        assert stack.database_url == "postgresql://service:pw@db.example/tanpuhui"
        assert stack.owner_database_url == "postgresql://owner:pw@db.example/tanpuhui"
        assert stack.redis_url == "redis://redis.example/0"
        assert not stack.embedded_database
        assert not stack.embedded_redis
        stack.ensure_running()
    assert not (data_dir / "postgres").exists()
    assert not (data_dir / "valkey").exists()


def test_failure_of_one_server_stops_the_other(cluster_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddedValkey, "_command", lambda _: ["/bin/false"])
    with pytest.raises(EmbeddedServerError, match="Valkey did not start"):
        start_stack(load_settings(data_dir=cluster_dir)).__enter__()
    assert not EmbeddedPostgres(cluster_dir).running


def test_settings_fit_the_machine() -> None:
    small = fitting(Machine(memory=512 * MIB, cpus=1, free_disk=2 * GIB, shared_memory=64 * MIB))
    assert small["shared_buffers"] == "204MB"
    assert small["max_wal_size"] == "512MB"
    assert small["max_parallel_workers_per_gather"] == "0"
    large = fitting(Machine(memory=64 * GIB, cpus=16, free_disk=900 * GIB, shared_memory=32 * GIB))
    assert large["shared_buffers"] == "16384MB"
    assert large["max_wal_size"] == "8192MB"
    assert render({"a": "it's"}).endswith("a = 'it''s'\n")
