"""Writes the ledger while mail is sent: outcomes of the last messages, marks of the next ones, in one commit.

A row is handed out only after its mark is durable. When an outcome cannot be written it is kept and tried again: losing
it would leave a known delivery in doubt. Which thread writes, and why: decision 0004.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from syndicate.errors import StoreError, SyndicateError
from syndicate.pipeline.deliver.posting import TOUCH_EVERY, Posted, Posting
from syndicate.pipeline.deliver.request import Request
from syndicate.store.deliveries import Result, Task, running_issues
from syndicate.store.engine import Database

# How long outcomes are tried to be written after a stop was asked for; SIGTERM allows 10 s in all.
LAST_TRIES = 6.0
RETRY_EVERY = 0.5
# So often it is asked whether more may be taken; the disk may fill by a few MB meanwhile.
LOOK_EVERY = 0.2
# A commit that takes at most so many seconds is waited for by the thread that asks: its servers are busy meanwhile.
QUICK = 0.001
# How often it is told that outcomes wait; a full disk may take an operator an hour.
TELL_EVERY = 60.0


class _Begun(NamedTuple):
    """What a thread that sends has written of its request; the commit is missing."""

    request: Request
    transaction: AbstractContextManager[Session]
    posted: Posted
    refusal: SyndicateError | None


class Ledger:
    """Serves the requests of the threads that send, until ``close``."""

    def __init__(
        self,
        database: Database,
        posting: Posting,
        *,
        clock: Callable[[], datetime],
        stop: threading.Event,
        issues: Sequence[int] | None,
        may_take: Callable[[], None],
        recorded: Callable[[Sequence[Result]], None],
        log: Callable[[str], None],
        at_once: bool = False,
    ) -> None:
        """``may_take`` raises what must stop sending (a full disk); ``recorded`` hears of committed outcomes.

        ``at_once``: what a thread asks is done in that thread, where nothing has to be waited for.
        """
        self._database = database
        self._posting = posting
        self._clock = clock
        self._stop = stop
        self._issues = issues
        self._may_take = may_take
        self._recorded = recorded
        self._log = log
        self._at_once = at_once
        self._turn = threading.Lock()  # whoever writes holds it
        self._commit_took = 0.0
        self._looked_at = float("-inf")
        self._requests: queue.SimpleQueue[Request | _Begun | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._writer = database.writer()
        self._begin = self._writer.__enter__()
        self._thread = threading.Thread(target=self._serve, name="ledger", daemon=True)
        self._thread.start()

    def ask(self, request: Request) -> bool:
        """Have a request done with the next commit: outcomes recorded, unsent tasks put back, new ones taken.

        True when it is done already: then nothing is laid into ``answers``. What waits for nothing is done in the
        thread that asks, so that Python's lock does not go from hand to hand; a commit that the disk takes long for is
        left to the other thread.
        """
        if self._at_once and self._turn.acquire(blocking=False):
            begun = self._begin_at_once(request)
            if begun is not None and self._commit_took < QUICK:
                return self._finish(begun)
            self._requests.put(begun or request)
        else:
            self._requests.put(request)
        return False

    def put_back(self, tasks: Sequence[Task]) -> None:
        """Release the marks of deliveries that were not begun; returns after the commit.

        Raises what stopped the ledger: LostHoldError, StoreError, DiskFullError.
        """
        answers: queue.SimpleQueue[Request] = queue.SimpleQueue()
        request = Request((), tasks, 0, answers)
        answered = self.ask(request)
        while not answered:
            try:
                answers.get(timeout=1)
            except queue.Empty:
                self.check()
            else:
                answered = True
        if request.error is not None:
            raise request.error

    def running(self) -> set[int]:
        """The issues that run at present. Raises StoreError."""
        with self._database.read() as session:
            return set(running_issues(session))

    def check(self) -> None:
        """Raise StoreError when nobody will answer any more."""
        if not self._thread.is_alive():
            raise StoreError("the thread that writes the ledger ended; what was sending stands in doubt")

    def close(self) -> None:
        """Stop serving; everything asked before is answered first."""
        self._requests.put(None)
        self._thread.join()
        self._writer.__exit__(None, None, None)

    def _serve(self) -> None:
        ended = False
        while not ended:
            try:
                first = self._requests.get(timeout=TOUCH_EVERY)
            except queue.Empty:
                # All connections wait for slow servers: others must not take this process for dead.
                self._touch()
                continue
            batch: list[Request] = []
            ended = not self._receive(first, batch)
            while not ended and not self._requests.empty():
                ended = not self._receive(self._requests.get(), batch)
            # Whoever else holds the turn lays what it began, or its request, into the queue.
            while batch and not self._turn.acquire(blocking=False):
                ended = not self._receive(self._requests.get(), batch) or ended
            if batch:
                self._do(batch)
                self._turn.release()

    def _receive(self, item: Request | _Begun | None, batch: list[Request]) -> bool:
        """Commit what was begun, or add a request to the batch; False at the end."""
        if isinstance(item, _Begun):
            if self._finish(item):
                item.request.answers.put(item.request)
        elif item is not None:
            batch.append(item)
        return item is not None

    def _touch(self) -> None:
        if not self._turn.acquire(blocking=False):
            return  # it is being shown by the one who writes
        try:
            with self._begin() as session:
                self._posting.show_life(session, self._clock())
        except Exception as error:  # noqa: BLE001 - whatever it is, the threads that wait for this one must go on
            self._log(f"no sign of life could be written: {error}")
        finally:
            self._turn.release()

    def _do(self, batch: list[Request]) -> None:
        """Do a batch, however long it takes, and answer."""
        asking, refusal = self._asking(batch)
        try:
            self._write(batch, asking)
        except BaseException as error:  # noqa: BLE001 - handed to the threads that wait, which raise it
            self._note(batch, error)
        else:
            self._note(batch, refusal)
        for request in batch:
            request.answers.put(request)

    def _begin_at_once(self, request: Request) -> _Begun | None:
        """Write what a thread asks, in that thread, and keep the turn until it is committed.

        None when that did not work: nothing is changed, and the turn is given back. Whatever failed fails again in the
        other thread, which can wait: this one has servers to hear.
        """
        asking, refusal = self._asking([request])
        transaction = self._begin(wait=False)
        try:
            session = transaction.__enter__()
            try:
                posted = self._posting.post(session, [request], asking, self._clock())
            except BaseException:
                transaction.__exit__(*sys.exc_info())
                raise
        except Exception:  # noqa: BLE001 - see above
            self._turn.release()
            return None
        return _Begun(request, transaction, posted, refusal)

    def _finish(self, begun: _Begun) -> bool:
        """Commit what was begun and give the turn back. False: it has failed and is left to the other thread."""
        began = time.monotonic()
        try:
            begun.transaction.__exit__(None, None, None)
        except Exception:  # noqa: BLE001 - whatever failed fails again there
            self._turn.release()
            self._requests.put(begun.request)
            return False
        self._commit_took = time.monotonic() - began
        try:
            self._believe(begun.posted)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits, which raises it
            self._note([begun.request], error)
        else:
            self._note([begun.request], begun.refusal)
        self._turn.release()
        return True

    def _asking(self, batch: Sequence[Request]) -> tuple[list[Request], SyndicateError | None]:
        """Those of a batch that may be given deliveries; what forbids it."""
        asking = [request for request in batch if request.want]
        if not asking or self._failure is not None or self._stop.is_set():
            return [], None
        if time.monotonic() - self._looked_at > LOOK_EVERY:
            try:
                self._may_take()
            except SyndicateError as refusal:
                return [], refusal
            self._looked_at = time.monotonic()
        return asking, None

    def _note(self, batch: Sequence[Request], error: BaseException | None) -> None:
        if error is not None:
            self._failure = error
            for request in batch:
                request.error = error

    def _write(self, batch: Sequence[Request], asking: Sequence[Request]) -> None:
        deadline: float | None = None
        told: float | None = None
        known = sum(len(request.results) for request in batch)
        while True:
            try:
                self._transaction(batch, asking)
            except StoreError as error:
                if not known and not any(request.put_back for request in batch):
                    raise
                asking = ()  # what is known must be written before anything new is begun
                if self._stop.is_set():
                    deadline = deadline or time.monotonic() + LAST_TRIES
                    if time.monotonic() > deadline:
                        raise
                if told is None or time.monotonic() - told > TELL_EVERY:
                    told = time.monotonic()
                    self._log(f"{known} known outcomes wait to be written, and nothing more is sent before: {error}")
                time.sleep(RETRY_EVERY)
            else:
                if told is not None:
                    self._log("the outcomes that waited are written; it goes on")
                return

    def _transaction(self, batch: Sequence[Request], asking: Sequence[Request]) -> None:
        with self._begin() as session:
            posted = self._posting.post(session, batch, asking, self._clock())
        self._believe(posted)

    def _believe(self, posted: Posted) -> None:
        self._posting.conclude(posted)
        self._recorded([result for request in posted.batch for result in request.results])
