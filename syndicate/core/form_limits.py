"""How often a form may be used: GCRA over one time per key. What is kept: ``store/form_limits.py``."""

from __future__ import annotations

import hmac
from datetime import datetime
from ipaddress import ip_address, ip_network

from syndicate.model import Rate


def next_arrival(arrival_at: datetime | None, rate: Rate, now: datetime) -> datetime | None:
    """What to keep after one more use now: when all uses would have been let in at an even pace. None: one too many.

    After a rest, ``rate.count`` uses may come at once.
    """
    start = now if arrival_at is None else max(arrival_at, now)
    after = start + rate.period / rate.count
    return None if after - now > rate.period else after


def network_of(host: str) -> str | None:
    """The network of a client as it is counted and, if it is to be kept, kept: IPv4 /24, IPv6 /48; None for no address.

    An IPv4 address in IPv6 clothes (RFC 4291 2.5.5.2) counts as what it is.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return str(ip_network((int(address), 24 if address.version == 4 else 48), strict=False))  # noqa: PLR2004 - IPv4


def limit_key(kind: str, value: str, hash_key: bytes) -> str:
    """What a use is counted under: a keyed hash, so that the table names nobody."""
    digest = hmac.digest(hash_key, f"form limit {kind}\0{value}".encode(), "sha256")
    return f"{kind}:{digest.hex()[:32]}"
