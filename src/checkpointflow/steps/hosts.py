"""Where names lead: addresses looked up once, which of them anybody may be sent to, and which proxy is in between."""

from __future__ import annotations

import re
import socket
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import unquote

from checkpointflow.errors import UnsupportedError
from checkpointflow.records import dataclass, field
from checkpointflow.steps.urls import Url, parse_url

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]

_NAT64 = ip_network("64:ff9b::/96")
_NEVER_PUBLIC = [
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"),
        *("::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2002::/16", "fc00::/7", "fe80::/10", "fec0::/10"),
    )
]


def lookup(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host as numbers, in the order in which to try them; asks the system, and may block.

    Raises:
        OSError: it has none; the message says why.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError(f"`{host[:80]}` cannot be a name of a host") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """Tell whether an address, as numbers, is one of the internet at large.

    Private, loopback, link-local, unspecified, multicast and reserved ones are not, nor those that carry an IPv4
    address which is not (mapped, NAT64) or can carry any (6to4, Teredo).
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = _carried(ip)
    if inner is not None:
        return is_public(str(inner))
    if any(ip in network for network in _NEVER_PUBLIC):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_loopback or ip.is_unspecified)


def _carried(ip: IPv4Address | IPv6Address) -> IPv4Address | None:
    if isinstance(ip, IPv4Address):
        return None
    return IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.ipv4_mapped


# -- proxies ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that is spoken to in plain HTTP; `authorization` is the value of its header, if it wants one."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)


def proxy_for(url: Url, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that the environment names for an address: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, and
    `NO_PROXY` for those that are reached without; lower-case names come first.

    Raises:
        UnsupportedError: it is of a sort that is not spoken here.
    """
    for name in (f"{url.scheme}_proxy", "all_proxy"):
        text = _variable(environment, name)
        if text:
            return None if _is_exempt(url, _variable(environment, "no_proxy")) else _proxy(text, name.upper())
    return None


def _variable(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(name) or environment.get(name.upper()) or "").strip()


def _proxy(text: str, name: str) -> Proxy:
    scheme, _, rest = text.rpartition("://")
    user, at, place = rest.rpartition("@")
    try:
        url = parse_url(f"{scheme or 'http'}://{place}")
    except ValueError:
        url = None
    if url is None or url.scheme != "http":
        raise UnsupportedError(
            f"the proxy in `{name}` is none that is spoken to here; write it as `http://HOST:PORT`, "
            "or unset it and list in `NO_PROXY` what is reached without"
        )
    return Proxy(url.host, url.port, f"Basic {b64encode(unquote(user).encode()).decode()}" if at else None)


def _is_exempt(url: Url, listed: str) -> bool:
    return any(_covers(entry.lower(), url) for entry in re.split(r"[,\s]+", listed) if entry)


def _covers(entry: str, url: Url) -> bool:
    """Tell whether an entry of `NO_PROXY` means a host: itself, a domain above it, an address, a network, or all."""
    if entry == "*":
        return True
    name, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and (":" not in name or name.endswith("]")):
        if int(port) != url.port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*").lstrip(".")
    if url.host == entry or url.host.endswith(f".{entry}"):
        return True
    try:
        return ip_address(url.host) in ip_network(entry, strict=False)
    except ValueError:
        return False
