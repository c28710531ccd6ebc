"""Turns SIGTERM and SIGINT into an event for work that ends in order: what is on the wire is finished and recorded."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# SIGTERM allows 10 s in all. What has not ended by then waits for somebody else (a greeting, a lock): every stage goes
# on from its last commit, so a kill loses nothing.
PATIENCE = 9.0
# The threads of pipeline/deliver/wire.py that open and close connections; a stop leaves those that hang behind.
_LEFT_BEHIND = "errand-"


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that the first SIGTERM or SIGINT sets; a second SIGINT interrupts at once.

    Work that does not end within ``PATIENCE`` seconds of it is left as it stands, with exit status 1.
    """
    stop, ended = threading.Event(), threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not stop.is_set():
            threading.Thread(target=_watch, args=(ended,), name="stopping", daemon=True).start()
        stop.set()

    previous = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        ended.set()
        for number, handler in previous.items():
            signal.signal(number, handler)


def leave(status: int) -> None:
    """End the process at once when threads are left that wait for somebody else: the interpreter would wait for them.

    Returns when there are none.
    """
    if any(thread.name.startswith(_LEFT_BEHIND) for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _watch(ended: threading.Event) -> None:
    if ended.wait(PATIENCE):
        return
    os.write(2, b"syndicate: stopped while it waited for others; the ledger knows what was on the wire\n")
    os._exit(1)
