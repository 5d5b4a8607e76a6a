"""Settings: what production refuses, how keys are kept, what is never shown."""

import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import KEY_FIELDS, ConfigurationError, load_settings, variable

URL = "postgresql://tanpuhui_service:hunter2@db.example/tanpuhui"
OWNER_URL = "postgresql://tanpuhui_owner:hunter3@db.example/tanpuhui"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [*os.environ]:
        if name.startswith("TANPUHUI_") or name in {"DATABASE_URL", "REDIS_URL"}:
            monkeypatch.delenv(name)
    return iter([None])


def good_keys() -> dict[str, str]:
    return {field: secrets.token_hex(32) for field in KEY_FIELDS}


def refusal(**overrides: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(**overrides)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_production_names_everything_that_is_missing(data_dir: Path) -> None:
    message = refusal(environment="production", data_dir=data_dir)
    for field in KEY_FIELDS:
        assert f"{variable(field)} is not set" in message
    assert "TANPUHUI_ALLOW_EMBEDDED_IN_PRODUCTION" in message
    assert list(data_dir.iterdir()) == [], "production must not make keys"


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("00" * 32, "placeholder"),
        (b"change-me-change-me-change-me-ok".hex(), "placeholder"),
        (secrets.token_hex(16), "has 16 bytes"),
        (secrets.token_hex(33), "has 33 bytes"),
        ("correct horse battery staple", "not hexadecimal"),
    ],
    ids=["zeros", "words", "16 bytes", "33 bytes", "text"],
)
@pytest.mark.parametrize("field", KEY_FIELDS)
def test_production_refuses_a_bad_key(field: str, value: str, complaint: str) -> None:
    message = refusal(environment="production", database_url=URL, **{**good_keys(), field: value})
    assert variable(field) in message
    assert complaint in message
    assert value not in message
    assert message.count("TANPUHUI_") == 1


def test_production_refuses_one_value_for_two_keys() -> None:
    keys = good_keys()
    message = refusal(
        environment="production", database_url=URL, **{**keys, "receipt_key": keys["dedup_key"]}
    )
    assert "TANPUHUI_RECEIPT_KEY is the same as TANPUHUI_DEDUP_KEY" in message


def test_production_with_everything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    for field, key in good_keys().items():
        monkeypatch.setenv(variable(field), key)
    monkeypatch.setenv("TANPUHUI_ENVIRONMENT", "production")
    monkeypatch.setenv("DATABASE_URL", URL)
    settings = load_settings(migration_database_url=OWNER_URL)
    assert settings.production
    assert not settings.embedded_database
    monkeypatch.delenv("DATABASE_URL")
    assert load_settings(allow_embedded_in_production=True).embedded_database


def test_service_and_owner_are_different_roles(data_dir: Path) -> None:
    message = refusal(environment="production", database_url=URL, migration_database_url=URL, **good_keys())
    assert "same role" in message
    assert "hunter2" not in message
    assert "TANPUHUI_DATABASE_URL is not" in refusal(data_dir=data_dir, migration_database_url=OWNER_URL)


def test_generated_keys_are_stable_private_and_completed(data_dir: Path) -> None:
    folder = data_dir / "new" / "folder"
    first = load_settings(data_dir=folder)
    path = folder / "secrets.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert len({getattr(first, field).get_secret_value() for field in KEY_FIELDS}) == len(KEY_FIELDS)
    path.chmod(0o644)
    again = load_settings(data_dir=folder)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [getattr(again, field) for field in KEY_FIELDS] == [getattr(first, field) for field in KEY_FIELDS]

    given = secrets.token_hex(32)
    mixed = load_settings(data_dir=folder, dedup_key=given)
    assert mixed.dedup_key.get_secret_value() == bytes.fromhex(given)
    assert mixed.oprf_key == first.oprf_key
    path.write_text("{")
    assert "secrets.json" in refusal(data_dir=folder)


def test_processes_that_start_together_get_the_same_keys(data_dir: Path) -> None:
    script = "from app.settings import *; print(load_settings().dedup_key.get_secret_value().hex())"
    environment = {**os.environ, "TANPUHUI_DATA_DIR": str(data_dir / "d")}
    processes = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    assert len({process.communicate()[0] for process in processes}) == 1


def test_nothing_secret_is_shown(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = good_keys()
    settings = load_settings(
        data_dir=data_dir,
        database_url=URL,
        migration_database_url=OWNER_URL,
        redis_url="redis://:hunter4@redis.example",
        **keys,
    )
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r %s", settings, settings, settings.model_dump())
    shown = caplog.text + settings.model_dump_json()
    for secret in [*keys.values(), "hunter2", "hunter3", "hunter4"]:
        assert secret not in shown
    for key in keys.values():
        assert repr(bytes.fromhex(key))[2:12] not in shown
    assert "hunter2" not in refusal(data_dir=data_dir, database_url="mysql://u:hunter2@h/d")


def test_urls_and_their_names(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://plain@h/d")
    monkeypatch.setenv("REDIS_URL", "redis://plain")
    settings = load_settings(data_dir=data_dir)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://plain@h/d"
    monkeypatch.setenv("TANPUHUI_DATABASE_URL", "postgresql+asyncpg://prefixed@h/d")
    settings = load_settings(data_dir=data_dir)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://prefixed@h/d"
    assert load_settings(data_dir=data_dir, database_url=None).embedded_database
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.delenv("TANPUHUI_DATABASE_URL")
    assert load_settings(data_dir=data_dir).embedded_database


def test_an_import_does_nothing(data_dir: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", "import app.settings, app.embedded.stack"], cwd=data_dir, check=True
    )
    assert list(data_dir.iterdir()) == []
    assert load_settings(data_dir="relative-never-made", **good_keys()).data_dir.is_absolute()


def test_production_refuses_webhooks_to_itself_and_payments_in_the_clear() -> None:
    message = refusal(environment="production", database_url=URL, **good_keys(), webhook_loopback=True)
    assert "TANPUHUI_WEBHOOK_LOOPBACK" in message
    pay = {
        f"wechat_pay_{name}": "x"
        for name in ("merchant_id", "app_id", "serial", "key_file", "platform_keys", "api_key")
    }
    urls = {"wechat_pay_url": "http://pay.example", "wechat_pay_notify_url": "http://tph.example/x"}
    message = refusal(environment="production", database_url=URL, **good_keys(), **pay, **urls)
    assert "TANPUHUI_WECHAT_PAY_URL must begin with https://" in message
    assert "TANPUHUI_WECHAT_PAY_NOTIFY_URL must begin with https://" in message
