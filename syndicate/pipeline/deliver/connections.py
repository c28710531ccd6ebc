"""The threads that send, one for each connection: take a few deliveries, send them, report, take the next."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from syndicate.core.outcomes import BounceClass, classify_reply
from syndicate.core.retry import next_attempt
from syndicate.errors import AddressError, HeaderError, RelayError, SyndicateError
from syndicate.model import DeliveryState, Envelope, Outcome, OutcomeKind, RetryPlan
from syndicate.pipeline.deliver.ledger import Ledger
from syndicate.pipeline.deliver.protocols import Connection, Sender
from syndicate.store.deliveries import Result, Task

# How many deliveries a connection holds marked at a time: what a kill -9 leaves in doubt for each.
AHEAD = 4


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
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Send until nothing is due, a stop is asked for, or the relay fails; returns when all threads ended."""
        threads = [
            threading.Thread(target=self._guarded, name=f"connection-{number}", daemon=True)
            for number in range(self.sender.connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failure is not None:
            raise self.failure

    def _guarded(self) -> None:
        try:
            self._work()
        except RelayError as error:
            with self._lock:
                self.relay_error = self.relay_error or error
        except BaseException as error:  # noqa: BLE001 - raised again by run(), in the thread that called it
            with self._lock:
                self.failure = self.failure or error
            self.stop.set()

    def _work(self) -> None:
        connection: Connection | None = None
        results: list[Result] = []
        try:
            while True:
                tasks = self.ledger.exchange(results, want=0 if self.stop.is_set() else AHEAD)
                results = []
                if not tasks:
                    self.ran_dry = self.ran_dry or not self.stop.is_set()
                    return
                for index, task in enumerate(tasks):
                    if self.stop.is_set():
                        self.ledger.exchange(results, want=0, put_back=tasks[index:])
                        return
                    try:
                        if connection is None or not connection.usable:
                            connection = _reconnect(self.sender, connection)
                        results.append(self._send(connection, task))
                    except SyndicateError:
                        # Nothing of this task's data has left: that is what RelayError promises.
                        self.ledger.exchange(results, want=0, put_back=tasks[index:])
                        raise
                    except BaseException as error:
                        # A fault of the program: the data may have left.
                        results.append(_in_doubt(task, self.sender.label, error))
                        self.ledger.exchange(results, want=0, put_back=tasks[index + 1 :])
                        raise
        finally:
            if connection is not None:
                connection.close()

    def _send(self, connection: Connection, task: Task) -> Result:
        try:
            envelope = self.envelope(task)
        except (AddressError, HeaderError) as error:
            outcome = Outcome(kind=OutcomeKind.REJECTED, text=str(error), relay=self.sender.label)
            return Result(task=task, state=DeliveryState.REJECTED, outcome=outcome, bounce_class=BounceClass.HARD)
        return settle(task, connection.send(envelope), self.rules, jitter=random.random())  # noqa: S311 - spreads retries


def _in_doubt(task: Task, relay: str, error: BaseException) -> Result:
    outcome = Outcome(kind=OutcomeKind.IN_DOUBT, text=f"the program failed: {type(error).__name__}", relay=relay)
    return Result(task=task, state=DeliveryState.IN_DOUBT, outcome=outcome)


def _reconnect(sender: Sender, old: Connection | None) -> Connection:
    if old is not None:
        old.close()
    return sender.connect()


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
        rules.retry, attempts=task.attempts, first_queued_at=task.queued_at, now=rules.clock(), jitter=jitter
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
