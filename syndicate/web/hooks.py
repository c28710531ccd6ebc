"""``/hooks/NAME``: where mail providers tell what came back. Only a POST, and nothing that is not signed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndicate.errors import FetchError, HookRefusedError, ReplayedHookError, StoreError

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

log = logging.getLogger(__name__)
HOOKS = "/hooks/"
_LARGEST = 5_000_000  # bytes; a thousand events of SendGrid have half of it


class HookEndpoint:
    """The handler, with what it needs."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> list[BaseRoute]:
        """Only a POST."""
        return [Route(f"{HOOKS}{{name}}", self.call, methods=["POST"])]

    async def call(self, request: Request) -> Response:
        """200 when all of it is applied; 401 unsigned or altered, 409 taken before, 503 to try again later."""
        from syndicate.service.hooks import take_call  # OpenSSL, which most have no need of

        name = request.path_params["name"]
        if name not in self._services.settings.hook:
            return _said(404, "there is no such hook")
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _LARGEST:
                return _said(413, "it is too large")
        headers = {key.lower(): value for key, value in request.headers.items()}
        try:
            await run_in_threadpool(take_call, self._services, name, headers, body)
        except ReplayedHookError as error:
            return _said(409, str(error))
        except HookRefusedError as error:
            log.warning("hook %s: a call was refused: %s", name, error)
            return _said(401, str(error))
        except (FetchError, StoreError) as error:
            log.error("hook %s: a call could not be taken: %s", name, error)
            return _said(503, "it cannot be taken now; please try again")
        return _said(200, "thank you")


def _said(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status_code=status, headers={"cache-control": "no-store"})
