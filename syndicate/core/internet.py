"""Which network addresses and ports a stranger may send us to: none that only our own machine or network reaches.

Names are resolved elsewhere; here are only the rules about what comes out of that.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# Everything below 1024 but the web's own ports belongs to mail, shells and the like, which a POST can be made to speak.
_WEB_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024
_LAST_PORT = 65535

# Addresses that hold an IPv4 address which is where the packets go in the end: network and position of its last bit.
_EMBEDDING: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped, RFC 4291 2.5.5.2
    (IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated, RFC 2765 2.1
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052 2.1
    (IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056 2
)
# Not global although ipaddress does not say so in every version of Python: site-local (RFC 3879), NAT64 for local use
# (RFC 8215), Teredo (its IPv4 address is obscured, RFC 4380 4), IPv4-compatible (RFC 4291 2.5.5.1).
_CLOSED = tuple(IPv6Network(block) for block in ("fec0::/10", "64:ff9b:1::/48", "2001::/32", "::/96"))
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214 6.1: upper half of the interface identifier


def is_public(address: Address) -> bool:
    """Whether the address is somebody's on the Internet: not loopback, private, link-local, multicast or reserved.

    An IPv6 address that leads to an IPv4 one (mapped, NAT64, 6to4, ISATAP) is as public as that.
    """
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        number = int(address)
        for network, shift in _EMBEDDING:
            if address in network:
                return is_public(IPv4Address(number >> shift & 0xFFFFFFFF))
        if (number >> 32) & 0xFFFFFFFF in _ISATAP and not is_public(IPv4Address(number & 0xFFFFFFFF)):
            return False
        if any(address in network for network in _CLOSED):
            return False
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
    )


def is_within(address: Address, networks: Iterable[Network]) -> bool:
    """Whether the address lies in one of the networks; a mapped IPv4 address counts as that one."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == network.version and address in network for network in networks)


def literal_address(host: str) -> Address | None:
    """The address that a host name spells out in the usual form, with or without brackets; None for a name."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def port_allowed(port: int) -> bool:
    """Whether a stranger may name this port: 80, 443 and those from 1024 on."""
    return port in _WEB_PORTS or _FIRST_FREE_PORT <= port <= _LAST_PORT
