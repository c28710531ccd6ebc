"""What surrounds every answer: security headers, and a limit on what a request may bring."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT: Final = 65_536  # bytes; our largest form has a few hundred
_HSTS: Final = "max-age=31536000"  # a year; other names of the domain are not ours to speak for
_HEADERS: Final = {
    # Nothing of anybody else: our pages need their own style sheet, script, QR codes and forms.
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",  # addresses hold tokens
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class SecurityHeaders:
    """Adds the headers to every answer, whatever made it. ``https``: browsers shall use nothing else from then on."""

    def __init__(self, app: ASGIApp, *, https: bool = False) -> None:
        self.app = app
        self._headers = {**_HEADERS, **({"strict-transport-security": _HSTS} if https else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class BodyLimit:
    """Refuses bodies over ``BODY_LIMIT``, by what they announce and by what arrives.

    Handlers of paths that begin with one of ``elsewhere`` have a limit of their own.
    """

    def __init__(self, app: ASGIApp, elsewhere: tuple[str, ...]) -> None:
        self.app = app
        self.elsewhere = elsewhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self.elsewhere):
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        too_large = not announced.isdecimal() or int(announced[:12]) > BODY_LIMIT
        received = 0

        async def receive_some() -> MutableMapping[str, Any]:
            nonlocal received
            if too_large:
                raise HTTPException(413)
            message = await receive()
            received += len(message.get("body", b""))
            if received > BODY_LIMIT:
                raise HTTPException(413)
            return message

        await self.app(scope, receive_some, send)
