"""The ways to sign in that this deployment has, put together from its settings."""

import datetime
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.auth.entering import Door
from app.auth.phone_codes import PhoneCodes
from app.auth.residents import Sessions
from integrations.alipay.keys import private_key, public_key
from integrations.alipay.oauth import AlipayOAuth
from integrations.sms.aliyun import AliyunSms
from integrations.wechat.mini_program import MiniProgram

if TYPE_CHECKING:
    import httpx
    from redis.asyncio import Redis

    from app.auth.tokens import Tokens
    from app.settings import Settings
    from dedup.person_key import IdentityHasher, PersonKeys
    from integrations.sign_in import IdentityProvider, PhoneProvider, SmsGateway


class ConsoleSms:
    """Shows codes on the terminal of a developer's own service; `Settings` refuses it anywhere else."""

    async def send_code(self, phone: str, code: str) -> None:
        """Written to standard output, past the log, and without the number but for its end."""
        sys.stdout.write(f"\n  One-time code for …{phone[-4:]}: {code}   (TANPUHUI_SHOW_PHONE_CODES)\n\n")
        sys.stdout.flush()


@dataclass(slots=True)
class SignIn:
    """What the doors of sign-in work with; None where a way is not configured."""

    door: Door
    sessions: Sessions
    codes: PhoneCodes
    sms: "SmsGateway | None"
    wechat: "IdentityProvider | None"
    wechat_phone: "PhoneProvider | None"
    alipay: "IdentityProvider | None"


def sign_in_of(
    settings: "Settings",
    http: "httpx.AsyncClient",
    redis: "Redis",
    tokens: "Tokens",
    hasher: "IdentityHasher",
    person_keys: "PersonKeys",
    clock: Callable[[], datetime.datetime],
) -> SignIn:
    """All ways that the settings name. Nothing is asked of a provider yet."""
    identity_key = settings.identity_key.get_secret_value()
    wechat = None
    if settings.wechat_app_id is not None and settings.wechat_app_secret is not None:
        secret = settings.wechat_app_secret.get_secret_value()
        wechat = MiniProgram(http, settings.wechat_app_id, secret, settings.wechat_url)
    alipay = None
    if (
        settings.alipay_app_id is not None
        and settings.alipay_private_key is not None
        and settings.alipay_public_key is not None
    ):
        alipay = AlipayOAuth(
            http,
            settings.alipay_app_id,
            private_key(settings.alipay_private_key.get_secret_value()),
            public_key(settings.alipay_public_key),
            clock,
            settings.alipay_url,
        )
    return SignIn(
        door=Door(hasher, person_keys, datetime.timedelta(days=settings.phone_trust_days)),
        sessions=Sessions(
            tokens,
            settings.receipt_key.get_secret_value(),
            datetime.timedelta(days=settings.refresh_token_days),
            datetime.timedelta(days=settings.session_days),
        ),
        codes=PhoneCodes(
            redis,
            identity_key,
            codes_per_address=settings.phone_codes_per_address,
            tries_per_address=settings.sign_ins_per_address,
        ),
        sms=_sms_of(settings, http, clock),
        wechat=wechat,
        wechat_phone=wechat,
        alipay=alipay,
    )


def _sms_of(
    settings: "Settings", http: "httpx.AsyncClient", clock: Callable[[], datetime.datetime]
) -> "SmsGateway | None":
    if (
        settings.sms_access_key_id is not None
        and settings.sms_access_key_secret is not None
        and settings.sms_sign_name is not None
        and settings.sms_template_code is not None
    ):
        return AliyunSms(
            http,
            settings.sms_access_key_id,
            settings.sms_access_key_secret.get_secret_value(),
            settings.sms_sign_name,
            settings.sms_template_code,
            clock,
            settings.sms_url,
        )
    return ConsoleSms() if settings.show_phone_codes else None
