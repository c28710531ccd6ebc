"""What the connections of one thread have to send: deliveries marked ahead, and outcomes that are not written yet.

It asks the ledger for more while the connections still work on what they have, so that the wire waits for no commit. At
no moment are more than ``AHEAD`` deliveries for each open connection marked without a recorded outcome: that is what a
kill -9 leaves in doubt.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Container, Sequence
from contextlib import suppress

from syndicate.errors import RelayError
from syndicate.pipeline.deliver.ledger import Ledger
from syndicate.pipeline.deliver.request import Answers, Request
from syndicate.store.deliveries import Result, Task

# How many deliveries are marked at a time, for each connection that is open.
AHEAD = 4


class Supply:
    """Used by one thread; ``issues`` and ``take_back`` alone may be called by another."""

    def __init__(self, ledger: Ledger, inbox: Answers, relay: str, hear: Callable[[Request], None]) -> None:
        """``hear`` is told of an answer that comes at once; others are laid into the ``inbox``."""
        self._ledger = ledger
        self._hear = hear
        self._most = 0
        self._relay = relay
        self._inbox = inbox
        self._waiting: deque[Task] = deque()
        self._results: list[Result] = []
        self._under_way = 0
        self._asked: Request | None = None
        #: Whether the ledger had nothing due when it was asked last, and whether it had less than was wanted.
        self.dry = False
        self.ending = False
        #: How many connections the relay may have now; None: as many as there are.
        self.connections: int | None = None
        self._again_at = 0.0

    @property
    def patience(self) -> float:
        """Seconds until it is worth to ask for more again."""
        return max(0.0, self._again_at - time.monotonic())

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way and nothing has to be written."""
        return not (self._under_way or self._results or self._waiting or self._asked)

    @property
    def waiting(self) -> int:
        """How many deliveries can be taken at once."""
        return len(self._waiting)

    def take(self) -> Task | None:
        """The next delivery, if one is at hand."""
        try:
            task = self._waiting.popleft()
        except IndexError:  # none there, or taken back by another thread just now
            return None
        self._under_way += 1
        return task

    def done(self, result: Result) -> None:
        """Hand in the outcome of a delivery that was taken."""
        self._under_way -= 1
        self._results.append(result)
        if self._asked is None and self._worth_it:
            self._ask(self._want)

    def put_back(self, task: Task) -> None:
        """Return a delivery that was taken and not begun, for another connection."""
        self._under_way -= 1
        self._waiting.appendleft(task)

    def issues(self) -> set[int]:
        """The issues of what waits."""
        return {issue_id for task in list(self._waiting) for issue_id in task.issues}

    def take_back(self, issues: Container[int] | None = None) -> list[Task]:
        """Take what waits (of these issues, if given), so that the caller releases its marks."""
        taken: list[Task] = []
        for task in list(self._waiting):
            if issues is None or any(issue_id in issues for issue_id in task.issues):
                with suppress(ValueError):  # begun, or taken back by another thread just now
                    self._waiting.remove(task)
                    taken.append(task)
        return taken

    def replenish(self, connections: int, *, hungry: bool) -> None:
        """Have outcomes written and new deliveries marked when it is worth a commit; ``connections`` are open.

        ``hungry``: a connection has nothing to send.
        """
        if self._asked is not None:
            return
        self._most = AHEAD * connections
        if self._worth_it or (hungry and not self._waiting and (self._results or not (self.dry or self.patience))):
            self._ask(self._want)

    @property
    def _want(self) -> int:
        return max(0, self._most - self._under_way - len(self._waiting))

    @property
    def _worth_it(self) -> bool:
        # Half of all marks: the rest keeps the wire busy until the commit is done.
        return bool(self._results) and len(self._results) * 2 >= self._most

    def settle(self) -> None:
        """Have everything written that is known, and the marks of what waits released."""
        if self._asked is None:
            put_back = self.take_back()
            if self._results or put_back:
                self._ask(0, put_back)

    def failed(self, error: RelayError) -> bool:
        """Report that the relay does not work, and release the marks of what waits. False: not now, try again."""
        if self._asked is not None:
            return False
        self._ask(0, self.take_back(), error)
        return True

    def answered(self, request: Request) -> None:
        """Take in the ledger's answer. Raises what stopped it."""
        self._asked = None
        if request.error is not None:
            raise request.error
        self._waiting.extend(request.tasks)
        if request.want:
            self.dry = not request.tasks and request.again is None
            self._again_at = time.monotonic() + (request.again or 0.0)
        self.ending = len(request.tasks) < request.want
        if request.connections is not None:
            self.connections = request.connections

    def _ask(self, want: int, put_back: Sequence[Task] = (), failure: RelayError | None = None) -> None:
        request = Request(self._results, put_back, want, self._inbox, self._relay, failure)
        self._results = []
        self._asked = request
        if self._ledger.ask(request):
            self._hear(request)
