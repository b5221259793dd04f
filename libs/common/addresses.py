"""Which addresses an outgoing request may connect to: the guard against server-side request forgery.

A name is resolved once, every address it has is checked, and the connection goes to a checked address: a
name server that answers differently the next time (DNS rebinding) gains nothing.
"""

import asyncio
import socket
import time
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httpcore

_DEFAULT_PORTS = {"http": 80, "https": 443}
# How many of a name's addresses are tried.
_MAX_ADDRESSES = 6
_GLOBAL_V6 = IPv6Network("2000::/3")
_TRANSLATED_V4 = IPv6Network("64:ff9b::/96")
_TUNNELLED_V4 = (IPv6Network("2001::/32"), IPv6Network("2002::/16"))
# Special ones among the addresses that count as public: IETF protocols, Azure's metadata service.
_SPECIAL_V4 = (ip_network("192.0.0.0/24"), ip_network("192.88.99.0/24"), ip_network("168.63.129.16/32"))


class Origin(NamedTuple):
    """Host (lower case, an IPv6 address without brackets) and port."""

    host: str
    port: int


def origin(url: str) -> Origin:
    """Where a URL leads; raises `ValueError` if it isn't an http or https URL with a host."""
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("not an http or https URL with a host")
    return Origin(parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])


class AddressRefused(Exception):
    """A host leads into this machine or its network, and the owner hasn't named it."""


def is_public(address: str) -> bool:
    """Whether this is an address of the public internet: none of this machine, its network or its cloud.

    Addresses that carry an IPv4 address count as that one (mapped, NAT64) or are refused (6to4, Teredo).
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        return _is_public_v6(ip)
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _SPECIAL_V4)


def _is_public_v6(ip: IPv6Address) -> bool:
    carried = ip.ipv4_mapped or (IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _TRANSLATED_V4 else None)
    if carried is not None:
        return is_public(str(carried))
    return ip in _GLOBAL_V6 and ip.is_global and not any(ip in network for network in _TUNNELLED_V4)


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to hosts the owner named (`allowed`), and to names all of whose addresses are public."""

    def __init__(self, allowed: frozenset[Origin]) -> None:
        self._allowed = allowed
        self._network = cast(httpcore.AsyncNetworkBackend, httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """As httpcore has it, and `AddressRefused`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        addresses = await _resolve(host, port, timeout)
        if Origin(host.lower(), port) not in self._allowed:
            _check(host, addresses)
        for address in addresses[:-1]:
            try:
                # Half of what is left for each, so that a dead first address leaves time for the others.
                return await self._connect(address, port, _left(deadline, 0.5), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._connect(addresses[-1], port, _left(deadline, 1), local_address, socket_options)

    async def _connect(
        self,
        address: str,
        port: int,
        timeout: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _check(host: str, addresses: Iterable[str]) -> None:
    for address in addresses:
        if not is_public(address):
            raise AddressRefused(f"{host} leads to {address}")


def _left(deadline: float | None, share: float) -> float | None:
    return None if deadline is None else max(0.05, (deadline - time.monotonic()) * share)


async def _resolve(host: str, port: int, timeout_s: float | None) -> list[str]:
    """The host's addresses, at least one, in the system's order of preference."""
    try:
        async with asyncio.timeout(timeout_s):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(f"no answer about the name {host}") from error
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the name {host} is unknown") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))[:_MAX_ADDRESSES]
