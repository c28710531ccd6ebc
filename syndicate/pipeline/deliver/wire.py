"""One thread that leads the dialogues of many connections side by side, each going on when its server has answered.

What blocks (opening a session, closing it) is done by errand threads meanwhile. When a relay allows fewer connections
than we open, those it refuses wait, longer each time, while the others work.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from syndicate.core.outcomes import BounceClass
from syndicate.errors import AddressError, HeaderError, RelayError, SyndicateError, UnknownNameError
from syndicate.io.dialogue import Inbox, Readiness, Wait
from syndicate.model import DeliveryState, Envelope, Outcome, OutcomeKind
from syndicate.pipeline.deliver.ledger import Ledger
from syndicate.pipeline.deliver.line import ErrandDone, Errands, Line, Made, close, reopen
from syndicate.pipeline.deliver.parking import NoSeatError
from syndicate.pipeline.deliver.protocols import Connection, Sender
from syndicate.pipeline.deliver.request import Request
from syndicate.pipeline.deliver.settling import in_doubt
from syndicate.pipeline.deliver.supply import Supply
from syndicate.store.deliveries import Result, Task

# The longest wait of a connection that is refused while others are open, in seconds.
LONGEST_PAUSE = 30.0
# The wait of a connection that other processes have the seat of, in seconds.
NO_SEAT = 0.5
# So often time-outs, pauses and a stop are looked at, in seconds.
_TURN = 0.1
# So long servers may take for what is on the wire after a stop was asked for, in seconds; SIGTERM allows 10 in all.
LAST_WORDS = 6.0


class Orders(Protocol):
    """What a wire is told: how messages are made and outcomes settled, and when to stop."""

    @property
    def envelope(self) -> Callable[[Task], Envelope]:
        """Makes the message of a delivery. Raises AddressError, HeaderError, UnknownNameError for that one alone."""

    def settle(self, task: Task, outcome: Outcome) -> Result:
        """What is to be recorded of an outcome."""

    def over(self) -> bool:
        """Whether nothing new may be begun."""

    def hurried(self) -> bool:
        """Whether what is on the wire then has ``LAST_WORDS`` left, however patient the relay is."""


class Wire:
    """The connections of one relay that one thread leads."""

    def __init__(self, sender: Sender, connections: int, ledger: Ledger, orders: Orders) -> None:
        self._sender = sender
        self._orders = orders
        self._inbox: Inbox[Any] = Inbox()
        self._readiness = Readiness(self._inbox)
        self._lines = [Line() for _ in range(connections)]
        self._free = list(self._lines)  # those that neither talk nor wait for an errand
        self._open = 0
        self._by_descriptor: dict[int, Line] = {}
        self._errands = Errands(self._inbox, connections, sender.label)
        self._failure: BaseException | None = None
        self._looked_at = 0.0
        self._stopped_at: float | None = None
        self._cut = False
        self._ledger = ledger
        self.supply = Supply(ledger, self._inbox, sender.label, self._hear)
        #: The last refusal of the relay; the pass fails by it only when no relay works.
        self.refusal: RelayError | None = None
        #: Issues that were paused or cancelled: nothing more of them is begun. Set by another thread.
        self.halted: frozenset[int] = frozenset()

    def issues(self) -> set[int]:
        """The issues of what is marked and not begun. May be called by another thread."""
        ahead = [line.ahead for line in self._lines]
        return self.supply.issues() | {issue_id for made in ahead if made is not None for issue_id in made.task.issues}

    def run(self) -> None:
        """Send until nothing is due for this relay or all is over. Raises what failed beside the relay."""
        try:
            while not self._ended():
                self._turn()
        finally:
            self._close()
        if self._failure is not None:
            raise self._failure

    @property
    def _over(self) -> bool:
        return self._failure is not None or self._orders.over()

    def _ended(self) -> bool:
        # Errands that hang are left behind by a stop: nothing of any message is theirs.
        if len(self._free) < len(self._lines) and not (self._cut and not any(line.dialogue for line in self._lines)):
            return False
        if self._over:
            return self.supply.at_rest
        return self.supply.dry and self.supply.at_rest

    def _turn(self) -> None:
        """Everything that can be done now, then wait for what comes next."""
        if self._over:
            self._wind_up()
        else:
            self._feed()
        now = time.monotonic()
        if now - self._looked_at >= _TURN:
            self._looked_at = now
            self._ledger.check()
            self._look_at_time(now)
        if self._ended():
            return
        for descriptor in self._readiness.wait(min(_TURN, self.supply.patience or _TURN)):
            line = self._by_descriptor.get(descriptor)
            if line is not None and line.wait is not Wait.OPEN:
                self._advance(line)
        while (item := self._inbox.take()) is not None:
            self._hear(item)

    def _feed(self) -> None:
        """Give the connections that are free something to send, and ask for more in time."""
        if self._free and self.supply.waiting:
            for line in self._free.copy():
                if self._begin(line):
                    self._advance(line)
        self.supply.replenish(max(1, self._open), hungry=bool(self._free))
        if self._open == 0:
            self._give_up_when_refused()

    def _wind_up(self) -> None:
        """Nothing new is begun: release what waits, write what is known; in a hurry, wait for no server any more."""
        now = time.monotonic()
        if self._orders.hurried():
            self._stopped_at = self._stopped_at or now
            if now - self._stopped_at > LAST_WORDS:
                self._cut = True
                self._cut_off()
        for line in self._lines:
            if line.ahead is not None:  # announced or not: nothing of its data has left
                self.supply.put_back(line.ahead.task)
                line.ahead = None
        self.supply.settle()

    def _begin(self, line: Line) -> bool:
        """Start the dialogue of a free line's next message; False when there is none, or no connection for it yet."""
        if line.not_before and time.monotonic() < line.not_before:
            return False
        line.not_before = 0.0
        made = line.ahead or self._make()
        line.ahead = None
        if made is None:
            return False
        if self._surplus(line):
            self.supply.put_back(made.task)
            if line.connection is not None:
                self._release(line)
            return False
        if self.halted and not self.halted.isdisjoint(made.task.issues):
            self.supply.put_back(made.task)
            return False
        if line.connection is None or not line.connection.usable:
            self.supply.put_back(made.task)
            self._run_errand(line, partial(self._connect, line.connection))
            self._part(line)
            return False
        line.now = made
        # With few left, each connection takes one: the next message of a slow one could have gone by another.
        if self._sender.takes_turns and not self.supply.ending:
            line.ahead = self._make()
        line.dialogue = line.connection.steps(made.envelope, line.ahead.envelope if line.ahead is not None else None)
        if not line.talking:
            line.talking = True
            self._free.remove(line)
        return True

    def _surplus(self, line: Line) -> bool:
        """Whether a line may have no connection, since others of the relay have all that are allowed."""
        allowed = self.supply.connections
        if allowed is None or allowed >= len(self._lines):
            return False
        others = (other for other in self._lines if other is not line)
        return sum(bool(each.connection is not None or each.errand or each.not_before) for each in others) >= allowed

    def _make(self) -> Made | None:
        """The next delivery with its message. One whose message cannot be made has its outcome already."""
        while (task := self.supply.take()) is not None:
            try:
                return Made(task, self._orders.envelope(task))
            except (AddressError, HeaderError, UnknownNameError) as error:
                outcome = Outcome(kind=OutcomeKind.REJECTED, text=str(error), relay=self._sender.label)
                # An address is the reader's; a message that is kept no longer is not.
                bounce_class = BounceClass.SOFT if isinstance(error, UnknownNameError) else BounceClass.HARD
                self.supply.done(Result(task, DeliveryState.REJECTED, outcome, bounce_class))
            except BaseException as error:  # noqa: BLE001 - raised again by run() when all is in order
                self.supply.put_back(task)
                self._fail(error)
                return None
        return None

    def _advance(self, line: Line, failure: BaseException | None = None) -> None:
        """Lead a line's dialogues on until one has to wait."""
        while line.dialogue is not None:
            try:
                wait = next(line.dialogue) if failure is None else line.dialogue.throw(failure)
            except StopIteration as end:
                self._finish(line, end.value)
                failure = None
            except SyndicateError as error:
                self._refused(line, error)
                return
            except BaseException as error:  # noqa: BLE001 - a fault of the program: raised again by run()
                self._broke(line, error)
                return
            else:
                self._wait(line, wait)
                return

    def _wait(self, line: Line, wait: Wait) -> None:
        assert line.connection is not None  # noqa: S101 - it is talking
        if wait is Wait.OPEN:
            self._forget(line)
            line.wait = wait
            self._run_errand(line, partial(reopen, line.connection))
            return
        line.deadline = time.monotonic() + line.connection.patience
        if line.wait is wait:
            return
        descriptor = line.connection.fileno()
        if descriptor != line.descriptor:
            self._forget(line)
            line.descriptor = descriptor
            self._by_descriptor[descriptor] = line
        line.wait = wait
        self._readiness.want(descriptor, wait)

    def _forget(self, line: Line) -> None:
        if line.descriptor >= 0:
            self._readiness.forget(line.descriptor)
            del self._by_descriptor[line.descriptor]
        line.descriptor, line.wait = -1, None

    def _finish(self, line: Line, outcome: Outcome) -> None:
        assert line.now is not None  # noqa: S101 - it was sending
        if self._cut and outcome.kind is OutcomeKind.DEFERRED and outcome.code is None:
            # We went away before its data was out: that is no attempt, and nobody's fault but ours.
            self.supply.put_back(line.now.task)
        else:
            self.supply.done(self._orders.settle(line.now.task, outcome))
        line.now = line.dialogue = None
        if self._over or not self._begin(line):
            self._forget(line)
            self._rest(line)

    def _refused(self, line: Line, error: SyndicateError) -> None:
        """The relay as a whole does not work: nothing of this message's data has left."""
        self._release(line)
        if isinstance(error, RelayError):
            self._pause(line, error)
        else:
            self._fail(error)

    def _broke(self, line: Line, error: BaseException) -> None:
        assert line.now is not None  # noqa: S101 - it was sending
        self.supply.done(in_doubt(line.now.task, self._sender.label, error))
        line.now = None
        self._release(line)
        self._fail(error)

    def _release(self, line: Line) -> None:
        """Put back what a line has not begun, and part from its connection."""
        self._forget(line)
        self._put_back(line)
        self._rest(line)
        if line.connection is not None:
            self._run_errand(line, partial(close, line.connection))
            self._part(line)

    def _put_back(self, line: Line) -> None:
        for made in line.take_messages():
            self.supply.put_back(made.task)

    def _rest(self, line: Line) -> None:
        if line.talking:
            line.talking = False
            if not line.errand:
                self._free.append(line)

    def _part(self, line: Line) -> None:
        if line.connection is not None:
            line.connection = None
            self._open -= 1

    def _pause(self, line: Line, error: RelayError) -> None:
        if isinstance(error, NoSeatError):
            line.not_before = time.monotonic() + NO_SEAT
            return
        self.refusal = error
        line.not_before = time.monotonic() + line.pause
        line.pause = min(line.pause * 2, LONGEST_PAUSE)

    def _give_up_when_refused(self) -> None:
        """A relay that has no connection for us at all is left alone; one that allows fewer than we open is not."""
        if self.refusal is None or any(line.errand or line.connection is not None for line in self._lines):
            return
        refused = [line for line in self._lines if line.not_before]
        allowed = self.supply.connections if self.supply.connections is not None else len(self._lines)
        if len(refused) >= max(1, min(allowed, len(self._lines))) and self.supply.failed(self.refusal):
            for line in refused:
                line.not_before, line.pause = 0.0, 1.0

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error

    def _connect(self, old: Connection | None) -> Connection:
        if old is not None:
            old.close()
        return self._sender.connect()

    def _run_errand(self, line: Line, errand: Callable[[], Connection | None]) -> None:
        if not line.talking:
            self._free.remove(line)
        self._errands.run(line, errand)

    def _hear(self, item: Request | ErrandDone) -> None:
        if isinstance(item, Request):
            try:
                self.supply.answered(item)
            except BaseException as failure:  # noqa: BLE001 - raised again by run()
                self._fail(failure)
            return
        line, connection, error = item
        line.errand = False
        if not line.talking:
            self._free.append(line)
        if line.dialogue is not None:  # it waited for a new session
            line.wait = None
            self._advance(line, error)
        elif isinstance(error, RelayError):
            self._pause(line, error)
        elif error is not None:
            self._fail(error)
        elif connection is not None:
            line.connection, line.pause = connection, 1.0
            self._open += 1

    def _look_at_time(self, now: float) -> None:
        for line in self._lines:
            if line.wait in {Wait.READ, Wait.WRITE} and now > line.deadline:
                self._advance(line, TimeoutError("timed out"))

    def _cut_off(self) -> None:
        for line in self._lines:
            if line.wait in {Wait.READ, Wait.WRITE}:
                self._advance(line, TimeoutError("this process was told to stop"))
            elif line.dialogue is not None and line.errand:  # it waits for a session that does not open
                self._put_back(line)

    def _close(self) -> None:
        if self._cut:
            self._errands.leave()
            while (item := self._inbox.take()) is not None:
                if isinstance(item, ErrandDone):
                    item.line.errand, item.line.connection = False, item.connection or item.line.connection
        for line in self._lines:
            if line.connection is not None and not line.errand:
                self._release(line)
        self._errands.close(wait=not self._cut)
        self._inbox.close()
