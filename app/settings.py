"""Every setting of the service, in one typed object.

Settings come from the environment (`TANPUHUI_…`; the two URLs also by their usual plain names) and from the
arguments of `load_settings`, which win. Nothing is read when this module is imported.

The keys are 32 bytes each, written as 64 hexadecimal digits. Outside production a key that is not given is
made once and kept in `<data_dir>/secrets.json`, so that people, tokens and receipts keep their keys over
restarts. In production they have to be given, and the service refuses to start without them.
"""

import fcntl
import json
import os
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, cast

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    PositiveInt,
    SecretBytes,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from integrations.alipay.keys import is_private_key, is_public_key

PREFIX: Final = "TANPUHUI_"
KEY_BYTES: Final = 32
KEY_FIELDS: Final = ("dedup_key", "identity_key", "receipt_key", "oprf_key")
SIGN_IN_GROUPS: Final = (
    ("sms_access_key_id", "sms_access_key_secret", "sms_sign_name", "sms_template_code"),
    ("wechat_app_id", "wechat_app_secret"),
    ("alipay_app_id", "alipay_private_key", "alipay_public_key"),
)
"""Settings of one provider each: all or none of them."""

# 32 random bytes have about 30 different values and never in practice fewer than 18. Zeros, a repeated word
# or a short text put into hexadecimal have fewer.
_LEAST_DIFFERENT_BYTES: Final = 18


class ConfigurationError(Exception):
    """The settings do not allow a start; the message names each variable and never shows a value."""


class Environment(StrEnum):
    """Where the service runs."""

    development = "development"
    test = "test"
    production = "production"


def _key_from_hex(value: object) -> object:
    """Read a key written in hexadecimal; bytes pass as they are."""
    if isinstance(value, SecretBytes | bytes):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("key", "must be given as 64 hexadecimal digits")
    try:
        return bytes.fromhex(value.strip())
    except ValueError:
        # `from None`: the text of the first error could quote a part of the key.
        raise PydanticCustomError("key", "is not hexadecimal; make one with `openssl rand -hex 32`") from None


def _postgres_url(value: SecretStr) -> SecretStr:
    """Accept the spellings of SQLAlchemy and of hosting services; keep the one that asyncpg takes."""
    scheme, separator, rest = value.get_secret_value().partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        raise PydanticCustomError("url", "must begin with postgresql://")
    return SecretStr(f"postgresql://{rest}")


def _redis_url(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
        raise PydanticCustomError("url", "must begin with redis://, rediss:// or unix://")
    return value


Key = Annotated[SecretBytes, BeforeValidator(_key_from_hex)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]


class Settings(BaseSettings):
    """What a process of the service needs to know before it starts. Read it with `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        # An error must not quote a key or the password in a URL.
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    environment: Environment = Environment.development
    data_dir: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = Field(
        default=Path(".data"),
        validate_default=True,
        description="Embedded servers and generated keys live here; relative to the working directory.",
    )

    database_url: PostgresUrl | None = Field(
        default=None,
        validation_alias=AliasChoices(f"{PREFIX}DATABASE_URL", "DATABASE_URL"),
        description="The service's role, which owns nothing. None: the embedded server.",
    )
    migration_database_url: PostgresUrl | None = Field(
        default=None,
        description="The role that owns the tables, for migrations on an external server.",
    )
    redis_url: RedisUrl | None = Field(
        default=None,
        validation_alias=AliasChoices(f"{PREFIX}REDIS_URL", "REDIS_URL"),
        description="None: the embedded server.",
    )
    allow_embedded_in_production: bool = False
    database_pool_size: Annotated[int, Field(ge=1, le=50)] = 10

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    public_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] = Field(
        default="http://127.0.0.1:8000",
        description="Where everybody reaches this service: what the QR codes of certificates lead to.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    max_body_bytes: PositiveInt = 8 * 1024 * 1024
    batch_max_items: PositiveInt = 5_000
    committers: Annotated[int, Field(ge=1, le=16)] = 2
    group_commit_max: PositiveInt = 500

    access_token_seconds: PositiveInt = 15 * 60
    redemption_hold_seconds: PositiveInt = Field(
        default=15 * 60, description="How long an order holds points and stock before it times out."
    )

    client_requests_per_second: PositiveInt = Field(
        default=500, description="Rate that one client may keep up, averaged over ten seconds."
    )
    resident_requests_per_second: PositiveInt = 10

    evaluations_per_second: PositiveInt = Field(
        default=50, description="Blind evaluations of all platforms together, averaged over a day."
    )
    evaluations_per_client_per_second: PositiveInt = Field(
        default=5, description="Blind evaluations of one platform, averaged over a day."
    )

    claims_per_client_per_second: PositiveInt = Field(
        default=500, description="Claims of one platform, averaged over a day."
    )
    claim_queries_per_client_per_second: PositiveInt = Field(
        default=50, description="Acts that one platform may ask about, averaged over a day."
    )

    score_cards_dir: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] | None = (
        Field(default=None, description="Folder of a city's own score cards, beside those that ship.")
    )
    archive_dir: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] | None = Field(
        default=None,
        description="Where months of claims are archived, the same place for all processes. None: <data_dir>/archive.",
    )
    issuance_dir: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] | None = Field(
        default=None,
        description="Where evidence and trees of issuances lie, the same place for all processes."
        " None: <data_dir>/issuances.",
    )
    claims_archive_days: Annotated[int, Field(ge=62)] | None = Field(
        default=None,
        description="Months of claims that ended so long ago are archived by themselves. None: by command alone.",
    )

    activation_lead_seconds: PositiveInt = Field(
        default=60,
        description="Least time between a decision about methodologies and its effect. The same in all processes.",
    )
    methodology_poll_seconds: Annotated[float, Field(gt=0)] = Field(
        default=5, description="How often to look for changed methodologies where nobody tells of them."
    )

    resident_region: Annotated[str, Field(pattern="^[1-9][0-9]{5}$")] = Field(
        default="100000", description="Region of a new account where the app names none (GB/T 2260)."
    )
    phone_trust_days: PositiveInt = Field(
        default=90,
        description="For how long after its last proof a phone number opens its account by itself.",
    )
    refresh_token_days: PositiveInt = 30
    session_days: PositiveInt = 180
    phone_codes_per_address: PositiveInt = Field(default=100, description="Codes by SMS an hour.")
    sign_ins_per_address: PositiveInt = Field(default=1_000, description="Attempts to sign in an hour.")
    show_phone_codes: bool = Field(
        default=False, description="Print codes on the terminal instead of sending them. Development only."
    )
    mqtt_url: str | None = Field(
        default=None,
        pattern=r"^mqtts?://[^/@]+$",
        description="Broker of readings, as `mqtts://host:8883`; None: nothing is subscribed to.",
    )
    mqtt_client_id: str = Field(
        default="tanpuhui", description="Of the session at the broker: another one for each process."
    )
    mqtt_topic: str = Field(
        default="tanpuhui/enterprises/+/readings",
        pattern=r"/\+/readings$",
        description="What is subscribed to.",
    )
    mqtt_username: str | None = None
    mqtt_password: SecretStr | None = None
    mqtt_ca_file: Path | None = Field(
        default=None, description="Authorities that a broker is checked against."
    )
    sms_url: str = "https://dysmsapi.aliyuncs.com"
    sms_access_key_id: str | None = None
    sms_access_key_secret: SecretStr | None = None
    sms_sign_name: str | None = None
    sms_template_code: str | None = None
    wechat_url: str = "https://api.weixin.qq.com"
    wechat_app_id: str | None = None
    wechat_app_secret: SecretStr | None = None
    alipay_url: str = "https://openapi.alipay.com/gateway.do"
    alipay_app_id: str | None = None
    alipay_private_key: SecretStr | None = Field(
        default=None, description="The application's, PEM or base64."
    )
    alipay_public_key: str | None = Field(default=None, description="Alipay's own, PEM or base64.")

    webhook_loopback: bool = Field(
        default=False,
        description="Lets webhooks go to this machine itself, also by http. Never in production.",
    )
    webhook_max_attempts: Annotated[int, Field(ge=1, le=30)] = 12
    webhook_retry_seconds: Annotated[float, Field(gt=0)] = Field(
        default=5, description="Pause after the first failed attempt; each further one is three times longer."
    )
    webhook_timeout_seconds: Annotated[float, Field(ge=1, le=60)] = Field(
        default=15, description="Time for one attempt: connecting, sending, and the head of the answer."
    )
    webhook_disable_seconds: PositiveInt = Field(
        default=5 * 86_400, description="An endpoint that fails for so long is disabled."
    )

    wechat_pay_url: str = Field(default="https://api.mch.weixin.qq.com", pattern=r"^https?://[^/]+$")
    wechat_pay_merchant_id: str | None = Field(
        default=None, description="None: no payments are taken. With it, all of `wechat_pay_…` are needed."
    )
    wechat_pay_app_id: str | None = None
    wechat_pay_serial: str | None = Field(default=None, description="Serial of the merchant's certificate.")
    wechat_pay_key_file: Path | None = Field(default=None, description="The merchant's private key, PEM.")
    wechat_pay_platform_keys: Path | None = Field(
        default=None, description="Folder of WeChat's certificates and public keys, `<serial or key id>.pem`."
    )
    wechat_pay_api_key: SecretStr | None = Field(default=None, description="API v3 key, 32 characters.")
    wechat_pay_notify_url: str | None = None

    binding_link_seconds: PositiveInt = Field(
        default=600, description="How long a link that binds a platform's user can be redeemed."
    )
    export_hours: PositiveInt = Field(default=72, description="How long an export can be fetched.")
    erasure_wait_days: Annotated[int, Field(ge=0, le=15)] = Field(
        default=7, description="How long a wish to be forgotten can be cancelled; the law's term is 15 days."
    )
    access_log_days: Annotated[int, Field(ge=181)] = Field(
        default=1_096, description="How long it is kept who read a holder's data."
    )

    # Empty stands for "not given": `_GeneratedKeys` fills it in, except in production, where it is refused.
    dedup_key: Key = SecretBytes(b"")
    identity_key: Key = SecretBytes(b"")
    receipt_key: Key = SecretBytes(b"")
    oprf_key: Key = SecretBytes(b"")
    oprf_next_key: Key | None = Field(
        default=None, description="The key that will follow `oprf_key`; live beside it while keys rotate."
    )

    federation_oprf_key: Key | None = Field(
        default=None, description="Where this deployment is its federation's evaluator: the federation's key."
    )
    federation_url: str | None = Field(
        default=None, description="Where it is not: the evaluator. With it, all of `federation_…` below."
    )
    federation_client_id: str | None = None
    federation_client_secret: SecretStr | None = None
    federation_key_id: Annotated[str, Field(pattern="^opk_[0-9a-f]{32}$")] | None = Field(
        default=None, description="The federation's key, as the evaluator's `GET /v1/tokens/keys` names it."
    )
    exchange_key: Key | None = Field(
        default=None, description="What neighbours have in common: the key of exchanged digests."
    )
    neighbour_timeout_ms: Annotated[int, Field(ge=10, le=5_000)] = Field(
        default=200, description="How long an act may wait for a neighbour's answer before it is credited."
    )

    @property
    def production(self) -> bool:
        """Whether real residents depend on this process."""
        return self.environment is Environment.production

    @property
    def archives(self) -> Path:
        """Where months of claims are archived."""
        return self.archive_dir or self.data_dir / "archive"

    @property
    def issuances(self) -> Path:
        """Where evidence and trees of issuances lie."""
        return self.issuance_dir or self.data_dir / "issuances"

    @property
    def embedded_database(self) -> bool:
        """Whether the service brings its own PostgreSQL."""
        return self.database_url is None

    @property
    def embedded_redis(self) -> bool:
        """Whether the service brings its own Redis."""
        return self.redis_url is None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- signature of the library
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- signature of the library
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment; keys of the data folder come last."""
        return init_settings, env_settings, _GeneratedKeys(settings_cls)

    @model_validator(mode="after")
    def _refuse_what_is_unsafe(self) -> Self:
        problems = [*self._key_problems(), *self._database_problems(), *self._sign_in_problems()]
        if self.methodology_poll_seconds * 4 > self.activation_lead_seconds:
            # A process stops crediting at half the lead: two looks must fit before.
            lead, poll = variable("activation_lead_seconds"), variable("methodology_poll_seconds")
            problems.append(f"{lead} must be at least four times {poll}")
        problems += self._payment_problems()
        problems += self._federation_problems()
        if self.production and self.webhook_loopback:
            problems.append(f"{variable('webhook_loopback')} is for development and tests only")
        if problems:
            raise PydanticCustomError("unsafe", "{problems}", {"problems": "\n".join(problems)})
        return self

    def _payment_problems(self) -> list[str]:
        names = [name for name in type(self).model_fields if name.startswith("wechat_pay_")]
        missing = [variable(name) for name in names if getattr(self, name) is None]
        if len(missing) == len(names) - 1:
            return []
        if self.production and not missing:
            urls = ("wechat_pay_url", "wechat_pay_notify_url")
            return [
                f"{variable(name)} must begin with https://"
                for name in urls
                if not str(getattr(self, name)).startswith("https://")
            ]
        return [f"{name} is not set; WeChat Pay needs all of its settings or none" for name in missing]

    def _key_problems(self) -> list[str]:
        problems = []
        seen: dict[bytes, str] = {}
        for field in KEY_FIELDS:
            name = variable(field)
            key = cast("SecretBytes", getattr(self, field)).get_secret_value()
            if not key:
                problems.append(f"{name} is not set; make one with `openssl rand -hex 32`")
            elif len(key) != KEY_BYTES:
                problems.append(f"{name} has {len(key)} bytes, it needs {KEY_BYTES} (64 hexadecimal digits)")
            elif self.production and len(set(key)) < _LEAST_DIFFERENT_BYTES:
                problems.append(f"{name} is a placeholder, not a random key")
            elif key in seen:
                problems.append(f"{name} is the same as {seen[key]}; each key needs a value of its own")
            else:
                seen[key] = name
        for field in ("oprf_next_key", "federation_oprf_key", "exchange_key"):
            problems += self._other_key_problems(field, seen)
        return problems

    def _other_key_problems(self, field: str, seen: dict[bytes, str]) -> list[str]:
        given: SecretBytes | None = getattr(self, field)
        if given is None:
            return []
        name, key = variable(field), given.get_secret_value()
        if len(key) != KEY_BYTES:
            return [f"{name} has {len(key)} bytes, it needs {KEY_BYTES} (64 hexadecimal digits)"]
        if self.production and len(set(key)) < _LEAST_DIFFERENT_BYTES:
            return [f"{name} is a placeholder, not a random key"]
        if key in seen:
            return [f"{name} is the same as {seen[key]}; each key needs a value of its own"]
        seen[key] = name
        return []

    def _federation_problems(self) -> list[str]:
        group = ("federation_url", "federation_client_id", "federation_client_secret", "federation_key_id")
        missing = [variable(field) for field in group if getattr(self, field) is None]
        asks = len(missing) < len(group)
        problems = [f"{name} is not set, and others of the federation are" for name in missing if asks]
        if asks and self.federation_oprf_key is not None:
            problems.append(
                f"{variable('federation_oprf_key')} and {variable('federation_url')}: a deployment is the evaluator, "
                "or it asks the evaluator"
            )
        if self.exchange_key is not None and not asks and self.federation_oprf_key is None:
            problems.append(f"{variable('exchange_key')} is set, but no key of a federation or evaluator")
        if self.federation_url is not None and not _is_base_url(self.federation_url, self.production):
            problems.append(f"{variable('federation_url')} must be the https:// base URL of the evaluator")
        return problems

    def _sign_in_problems(self) -> list[str]:
        problems = []
        for group in SIGN_IN_GROUPS:
            missing = [field for field in group if getattr(self, field) is None]
            if 0 < len(missing) < len(group):
                problems += [
                    f"{variable(field)} is not set, and others of its provider are" for field in missing
                ]
        for field in ("sms_url", "wechat_url", "alipay_url"):
            url = getattr(self, field)
            if not url.startswith("https://" if self.production else ("https://", "http://")):
                problems.append(f"{variable(field)} must begin with https://")
        problems += self._alipay_key_problems()
        if self.show_phone_codes and self.environment is not Environment.development:
            problems.append(f"{variable('show_phone_codes')} is for development only")
        return problems

    def _alipay_key_problems(self) -> list[str]:
        problems = []
        if self.alipay_private_key is not None and not is_private_key(
            self.alipay_private_key.get_secret_value()
        ):
            problems.append(f"{variable('alipay_private_key')} is no RSA private key in PEM or base64")
        if self.alipay_public_key is not None and not is_public_key(self.alipay_public_key):
            problems.append(f"{variable('alipay_public_key')} is no RSA public key in PEM or base64")
        return problems

    def _database_problems(self) -> list[str]:
        service, owner = self.database_url, self.migration_database_url
        if service is None and owner is not None:
            # It would migrate one database and serve another.
            return [f"{PREFIX}MIGRATION_DATABASE_URL is set, but {PREFIX}DATABASE_URL is not"]
        if not self.production:
            return []
        if service is None and not self.allow_embedded_in_production:
            remedy = f"to run production on the embedded server, set {PREFIX}ALLOW_EMBEDDED_IN_PRODUCTION=1"
            return [f"{PREFIX}DATABASE_URL is not set; {remedy}"]
        if service is not None and owner is not None and _role(service) == _role(owner):
            both = f"{PREFIX}DATABASE_URL and {PREFIX}MIGRATION_DATABASE_URL"
            return [f"{both} have the same role; the service's role must own no table"]
        return []


class _GeneratedKeys(PydanticBaseSettingsSource):
    """Supplies the keys that no other source gave, outside production."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        given = self.current_state
        if str(given.get("environment", Environment.development)) == Environment.production:
            return {}
        missing = [field for field in KEY_FIELDS if not given.get(field)]
        if not missing:
            return {}
        default = self.settings_cls.model_fields["data_dir"].default
        return _kept_keys(Path(given.get("data_dir", default)).expanduser().absolute(), missing)


def _kept_keys(data_dir: Path, fields: list[str]) -> dict[str, str]:
    """Read keys from `secrets.json` (owner's eyes only), adding those that are missing.

    Several processes may do this at once on a new machine: a lock lets the first one write, the others read.
    """
    path = data_dir / "secrets.json"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(data_dir / "secrets.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
            missing = [field for field in fields if field not in kept]
            if missing:
                kept.update({field: secrets.token_hex(KEY_BYTES) for field in missing})
                _replace_private(path, json.dumps(kept, indent=2))
            path.chmod(0o600)
        finally:
            os.close(lock)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the keys in {path} cannot be read or made: {type(error).__name__}"
        ) from None
    return {field: kept[field] for field in fields}


def _replace_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, completely or not at all."""
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def _role(url: SecretStr) -> str:
    return url.get_secret_value().partition("://")[2].partition("@")[0].partition(":")[0]


def _is_base_url(url: str, production: bool) -> bool:
    return url.startswith("https://") or (not production and url.startswith("http://"))


def variable(field: str) -> str:
    """Name the environment variable of a field."""
    return f"{PREFIX}{field.upper()}"


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; `overrides` (by field name) win over the environment.

    Raises `ConfigurationError`, with one line for each variable at fault, if the service must not start so.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = []
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            where = str(fault["loc"][0]) if fault["loc"] else ""
            name = where if where.isupper() else variable(where)
            lines.append(f"{name}: {fault['msg']}" if where else fault["msg"])
        # `from None`: the original carries the values.
        raise ConfigurationError("the settings do not allow a start:\n" + "\n".join(lines)) from None
