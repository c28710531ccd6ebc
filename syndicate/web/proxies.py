"""Whom a proxy speaks for: X-Forwarded-For is believed of ``[service] trusted_proxies``, for pages and feeds alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware


class TrustedProxies:
    """uvicorn's reading of the header, over one list of addresses and networks."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = list(networks)
        self._hosts = ProxyHeadersMiddleware(None, self._networks).trusted_hosts  # type: ignore[arg-type]

    def around(self, app: ASGIApp) -> ASGIApp:
        """An application that sees the client and the scheme that the proxy saw."""
        return cast("ASGIApp", ProxyHeadersMiddleware(app, self._networks))  # type: ignore[arg-type]

    def trusts(self, peer: str) -> bool:
        """Whether an address is that of a proxy of ours."""
        return peer in self._hosts

    def client(self, peer: str | None, forwarded: bytes | None) -> str | None:
        """The address of a client: the last one in the header that is no proxy of ours, else who is connected."""
        if not forwarded or peer not in self._hosts:
            return peer
        return self._hosts.get_trusted_client_address(forwarded.decode("latin-1"))[0] or peer
