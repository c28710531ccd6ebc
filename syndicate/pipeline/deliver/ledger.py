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
from typing import Literal, NamedTuple, Protocol

from sqlmodel import Session

from syndicate.errors import RelayError, StoreError, SyndicateError
from syndicate.pipeline.deliver.dealing import Dealer
from syndicate.store.attempts import note
from syndicate.store.deliveries import Result, Task, mark_started, record, release, running_issues, take
from syndicate.store.doubts import take_over
from syndicate.store.due import Span
from syndicate.store.engine import Database
from syndicate.store.holders import touch_holder
from syndicate.store.waiting import next_turn

# How long outcomes are tried to be written after a stop was asked for; SIGTERM allows 10 s in all.
LAST_TRIES = 6.0
RETRY_EVERY = 0.5
# So often it is asked whether more may be taken; the disk may fill by a few MB meanwhile.
LOOK_EVERY = 0.2
# A pass that has nothing in hand waits so long for a turn that is near, in seconds, before it is over.
PATIENCE = 2.0
_SOONEST, _LATEST = 0.02, 0.5
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
    """Outcomes to record, tasks to put back unsent, and how many new ones are wanted; ``answers`` is told when done.

    ``relay`` is whose connections ask, ``failure`` why it does not work. The answer: ``tasks``, how many
    ``connections`` the relay may have, and when there are no tasks, in how many seconds to ask ``again``; None when
    nothing more is due.
    """

    results: Sequence[Result]
    put_back: Sequence[Task]
    want: int
    answers: Answers
    relay: str = ""
    failure: RelayError | None = None
    tasks: list[Task] = field(default_factory=list)
    connections: int | None = None
    again: float | None = None
    error: BaseException | None = None


class _Taken(NamedTuple):
    """Who gets a delivery, in order; the deliveries there were; if there were fewer, when the next has its turn."""

    turns: Sequence[Request]
    tasks: Sequence[Task]
    next_at: datetime | None


class Ledger:
    """Serves the requests of the connection threads until ``close``."""

    def __init__(
        self,
        database: Database,
        *,
        holder: Holder,
        dealer: Dealer,
        policy: Literal["ask", "resend", "skip"],
        clock: Callable[[], datetime],
        stop: threading.Event,
        issues: Sequence[int] | None,
        span: Span | None,
        still_ours: Callable[[Session], bool],
        may_take: Callable[[], None],
        recorded: Callable[[Sequence[Result]], None],
        log: Callable[[str], None],
    ) -> None:
        """``may_take`` raises what must stop sending (a full disk); ``recorded`` hears of committed outcomes.

        ``still_ours`` says, first in each transaction, whether nobody took this process's work away.
        """
        self._database = database
        self._holder = holder
        self._dealer = dealer
        self._policy = policy
        self._clock = clock
        self._stop = stop
        self._issues = issues
        self._span = span
        self._still_ours = still_ours
        self._may_take = may_take
        self._recorded = recorded
        self._log = log
        self._started: set[int] = set()
        # Deliveries that were handed out and have not come back; whether nothing more was due; when some were given.
        self._in_hand = 0
        self._dry = False
        self._dealt_at = time.monotonic()
        self._touched = time.monotonic()
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
        asking = [request for request in batch if request.want]
        refusal: SyndicateError | None = None
        if self._failure is not None or self._stop.is_set():
            asking = []
        if asking:
            try:
                self._look()
            except SyndicateError as error:
                refusal, asking = error, []
        self._write(batch, asking)
        self._recorded([result for request in batch for result in request.results])
        if refusal is not None:
            raise refusal

    def _look(self) -> None:
        if time.monotonic() - self._looked_at > LOOK_EVERY:
            self._may_take()
            self._looked_at = time.monotonic()

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
        now = self._clock()
        results = [result for request in batch for result in request.results]
        put_back = [task.id for request in batch for task in request.put_back]
        taken = _Taken([], [], None)
        with self._begin() as session:
            ours = self._still_ours(session)
            recorded = record(session, results, holder=self._holder.name, now=now)
            note(session, results, now)
            released = release(session, put_back, holder=self._holder.name) if put_back else 0
            lost = len(results) + len(put_back) - recorded - released
            self._tell_dealer(session, batch, results, now)
            if asking and ours and not lost:
                taken = self._take(session, asking, now)
            fresh = {task.issue_id for task in taken.tasks} - self._started
            if fresh:
                mark_started(session, fresh, now)
            if time.monotonic() - self._touched > TOUCH_EVERY:
                self._show_life(session, now)
        self._started |= fresh
        self._in_hand += len(taken.tasks) - len(results) - len(put_back)
        if put_back:
            self._dry = False
        self._hand_out(asking, taken, now)
        if not ours and not lost:
            raise LostHoldError("others took this process for dead and its work over; it stops, nothing of it is lost")
        if lost:
            # After the commit: the outcomes that were still this process's own are known and must not be lost.
            raise LostHoldError(
                f"{lost} deliveries were taken over by another process while this one was sending; it stops. "
                "They stand in doubt: see `syndicate issues list`."
            )

    def _take(self, session: Session, asking: Sequence[Request], now: datetime) -> _Taken:
        turns = self._dealer.deal(session, asking, now)
        if not turns:
            return _Taken([], [], None)
        holder, limits = self._holder.name, self._dealer.limits
        tasks = take(
            session, holder=holder, now=now, limit=len(turns), issues=self._issues, limits=limits, span=self._span
        )
        self._dealer.spend(session, turns[: len(tasks)], now)
        next_at = next_turn(session, self._issues) if len(tasks) < len(turns) else None
        return _Taken(turns, tasks, next_at)

    def _hand_out(self, asking: Sequence[Request], taken: _Taken, now: datetime) -> None:
        for request, task in zip(taken.turns, taken.tasks, strict=False):
            request.tasks.append(task)
        if taken.tasks:
            self._dealt_at = time.monotonic()
            self._dry = False
        for request in asking:
            request.connections = self._dealer.connections(request.relay, now)
            if not request.tasks:
                request.again = self._again(request, taken, now)

    def _tell_dealer(
        self, session: Session, batch: Sequence[Request], results: Sequence[Result], now: datetime
    ) -> None:
        self._dealer.learn(session, results, now)
        for request in batch:
            if request.put_back and request.relay:
                self._dealer.give_back(session, request.relay, len(request.put_back), now)
            if request.failure is not None:
                self._dealer.fail(session, request.relay, request.failure, now)

    def _again(self, request: Request, taken: _Taken, now: datetime) -> float | None:
        """In how many seconds a relay that got nothing shall ask again; None when there is nothing more for it."""
        if self._in_hand <= 0 and (self._dry or time.monotonic() - self._dealt_at > PATIENCE):
            return None
        if len(taken.tasks) < len(taken.turns):  # nothing more is due now
            wait = (taken.next_at - now).total_seconds() if taken.next_at is not None else PATIENCE + 1
            self._dry = wait > PATIENCE
            return None if self._dry else max(wait, _SOONEST)
        # Its relay is what holds it back.
        if self._in_hand <= 0 and (self._dealer.begins_at(now) - now).total_seconds() > PATIENCE:
            return None
        return min(max((self._dealer.may_at(request.relay, now) - now).total_seconds(), _SOONEST), _LATEST)

    def _show_life(self, session: Session, now: datetime) -> None:
        touch_holder(session, self._holder.name, now)
        self._dealer.renew(session, now)
        self._touched = time.monotonic()
        if not self._holder.alone:
            taken = take_over(session, me=self._holder.name, alone=False, policy=self._policy, now=now)
            if taken:
                self._log(f"{taken} deliveries of a process that died: in doubt, or queued again (delivery.in_doubt)")
