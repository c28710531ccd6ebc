"""The threads that send in one pass: one for all connections of a relay, or one for each where a step may block."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from syndicate.errors import RelayError
from syndicate.model import Envelope, Outcome
from syndicate.pipeline.deliver.ledger import Ledger
from syndicate.pipeline.deliver.protocols import Sender
from syndicate.pipeline.deliver.request import LostHoldError
from syndicate.pipeline.deliver.settling import Rules, settle
from syndicate.pipeline.deliver.wire import Wire
from syndicate.store.deliveries import Result, Task

# So often it is looked whether an operator paused or cancelled what is being sent, in seconds; it is to act within 2.
LOOK_EVERY = 0.5


@dataclass(slots=True)
class Crew:
    """Sends over the relays what the ledger gives to each."""

    senders: Sequence[Sender]
    ledger: Ledger
    envelope: Callable[[Task], Envelope]
    rules: Rules
    stop: threading.Event
    require: Callable[[], None] = lambda: None  # raises when this process may send nothing more
    relay_error: RelayError | None = None
    failure: BaseException | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Send until nothing is due, a stop is asked for, or no relay works; returns when all threads ended."""
        wires = [
            Wire(sender, share, self.ledger, self)
            for sender in self.senders
            for share in ([sender.connections] if sender.takes_turns else [1] * sender.connections)
        ]
        threads = [
            threading.Thread(target=self._guarded, args=(wire,), name=f"wire-{number}", daemon=True)
            for number, wire in enumerate(wires)
        ]
        for thread in threads:
            thread.start()
        looked_at = time.monotonic()
        while any(thread.is_alive() for thread in threads):
            if self.over():
                # What waits behind a slow server is released at once, so that a stop leaves none of it in doubt.
                self._release([task for wire in wires for task in wire.supply.take_back()])
            elif time.monotonic() - looked_at >= LOOK_EVERY:
                looked_at = time.monotonic()
                self._obey(wires)
            time.sleep(0.02)
        if self.failure is not None:
            raise self.failure

    def _obey(self, wires: Sequence[Wire]) -> None:
        """Release what waits of issues that were paused or cancelled; what is on the wire is finished."""
        held = {issue_id for wire in wires for issue_id in wire.issues()}
        running = self.ledger.running() if held else held
        for wire in wires:
            wire.halted = frozenset(held - running)
            self._release(wire.supply.take_back(wire.halted))

    def _release(self, tasks: Sequence[Task]) -> None:
        if tasks:
            try:
                self.ledger.put_back(tasks)
            except BaseException as error:  # noqa: BLE001 - raised again by run() when all threads ended
                with self._lock:
                    self.failure = self.failure or error

    def over(self) -> bool:
        """Whether nothing new may be begun; asked right before each message."""
        # The stop is the caller's and outlives this pass: a failure of ours must not set it.
        if self.stop.is_set() or self.failure is not None:
            return True
        try:
            self.require()
        except BaseException as error:  # noqa: BLE001 - raised again by run(), when all is in order
            with self._lock:
                self.failure = self.failure or error
        return self.failure is not None

    def hurried(self) -> bool:
        """Whether this process must end, or what it does counts no more: then no server is waited for."""
        return self.stop.is_set() or isinstance(self.failure, LostHoldError)

    def settle(self, task: Task, outcome: Outcome) -> Result:
        """What is to be recorded of an outcome."""
        return settle(task, outcome, self.rules)

    def _guarded(self, wire: Wire) -> None:
        try:
            wire.run()
        except BaseException as error:  # noqa: BLE001 - raised again by run(), in the thread that called it
            with self._lock:
                self.failure = self.failure or error
        else:
            with self._lock:
                self.relay_error = self.relay_error or wire.refusal
