"""A broker that asks for TLS and a password: its certificate is checked, and who is not let in hears nothing."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import aiomqtt
import pytest
import pytest_asyncio
from amqtt.broker import Broker as Amqtt
from argon2 import PasswordHasher
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from metering.test_mqtt import LIMIT_S, free_port

from integrations.mqtt.subscriber import Broker, Received, subscribe

USER, PASSWORD = "tanpuhui", "a password of the tests"
TOPIC = "tanpuhui/enterprises/hld_x/readings"


@dataclass(frozen=True)
class Authority:
    """Who signs certificates."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    file: Path


def certified(folder: Path, name: str, issuer: Authority | None) -> Authority:
    """A certificate for 127.0.0.1 with its key in one file, or that of an authority of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signer = key if issuer is None else issuer.key
    made = built.sign(signer, hashes.SHA256())
    file = folder / f"{name}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return Authority(subject, key, file)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    """How the broker that runs is reached by who is let in."""
    folder, port = tmp_path_factory.mktemp("tls"), free_port()
    authority = certified(folder, "authority", None)
    server = certified(folder, "server", authority)
    passwords = folder / "passwords"
    passwords.write_text(f"{USER}:{PasswordHasher().hash(PASSWORD)}\n")
    listener = {
        "type": "tcp",
        "bind": f"127.0.0.1:{port}",
        "ssl": True,
        "certfile": str(server.file),
        "keyfile": str(server.file),
    }
    plugin = {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(passwords)}}
    broker = Amqtt({"listeners": {"default": listener}, "plugins": plugin})
    await broker.start()
    try:
        yield Broker(f"mqtts://127.0.0.1:{port}", "tls-test", "tanpuhui/#", USER, PASSWORD, authority.file)
    finally:
        await broker.shutdown()


async def outcome(broker: Broker, payload: bytes | None = None) -> tuple[list[Received], Exception | None]:
    """What a subscriber hears, or the first failure that it is told of."""
    heard: list[Received] = []
    ready: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    came = asyncio.Event()

    async def handle(messages: Sequence[Received]) -> None:
        heard.extend(messages)
        came.set()

    def settle(error: Exception | None = None) -> None:
        if not ready.done():
            ready.set_result(error)

    task = asyncio.create_task(subscribe(broker, handle, settle, subscribed=settle))
    try:
        async with asyncio.timeout(LIMIT_S):
            error = await ready
            if error is None and payload is not None:
                port = int(broker.url.rpartition(":")[2])
                tls = ssl.create_default_context(cafile=broker.ca_file)
                async with aiomqtt.Client(
                    "127.0.0.1", port, username=USER, password=PASSWORD, tls_context=tls
                ) as client:
                    await client.publish(TOPIC, payload, qos=1)
                await came.wait()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return heard, error


async def test_who_is_let_in_hears_what_comes(served: Broker) -> None:
    heard, error = await outcome(served, b'{"meter": "E-1"}')
    assert error is None
    assert heard == [Received(TOPIC, b'{"meter": "E-1"}')]


@pytest.mark.parametrize("change", [{"password": "another"}, {"username": None, "password": None}])
async def test_who_has_no_password_is_not_let_in(served: Broker, change: dict[str, str | None]) -> None:
    heard, error = await outcome(replace(served, client_id="refused", **change))
    assert heard == []
    assert isinstance(error, aiomqtt.MqttError)
    assert PASSWORD not in repr(served)


async def test_a_broker_that_nobody_vouches_for_is_not_talked_to(served: Broker, tmp_path: Path) -> None:
    other = certified(tmp_path, "another authority", None)
    for ca_file in (None, other.file):
        heard, error = await outcome(replace(served, client_id="careful", ca_file=ca_file))
        assert heard == []
        assert isinstance(error, aiomqtt.MqttError)
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    plain = replace(served, url=served.url.replace("mqtts", "mqtt"), client_id="plain")
    assert isinstance((await outcome(plain))[1], aiomqtt.MqttError)
