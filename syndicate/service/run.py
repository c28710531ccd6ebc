"""``syndicate run``: one process with the clock, the work and the web part; SIGTERM drains and ends it within 10 s."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Protocol

from starlette.types import ASGIApp

from syndicate.service.clock import DRAIN, Clock
from syndicate.service.listening import listen
from syndicate.service.web_part import WebPart
from syndicate.service.wiring import Services

log = logging.getLogger(__name__)


class Part(Protocol):
    """What a process is made of beside its web part: the clock, the worker."""

    stop: threading.Event

    def start(self) -> None:
        """Begin; returns at once."""

    def close(self, within: float) -> bool:
        """Stop, and wait so many seconds; whether all work ended."""


def run(
    services: Services,
    app: ASGIApp | None,
    *,
    work: bool = True,
    parts: Sequence[Part] = (),
    at: tuple[str, int] | None = None,
    ready: Callable[[], None] = lambda: None,
) -> int:
    """Run until SIGTERM or SIGINT; returns the exit status. ``app`` is the web part, None for a process without one.

    ``work``: with the clock, and on PostgreSQL a worker. ``parts``: what else it is made of. ``at``: where the web part
    listens, by default at ``[service] listen``. ``ready`` is called when it can be reached. Raises SyndicateError when
    its address cannot be listened on.
    """
    # Built here, before any thread asks for them: two threads would build two.
    _ = services.database, services.keyring, services.signer
    service = services.settings.service
    listeners = listen(*(at or (service.host, service.port))) if app is not None else []
    stop = threading.Event()

    def ask_to_stop(number: int, _frame: FrameType | None) -> None:
        log.info("%s: finishing what is on the wire", signal.Signals(number).name)
        stop.set()

    previous = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    running = [*(_working(services) if work else ()), *parts]
    server = WebPart(app, listeners) if app is not None else None
    try:
        for part in running:
            part.start()
        ready()
        status = 0
        while not stop.wait(0.2):
            if server is not None and not server.thread.is_alive():
                log.error("the web part ended: %s", server.failure or "see above")
                status = 1  # the clock is closed as ever: one that ticks on while the interpreter ends logs tracebacks
                break
        began = time.monotonic()
        for part in running:
            part.stop.set()
        late = [part for part in running if not part.close(began + DRAIN - time.monotonic())]
        if server is not None:
            server.close()
        log.info("stopped after %.1f s", time.monotonic() - began)
        if late:
            # Threads that are still in a commit or a reply would hold the interpreter; a kill here loses nothing.
            logging.shutdown()
            os._exit(status)
        return status
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for part in running:
            part.stop.set()


def _working(services: Services) -> list[Part]:
    parts: list[Part] = [Clock(services)]
    if services.database.dialect != "sqlite":
        from syndicate.service.worker import Worker  # Procrastinate takes 0.3 s, and SQLite needs none

        parts.append(Worker(services))
    if services.settings.bounce.lmtp is not None:
        from syndicate.service.lmtp import LmtpPart

        parts.append(LmtpPart(services))
    return parts
