"""A number for each request, in its log lines and its answer: X-Request-ID, taken over from a proxy of ours only."""

from __future__ import annotations

import re
import secrets
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syndicate.service.logs import REQUEST_ID
from syndicate.web.proxies import TrustedProxies

_USABLE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIds:
    """Outside of what changes ``scope["client"]``: whom we believe is who is connected."""

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        peer = scope.get("client")
        given = Headers(scope=scope).get("x-request-id", "")
        trusted = peer is not None and self._proxies.trusts(peer[0])
        number = given if trusted and _USABLE.fullmatch(given) else secrets.token_hex(8)
        mark = REQUEST_ID.set(number)

        async def send_with_it(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = number
            await send(message)

        try:
            await self._app(scope, receive, send_with_it)
        finally:
            REQUEST_ID.reset(mark)
