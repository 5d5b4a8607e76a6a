"""The real clients against local servers that speak the providers' protocols: errors, time-outs, rubbish."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sign_in.desk import Clock, Desk
from sign_in.providers import ALIPAY_APP, WECHAT_APP, WECHAT_SECRET, Providers

from accounts.errors import DomainError
from integrations import outbound
from integrations.alipay.keys import private_key, public_key
from integrations.alipay.oauth import AlipayOAuth
from integrations.errors import CodeRefused, PersonBlocked, PhoneRefused, ProviderBusy, ProviderFailed
from integrations.sms.aliyun import AliyunSms, canonical_query, signature
from integrations.wechat.mini_program import MiniProgram

SESSION, TOKEN, PHONE = "/sns/jscode2session", "/cgi-bin/stable_token", "/wxa/business/getuserphonenumber"
GATEWAY, SMS = "/gateway.do", "/"
ODD = {
    "rubbish": ProviderFailed,
    "array": ProviderFailed,
    "empty": ProviderFailed,
    "big": ProviderFailed,
    "nothing": ProviderFailed,
    "odd_types": ProviderFailed,
    "404": ProviderFailed,
    "redirect": ProviderFailed,
    "500": ProviderBusy,
    "429": ProviderBusy,
}


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with outbound.client() as client:
        yield client


@pytest.fixture
def wechat(http: httpx.AsyncClient, providers: Providers) -> MiniProgram:
    return MiniProgram(http, WECHAT_APP, WECHAT_SECRET, providers.url)


@pytest.fixture
def alipay(http: httpx.AsyncClient, providers: Providers) -> AlipayOAuth:
    given = providers.settings()
    keys = private_key(given["alipay_private_key"]), public_key(given["alipay_public_key"])
    return AlipayOAuth(http, ALIPAY_APP, *keys, Clock(), given["alipay_url"])


@pytest.fixture
def sms(http: httpx.AsyncClient, providers: Providers) -> AliyunSms:
    given = providers.settings()
    names = ("access_key_id", "access_key_secret", "sign_name", "template_code")
    return AliyunSms(http, *(given[f"sms_{name}"] for name in names), Clock(), providers.url)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "DEADLINE_S", 0.5)


def calls(providers: Providers, path: str) -> int:
    return providers.asked.count(path)


# WeChat


async def test_who_a_wechat_user_is(wechat: MiniProgram, providers: Providers) -> None:
    providers.wechat_users |= {"w1": {"openid": "o1"}, "w2": {"openid": "o1", "unionid": "u1"}}
    assert (await wechat.identify("w1")).identifiers == (("wechat_openid", "o1", WECHAT_APP),)
    both = await wechat.identify("w2")
    assert both.identifiers == (("wechat_unionid", "u1", "union"), ("wechat_openid", "o1", WECHAT_APP))
    # What it prints is no identifier.
    assert "o1" not in repr(both)
    assert "u1" not in str(both)


@pytest.mark.parametrize(
    ("code", "error", "retry_after"),
    [
        ("never given", CodeRefused, None),
        ("risk", PersonBlocked, None),
        ("busy", ProviderBusy, 5),
        ("often", ProviderBusy, 60),
        ("quota", ProviderBusy, 60),
    ],
)
async def test_what_code2session_refuses(
    wechat: MiniProgram, providers: Providers, code: str, error: type[DomainError], retry_after: int | None
) -> None:
    before = calls(providers, SESSION)
    with pytest.raises(error) as caught:
        await wechat.identify(code)
    assert caught.value.retry_after_s == retry_after
    # A code is used up by asking: nothing is asked twice.
    assert calls(providers, SESSION) == before + 1


async def test_a_wechat_code_counts_once(wechat: MiniProgram, providers: Providers) -> None:
    providers.wechat_users["once"] = {"openid": "o2"}
    await wechat.identify("once")
    with pytest.raises(CodeRefused):
        await wechat.identify("once")


async def test_a_wrong_secret_of_ours(http: httpx.AsyncClient, providers: Providers) -> None:
    with pytest.raises(ProviderFailed):
        await MiniProgram(http, WECHAT_APP, "wrong", providers.url).identify("x")
    with pytest.raises(ProviderFailed):
        await MiniProgram(http, "wx0", WECHAT_SECRET, providers.url).identify("x")
    with pytest.raises(ProviderFailed):
        await MiniProgram(http, WECHAT_APP, "wrong", providers.url).phone_number("x")


async def test_the_phone_of_a_wechat_user(wechat: MiniProgram, providers: Providers) -> None:
    providers.wechat_phones |= {"p1": "13900000031", "p2": "13900000032", "p3": "2025550100@1"}
    before = calls(providers, TOKEN)
    assert await wechat.phone_number("p1") == "13900000031"
    assert await wechat.phone_number("p2") == "13900000032"
    # One access token serves both.
    assert calls(providers, TOKEN) == before + 1
    with pytest.raises(PhoneRefused):
        await wechat.phone_number("p3")
    for used in ("p1", "never given"):
        with pytest.raises(CodeRefused):
            await wechat.phone_number(used)


async def test_an_access_token_that_ended_early(wechat: MiniProgram, providers: Providers) -> None:
    providers.wechat_phones |= {"early-1": "13900000033", "early-2": "13900000034"}
    await wechat.phone_number("early-1")
    providers.tokens.append("wechat-access-token-renewed")
    asked = calls(providers, PHONE)
    assert await wechat.phone_number("early-2") == "13900000034"
    assert calls(providers, PHONE) == asked + 2


async def test_an_access_token_that_never_works_ends_in_an_error(
    wechat: MiniProgram, providers: Providers
) -> None:
    providers.wechat_phones["never"] = "13900000035"
    wechat._token = ("stale", time.monotonic() + 60)
    wechat._forget = lambda _token: None  # type: ignore[method-assign]
    asked = calls(providers, PHONE)
    with pytest.raises(ProviderFailed):
        await wechat.phone_number("never")
    assert calls(providers, PHONE) == asked + 2


async def test_fifty_at_once_fetch_one_access_token(wechat: MiniProgram, providers: Providers) -> None:
    providers.wechat_phones |= {f"many-{number}": "13900000036" for number in range(50)}
    before = calls(providers, TOKEN)
    await asyncio.gather(*(wechat.phone_number(f"many-{number}") for number in range(50)))
    assert calls(providers, TOKEN) == before + 1


@pytest.mark.parametrize("path", [SESSION, TOKEN, PHONE])
@pytest.mark.parametrize("how", ODD)
async def test_wechat_answers_rubbish(wechat: MiniProgram, providers: Providers, path: str, how: str) -> None:
    providers.odd[path] = how
    before = calls(providers, path)
    with pytest.raises(ODD[how]) as caught:
        await (wechat.identify("x") if path == SESSION else wechat.phone_number("x"))
    # Nothing of the answer stays with the error, not even as its cause.
    assert (caught.value.__cause__, caught.value.faults) == (None, ())
    # The access token may be asked for again; a single-use code never is.
    again = path == TOKEN and ODD[how] is ProviderBusy
    assert calls(providers, path) == before + 1 + again


# Alipay


async def test_who_an_alipay_user_is(alipay: AlipayOAuth, providers: Providers) -> None:
    providers.alipay_users |= {
        "a1": {"open_id": "074a1"},
        "a2": {"user_id": "2088102150477652"},
        "a3": {"user_id": "2088102150477652", "open_id": "074a1", "nick": '"}, "sign": "'},
    }
    first, second = ("alipay_open_id", "074a1", ALIPAY_APP), ("alipay_user_id", "2088102150477652", "alipay")
    assert (await alipay.identify("a1")).identifiers == (first,)
    assert (await alipay.identify("a2")).identifiers == (second,)
    assert (await alipay.identify("a3")).identifiers == (first, second)
    with pytest.raises(CodeRefused):
        await alipay.identify("a1")


@pytest.mark.parametrize(
    ("code", "error"), [("never given", CodeRefused), ("away", ProviderBusy), ("denied", ProviderFailed)]
)
async def test_what_alipay_refuses(alipay: AlipayOAuth, code: str, error: type[DomainError]) -> None:
    with pytest.raises(error):
        await alipay.identify(code)


async def test_only_alipay_says_who_somebody_is(alipay: AlipayOAuth, providers: Providers) -> None:
    providers.alipay_users |= {
        "forged": {"open_id": "074a2"},
        "nobody": {"nick": "x"},
        "long": {"open_id": "x" * 129},
    }
    providers.stolen_signature = True
    with pytest.raises(ProviderFailed):
        await alipay.identify("forged")
    providers.stolen_signature = False
    for code in ("nobody", "long"):
        with pytest.raises(ProviderFailed):
            await alipay.identify(code)


async def test_another_key_of_ours(
    http: httpx.AsyncClient, providers: Providers, alipay: AlipayOAuth
) -> None:
    alipay._key = providers.alipay_key
    with pytest.raises(ProviderFailed):
        await alipay.identify("x")


@pytest.mark.parametrize("how", ODD)
async def test_alipay_answers_rubbish(alipay: AlipayOAuth, providers: Providers, how: str) -> None:
    providers.odd[GATEWAY] = how
    before = calls(providers, GATEWAY)
    with pytest.raises(ODD[how]):
        await alipay.identify("x")
    assert calls(providers, GATEWAY) == before + 1


# SMS


async def test_a_code_is_sent(sms: AliyunSms, providers: Providers) -> None:
    await sms.send_code("+8613900000041", "024680")
    assert providers.messages[-1] == ("13900000041", "024680")


def test_the_signature_is_the_published_one() -> None:
    """Every byte that is signed, by hand: RFC 3986 encoding, headers in order, the hash of an empty body."""
    query = canonical_query({"SignName": "碳 ~*", "PhoneNumbers": "1", "A": "+/"})
    assert query == "A=%2B%2F&PhoneNumbers=1&SignName=%E7%A2%B3%20~%2A"
    headers = {"x-acs-date": "2026-11-21T00:00:00Z", "host": "dysmsapi.aliyuncs.com"}
    one = signature("secret", query, headers)
    assert one == signature("secret", query, dict(reversed(headers.items())))
    others = [
        signature("secrets", query, headers),
        signature("secret", query + "1", headers),
        signature("secret", query, headers | {"host": "x"}),
    ]
    assert len({one, *others}) == 4


async def test_another_secret_of_ours(sms: AliyunSms) -> None:
    sms._secret = "wrong"
    with pytest.raises(ProviderFailed):
        await sms.send_code("+8613900000041", "123456")


@pytest.mark.parametrize("how", ODD)
async def test_the_gateway_answers_rubbish(sms: AliyunSms, providers: Providers, how: str) -> None:
    providers.odd[SMS] = how
    before = calls(providers, SMS)
    with pytest.raises(ODD[how]):
        await sms.send_code("+8613900000041", "123456")
    # Nobody gets two messages.
    assert calls(providers, SMS) == before + 1


# Away


@pytest.mark.parametrize("how", ["slow", "drip"])
async def test_a_provider_that_never_ends(
    wechat: MiniProgram, providers: Providers, quick: None, how: str
) -> None:
    providers.odd[SESSION] = how
    began = time.monotonic()
    with pytest.raises(ProviderBusy):
        await wechat.identify("x")
    assert time.monotonic() - began < 3


async def test_a_provider_that_is_away(http: httpx.AsyncClient) -> None:
    with pytest.raises(ProviderBusy) as caught:
        await MiniProgram(http, WECHAT_APP, WECHAT_SECRET, "http://127.0.0.1:9").identify("x")
    assert caught.value.__cause__ is None


async def test_a_request_that_was_never_sent_is_sent_again(wechat: MiniProgram, providers: Providers) -> None:
    providers.wechat_users["second try"] = {"openid": "o9"}
    failures = iter([httpx.ConnectError("refused")])
    once = outbound._once

    async def first_fails(*args: Any) -> Any:
        for failure in failures:
            raise failure
        return await once(*args)

    outbound._once = first_fails
    try:
        assert (await wechat.identify("second try")).identifiers[0][1] == "o9"
    finally:
        outbound._once = once


@pytest.mark.parametrize(
    ("how", "status", "code"), [("rubbish", 502, "provider_failed"), ("500", 503, "provider_busy")]
)
async def test_what_the_resident_is_told(desk: Desk, how: str, status: int, code: str) -> None:
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        SESSION: ("/v1/me/sessions", {"method": "wechat", "code": "x"}),
        GATEWAY: ("/v1/me/sessions", {"method": "alipay", "auth_code": "x"}),
        SMS: ("/v1/me/phone-codes", {"phone": "13900000042"}),
    }
    await desk.lift()
    for path, (door, body) in bodies.items():
        desk.providers.odd[path] = how
        answer = await desk.client().post(door, json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, f"sign_in.{code}")
        assert ("retry-after" in answer.headers) == (status == 503)
        assert "nginx" not in answer.text


def test_keys_in_both_writings(providers: Providers, opened: Callable[..., Any]) -> None:
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - the only use here

    pem = providers.app_key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption()
    ).decode()
    assert private_key(pem).private_numbers() == providers.app_key.private_numbers()
    public = providers.alipay_key.public_key()
    pem = public.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo).decode()
    assert public_key(pem).public_numbers() == public.public_numbers()
    for wrong in ("", "x", "-----BEGIN PRIVATE KEY-----", "AAAA"):
        for read in (private_key, public_key):
            with pytest.raises(ValueError, match="not an RSA"):
                read(wrong)
