"""The gate before the API: tokens, rates, sizes and origins are settled before anything of a body is read.

What passes has its token in ``scope["state"]["token"]``. Work is done in threads, a few at a time: pages need some.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syndicate.errors import SyndicateError
from syndicate.model import Rate
from syndicate.store.api_tokens import ApiToken
from syndicate.web.api.problems import (
    INVALID,
    MEDIA,
    TOO_LARGE,
    TOO_MANY,
    UNAUTHORIZED,
    ProblemError,
    problem,
    problem_of,
)

log = logging.getLogger(__name__)
BODY_LIMIT: Final = 65_536  # bytes; of articles, what their sources allow
AT_ONCE: Final = 16
GUARDED: Final = "/api/v1/"
_ARTICLES: Final = "/api/v1/articles"
_ENVELOPE: Final = 65_536
_ASK: Final = {"www-authenticate": 'Bearer realm="syndicate"'}
_METHODS: Final = "GET, POST, PUT, PATCH, DELETE"
_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Gate:
    """``known`` finds a token; ``article_bytes``: the largest article of any push source."""

    def __init__(
        self,
        app: ASGIApp,
        known: Callable[[str], ApiToken | None],
        *,
        rate: Rate,
        article_bytes: int,
        origins: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._known = known
        self._rates = Rates(rate)
        self._article_bytes = article_bytes
        self._origins = frozenset(origins)
        self._places = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        send = self._for_origin(headers.get("origin"), send)
        if (
            scope["method"] == "OPTIONS"
            and headers.get("origin") in self._origins
            and scope["path"].startswith(GUARDED)
        ):
            await _preflight(send)
            return
        if not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        try:
            token = await self._admitted(scope, headers)
        except ProblemError as error:
            answer = problem(error.kind, error.detail, headers=error.headers)
            await answer(scope, receive, send)
            return
        except SyndicateError as error:
            await problem_of(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["token"] = token
        try:
            body = await _whole(receive, self._limit(scope))
        except ProblemError as error:
            await problem(error.kind, error.detail)(scope, receive, send)
            return
        if body is not None:
            await self._work(scope, _replay(body, receive), send, token)

    async def _admitted(self, scope: Scope, headers: Headers) -> ApiToken:
        if b"%00" in scope.get("raw_path", b"") or b"%00" in scope.get("query_string", b""):
            raise ProblemError(INVALID, "an address holds a character that no text of ours can (%00)")
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise ProblemError(UNAUTHORIZED, "send Authorization: Bearer TOKEN", headers=_ASK)
        async with self._places:
            token = await run_in_threadpool(self._known, given.strip())
        if token is None:
            wrong = {"www-authenticate": f'{_ASK["www-authenticate"]}, error="invalid_token"'}
            raise ProblemError(UNAUTHORIZED, "the token is unknown, revoked, or its time is over", headers=wrong)
        wait = self._rates.wait(token.id, time.monotonic())
        if wait:
            raise ProblemError(TOO_MANY, headers={"retry-after": str(wait)})
        _check_body(headers, self._limit(scope))
        return token

    def _limit(self, scope: Scope) -> int:
        return self._article_bytes + _ENVELOPE if scope["path"].startswith(_ARTICLES) else BODY_LIMIT

    async def _work(self, scope: Scope, receive: Receive, send: Send, token: ApiToken) -> None:
        status, began = 0, time.monotonic()

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        async with self._places:
            await self._app(scope, receive, send_noting)
        route = scope.get("route")
        level = logging.INFO if scope["method"] in _WRITES else logging.DEBUG
        took = (time.monotonic() - began) * 1000
        log.log(
            level,
            "api: %s %s %d %.0f ms, token %s",
            scope["method"],
            getattr(route, "path", "?"),
            status,
            took,
            token.name,
        )

    def _for_origin(self, origin: str | None, send: Send) -> Send:
        if origin is None or origin not in self._origins:
            return send

        async def send_open(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer["access-control-allow-origin"] = origin
                answer["access-control-expose-headers"] = "Retry-After, X-Request-ID"
                answer.add_vary_header("Origin")
            await send(message)

        return send_open


def _check_body(headers: Headers, limit: int) -> None:
    announced = headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced[:12]) > limit:
        raise ProblemError(TOO_LARGE, f"more than {limit} bytes are not taken here")
    has_body = announced != "0" or "transfer-encoding" in headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if has_body and kind != "application/json":
        raise ProblemError(MEDIA)


async def _whole(receive: Receive, limit: int) -> bytes | None:
    """The body, before anything is held for its request: a slow client keeps nobody waiting. None: it is gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > limit:
            raise ProblemError(TOO_LARGE, f"more than {limit} bytes are not taken here")
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def receive_it() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_it


async def _preflight(send: Send) -> None:
    fields = [
        (b"access-control-allow-methods", _METHODS.encode()),
        (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key"),
        (b"access-control-max-age", b"600"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": fields})
    await send({"type": "http.response.body", "body": b""})


class Rates:
    """How often each token was used lately, in this process (GCRA: a burst up to the count, then evenly)."""

    def __init__(self, rate: Rate) -> None:
        self._period = rate.period.total_seconds()
        self._spacing = self._period / rate.count
        self._arrivals: dict[int, float] = {}

    def wait(self, token: int, now: float) -> int:
        """Seconds to wait, 0 when the request may pass."""
        arrival = max(self._arrivals.get(token, now), now) + self._spacing
        over = arrival - now - self._period
        if over > 1e-9:  # noqa: PLR2004 - what is lost in adding floats
            return max(1, round(over + 0.5))
        self._arrivals[token] = arrival
        return 0
