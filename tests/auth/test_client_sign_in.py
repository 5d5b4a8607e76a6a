"""OAuth2 client credentials: who gets a token, what it says, and how long it counts."""

import asyncio
import base64
import datetime
import statistics
import time
from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx
import jwt
import pytest
from argon2 import PasswordHasher
from auth.altered import Altered
from helpers import Caller, City, metro

from app.auth import clients, scopes
from app.auth.clients import create_client
from app.auth.models import OrganisationKind
from app.auth.scopes import ALLOWED
from app.auth.tokens import AUDIENCE, ISSUER
from app.wiring import Services

FORM = {"grant_type": "client_credentials"}


@pytest.fixture(scope="module", autouse=True)
def true_secrets() -> Iterator[None]:
    """Here hashes cost what they cost in the service."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clients, "_HASHER", PasswordHasher())
        clients._nobodys.cache_clear()
        yield
    clients._nobodys.cache_clear()


async def sign_in(city: City, *, basic: tuple[str, str] | None = None, **form: str) -> httpx.Response:
    return await city.http.post("/oauth/token", data=FORM | form, auth=basic)  # type: ignore[arg-type]


async def test_a_token_by_basic_and_by_form(city: City) -> None:
    client = await city.client("platform")
    by_basic = await sign_in(city, basic=(client.client_id, client.secret))
    by_form = await sign_in(city, client_id=client.client_id, client_secret=client.secret)
    for answer in (by_basic, by_form):
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        told = answer.json()
        assert (told["token_type"], told["expires_in"]) == ("Bearer", 900)
        assert set(told["scope"].split()) == set(ALLOWED[OrganisationKind.PLATFORM])
        claims = jwt.decode(told["access_token"], options={"verify_signature": False})
        assert claims["exp"] - claims["iat"] == 900
        assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, AUDIENCE, client.client_id)
        assert claims["org"] == client.organisation_id
        # A token is anybody's to read: it holds no secret.
        assert client.secret not in str(claims)
    assert by_basic.json()["access_token"] != by_form.json()["access_token"]


async def test_fewer_scopes_on_request(city: City) -> None:
    client = await city.client("platform")
    answer = await sign_in(city, basic=(client.client_id, client.secret), scope=scopes.ACTIVITIES_READ)
    assert answer.json()["scope"] == scopes.ACTIVITIES_READ
    weak = Caller(city.http, answer.json()["access_token"], "", "", "")
    refused = await weak.post("/v1/activities", json=metro("weak", "13700000000"))
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.scope")


async def test_a_wrong_secret(city: City) -> None:
    client = await city.client("platform")
    tries: list[dict[str, Any]] = [
        {"basic": (client.client_id, "wrong")},
        {"basic": (client.client_id, "")},
        {"basic": (client.client_id, client.secret + " ")},
        {"basic": (client.client_id, client.secret[:-1])},
        {"basic": (client.client_id, "x" * 5000)},
        {"basic": ("cli_nobody", client.secret)},
        {"basic": ("", "")},
        {"client_id": client.client_id, "client_secret": "wrong"},
        {"client_id": client.client_id},
        {"client_id": client.client_id + "\u0000", "client_secret": client.secret},
        {"client_id": "' OR 1=1 --", "client_secret": "x"},
        {},
    ]
    texts = set()
    for attempt in tries:
        answer = await sign_in(city, **attempt)
        assert answer.status_code == 401, (attempt, answer.text)
        told = answer.json()
        assert (told["error"], told["code"]) == ("invalid_client", "auth.client")
        assert answer.headers["www-authenticate"].startswith("Basic")
        assert client.secret not in answer.text
        assert client.client_id not in answer.text
        texts.add(answer.text)
    assert len(texts) == 1
    for header in ("Basic !!!", "Basic " + base64.b64encode(b"\xff\xfe").decode(), "Basic", "Basic ="):
        answer = await city.http.post("/oauth/token", data=FORM, headers={"Authorization": header})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), header


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
        ({"scope": "admin"}, 400, "invalid_scope"),
        ({"scope": scopes.HOLDERS_WRITE}, 400, "invalid_scope"),
        ({"scope": f"{scopes.ACTIVITIES_READ} {scopes.ME_READ}"}, 400, "invalid_scope"),
    ],
)
async def test_what_else_is_refused(city: City, form: dict[str, str], status: int, error: str) -> None:
    client = await city.client("platform")
    answer = await sign_in(city, **({"client_id": client.client_id, "client_secret": client.secret} | form))
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"grant_type",
        b"&&&",
        b"=",
        b"grant_type=client_credentials&grant_type=client_credentials",
        b"grant_type=%ff%fe",
        b"\xff\xfe=1",
        b"&".join(b"a%d=1" % i for i in range(2000)),
    ],
)
async def test_a_form_that_is_none(city: City, body: bytes) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await city.http.post("/oauth/token", content=body, headers=kind)
    assert answer.status_code in (400, 413), answer.text
    answer = await city.http.post("/oauth/token", json=FORM)
    assert (answer.status_code, answer.json()["code"]) == (415, "request.media_type")


async def test_nobody_can_time_whether_a_client_is_there(city: City) -> None:
    client = await city.client("platform")
    times: dict[str, list[float]] = {client.client_id: [], "cli_" + "0" * 24: []}
    for _ in range(7):
        for name, taken in times.items():
            began = time.perf_counter()
            assert (await sign_in(city, basic=(name, "wrong"))).status_code == 401
            taken.append(time.perf_counter() - began)
    there, nowhere = (statistics.median(taken) for taken in times.values())
    # A check of a secret takes tens of milliseconds; without one the answer comes in two.
    assert min(there, nowhere) > 0.25 * max(there, nowhere), times


async def test_secrets_are_kept_as_argon2_only(
    city: City, service: Services, owner: asyncpg.Connection
) -> None:
    async with service.database.transaction() as session:
        now = datetime.datetime.now(datetime.UTC)
        made = [
            await create_client(session, OrganisationKind(kind), "kept", "440300", None, now)
            for kind in ("platform", "platform", "operator", "bank", "merchant")
        ]
    assert len({client.secret for client in made}) == 5
    assert made[0].organisation_id == made[1].organisation_id != made[2].organisation_id
    rows = await owner.fetch("SELECT id, secret_hash, clients::text AS whole FROM clients")
    hashes = {row["id"]: row["secret_hash"] for row in rows}
    for client in made:
        assert len(client.secret) >= 32
        assert hashes[client.client_id].startswith("$argon2id$")
        assert all(client.secret not in row["whole"] for row in rows)
    assert len(set(hashes.values())) == len(hashes)
    keys = await owner.fetch("SELECT private_key, public_key FROM signing_keys")
    assert keys
    for key in keys:
        # Longer than a bare key, for it is sealed.
        assert len(key["private_key"]) > 32
        assert key["public_key"] not in key["private_key"]


@pytest.mark.parametrize("kind", list(OrganisationKind))
async def test_a_kind_holds_its_own_scopes_only(service: Services, kind: OrganisationKind) -> None:
    now = datetime.datetime.now(datetime.UTC)
    for scope in set(scopes.DESCRIPTIONS) - set(ALLOWED[kind]):
        with pytest.raises(ValueError, match="cannot hold"):
            async with service.database.transaction() as session:
                await create_client(session, kind, "x", "440300", (scope,), now)


async def test_a_disabled_client_is_out_within_the_refresh(
    city: City, owner: asyncpg.Connection, phone: str
) -> None:
    source, operator, bystander = [await city.client(kind) for kind in ("platform", "operator", "platform")]
    holder = await city.holder(operator, phone)
    resident = await city.resident(operator, holder)
    batch = "/v1/activities/batch"
    for who in (source, bystander):
        assert (await who.post(batch, json=[])).status_code == 200
    assert (await resident.get("/v1/me/account")).status_code == 200
    await owner.execute(
        "UPDATE clients SET disabled_at = now() WHERE id = ANY($1::varchar[])",
        [source.client_id, operator.client_id],
    )
    # No new token at once; the ones that are out, and cached, end with the next refresh.
    assert (await sign_in(city, basic=(source.client_id, source.secret))).status_code == 401
    async with asyncio.timeout(12):
        while (await source.post(batch, json=[])).status_code == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    refused = await source.post(batch, json=[])
    assert (refused.status_code, refused.json()["code"]) == (401, "auth.invalid")
    assert (await operator.get(f"/v1/operator/holders/{holder}")).status_code == 401
    # Also what it issued to residents, and nobody else's.
    assert (await resident.get("/v1/me/account")).status_code == 401
    assert (await bystander.post(batch, json=[])).status_code == 200
    await owner.execute("UPDATE clients SET disabled_at = NULL WHERE id = $1", source.client_id)
    assert (await sign_in(city, basic=(source.client_id, source.secret))).status_code == 200


async def test_a_flood_of_sign_ins_leaves_the_database_to_reports(
    service: Services, altered: Altered
) -> None:
    """Secrets are checked a few at a time and without holding a connection."""
    pool = service.database.engine.pool
    async with altered() as http:
        flood = [
            asyncio.create_task(http.post("/oauth/token", data=FORM, auth=(f"cli_flood{index}", "x")))
            for index in range(14)
        ]
        held = []
        while not all(task.done() for task in flood):
            await asyncio.sleep(0.01)
            if sum(not task.done() for task in flood) >= 4:
                held.append(pool.checkedout())  # type: ignore[attr-defined]
        assert {(await task).status_code for task in flood} == {401}
    # At first each looks for its client; then they wait for the two threads, and hold nothing.
    assert len(held) > 3
    assert held[-1] == 0
    assert statistics.median(held) == 0
