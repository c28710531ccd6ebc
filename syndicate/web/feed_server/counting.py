"""Counts who asks for feeds, off the path of answers: an answer adds to a set, a thread writes twice a minute.

Addresses stand in memory until then and are not written anywhere; what is written is a sketch (``core/feed_readers``).
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from syndicate.core.feed_readers import SIZE, Announced, add_reader, announced
from syndicate.errors import SyndicateError
from syndicate.store.engine import Database
from syndicate.store.feed_readers import add_counts, day_salt
from syndicate.web.feed_server.addresses import document_parts

if TYPE_CHECKING:
    from collections.abc import Iterable

log = logging.getLogger(__name__)
EVERY: Final = 30.0  # seconds
#: So many askers are held between two writings; more of them are not counted, and memory stays flat.
_MOST: Final = 200_000

Asker = tuple[str, str | None, bytes]  # path, client, User-Agent


class ReaderCounter:
    """``note`` is called for each answer; ``write`` by a thread, once the first was noted."""

    def __init__(self, database: Callable[[], Database], clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._askers: set[Asker] = set()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def note(self, path: str, client: str | None, user_agent: bytes) -> None:
        """Take down that somebody was given a feed."""
        askers = self._askers
        if len(askers) < _MOST:
            askers.add((path, client, user_agent))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="feed readers", daemon=True)
            self._thread.start()

    def write(self) -> None:
        """Write what was noted since the last time. Raises SyndicateError, and then it is noted still."""
        with self._lock:
            noted, self._askers = self._askers, set()
            askers = list(noted)  # in one step: an answer given at this moment may still add to the set
            if not askers:
                return
            now = self._clock()
            try:
                with self._database().write() as session:
                    day = now.date().isoformat()
                    salt = bytes.fromhex(day_salt(session, day, secrets.token_hex(16)))
                    sketches, said = tally(askers, salt)
                    add_counts(session, day, sketches, said, now)
            except SyndicateError:
                self._askers.update(askers)
                raise

    def write_last(self) -> None:
        """Write what is left when the process ends; what cannot be written is lost, and said."""
        self._try("readers of feeds of the last seconds could not be counted")

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(EVERY):
            self._try("readers of feeds could not be counted; they are with the next")

    def _try(self, trouble: str) -> None:
        try:
            self.write()
        except SyndicateError as error:
            log.warning("%s: %s", trouble, error)
        except Exception:
            log.exception("%s. Please report this", trouble)


def tally(askers: Iterable[Asker], salt: bytes) -> tuple[dict[str, bytes], dict[str, dict[str, Announced]]]:
    """Sketches and announcements by feed; archives, lists and what names no feed are left out."""
    sketches: dict[str, bytearray] = {}
    said: dict[str, dict[str, Announced]] = {}
    for path, client, user_agent in sorted(askers, key=repr):
        parts = document_parts(path)
        if parts is None or len(parts) < 2 or "archive" in parts[:-1]:  # noqa: PLR2004 - NAME/FILE
            continue
        feed, text = "/".join(parts[:-1]), user_agent.decode("latin-1")
        found = announced(text)
        if found is not None:
            # Hosted readers that give their feeds no numbers fetch each format for other subscribers.
            name = found.reader if any(letter.isdigit() for letter in found.reader) else f"{found.reader} {parts[-1]}"
            before = said.setdefault(feed, {}).get(name)
            if before is None or before.subscribers < found.subscribers:
                said[feed][name] = found
        elif client is not None:
            add_reader(sketches.setdefault(feed, bytearray(SIZE)), salt, client, text)
    return {feed: bytes(sketch) for feed, sketch in sketches.items()}, said
