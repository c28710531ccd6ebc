"""``/websub/TOKEN``: where the hubs of feeds that we follow ask and call. The rest is done by the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndicate.config.sources import FeedSource
from syndicate.core.following import CALLBACK_PATH, SignatureCheck
from syndicate.errors import UsageError
from syndicate.pipeline.websub.listening import answer_question, expecting, take_message

if TYPE_CHECKING:
    from syndicate.service.wiring import Services
    from syndicate.store.following import FollowedFeed

CALLBACKS = f"{CALLBACK_PATH}/"
_LARGEST = 15_000_000  # bytes of a message, where its source has no limit of its own
_FIELDS = ("hub.mode", "hub.topic", "hub.challenge", "hub.lease_seconds", "hub.reason")


class Callbacks:
    """The handlers, with what they need."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> list[BaseRoute]:
        """GET asks, POST calls."""
        path = f"{CALLBACK_PATH}/{{token}}"
        return [Route(path, self.question, methods=["GET"]), Route(path, self.message, methods=["POST"])]

    async def question(self, request: Request) -> Response:
        """Confirm what we asked for with the hub's challenge (5.3.1); 404 for all else."""
        services = self._services
        if request.method != "GET":  # a HEAD confirms nothing
            return _said(405, "hubs ask by GET", allow="GET, POST")
        fields = {name: request.query_params.get(name, "") for name in _FIELDS}
        token = request.path_params["token"]
        try:
            answer = await run_in_threadpool(answer_question, services.database, token, fields, services.clock())
        except UsageError as error:
            return _said(404, str(error))
        if answer is None:
            return _said(404, "we did not ask for this")
        return Response(answer, media_type="text/plain", headers={"cache-control": "no-store"})

    async def message(self, request: Request) -> Response:
        """Take a message: 202 whether it is signed or not (7.1); 410 ends a subscription that we no longer want (7)."""
        services = self._services
        feed = await run_in_threadpool(expecting, services.database, request.path_params["token"])
        if feed is None:
            return _said(410, "there is no such subscription")
        check = SignatureCheck(feed.secret, request.headers.get("x-hub-signature"))
        left = self._largest(feed)
        async for piece in request.stream():
            left -= len(piece)
            if left < 0:
                return _said(413, "the message is too large")
            check.update(piece)
        await run_in_threadpool(take_message, services.database, feed, check, services.clock())
        return _said(202, "thank you")

    def _largest(self, feed: FollowedFeed) -> int:
        config = self._services.settings.source.get(feed.source)
        return config.max_size if isinstance(config, FeedSource) else _LARGEST


def _said(status: int, text: str, **headers: str) -> Response:
    return PlainTextResponse(f"{text}\n", status_code=status, headers={"cache-control": "no-store", **headers})
