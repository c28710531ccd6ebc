"""The threads that send, one for each connection: take a few deliveries, send them, report, take the next."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from syndicate.core.outcomes import BounceClass, classify_reply
from syndicate.core.retry import next_attempt
from syndicate.errors import AddressError, HeaderError, RelayError, SyndicateError, UnknownNameError
from syndicate.model import DeliveryState, Envelope, Outcome, OutcomeKind, RetryPlan
from syndicate.pipeline.deliver.ledger import Ledger
from syndicate.pipeline.deliver.protocols import Connection, Sender
from syndicate.store.deliveries import Result, Task

# How many deliveries a connection holds marked at a time: what a kill -9 leaves in doubt for each.
AHEAD = 4
# The longest wait of a thread whose connection is refused while others have one, in seconds.
LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What decides about an outcome: retries, and what becomes of a delivery whose answer was lost."""

    retry: RetryPlan
    in_doubt: Literal["ask", "resend", "skip"]
    clock: Callable[[], datetime]


@dataclass(slots=True)
class Crew:
    """The connection threads of one pass over one sender."""

    sender: Sender
    ledger: Ledger
    envelope: Callable[[Task], Envelope]
    rules: Rules
    stop: threading.Event
    relay_error: RelayError | None = None
    failure: BaseException | None = None
    ran_dry: bool = False  # some connection found nothing more to do: the relay works, whatever befell the others
    _connected: int = 0
    _not_begun: dict[int, deque[Task]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Send until nothing is due, a stop is asked for, or the relay fails; returns when all threads ended."""
        threads = [
            threading.Thread(target=self._guarded, args=(number,), name=f"connection-{number}", daemon=True)
            for number in range(self.sender.connections)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            if self._over():
                self._put_back_what_was_not_begun()
            time.sleep(0.02)
        if self.failure is not None:
            raise self.failure

    def _over(self) -> bool:
        # The stop is the caller's and outlives this pass: a failure of ours must not set it.
        return self.stop.is_set() or self.failure is not None

    def _put_back_what_was_not_begun(self) -> None:
        """Release the marks of what waits behind a slow server, so that a stop leaves none of it in doubt."""
        with self._lock:
            waiting = [task for tasks in self._not_begun.values() for task in tasks]
            for tasks in self._not_begun.values():
                tasks.clear()
        if waiting:
            self.ledger.exchange([], want=0, put_back=waiting)

    def _guarded(self, number: int) -> None:
        try:
            self._work(number)
        except RelayError as error:
            with self._lock:
                self.relay_error = self.relay_error or error
        except BaseException as error:  # noqa: BLE001 - raised again by run(), in the thread that called it
            with self._lock:
                self.failure = self.failure or error

    def _work(self, number: int) -> None:
        waiting = self._not_begun.setdefault(number, deque())
        line = _Line(self)
        results: list[Result] = []
        try:
            while True:
                tasks = self.ledger.exchange(results, want=0 if self._over() else AHEAD)
                results = []
                if not tasks:
                    self.ran_dry = self.ran_dry or not self._over()
                    return
                with self._lock:
                    waiting.extend(tasks)
                while (task := self._next(waiting)) is not None:
                    result = self._attempt(line, task, results, waiting)
                    if result is None:
                        # Others have a connection: the relay allows no more of them just now.
                        self._give_back(results, [task, *self._rest(waiting)])
                        results = []
                        line.wait()
                        break
                    results.append(result)
                if rest := self._rest(waiting):
                    self._give_back(results, rest)
                    results = []
        finally:
            line.close()

    def _next(self, waiting: deque[Task]) -> Task | None:
        with self._lock:
            return waiting.popleft() if waiting and not self._over() else None

    def _rest(self, waiting: deque[Task]) -> list[Task]:
        with self._lock:
            rest = list(waiting)
            waiting.clear()
        return rest

    def _give_back(self, results: Sequence[Result], tasks: Sequence[Task]) -> None:
        self.ledger.exchange(results, want=0, put_back=tasks)

    def _attempt(self, line: _Line, task: Task, results: list[Result], waiting: deque[Task]) -> Result | None:
        """The result of one task, or None when this thread may have no connection just now."""
        try:
            return self._send(line, task) if line.ready() else None
        except SyndicateError:
            # Nothing of this task's data has left: that is what RelayError promises.
            self._give_back(results, [task, *self._rest(waiting)])
            raise
        except BaseException as error:
            # A fault of the program: the data may have left.
            self._give_back([*results, _in_doubt(task, self.sender.label, error)], self._rest(waiting))
            raise

    def _send(self, line: _Line, task: Task) -> Result:
        try:
            envelope = self.envelope(task)
        except (AddressError, HeaderError, UnknownNameError) as error:
            outcome = Outcome(kind=OutcomeKind.REJECTED, text=str(error), relay=self.sender.label)
            # An address is the reader's; a message that is kept no longer is not.
            bounce_class = BounceClass.SOFT if isinstance(error, UnknownNameError) else BounceClass.HARD
            return Result(task=task, state=DeliveryState.REJECTED, outcome=outcome, bounce_class=bounce_class)
        return settle(task, line.send(envelope), self.rules, jitter=random.random())  # noqa: S311 - spreads retries


class _Line:
    """One thread's connection, opened when needed; waits longer after each refusal while other threads have theirs."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._connection: Connection | None = None
        self._pause = 1.0

    def ready(self) -> bool:
        """Open the connection unless it is open. False when it is refused while others work; else raises RelayError."""
        if self._connection is not None and self._connection.usable:
            return True
        self.close()
        try:
            self._connection = self._crew.sender.connect()
        except RelayError:
            if self._crew._connected > 0:  # noqa: SLF001 - of one piece with the crew
                return False
            raise
        with self._crew._lock:  # noqa: SLF001 - of one piece with the crew
            self._crew._connected += 1  # noqa: SLF001 - of one piece with the crew
        self._pause = 1.0
        return True

    def send(self, envelope: Envelope) -> Outcome:
        assert self._connection is not None  # noqa: S101 - ready() said so
        return self._connection.send(envelope)

    def wait(self) -> None:
        """Wait before the next try, as long as others work and no stop is asked for."""
        end = time.monotonic() + self._pause
        while time.monotonic() < end and self._crew._connected > 0 and not self._crew._over():  # noqa: SLF001 - as above
            time.sleep(0.05)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            with self._crew._lock:  # noqa: SLF001 - of one piece with the crew
                self._crew._connected -= 1  # noqa: SLF001 - of one piece with the crew


def _in_doubt(task: Task, relay: str, error: BaseException) -> Result:
    outcome = Outcome(kind=OutcomeKind.IN_DOUBT, text=f"the program failed: {type(error).__name__}", relay=relay)
    return Result(task=task, state=DeliveryState.IN_DOUBT, outcome=outcome)


def settle(task: Task, outcome: Outcome, rules: Rules, *, jitter: float) -> Result:
    """The ledger's state for an outcome: 4xx is deferred until its time is up, a lost answer follows ``in_doubt``."""
    kind = outcome.kind
    if kind is OutcomeKind.ACCEPTED:
        return Result(task=task, state=DeliveryState.ACCEPTED, outcome=outcome)
    if kind is OutcomeKind.REJECTED:
        return Result(task=task, state=DeliveryState.REJECTED, outcome=outcome, bounce_class=_class_of(outcome))
    if kind is OutcomeKind.IN_DOUBT and rules.in_doubt != "resend":
        return Result(task=task, state=DeliveryState.IN_DOUBT, outcome=outcome, resolved=rules.in_doubt == "skip")
    due_at = next_attempt(
        rules.retry, attempts=task.attempts, first_queued_at=task.first_marked_at, now=rules.clock(), jitter=jitter
    )
    if due_at is None:
        return Result(task=task, state=DeliveryState.REJECTED, outcome=outcome, bounce_class=BounceClass.SOFT)
    return Result(task=task, state=DeliveryState.DEFERRED, outcome=outcome, due_at=due_at)


def _class_of(outcome: Outcome) -> BounceClass:
    return classify_reply(outcome.code, outcome.enhanced, outcome.text)


def states_of(results: Sequence[Result]) -> dict[DeliveryState, int]:
    """How many results ended in each state."""
    found: dict[DeliveryState, int] = {}
    for result in results:
        found[result.state] = found.get(result.state, 0) + 1
    return found
