"""Under which names we answer: those of ``public_url`` and ``[service] allowed_hosts``, addresses of this machine.

A page asked under another name is 421 (RFC 9110 15.5.20): its links and forms would lead there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

# Watchers and balancers ask by address.
_EVERYWHERE: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_FRESH: Final = {"cache-control": "no-store"}


class Hosts:
    """A service at a loopback address (the default) is being tried out: it answers under every name."""

    def __init__(self, app: ASGIApp, public_url: str, others: Iterable[str]) -> None:
        self._app = app
        own = (urlsplit(public_url).hostname or "").lower()
        self._known = {own, *(other.lower() for other in others), "localhost"}
        self._open = _is_loopback(own)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._open and scope["path"] not in _EVERYWHERE:
            given = Headers(scope=scope).getlist("host")
            found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
            if found is None:
                await PlainTextResponse("no usable Host\n", 400, headers=_FRESH)(scope, receive, send)
                return
            name = found[1].strip("[]").lower().rstrip(".")
            if name not in self._known and not _is_loopback(name):
                await PlainTextResponse("this is another site\n", 421, headers=_FRESH)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
