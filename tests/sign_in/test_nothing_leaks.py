"""What is in no log and no answer: numbers, codes, identities, tokens, secrets. Everything logs as loudly as it can."""

import logging

import pytest
from sign_in.desk import Desk
from sign_in.providers import SMS_SECRET, WECHAT_SECRET

SESSIONS = "/v1/me/sessions"


async def test_a_sign_in_leaves_nothing_in_the_logs(
    desk: Desk, phone: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    await desk.lift()
    openid, unionid, auth_code = "oLEAK-openid-1", "uLEAK-unionid-1", "auth-LEAK-1"
    desk.providers.wechat_users["js-LEAK-code"] = {"openid": openid, "unionid": unionid}
    desk.providers.alipay_users[auth_code] = {"open_id": "aLEAK-open-1"}
    phone_code = desk.phone_code(phone)
    secrets = [
        phone,
        openid,
        unionid,
        auth_code,
        "js-LEAK-code",
        "aLEAK-open-1",
        phone_code,
        "tiihtNczf5v6AKRyjwEUhQ",
    ]
    secrets += [WECHAT_SECRET, SMS_SECRET, desk.providers.tokens[-1], "device-LEAK"]
    refusals = []
    # After the client was made, which quiets httpx: nobody may make it loud again by the root's level.
    with caplog.at_level(logging.DEBUG):
        http = desk.client()
        secrets.append(code := await desk.code(phone, http, device_id="device-LEAK"))
        body = {"method": "phone", "phone": phone, "code": code, "is_14_or_older": True}
        wrong = body | {"code": f"{(int(code) + 1) % 10**6:06}"}
        refusals.append(await http.post(SESSIONS, json=wrong))
        needed = (await http.post(SESSIONS, json={"method": "wechat", "code": "js-LEAK-code"})).json()
        secrets.append(needed["binding_token"])
        told = (await http.post(SESSIONS, json=body | {"binding_token": needed["binding_token"]})).json()
        secrets += [told["access_token"], told["refresh_token"]]
        renewed = (
            await http.post(SESSIONS + "/refresh", json={"refresh_token": told["refresh_token"]})
        ).json()
        secrets += [renewed["access_token"], renewed["refresh_token"]]
        await http.post(SESSIONS, json={"method": "alipay", "auth_code": auth_code})
        weak = {"method": "wechat_phone", "phone_code": phone_code, "binding_token": needed["binding_token"]}
        await http.post(SESSIONS, json=weak)
        # And all of it where the providers fail, with a database that fails in the middle.
        for path in ("/", "/sns/jscode2session", "/gateway.do", "/cgi-bin/stable_token"):
            for how in ("rubbish", "500", "odd_types"):
                desk.providers.odd[path] = how
                for again in (
                    {"method": "wechat", "code": "js-LEAK-code"},
                    {"method": "alipay", "auth_code": auth_code},
                    weak,
                ):
                    refusals.append(await http.post(SESSIONS, json=again))  # noqa: PERF401 - one loop of four
        desk.providers.odd.clear()
        refusals.append(await http.post(SESSIONS + "/refresh", json={"refresh_token": told["refresh_token"]}))
        await desk.lift()
        body["code"] = await desk.code(phone, http)

        async def broken(*_: object) -> None:
            raise RuntimeError(f"quoting {phone}")

        desk.service.sign_in.door.enter = broken  # type: ignore[method-assign, assignment]
        refusals.append(await http.post(SESSIONS, json=body))
        assert refusals[-1].status_code == 500
    out, err = capfd.readouterr()
    # But for what the made-up providers' own server tells of who asked it.
    records = [record for record in caplog.records if record.name != "uvicorn.access"]
    logged = (
        out + err + "".join(f"{record.name} {record.getMessage()} {record.exc_info}" for record in records)
    )
    # The log was listened to: both kinds of failure are there.
    assert "provider failed" in logged
    assert "provider away" in logged
    assert "unexpected error" in logged
    answered = "".join(answer.text for answer in refusals)
    for secret in secrets:
        assert secret not in logged, secret[:6]
        assert secret not in answered, secret[:6]
