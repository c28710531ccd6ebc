"""Who loads the same document over and over without asking whether it changed: 429 for those, and for nobody else.

A courtesy to the server, no defence: conditional requests are never counted, so polite readers cannot be hurt (F19).
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

ALLOWED: Final = 60  # unconditional 200s within a document's max-age, by one address
_KEPT: Final = 20_000  # pairs of client and document
# Behind these may stand a proxy that is not named in trusted_proxies, or a house, and with it everybody.
_NEAR: Final = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


class Hammering:
    """Counts of one process; ``now`` is any clock in seconds that never goes back."""

    def __init__(self, allowed: int = ALLOWED, kept: int = _KEPT) -> None:
        self._allowed = allowed
        self._kept = kept
        self._counts: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def wait(self, host: str | None, path: str, window: int, now: float) -> int:
        """Count one unconditional load. Returns the seconds to wait when there were too many, else 0."""
        client = client_of(host)
        if client is None:
            return 0
        key = (client, path)
        since, count = self._counts.pop(key, (now, 0))
        if now - since >= window:
            since, count = now, 0
        self._counts[key] = (since, count + 1)
        if len(self._counts) > self._kept:
            self._counts.popitem(last=False)
        return max(1, int(since + window - now)) if count >= self._allowed else 0


@lru_cache(maxsize=4096)
def client_of(host: str | None) -> str | None:
    """What counts as one client: an IPv4 address, an IPv6 network of 64 bits; None for neighbours and proxies."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return client_of(str(address.ipv4_mapped))
        return None if _near(address) else str(ip_network((int(address) >> 64 << 64, 64)))
    return None if _near(address) else str(address)


def _near(address: object) -> bool:
    return any(address in network for network in _NEAR)
