"""Where webhooks may go: public addresses only, checked when registered and again at every delivery.

A name is resolved once, every address that it has is checked, and the connection goes to a checked address, so
that a name which changes its mind in between (DNS rebinding) gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import httpx

MAX_URL = 500
RESOLVE_TIMEOUT_S = 5
_PORTS_FROM, _PORTS_TO = 1024, 65_535
_HTTPS_PORT = 443
_LOCAL_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home", "arpa", "onion", "corp")

# Threads of their own: names that take their time to resolve must not keep those of the process busy.
_RESOLVERS = ThreadPoolExecutor(8, thread_name_prefix="resolve")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]

_REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        # IANA's special-purpose registries, written out: what `is_global` says differs between Python versions.
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        # Azure's host, which answers for its virtual machines.
        "168.63.129.16/32",
        # Of IPv6 only 2000::/3 is given out; within it, what stands for IPv4 or for documents.
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_GIVEN_OUT = ipaddress.IPv6Network("2000::/3")


class TargetRefused(Exception):
    """Webhooks do not go there; `reason` is a sentence without the target's own text, `reason_zh` in Chinese."""

    def __init__(self, reason: str, reason_zh: str) -> None:
        super().__init__(reason)
        self.reason, self.reason_zh = reason, reason_zh


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL with the address to connect to."""

    url: httpx.URL
    address: str

    @property
    def pinned(self) -> httpx.URL:
        """The URL with the address in the host's place."""
        return self.url.copy_with(host=self.address)

    @property
    def host_header(self) -> str:
        """What `Host` says."""
        return self.url.netloc.decode("ascii")

    @property
    def server_name(self) -> str:
        """The name that the certificate has to be of, also sent as SNI."""
        return self.url.raw_host.decode("ascii")


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name, by the system's resolver."""
    look = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, look)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def is_public(address: Address) -> bool:
    """Whether an address is one that anybody on the internet could be given."""
    if isinstance(address, ipaddress.IPv6Address) and address not in _GIVEN_OUT:
        # Loopback, link-local, private, multicast, IPv4-mapped, NAT64 and all that is reserved.
        return False
    return not any(address.version == network.version and address in network for network in _REFUSED)


class Targets:
    """Checks URLs; `loopback` (development and tests only) also lets http and https go to this machine itself."""

    def __init__(self, *, loopback: bool, resolver: Resolver = resolve) -> None:
        self._loopback = loopback
        self._resolver = resolver

    async def check(self, text: str) -> Target:
        """The target of a URL; raises `TargetRefused`."""
        url = _parsed(text)
        host = url.host
        port = url.port if url.port is not None else (_HTTPS_PORT if url.scheme == "https" else 80)
        literal = _literal(host)
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                found = [str(literal)] if literal is not None else await self._resolver(host, port)
        except (OSError, UnicodeError, TimeoutError):
            raise TargetRefused("the host name cannot be resolved", "主机名无法解析") from None
        # A zone (`fe80::1%eth0`) belongs to link-local addresses only.
        addresses = [ipaddress.ip_address(each.partition("%")[0]) for each in found]
        if self._loopback and addresses and all(address.is_loopback for address in addresses):
            return Target(url, str(addresses[0]))
        if url.scheme != "https":
            raise TargetRefused("must begin with https://", "必须以 https:// 开头")
        if port != _HTTPS_PORT and not _PORTS_FROM <= port <= _PORTS_TO:
            raise TargetRefused("the port must be 443 or at least 1024", "端口须为 443 或不小于 1024")
        if literal is None and _is_local(host):
            raise TargetRefused("the host name is not a public one", "主机名不是公网域名")
        if not addresses or not all(is_public(address) for address in addresses):
            raise TargetRefused("the host is not on the public internet", "主机不在公网上")
        return Target(url, str(addresses[0]))


def _parsed(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError):
        raise TargetRefused("not a URL", "不是合法的网址") from None
    if len(text) > MAX_URL or url.scheme not in ("https", "http") or not host:
        raise TargetRefused("must begin with https://", "必须以 https:// 开头")
    if url.userinfo or url.fragment or not text.isascii() or not text.isprintable() or " " in text:
        raise TargetRefused("no credentials, fragment or odd characters", "不得含账号、片段或特殊字符")
    return url


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_local(host: str) -> bool:
    labels = host.rstrip(".").lower().split(".")
    return len(labels) == 1 or labels[-1] in _LOCAL_NAMES
