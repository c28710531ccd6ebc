"""``/hub``: where readers subscribe to our feeds (WebSub 5.1). Takes requests in; the rest is done by the clock."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from threading import Lock
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndicate.core.websub import HUB_PATH
from syndicate.errors import HubFullError, UsageError
from syndicate.pipeline.websub.accepting import accept
from syndicate.web.forms import read_form

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_FORM = "application/x-www-form-urlencoded"
_FIELDS = ("hub.mode", "hub.topic", "hub.callback", "hub.lease_seconds", "hub.secret")
# An aggregator that subscribes to a thousand feeds does so within a few minutes; a flood is held back.
_BURST = 300
_PER_SECOND = 5.0
_NETWORKS_KEPT = 10_000
_RETRY = "300"


class HubEndpoint:
    """The handler, with what it needs."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rates = NetworkRates(_BURST, _PER_SECOND)

    def routes(self) -> list[BaseRoute]:
        """Only a POST."""
        return [Route(HUB_PATH, self.request, methods=["POST"])]

    async def request(self, request: Request) -> Response:
        """Take a request in (202), or say in a line what is wrong with it."""
        wait = self._rates.wait(request.client.host if request.client else "")
        if wait:
            return _said(429, "too many requests from your network", {"retry-after": str(math.ceil(wait))})
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            return _said(415, f"expected a form of type {_FORM}")
        form = await read_form(request)
        fields = {name: form.text(name) or "" for name in _FIELDS}
        services = self._services
        try:
            await run_in_threadpool(accept, services.database, services.settings, fields, services.clock())
        except UsageError as error:
            return _said(400, str(error))
        except HubFullError as error:
            return _said(503, str(error), {"retry-after": _RETRY})
        return _said(202, "accepted; it is verified by a request to your callback")


class NetworkRates:
    """How often each network (an IPv4 /24, an IPv6 /48) may ask: ``burst`` at once, then ``per_second``."""

    def __init__(self, burst: int, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / per_second
        self._span = burst * self._interval
        self._clock = clock
        self._ends: OrderedDict[str, float] = OrderedDict()  # when all that a network asked would have been let in
        self._lock = Lock()

    def wait(self, host: str) -> float:
        """Count one request of a host; 0 when it is let in, else the seconds after which one would be."""
        network, now = _network(host), self._clock()
        with self._lock:
            end = max(self._ends.get(network, now), now) + self._interval
            if end - now > self._span:
                return end - now - self._span
            self._ends[network] = end
            self._ends.move_to_end(network)
            if len(self._ends) > _NETWORKS_KEPT:
                self._ends.popitem(last=False)
            return 0.0


def _network(host: str) -> str:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str(ip_network((int(address), 24 if address.version == 4 else 48), strict=False))  # noqa: PLR2004 - IPv4


def _said(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{text}\n", status_code=status, headers={"cache-control": "no-store", **(headers or {})})
