"""`tanpuhui neighbours …` against a served neighbour, and settings that do not fit each other."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from helpers import metro
from neighbours.towns import Town

from app.settings import ConfigurationError, load_settings

ROOT = Path(__file__).resolve().parents[2]
KEY = "8f" * 8 + "0123456789abcdef" * 3


async def command(town: Town, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = town.settings
    assert settings.exchange_key is not None
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TANPUHUI_")},
        "TANPUHUI_ENVIRONMENT": "test",
        "TANPUHUI_DATA_DIR": str(settings.data_dir),
        "TANPUHUI_DATABASE_URL": town.services.database.engine.url.set(
            drivername="postgresql"
        ).render_as_string(hide_password=False),
        "TANPUHUI_REDIS_URL": town.redis_url,
    }
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "app.cli", "neighbours", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


async def test_a_neighbour_is_added_pulled_and_disabled(
    towns: tuple[Town, Town], phone: str, tmp_path: Path
) -> None:
    one, other = towns
    await one.holder(phone)
    await one.report(metro(uuid.uuid4().hex, phone))
    client = await one.city.client("neighbour")
    organisation = (await other.city.client("neighbour")).organisation_id
    secret = tmp_path / "secret"
    secret.write_text(client.secret + "\n")
    options = ["--organisation", organisation, "--client-id", client.client_id, "--secret-file", str(secret)]
    added = await command(other, "add", "first", "--url", one.url + "/", *options, "--json")
    assert added.returncode == 0, added.stderr
    shown = json.loads(added.stdout)
    assert (shown["name"], shown["url"], shown["whole"]) == ("first", one.url, False)
    rows = await other.rows("SELECT sealed_secret FROM neighbours WHERE name = 'first'")
    assert client.secret.encode() not in rows[0][0]
    pulled = await command(other, "pull", "first", "--json")
    assert pulled.returncode == 0, pulled.stderr
    told = json.loads(pulled.stdout)
    assert told["claims"] >= 1
    assert told["whole"]
    secret.write_text("wrong")
    await command(other, "add", "first", "--url", one.url, *options)
    refused = await command(other, "pull", "first")
    assert (refused.returncode, "sign-in: status 401" in refused.stderr) == (1, True)
    disabled = await command(other, "disable", "first", "--reason", "over")
    assert disabled.returncode == 0
    trail = await other.rows("SELECT action FROM audit_records WHERE target_type = 'neighbour' ORDER BY id")
    assert {row[0] for row in trail} == {"neighbour.registered", "neighbour.disabled"}


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"exchange_key": KEY}, "no key of a federation"),
        ({"federation_oprf_key": "00" * 31}, "needs 32"),
        ({"federation_url": "https://x.example"}, "FEDERATION_CLIENT_ID is not set"),
        (
            {
                "federation_oprf_key": KEY,
                "federation_url": "https://x.example",
                "federation_client_id": "cli_x",
                "federation_client_secret": "x",
                "federation_key_id": "opk_" + "0" * 32,
            },
            "is the evaluator, or it asks",
        ),
        ({"federation_oprf_key": KEY, "exchange_key": KEY}, "is the same as"),
    ],
)
def test_settings_that_do_not_fit(given: dict[str, Any], fault: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        load_settings(environment="test", data_dir=tmp_path, **given)


def test_in_production_a_placeholder_is_no_key_and_http_no_address(tmp_path: Path) -> None:
    keys = {name: os.urandom(32).hex() for name in ("dedup_key", "identity_key", "receipt_key", "oprf_key")}
    given = {
        "environment": "production",
        "data_dir": tmp_path,
        "database_url": "postgresql://a@h/d",
        "redis_url": "redis://h",
        **keys,
    }
    with pytest.raises(ConfigurationError, match="placeholder"):
        load_settings(**given, federation_oprf_key=os.urandom(32).hex(), exchange_key="ab" * 32)
    asking = {
        "federation_client_id": "cli_x",
        "federation_client_secret": "x",
        "federation_key_id": "opk_" + "0" * 32,
    }
    with pytest.raises(ConfigurationError, match="https://"):
        load_settings(**given, **asking, federation_url="http://x.example")
