"""The part of ``syndicate run`` that takes bounces by LMTP (``[bounce] lmtp``)."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path

from syndicate.config.returns import UNIX
from syndicate.core.bounces.inbox_names import LMTP
from syndicate.io.lmtp import LmtpListener
from syndicate.pipeline.returns import Fate
from syndicate.service.returns import ReturnsResult, take_message
from syndicate.service.wiring import Services
from syndicate.store.inboxes import inbox, keep_inbox

log = logging.getLogger(__name__)


class LmtpPart:
    """Listens while the process runs. What is no answer to a message of ours is taken and dropped: nobody asked."""

    def __init__(self, services: Services) -> None:
        self.stop = threading.Event()
        self._services = services
        self._turn = threading.Lock()  # SQLite writes one by one anyway
        place = services.settings.bounce.lmtp or ""
        if place.startswith(UNIX):
            place = f"{UNIX}{services.settings.path(Path(place.removeprefix(UNIX)))}"
        self.listener = LmtpListener(place, known=self._is_ours, take=self._take)

    def start(self) -> None:
        """Begin to listen. Raises InboundError."""
        self.listener.start()

    def close(self, within: float) -> bool:  # noqa: ARG002 - stopping takes no time
        """Stop listening; a message that was not answered comes again."""
        self.listener.close()
        return True

    def _is_ours(self, address: str) -> bool:
        local, _, domain = (self._services.settings.bounce.return_path or "").lower().rpartition("@")
        own_local, _, own_domain = address.lower().rpartition("@")
        return bool(local) and own_domain == domain and own_local.partition("+")[0] == local

    def _take(self, data: bytes) -> None:
        services, result = self._services, ReturnsResult()
        try:
            with self._turn:
                taken = take_message(services, data, result)
                now = services.clock()
                with services.database.write() as session:
                    before = inbox(session, LMTP)
                    mine = taken.fate in {Fate.APPLIED, Fate.UNSUBSCRIBE}
                    keep_inbox(session, replace(before, read_at=now, applied=before.applied + mine))
        except Exception as error:
            log.error("LMTP: a message could not be taken, and comes again: %s", error)
            raise
        if not taken.ours:
            log.info("LMTP: a message was dropped: it is not about a message of ours (%s)", taken.fate.value)
