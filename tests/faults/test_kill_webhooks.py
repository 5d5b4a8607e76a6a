"""`kill -9` between the commit of what is to be told and its delivery: it is told after the next start."""

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio
from faults.test_kill import Service
from helpers import metro
from webhooks.receiver import Received, receiving

from app.auth.clients import create_client
from app.auth.models import OrganisationKind
from app.database import Database, engine_for
from app.wiring import utc_now


@pytest_asyncio.fixture(loop_scope="session")
async def killed() -> AsyncIterator[Service]:
    folder = Path(tempfile.mkdtemp(prefix="tph-hooks-"))
    made = Service(folder)
    made.environment |= {"TANPUHUI_WEBHOOK_LOOPBACK": "1", "TANPUHUI_WEBHOOK_RETRY_SECONDS": "0.5"}
    made.environment["TANPUHUI_WEBHOOK_TIMEOUT_SECONDS"] = "2"  # Its lease ends with it.
    yield made
    await made.stop()
    shutil.rmtree(folder, ignore_errors=True)


async def signed_in(service: Service, kind: str) -> httpx.AsyncClient:
    database = Database(engine_for(service.postgres.service_url))
    async with database.transaction() as session:
        made = await create_client(session, OrganisationKind(kind), kind, "100000", None, utc_now())
    await database.close()
    http = httpx.AsyncClient(base_url=service.url, timeout=30)
    form = {"grant_type": "client_credentials"}
    token = (await http.post("/oauth/token", data=form, auth=(made.client_id, made.secret))).json()
    http.headers["Authorization"] = f"Bearer {token['access_token']}"
    http.headers["X-Organisation"] = made.organisation_id
    return http


async def test_what_was_committed_is_told_after_a_kill(killed: Service) -> None:
    def first_hangs(_: Received) -> int | None:
        return None if not done else 204

    done: list[bool] = []
    async with receiving(first_hangs) as receiver:
        await killed.start()
        async with (
            contextlib.aclosing(await signed_in(killed, "operator")) as operator,
            contextlib.aclosing(await signed_in(killed, "platform")) as source,
        ):
            consent = {
                "source_id": source.headers["X-Organisation"],
                "scene_groups": ["trip", "movement"],
                "text_version": "t",
                "receipt_id": "r",
                "granted_at": "2020-01-01T00:00:00Z",
            }
            person = {
                "kind": "person",
                "region": "440300",
                "identities": [{"scheme": "phone", "value": "13900000001"}],
                "consents": [consent],
            }
            await operator.post("/v1/operator/holders/batch", json={"holders": [person]})
            hook = {"url": receiver.url, "event_types": ["activity.credited"]}
            webhook = (await source.post("/v1/webhooks", json=hook)).json()
            answer = await source.post("/v1/activities", json=metro("killed", "13900000001"))
            activity = answer.json()["activity_id"]
            # It is being delivered, and nobody has answered: now the process dies.
            await receiver.until(1)
            await killed.kill()
        lost = len(receiver.received)
        done.append(True)
        await killed.start()
        again = (await receiver.until(lost + 1, seconds=90))[-1]
        assert again.verified(webhook["secret"])["data"]["activity_id"] == activity
        assert json.loads(receiver.received[0].body)["id"] == json.loads(again.body)["id"]
        await asyncio.sleep(2)
        assert len(receiver.received) == lost + 1
        await killed.verify()
