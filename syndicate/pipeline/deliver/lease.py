"""The signs of life of a process that sends, and its promise to send nothing once others may take it for dead.

A process that is frozen notices nothing. So before each message it looks at how long ago its last sign of life was.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime

from syndicate.pipeline.deliver.request import Holder, LostHoldError
from syndicate.store.engine import Database
from syndicate.store.holders import DEAD_AFTER, TOUCH_EVERY, touch_holder

# So long after its last sign of life a process sends on without a new one. The rest is for the message on the wire.
_GOOD_FOR = (DEAD_AFTER - TOUCH_EVERY).total_seconds()
_TELL_EVERY = 60.0


class Lease:
    """Shows life in the background. With ``holder.alone`` nobody else can send, and it does nothing."""

    def __init__(
        self, database: Database, holder: Holder, *, clock: Callable[[], datetime], log: Callable[[str], None]
    ) -> None:
        self._database = database
        self._holder = holder
        self._clock = clock
        self._log = log
        self._shown_at = time.monotonic()  # whoever made the lease has just registered the holder
        self._lost = False
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._show_life, name="life", daemon=True)

    def start(self) -> None:
        """Show life from now on, until ``end``."""
        if not self._holder.alone:
            self._thread.start()

    def end(self) -> None:
        """Show it no more."""
        self._end.set()
        if not self._holder.alone:
            self._thread.join(timeout=2)

    def require(self) -> None:
        """Return when this process may send another message.

        Raises LostHoldError when others gave it up for dead, StoreError when that cannot be found out.
        """
        if self._holder.alone:
            return
        if self._lost or time.monotonic() - self._shown_at > _GOOD_FOR:
            with self._lock:
                if self._lost or time.monotonic() - self._shown_at > _GOOD_FOR:
                    self._touch()
        if self._lost:
            raise LostHoldError(
                "this process stood still for so long that others took it for dead and its deliveries over; it stops. "
                "What was on the wire stands in doubt: see `syndicate issues list`"
            )

    def _touch(self) -> None:
        began = time.monotonic()
        with self._database.write() as session:
            alive = touch_holder(session, self._holder.name, self._clock())
        if alive:
            self._shown_at = began
        else:
            self._lost = True

    def _show_life(self) -> None:
        told: float | None = None
        while not self._end.wait(TOUCH_EVERY.total_seconds()):
            try:
                self._touch()
            except Exception as error:  # noqa: BLE001 - whatever it is: the next try may succeed, and require() decides
                if told is None or time.monotonic() - told > _TELL_EVERY:
                    told = time.monotonic()
                    self._log(f"no sign of life could be written: {error}")
