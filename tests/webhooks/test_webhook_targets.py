"""Where webhooks never go, whatever the URL calls it, and that they go to the very address that was checked."""

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.webhooks.sending import client_for, send, tls
from app.webhooks.targets import TargetRefused, Targets, is_public
from app.wiring import utc_now

PUBLIC = ("1.1.1.1", "8.8.8.8", "223.5.5.5", "114.114.114.114", "2400:3200::1", "2606:4700:4700::1111")
PRIVATE = (
    "0.0.0.0",  # noqa: S104
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",  # Alibaba's metadata
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",  # Azure's host
    "169.254.0.23",
    "169.254.169.254",  # metadata of most clouds
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",  # Oracle's metadata
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:1.1.1.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # metadata by IPv6
    "fe80::1",
    "fec0::1",
    "ff02::1",
)


async def nothing(_host: str, _port: int) -> list[str]:
    raise AssertionError("an address is not resolved")


def answering(*addresses: str) -> Targets:
    async def resolver(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return Targets(loopback=False, resolver=resolver)


@pytest.mark.parametrize("address", PRIVATE)
async def test_no_address_of_a_network_of_ones_own(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(TargetRefused):
        await Targets(loopback=False, resolver=nothing).check(f"https://{host}/hook")
    with pytest.raises(TargetRefused):
        await answering(address).check("https://shop.example/hook")
    # One such address among public ones is enough.
    with pytest.raises(TargetRefused):
        await answering("1.1.1.1", address).check("https://shop.example/hook")


@pytest.mark.parametrize("address", PUBLIC)
async def test_public_addresses_pass(address: str) -> None:
    target = await answering(address).check("https://shop.example:8443/hook?x=1")
    assert target.address == address
    assert ipaddress.ip_address(target.pinned.host) == ipaddress.ip_address(address)
    assert (target.pinned.port, target.pinned.raw_path) == (8443, b"/hook?x=1")
    assert (target.host_header, target.server_name) == ("shop.example:8443", "shop.example")


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/hook",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "gopher://shop.example:70/",
        "//shop.example/hook",
        "shop.example/hook",
        "https://",
        "https:///hook",
        "https://user@shop.example/",
        "https://user:secret@shop.example/",
        "https://shop.example/#part",
        "https://shop.example:22/",
        "https://shop.example:80/",
        "https://shop.example:0/",
        "https://shop.example:99999/",
        "https://shop.example/\r\nHost: other",
        "https://shop.example/a b",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://printer.local/",
        "https://metadata.google.internal/",
        "https://intranet/",
        "https://[::1/",
        "https://店.example/",
        "",
        "https://shop.example/" + "x" * 500,
    ],
)
async def test_urls_that_are_none_for_webhooks(url: str) -> None:
    with pytest.raises(TargetRefused):
        await answering("1.1.1.1").check(url)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "[::ffff:7f00:1]"]
)
async def test_other_spellings_of_this_machine(host: str) -> None:
    """Whatever the system's resolver makes of them."""
    with pytest.raises(TargetRefused):
        await Targets(loopback=False).check(f"https://{host}/")


async def test_loopback_is_a_setting_and_means_loopback_alone() -> None:
    targets = Targets(loopback=True)
    assert (await targets.check("http://127.0.0.1:8080/hook")).address == "127.0.0.1"
    for url in (
        "http://10.0.0.1/",
        "https://169.254.169.254/",
        "http://1.1.1.1/",
        "https://[::ffff:127.0.0.1]/",
    ):
        with pytest.raises(TargetRefused):
            await targets.check(url)


async def test_a_name_without_an_address() -> None:
    async def unknown(_host: str, _port: int) -> list[str]:
        raise OSError

    for targets in (answering(), Targets(loopback=False, resolver=unknown)):
        with pytest.raises(TargetRefused):
            await targets.check("https://shop.example/")


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate of a name, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    own, public = folder / "own.pem", folder / "public.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    own.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + public.read_bytes()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    return public, context


async def test_the_connection_goes_to_the_checked_address_under_the_right_name(tmp_path: Path) -> None:
    """The name resolves once: the pinned address is used, with the name in SNI, certificate and Host."""
    public, server_context = certificate(tmp_path, "shop.example")
    heads: list[str] = []
    names: list[str | None] = []
    server_context.sni_callback = lambda _socket, name, _context: names.append(name)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=server_context)
    port = server.sockets[0].getsockname()[1]
    looks: list[str] = []

    async def rebinding(host: str, _port: int) -> list[str]:
        looks.append(host)
        return ["127.0.0.1"] if len(looks) == 1 else ["169.254.169.254"]

    trusting = ssl.create_default_context(cafile=str(public))
    try:
        target = await Targets(loopback=True, resolver=rebinding).check(f"https://shop.example:{port}/hook")
        async with client_for(trusting, 1) as client:
            answer = await send(client, target, {"webhook-id": "x"}, b"{}", utc_now(), 5)
        assert (answer.status, answer.accepted) == (200, True)
        assert looks == ["shop.example"]
        assert names == ["shop.example"]
        assert f"Host: shop.example:{port}".lower() in heads[0].lower()
        # Another name's certificate, and one that nobody vouches for.
        other = await Targets(loopback=True, resolver=answering_local).check(f"https://other.example:{port}/")
        for context, to in ((trusting, other), (tls(), target)):
            async with client_for(context, 1) as client:
                refused = await send(client, to, {}, b"{}", utc_now(), 5)
            assert (refused.status, refused.error) == (None, "tls")
        assert len(heads) == 1
    finally:
        server.close()


async def answering_local(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]
