"""For watchers: is the process alive, and can it work."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from syndicate.errors import SyndicateError
from syndicate.store.schema import current_revision, head_revision

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

log = logging.getLogger(__name__)
# Seconds; the clock ticks once a second, whatever its work takes.
_STANDS_STILL = 60.0
_FRESH = {"cache-control": "no-store"}


class Health:
    """The handlers, with what they need."""

    def __init__(self, services: Services) -> None:
        self._services = services
        # As it was when this process started: an upgrade puts new steps on the disk beside it.
        self._schema = head_revision()

    def routes(self) -> list[BaseRoute]:
        """Only GETs."""
        return [
            Route("/healthz", self.health, methods=["GET"]),
            Route("/readyz", self.ready, methods=["GET"]),
        ]

    async def health(self, _request: Request) -> Response:
        """The process answers."""
        return JSONResponse({"status": "ok"}, headers=_FRESH)

    def ready(self, _request: Request) -> Response:
        """The database answers, too, with the schema that we work with, and the clock ticks if this process has one."""
        ticked_at = self._services.ticked_at
        if ticked_at is not None and time.monotonic() - ticked_at > _STANDS_STILL:
            log.error("not ready: the clock stands still; nothing is polled, composed or sent. Start the service anew")
            return JSONResponse({"status": "clock stands still"}, status_code=503, headers=_FRESH)
        try:
            found = current_revision(self._services.database)
        except SyndicateError as error:
            log.warning("not ready: %s", error)
            return JSONResponse({"status": "database unavailable"}, status_code=503, headers=_FRESH)
        if found != self._schema:
            log.error("not ready: the database is at schema %s, this process works with %s", found, self._schema)
            return JSONResponse({"status": "schema of another version"}, status_code=503, headers=_FRESH)
        return JSONResponse({"status": "ok"}, headers=_FRESH)
