"""The one thread that writes the ledger while mail is sent: outcomes of the last messages, marks of the next ones.

All connections that wait share one commit (group commit). A row is handed out only after its mark is durable. When an
outcome cannot be written it is kept and tried again: losing it would leave a known delivery in doubt.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from sqlmodel import Session

from syndicate.errors import StoreError, SyndicateError
from syndicate.store.attempts import note
from syndicate.store.deliveries import Result, Task, mark_started, record, release, running_issues, take
from syndicate.store.doubts import take_over
from syndicate.store.engine import Database
from syndicate.store.holders import touch_holder

# How long outcomes are tried to be written after a stop was asked for; SIGTERM allows 10 s in all.
LAST_TRIES = 6.0
RETRY_EVERY = 0.5
# So often it is asked whether more may be taken; the disk may fill by a few MB meanwhile.
LOOK_EVERY = 0.2
# How often it is told that outcomes wait; a full disk may take an operator an hour.
TELL_EVERY = 60.0
# Well below the time after which others take a silent process for dead (``store/holders.DEAD_AFTER``).
TOUCH_EVERY = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """This process as a sender. ``alone``: a lock proves that no other process sends from this database (SQLite)."""

    name: str
    host: str
    pid: int
    alone: bool
    boot_id: str | None = None  # which start of this machine it is, where that can be known


class LostHoldError(SyndicateError):
    """Another process took this one's rows over, believing it dead: it must stop sending at once."""


class Answers(Protocol):
    """Where an answered request is laid: a queue, or the inbox of a thread that waits for more than that."""

    def put(self, item: Request, /) -> None:
        """Lay it in; never waits."""


@dataclass(slots=True, eq=False)
class Request:
    """Outcomes to record, tasks to put back unsent, and how many new ones are wanted; ``answers`` is told when done."""

    results: Sequence[Result]
    put_back: Sequence[Task]
    want: int
    answers: Answers
    tasks: list[Task] = field(default_factory=list)
    error: BaseException | None = None


class Ledger:
    """Serves the requests of the connection threads until ``close``."""

    def __init__(
        self,
        database: Database,
        *,
        holder: Holder,
        policy: Literal["ask", "resend", "skip"],
        clock: Callable[[], datetime],
        stop: threading.Event,
        issues: Sequence[int] | None,
        may_take: Callable[[], None],
        recorded: Callable[[Sequence[Result]], None],
        log: Callable[[str], None],
    ) -> None:
        """``may_take`` raises what must stop sending (a full disk); ``recorded`` hears of committed outcomes."""
        self._database = database
        self._holder = holder
        self._policy = policy
        self._clock = clock
        self._stop = stop
        self._issues = issues
        self._may_take = may_take
        self._recorded = recorded
        self._log = log
        self._started: set[int] = set()
        self._touched = 0.0
        self._looked_at = float("-inf")
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="ledger", daemon=True)
        self._thread.start()

    def ask(self, request: Request) -> None:
        """Have a request done with the next commit: outcomes recorded, unsent tasks put back, new ones taken."""
        self._requests.put(request)

    def put_back(self, tasks: Sequence[Task]) -> None:
        """Release the marks of deliveries that were not begun; returns after the commit.

        Raises what stopped the ledger: LostHoldError, StoreError, DiskFullError.
        """
        answers: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self.ask(Request((), tasks, 0, answers))
        while True:
            try:
                request = answers.get(timeout=1)
            except queue.Empty:
                self.check()
            else:
                break
        if request.error is not None:
            raise request.error

    def running(self) -> set[int]:
        """The issues that run at present. Raises StoreError."""
        with self._database.read() as session:
            return set(running_issues(session, self._issues))

    def check(self) -> None:
        """Raise StoreError when nobody will answer any more."""
        if not self._thread.is_alive():
            raise StoreError("the thread that writes the ledger ended; what was sending stands in doubt")

    def close(self) -> None:
        """Stop serving; everything asked before is answered first."""
        self._requests.put(None)
        self._thread.join()

    def _serve(self) -> None:
        with self._database.writer() as self._begin:
            self._answer_all()

    def _answer_all(self) -> None:
        while True:
            try:
                first = self._requests.get(timeout=TOUCH_EVERY)
            except queue.Empty:
                # All connections wait for slow servers: others must not take this process for dead.
                self._touch()
                continue
            if first is None:
                return
            batch, ended = self._gather(first)
            try:
                self._commit(batch)
            except BaseException as error:  # noqa: BLE001 - handed to the threads that wait, which raise it
                self._failure = error
                for request in batch:
                    request.error = error
            for request in batch:
                request.answers.put(request)
            if ended:
                return

    def _touch(self) -> None:
        try:
            with self._begin() as session:
                self._show_life(session, self._clock())
        except Exception as error:  # noqa: BLE001 - whatever it is, the threads that wait for this one must go on
            self._log(f"no sign of life could be written: {error}")

    def _gather(self, first: Request) -> tuple[list[Request], bool]:
        batch = [first]
        while True:
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                return batch, False
            if request is None:
                return batch, True
            batch.append(request)

    def _commit(self, batch: list[Request]) -> None:
        results = [result for request in batch for result in request.results]
        put_back = [task.id for request in batch for task in request.put_back]
        want = sum(request.want for request in batch)
        refusal: SyndicateError | None = None
        if self._failure is not None or self._stop.is_set():
            want = 0
        if want:
            try:
                self._look()
            except SyndicateError as error:
                refusal, want = error, 0
        _deal(self._write(results, put_back, want), batch)
        self._recorded(results)
        if refusal is not None:
            raise refusal

    def _look(self) -> None:
        if time.monotonic() - self._looked_at > LOOK_EVERY:
            self._may_take()
            self._looked_at = time.monotonic()

    def _write(self, results: Sequence[Result], put_back: Sequence[int], want: int) -> list[Task]:
        deadline: float | None = None
        told: float | None = None
        while True:
            try:
                tasks = self._transaction(results, put_back, want)
            except StoreError as error:
                if not results and not put_back:
                    raise
                want = 0  # what is known must be written before anything new is begun
                if self._stop.is_set():
                    deadline = deadline or time.monotonic() + LAST_TRIES
                    if time.monotonic() > deadline:
                        raise
                if told is None or time.monotonic() - told > TELL_EVERY:
                    told = time.monotonic()
                    self._log(
                        f"{len(results)} known outcomes wait to be written, and nothing more is sent before: {error}"
                    )
                time.sleep(RETRY_EVERY)
            else:
                if told is not None:
                    self._log("the outcomes that waited are written; it goes on")
                return tasks

    def _transaction(self, results: Sequence[Result], put_back: Sequence[int], want: int) -> list[Task]:
        now = self._clock()
        with self._begin() as session:
            recorded = record(session, results, holder=self._holder.name, now=now)
            note(session, results, now)
            released = release(session, put_back, holder=self._holder.name) if put_back else 0
            lost = len(results) + len(put_back) - recorded - released
            want = 0 if lost else want
            tasks = take(session, holder=self._holder.name, now=now, limit=want, issues=self._issues) if want else []
            fresh = {task.issue_id for task in tasks} - self._started
            if fresh:
                mark_started(session, fresh, now)
            if time.monotonic() - self._touched > TOUCH_EVERY:
                self._show_life(session, now)
        self._started |= fresh
        if lost:
            # After the commit: the outcomes that were still this process's own are known and must not be lost.
            raise LostHoldError(
                f"{lost} deliveries were taken over by another process while this one was sending; it stops. "
                "They stand in doubt: see `syndicate issues list`."
            )
        return tasks

    def _show_life(self, session: Session, now: datetime) -> None:
        touch_holder(session, self._holder.name, now)
        self._touched = time.monotonic()
        if not self._holder.alone:
            taken = take_over(session, me=self._holder.name, alone=False, policy=self._policy, now=now)
            if taken:
                self._log(f"{taken} deliveries of a process that died: in doubt, or queued again (delivery.in_doubt)")


def _deal(tasks: list[Task], batch: list[Request]) -> None:
    """Deal tasks out one by one, so that few tasks use many connections."""
    hungry = [request for request in batch if request.want]
    at = 0
    for task in tasks:
        while len(hungry[at % len(hungry)].tasks) >= hungry[at % len(hungry)].want:
            at += 1
        hungry[at % len(hungry)].tasks.append(task)
        at += 1
