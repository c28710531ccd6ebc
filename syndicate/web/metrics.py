"""``/metrics``, for whom ``[service] metrics`` names, and the time that pages take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syndicate.core.api_scopes import allowed
from syndicate.service.metrics import Metrics
from syndicate.service.tokens import known_token
from syndicate.service.wiring import Services

_SCOPE: Final = "metrics:read"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class MetricsPage:
    """The handler, with what it needs."""

    def __init__(self, services: Services, metrics: Metrics) -> None:
        self._services = services
        self._metrics = metrics

    def routes(self) -> list[BaseRoute]:
        """One; none where they are off."""
        if self._services.settings.service.metrics == "off":
            return []
        return [Route("/metrics", self.show, methods=["GET"])]

    def show(self, request: Request) -> Response:
        """The numbers; 403 or 401 for others."""
        if self._services.settings.service.metrics == "local":
            if not _is_here(request):
                return PlainTextResponse('only for this machine ([service] metrics = "local")\n', 403)
        else:
            scheme, _, given = request.headers.get("authorization", "").partition(" ")
            token = known_token(self._services, given.strip()) if scheme.lower() == "bearer" else None
            if token is None:
                ask = {"www-authenticate": 'Bearer realm="metrics"'}
                return PlainTextResponse("a token is needed\n", 401, headers=ask)
            if not allowed(token.scopes, _SCOPE):
                return PlainTextResponse(f"the token lacks the scope {_SCOPE}\n", 403)
        return Response(self._metrics.text(), media_type=CONTENT_TYPE_LATEST, headers={"cache-control": "no-store"})


def _is_here(request: Request) -> bool:
    """Whether it comes from this machine, and through no proxy: that one would speak for the whole world."""
    through = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "via", "x-real-ip"))
    if request.client is None or through:
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False


class Timed:
    """Observes how long answers take, by the route that made them: a closed list, whatever is asked for."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._page = metrics.page
        self._paths: dict[Callable[..., object], str] = {
            route.endpoint: route.path for route in routes if isinstance(route, Route)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._page.labels(method, self._route(scope), str(status)).observe(time.perf_counter() - began)

    def _route(self, scope: Scope) -> str:
        route = scope.get("route")
        path = getattr(route, "path", None) or self._paths.get(scope.get("endpoint", _nothing))
        return path if isinstance(path, str) else "other"


def _nothing() -> None:
    """What stands for no handler."""
