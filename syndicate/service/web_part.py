"""The web part of a process: uvicorn in a thread of its own, so that the signals stay ours."""

from __future__ import annotations

import socket
import threading

import uvicorn
from starlette.types import ASGIApp


class WebPart:
    """Serves from the moment it is made until ``close``; ``failure`` says why it ended before."""

    def __init__(self, app: ASGIApp, listeners: list[socket.socket]) -> None:
        self._listeners = listeners
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            http=getattr(app, "uvicorn_protocol", "auto"),
            proxy_headers=False,  # make_app() reads them, for pages only
            timeout_graceful_shutdown=1,
        )
        self.server = uvicorn.Server(config)
        self.failure: str | None = None
        self.thread = threading.Thread(target=self._serve, name="web", daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        try:
            self.server.run(sockets=self._listeners)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - told by run(), which ends the process
            self.failure = str(error)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=2)
