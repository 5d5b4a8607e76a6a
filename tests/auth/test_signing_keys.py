"""Keys: published for every verifier, rotated with overlap, kept sealed."""

import asyncio
import datetime
from uuid import UUID, uuid4

import asyncpg
import jwt
import pytest
from cryptography.exceptions import InvalidTag
from helpers import City

from app.auth.keys import OVERLAP, PUBLISHED_AHEAD, ROTATION, KeyRing
from app.auth.principal import Principal
from app.auth.tokens import AUDIENCE, ISSUER, Tokens
from app.problems import RequestError
from app.wiring import Services, utc_now


def principal(expires_at: datetime.datetime, client_id: str = "cli_x") -> Principal:
    return Principal(
        client_id=client_id,
        organisation_id=uuid4(),
        name="x",
        region="440300",
        scopes=frozenset({"a:b:c"}),
        expires_at=int(expires_at.timestamp()),
    )


async def test_a_stranger_verifies_by_the_published_document(city: City) -> None:
    caller = await city.client("platform")
    answer = await city.http.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    for key in answer.json()["keys"]:
        assert set(key) == {"kty", "crv", "use", "alg", "kid", "x"}
        assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "EdDSA")
    header = jwt.get_unverified_header(caller.token)
    assert header["alg"] == "EdDSA"
    known = {key.key_id: key for key in jwt.PyJWKSet.from_dict(answer.json()).keys}
    claims = jwt.decode(
        caller.token, known[header["kid"]].key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=ISSUER
    )
    assert claims["org"] == caller.organisation_id
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(
            caller.token[:-8] + "AAAAAAAA", known[header["kid"]].key, algorithms=["EdDSA"], audience=AUDIENCE
        )


async def test_keys_rotate_with_overlap(city: City, service: Services) -> None:
    ring = service.tokens.keys
    caller = await city.client("platform")
    old_kid = jwt.get_unverified_header(caller.token)["kid"]
    now = utc_now()
    async with service.database.transaction() as session:
        assert not await ring.rotate(session, now)
        assert await ring.rotate(session, now, force=True)
    async with service.database.reading() as session:
        await ring.refresh(session, now)
    published = {key["kid"] for key in ring.jwks()["keys"]}
    (new_kid,) = published - {old_kid}
    # Published first, signing later.
    assert ring.signing(now).kid == old_kid
    assert ring.signing(now + PUBLISHED_AHEAD - datetime.timedelta(seconds=1)).kid == old_kid
    assert ring.signing(now + PUBLISHED_AHEAD).kid == new_kid
    last = service.tokens.issue(principal(now + datetime.timedelta(minutes=15)), now)
    assert jwt.get_unverified_header(last)["kid"] == old_kid
    later = now + PUBLISHED_AHEAD
    newer = service.tokens.issue(principal(later + datetime.timedelta(minutes=15)), later)
    assert jwt.get_unverified_header(newer)["kid"] == new_kid
    # Every token outlives the change of keys, and none the overlap.
    lifetime = datetime.timedelta(seconds=service.settings.access_token_seconds)
    assert lifetime < OVERLAP
    last_moment = later + OVERLAP
    assert ring.find(old_kid, later + lifetime) is not None
    assert ring.find(old_kid, last_moment - datetime.timedelta(seconds=1)) is not None
    assert ring.find(old_kid, last_moment) is None
    assert ring.find(new_kid, last_moment) is not None
    async with service.database.reading() as session:
        await ring.refresh(session, last_moment)
        assert [key["kid"] for key in ring.jwks()["keys"]] == [new_kid]
        await ring.refresh(session, now)
    # The running service learns of it by itself, and old tokens stay good.
    async with asyncio.timeout(12):
        while True:
            keys = (await city.http.get("/.well-known/jwks.json")).json()["keys"]
            if {key["kid"] for key in keys} == published:
                break
            await asyncio.sleep(0.2)
    assert (await caller.post("/v1/activities/batch", json=[])).status_code == 200
    assert jwt.get_unverified_header((await city.client("platform")).token)["kid"] == old_kid


async def test_an_old_key_is_replaced_by_itself_and_once(service: Services) -> None:
    now = utc_now()
    ring = service.tokens.keys
    soon, then = now + ROTATION - datetime.timedelta(hours=2), now + ROTATION + datetime.timedelta(hours=2)

    async def rotate(at: datetime.datetime) -> bool:
        async with service.database.transaction() as session:
            return await KeyRing(service.settings.receipt_key.get_secret_value()).rotate(session, at)

    assert not await rotate(soon)
    assert sum(await asyncio.gather(*(rotate(then) for _ in range(5)))) == 1
    async with service.database.reading() as session:
        await ring.refresh(session, now)


async def test_a_private_key_opens_with_the_deployments_secret_only(
    service: Services, owner: asyncpg.Connection
) -> None:
    stranger = KeyRing(b"another deployment's secret 1234")
    async with service.database.reading() as session:
        with pytest.raises(InvalidTag):
            await stranger.refresh(session, utc_now())
    right = KeyRing(service.settings.receipt_key.get_secret_value())
    async with service.database.reading() as session:
        await right.refresh(session, utc_now())
    stored = await owner.fetch("SELECT private_key FROM signing_keys")
    for key in right._keys.values():
        assert all(key.private.private_bytes_raw() not in row["private_key"] for row in stored)


async def test_what_is_known_ends_as_well(service: Services) -> None:
    tokens = Tokens(service.tokens.keys, 900)
    now = utc_now()
    token = tokens.issue(principal(now + datetime.timedelta(seconds=60)), now)
    known = tokens.verify(token, now)
    assert tokens.verify(token, now + datetime.timedelta(seconds=59)) is known
    with pytest.raises(RequestError) as refused:
        tokens.verify(token, now + datetime.timedelta(seconds=60))
    assert refused.value.code == "auth.invalid"
    # One character more, in the signature's last place, is another token.
    for changed in (token + "A", token[:-1] + ("A" if token[-1] != "A" else "Q"), token + "="):
        with pytest.raises(RequestError):
            tokens.verify(changed, now)


async def test_a_cached_token_of_a_disabled_client(service: Services) -> None:
    ring = KeyRing(service.settings.receipt_key.get_secret_value())
    now = utc_now()
    async with service.database.reading() as session:
        await ring.refresh(session, now)
    tokens = Tokens(ring, 900)
    token = tokens.issue(principal(now + datetime.timedelta(minutes=5), "cli_out"), now)
    assert tokens.verify(token, now).client_id == "cli_out"
    ring.disabled_clients = frozenset({"cli_out"})
    for _ in range(2):
        with pytest.raises(RequestError):
            tokens.verify(token, now)


async def test_a_holder_and_an_organisation_are_not_mistaken(service: Services) -> None:
    now = utc_now()
    whose = UUID(int=7)
    given = Principal(
        "cli_a", UUID(int=5), "名", "440300", frozenset({"x:y:z", "a:b:c"}), int(now.timestamp()) + 60, whose
    )
    back = service.tokens.verify(service.tokens.issue(given, now), now)
    assert back == given
    plain = principal(now + datetime.timedelta(minutes=1))
    assert service.tokens.verify(service.tokens.issue(plain, now), now).holder_id is None
