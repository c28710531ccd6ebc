"""Asks the DNS whether the domain of a new address takes mail (``[signup] check_mx``), within bounds."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import BoundedSemaphore, Lock

from syndicate.core.doctor.names import answered
from syndicate.core.mail_domains import takes_no_mail

#: Seconds for one question; a domain costs three at most, and one that is not answered is the last.
QUESTION = 1.5
#: Domains asked for at the same time: each holds a thread of the web part, and strangers choose the names.
AT_ONCE = 8
#: How long an answer counts, in seconds, and how many are known.
KNOWN_FOR, KNOWN = 300.0, 2_000


class MailDomains:
    """Knows domains for some minutes; safe to share by threads. ``nameserver``: instead of the machine's own."""

    def __init__(self, nameserver: str | None = None) -> None:
        self._nameserver = nameserver
        self._known: OrderedDict[str, tuple[float, bool]] = OrderedDict()
        self._lock = Lock()
        self._free = BoundedSemaphore(AT_ONCE)

    def takes_no_mail(self, domain: str) -> bool:
        """Whether mail to a domain surely cannot arrive. False where the DNS does not say, or is busy."""
        with self._lock:
            until, refused = self._known.get(domain, (0.0, False))
        if time.monotonic() < until:
            return refused
        if not self._free.acquire(blocking=False):
            return False
        try:
            # Only who asks pays for the library. A resolver each time: it gives its first answers for ever.
            from syndicate.io.names import Resolver

            refused = answered(takes_no_mail(domain), Resolver(self._nameserver, seconds=QUESTION).ask)
        finally:
            self._free.release()
        with self._lock:
            self._known[domain] = (time.monotonic() + KNOWN_FOR, refused)
            self._known.move_to_end(domain)
            while len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return refused
