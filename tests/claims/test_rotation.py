"""While the key of person keys rotates: both evaluate, holders who come by get the next, claims are made under both."""

import asyncio
import json
import os
from typing import Any

import asyncpg
import pytest
from claims.made import at, ride
from helpers import Caller, City, metro
from tanpuhui_platform import AsyncPlatform, Identifier, encoded
from typer.testing import CliRunner

from accounts.ids import parse_public_id
from app.auth.entering import PHONE, Proven, Wish
from app.cli import app
from app.settings import ConfigurationError, Settings, load_settings
from app.tokens.exchange import check_present_key
from app.verification import verify
from app.wiring import Services, utc_now


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return load_settings(
        **{name: getattr(settings, name) for name in settings.model_fields_set}, oprf_next_key=os.urandom(32)
    )


async def keys_of(owner: asyncpg.Connection, holder: str) -> tuple[Any, Any]:
    row = await owner.fetchrow(
        "SELECT person_key, next_person_key FROM holders WHERE id = $1", parse_public_id("hld", holder)
    )
    return row[0], row[1]


async def forget_next(owner: asyncpg.Connection, holder: str) -> None:
    """As of a holder who was onboarded before the rotation."""
    await owner.execute(
        "UPDATE holders SET next_person_key = NULL WHERE id = $1", parse_public_id("hld", holder)
    )


async def claimed(platform: Caller, *claims: dict[str, Any]) -> list[tuple[str, Any]]:
    answer = await platform.post("/v1/claims/batch", json=list(claims))
    return [(each["outcome"], each["winner_id"]) for each in answer.json()["items"]]


async def test_a_platform_evaluates_under_both_and_holders_keep_both(
    city: City, base_url: str, owner: asyncpg.Connection, phone: str
):
    operator, client = await city.client("operator", "440000"), await city.client("platform")
    holder = await city.holder(operator, phone)
    async with AsyncPlatform(base_url, client.client_id, client.secret) as platform:
        present, following = await platform.keys()
        assert (present.state, following.state) == ("present", "next")
        mine = [Identifier("phone", phone)]
        old, new = [(await platform.person_keys(mine, key=key))[0] for key in (present, following)]
    assert old != new
    assert await keys_of(owner, holder) == (old, new)


async def test_acts_are_claimed_under_both_keys(
    city: City, service: Services, owner: asyncpg.Connection, phone: str
):
    operator, source, platform = (
        await city.client("operator", "440000"),
        await city.client("platform"),
        await city.client("platform"),
    )
    holder = await city.holder(operator, phone, source)
    old, new = (encoded(key) for key in await keys_of(owner, holder))
    first = (await source.post("/v1/activities", json=metro("ro-1", phone, order_no="RO-1"))).json()
    assert first["outcome"] == "credited"
    lost = await claimed(platform, ride("o", old), ride("n", new), ride("b", old, person_keys=[old, new]))
    assert lost == [("duplicate", first["activity_id"])] * 3
    reversed_ = await source.post(f"/v1/activities/{first['activity_id']}/reversal", json={"reason": "x"})
    assert reversed_.status_code == 200
    assert [each for each, _ in await claimed(platform, ride("n2", new))] == ["claimed"]
    again = (await source.post("/v1/activities", json=metro("ro-2", phone))).json()
    assert (again["outcome"], again["reason"]) == ("duplicate", "claimed_body")

    # Onboarded before the rotation: a platform that sends both keys meets the holder, one that sends the next only
    # does not, until the holder comes by.
    await forget_next(owner, holder)
    report = metro("ro-3", phone, **at("12:00", "12:25"))
    third = (await source.post("/v1/activities", json=report)).json()
    assert third["outcome"] == "credited"
    both = ride("b3", old, person_keys=[old, new], **at("12:00", "12:25"))
    assert await claimed(platform, both) == [("duplicate", third["activity_id"])]
    async with service.database.snapshot() as driver:
        assert not [each async for each in verify(driver) if each.breach is not None]


async def test_who_comes_by_again_gets_the_next_key_and_nobody_elses(
    city: City, service: Services, owner: asyncpg.Connection, phones: Any
):
    operator, source = await city.client("operator", "440000"), await city.client("platform")
    one, two = phones(), phones()
    holder = await city.holder(operator, one)
    present, following = await keys_of(owner, holder)
    await forget_next(owner, holder)
    assert await city.holder(operator, one, source) == holder
    assert await keys_of(owner, holder) == (present, following)

    # By signing in with the number that the key is of.
    await forget_next(owner, holder)
    async with service.database.transaction() as session:
        entered = await service.sign_in.door.enter(
            session, Proven(phone=one), Wish("440300", is_14_or_older=True), utc_now()
        )
    assert entered.holder_id == parse_public_id("hld", holder)
    assert await keys_of(owner, holder) == (present, following)

    # Another number of the same holder is not what its key is made of.
    await forget_next(owner, holder)
    both = {
        "kind": "person",
        "region": "440300",
        "identities": [{"scheme": PHONE, "value": two}, {"scheme": PHONE, "value": one}],
        "consents": [],
    }
    answer = await operator.post("/v1/operator/holders/batch", json={"holders": [both]})
    assert answer.json()["items"][0]["holder_id"] == holder
    assert await keys_of(owner, holder) == (present, None)


async def test_the_exchange_makes_next_keys_the_present_ones_and_binds_the_settings(
    city: City,
    service: Services,
    settings: Settings,
    owner: asyncpg.Connection,
    database_urls: tuple[str, str],
    phones: Any,
):
    operator = await city.client("operator", "440000")
    with_next, without = [await city.holder(operator, phones()) for _ in range(2)]
    await forget_next(owner, without)
    old, new = await keys_of(owner, with_next)
    left = await keys_of(owner, without)
    counted = await command(settings, database_urls, "status", "--json")
    told = json.loads(counted[1])
    assert told["holders"] - told["with_next"] == await owner.fetchval(
        "SELECT count(*) FROM holders WHERE next_person_key IS NULL"
    )
    refused = await command(settings, database_urls, "exchange", "--reason", "x")
    assert (refused[0], await keys_of(owner, with_next)) == (1, (old, new))

    done = await command(
        settings, database_urls, "exchange", "--reason", "yearly", "--leave-behind", "100", "--json"
    )
    assert done[0] == 0, done
    assert json.loads(done[1]) == {
        "exchanged": told["with_next"],
        "left_behind": told["holders"] - told["with_next"],
    }
    assert await keys_of(owner, with_next) == (new, None)
    assert await keys_of(owner, without) == left
    # The former settings no longer fit what is in the database; the next key as the present one does.
    async with service.database.reading() as session:
        with pytest.raises(ConfigurationError, match="TANPUHUI_OPRF_KEY"):
            await check_present_key(session, service.person_keys)
        assert service.person_keys.following is not None
        await check_present_key(session, service.person_keys.following)
    trail = await owner.fetchrow(
        "SELECT reason, after FROM audit_records WHERE action = 'person_keys.exchanged'"
    )
    assert trail["reason"] == "yearly"


async def command(settings: Settings, database_urls: tuple[str, str], *arguments: str) -> tuple[int, str]:
    assert settings.oprf_next_key is not None
    environment = {
        "TANPUHUI_ENVIRONMENT": "test",
        "TANPUHUI_DATA_DIR": str(settings.data_dir),
        "TANPUHUI_DATABASE_URL": database_urls[0],
        "TANPUHUI_REDIS_URL": "redis://127.0.0.1:1",
        "TANPUHUI_OPRF_NEXT_KEY": settings.oprf_next_key.get_secret_value().hex(),
    }
    # On a thread, since a command brings an event loop of its own.
    done = await asyncio.to_thread(CliRunner().invoke, app, ["person-keys", *arguments], env=environment)
    return done.exit_code, done.stdout
