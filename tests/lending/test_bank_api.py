"""The adapter against a bank's system that speaks the protocol and misbehaves."""

import asyncio
import datetime
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lending.bank_system import CLIENT, HEAD, SECRET, BankSystem, jws
from starlette.responses import JSONResponse, Response

from app.wiring import utc_now
from integrations import outbound
from integrations.bank.client import BankApi, Message
from integrations.bank.errors import BankAway, BankRefused
from integrations.bank.files import FileUnreadable, read_file
from integrations.partner.signing import PartnerKeys, read_keys

OUR_KEY = Ed25519PrivateKey.generate()
DAY = datetime.date(2026, 11, 20)
FILE = f"{HEAD}\nL-1,100,400,2026-11-20,granted\nL-2,200,385,2026-11-20,cancelled\n"


def message(number: int = 1) -> Message:
    return Message(f"bmg_{number}", "label.fallen", "cus_1", {"to": "yellow"}, utc_now())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def system() -> AsyncIterator[BankSystem]:
    made = BankSystem("org_bank", our_keys=lambda: {"ours": OUR_KEY.public_key().public_bytes_raw()})
    server, listener = made.server()
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.02)
    yield made
    server.should_exit = True
    await task


@pytest_asyncio.fixture(loop_scope="session")
async def api(system: BankSystem) -> AsyncIterator[BankApi]:
    system.faults.clear()
    system.asked.clear()
    system.files.clear()
    system.taken.clear()
    async with outbound.client() as http:
        yield BankApi(
            http,
            system.url,
            system.url + "/oauth/token",
            CLIENT,
            SECRET,
            lambda claims: jws(OUR_KEY, claims, "ours"),
            PartnerKeys(read_keys(system.jwks()), system.name, system.ours),
            utc_now,
            deadline_s=0.5,
        )


async def test_a_message_is_signed_taken_once_and_the_token_is_kept(api: BankApi, system: BankSystem) -> None:
    assert await api.deliver(message()) == "R-bmg_1"
    assert await api.deliver(message()) == "R-bmg_1"
    assert await api.deliver(message(2)) == "R-bmg_2"
    assert system.asked.count("token") == 1
    assert system.taken["bmg_1"]["data"] == {"to": "yellow"}
    assert len(system.taken) == 2


async def test_a_token_that_ended_is_got_anew_once(api: BankApi, system: BankSystem) -> None:
    await api.deliver(message())
    system.tokens.clear()
    await api.deliver(message(2))
    assert system.asked.count("token") == 2
    api.secret = "another"
    system.tokens.clear()
    with pytest.raises(BankAway, match="no token"):
        await api.deliver(message(3))


async def hang(_system: BankSystem, _request: Any) -> Response:
    await asyncio.sleep(1)
    return Response()


def told(**claims: Any) -> Any:
    """Answer so, over what is right."""
    how = claims.pop("how", {})
    return lambda system, _request: system.signed(
        {"in_reply_to": "bmg_1", "status": "accepted", "sha256": "", **claims}, **how
    )


OLD = int(utc_now().timestamp()) - 3600
AWAY = {
    "hangs": hang,
    "500": lambda _s, _r: Response(status_code=500),
    "429": lambda _s, _r: Response(status_code=429),
    "a redirect": lambda _s, _r: Response(status_code=302, headers={"Location": "http://127.0.0.1:9/"}),
    "no JWS": lambda _s, _r: JSONResponse({"status": "accepted"}),
    "bytes": lambda _s, _r: Response(b"\xff\xfe"),
    "too long": lambda _s, _r: Response(b"x" * 70_000),
    "another's key": told(how={"key": Ed25519PrivateKey.generate()}),
    "an unknown key": told(how={"kid": "other"}),
    "no signature": told(how={"alg": "none"}),
    "another issuer": told(iss="org_other"),
    "for another": told(aud="other"),
    "an hour old": told(iat=OLD),
    "about another message": told(in_reply_to="bmg_9"),
}


@pytest.mark.parametrize("fault", AWAY.values(), ids=AWAY.keys())
async def test_what_cannot_be_believed_is_asked_again(api: BankApi, system: BankSystem, fault: Any) -> None:
    system.faults.append(fault)
    with pytest.raises(BankAway):
        await api.deliver(message())
    assert not system.taken
    assert await api.deliver(message()) == "R-bmg_1"


async def test_an_answer_is_no_good_for_another_message(api: BankApi, system: BankSystem) -> None:
    await api.deliver(message())
    replayed = system.last
    system.faults.append(lambda _s, _r: Response(replayed))
    with pytest.raises(BankAway, match="something else"):
        await api.deliver(message(2))


async def test_a_message_whose_answer_was_lost_is_taken_once(api: BankApi, system: BankSystem) -> None:
    async def late(_system: BankSystem, _request: Any) -> None:
        await asyncio.sleep(0.8)

    system.faults.append(late)
    with pytest.raises(BankAway):
        await api.deliver(message())
    await api.deliver(message())
    await asyncio.sleep(0.5)
    assert list(system.taken) == ["bmg_1"]


@pytest.mark.parametrize("fault", [lambda _s, _r: Response(status_code=422), told(status="refused")])
async def test_a_refusal_is_final(api: BankApi, system: BankSystem, fault: Any) -> None:
    system.faults.append(fault)
    with pytest.raises(BankRefused):
        await api.deliver(message())


async def test_a_file_is_read_where_its_hash_is_signed(api: BankApi, system: BankSystem) -> None:
    assert await api.daily_file(DAY) is None
    system.files[DAY.isoformat()] = FILE
    lines = await api.daily_file(DAY)
    assert lines is not None
    assert [(line.number, line.amount_fen, line.state) for line in lines] == [
        ("L-1", 100, "granted"),
        ("L-2", 200, "cancelled"),
    ]
    system.faults += [lambda _s, _r: None, lambda _s, _r: Response(FILE.replace("100", "900"))]
    with pytest.raises(BankAway, match="not the one"):
        await api.daily_file(DAY)
    system.faults.append(told(day="2026-11-19"))
    with pytest.raises(BankAway, match="another day"):
        await api.daily_file(DAY)
    system.faults.append(told(day=DAY.isoformat(), how={"key": Ed25519PrivateKey.generate()}))
    with pytest.raises(BankAway, match="not signed"):
        await api.daily_file(DAY)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "number,amount\nL-1,1",
        FILE + "L-3,1,1,2026-11-20,granted\n",
        FILE.replace("L-2", "L-1"),
        FILE.replace("200", "-2"),
        FILE.replace("200", "2e9"),
        FILE.replace("200", "9" * 5000),
        FILE.replace("cancelled", "lost"),
        FILE.replace("2026-11-20,granted", "yesterday,granted"),
        FILE.replace("L-1", "L" * 65),
        FILE.replace(",385", ""),
    ],
)
def test_a_file_that_is_none(content: str) -> None:
    with pytest.raises(FileUnreadable):
        read_file(content.encode(), 2)


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(FileUnreadable):
        read_file(b"\xff\xff", 0)


@pytest.mark.parametrize(
    "jwks",
    [
        "",
        "{}",
        '{"keys": []}',
        json.dumps({"keys": [{"kty": "oct", "k": "AAAA", "alg": "HS256", "kid": "a"}]}),
        json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}]}),
    ],
)
def test_keys_that_are_none(jwks: str) -> None:
    with pytest.raises(ValueError, match="key"):
        read_keys(jwks)


def test_no_secret_is_shown(system: BankSystem) -> None:
    keys = PartnerKeys(read_keys(system.jwks()), system.name, system.ours)
    made = BankApi(httpx.AsyncClient(), "", "", CLIENT, SECRET, lambda _: "", keys, utc_now)
    assert SECRET not in repr(made)
