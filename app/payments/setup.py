"""Sets up the provider of payments from the settings, where there is one."""

import datetime
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import httpx

from app.payments.service import Payments
from app.settings import ConfigurationError
from integrations.wechat_pay.client import TIMEOUT_S, Account, WeChatPay
from integrations.wechat_pay.signing import Signer, Verifier, read_platform_keys, read_private_key

if TYPE_CHECKING:
    from app.database import Database
    from app.settings import Settings
    from points.payments.models import Subject
    from points.payments.service import Orders

API_KEY_BYTES = 32


def wechat_pay(
    settings: "Settings", clock: Callable[[], datetime.datetime], http: httpx.AsyncClient
) -> WeChatPay | None:
    """WeChat Pay, if it is set; raises `ConfigurationError` where a file or key is not what it has to be."""
    if (
        settings.wechat_pay_merchant_id is None
        or settings.wechat_pay_app_id is None
        or settings.wechat_pay_serial is None
        or settings.wechat_pay_key_file is None
        or settings.wechat_pay_platform_keys is None
        or settings.wechat_pay_api_key is None
        or settings.wechat_pay_notify_url is None
    ):
        return None
    api_key = settings.wechat_pay_api_key.get_secret_value().encode()
    try:
        if len(api_key) != API_KEY_BYTES:
            raise ValueError("the API v3 key has another length")  # noqa: TRY301
        signer = Signer(
            settings.wechat_pay_merchant_id,
            settings.wechat_pay_serial,
            read_private_key(settings.wechat_pay_key_file),
        )
        verifier = Verifier(read_platform_keys(settings.wechat_pay_platform_keys), api_key)
    except (OSError, ValueError, TypeError):
        # `from None`: the text of the first error could quote a key.
        raise ConfigurationError("WeChat Pay: a key cannot be read; see docs/payments.md") from None
    account = Account(
        settings.wechat_pay_merchant_id, settings.wechat_pay_app_id, settings.wechat_pay_notify_url
    )
    return WeChatPay(account, signer, verifier, clock, http)


def payments_of(
    settings: "Settings",
    database: "Database",
    orders: "Mapping[Subject, Orders]",
    clock: Callable[[], datetime.datetime],
    http: httpx.AsyncClient,
) -> Payments | None:
    """Payments of this process, if they are offered."""
    provider = wechat_pay(settings, clock, http)
    return None if provider is None else Payments(database, provider, orders, clock)


def client_of(settings: "Settings") -> httpx.AsyncClient:
    """Connections to the provider."""
    return httpx.AsyncClient(base_url=settings.wechat_pay_url, timeout=TIMEOUT_S, trust_env=False)
