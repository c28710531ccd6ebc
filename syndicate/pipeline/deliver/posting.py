"""One transaction of the ledger: what was asked is written, and deliveries are marked and dealt out.

Which thread does it, and what happens when the database fails: ``ledger.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from syndicate.model import DeliveryState
from syndicate.pipeline.deliver.dealing import Dealer
from syndicate.pipeline.deliver.request import Holder, LostHoldError, Request
from syndicate.pipeline.deliver.settling import Rules
from syndicate.store.attempts import note
from syndicate.store.bounces import add_refusals, judge
from syndicate.store.deliveries import Result, Task, mark_started, record, release, take
from syndicate.store.doubts import take_over
from syndicate.store.due import Span
from syndicate.store.holders import touch_holder
from syndicate.store.issue_pauses import pause_if_refused
from syndicate.store.waiting import next_turn

# A pass that has nothing in hand waits so long for a turn that is near, in seconds, before it is over.
PATIENCE = 2.0
_SOONEST, _LATEST = 0.02, 0.5
# Well below the time after which others take a silent process for dead (``store/holders.DEAD_AFTER``).
TOUCH_EVERY = 5.0
# So often it is asked whether an issue is to pause: the sums of a large one take some 50 ms.
JUDGE_EVERY = 1.0
# And so often when nothing more was refused: few may have been answered when it was.
JUDGE_SELDOM = 10.0


class _Taken(NamedTuple):
    """Who gets a delivery, in order; the deliveries there were; if there were fewer, when the next has its turn."""

    turns: Sequence[Request]
    tasks: Sequence[Task]
    next_at: datetime | None


class Posted(NamedTuple):
    """What a transaction did, to be believed when it is committed."""

    batch: Sequence[Request]
    asking: Sequence[Request]
    taken: _Taken
    fresh: set[int]
    ours: bool
    lost: int
    now: datetime


class Posting:
    """What one process writes to the ledger while it sends; used by one thread at a time."""

    def __init__(
        self,
        holder: Holder,
        dealer: Dealer,
        *,
        rules: Rules,
        issues: Sequence[int] | None,
        span: Span | None,
        still_ours: Callable[[Session], bool],
        log: Callable[[str], None],
    ) -> None:
        """``still_ours`` says, first in each transaction, whether nobody took this process's work away."""
        self._holder = holder
        self._dealer = dealer
        self._rules = rules
        self._issues = issues
        self._span = span
        self._still_ours = still_ours
        self._log = log
        self._started: set[int] = set()
        # Deliveries that were handed out and have not come back; whether nothing more was due; when some were given.
        self._in_hand = 0
        self._dry = False
        self._dealt_at = time.monotonic()
        self._touched = time.monotonic()
        # The issues of which something was refused, and whether something was since they were last judged.
        self._refused_in: set[int] = set()
        self._newly_refused = False
        self._judged_at = float("-inf")

    def post(self, session: Session, batch: Sequence[Request], asking: Sequence[Request], now: datetime) -> Posted:
        """Write what a batch brings, and take deliveries for those who are asking. To be concluded after the commit."""
        results = batch[0].results if len(batch) == 1 else [result for request in batch for result in request.results]
        put_back = [row for request in batch for task in request.put_back for row in task.rows]
        taken = _Taken([], [], None)
        ours = self._still_ours(session)
        recorded = record(session, results, holder=self._holder.name, now=now)
        note(session, results, now)
        released = release(session, put_back, holder=self._holder.name) if put_back else 0
        lost = len(results) + len(put_back) - recorded - released
        self._tell_dealer(session, batch, results, now)
        if any(result.state is DeliveryState.REJECTED for result in results):
            self._refused(session, results, now)
        if self._refused_in:
            self._judge_issues(session, now)
        if asking and ours and not lost:
            taken = self._take(session, asking, now)
        fresh = {issue_id for task in taken.tasks for issue_id in task.issues} - self._started
        if fresh:
            mark_started(session, fresh, now)
        if time.monotonic() - self._touched > TOUCH_EVERY:
            self.show_life(session, now)
        return Posted(batch, asking, taken, fresh, ours, lost, now)

    def _refused(self, session: Session, results: Sequence[Result], now: datetime) -> None:
        """Suppress dead addresses, and remember the issues."""
        for subscriber_id in add_refusals(session, results, now):
            judge(session, subscriber_id, self._rules.thresholds, now)
        self._refused_in |= {
            issue_id for result in results if result.state is DeliveryState.REJECTED for issue_id in result.task.issues
        }
        self._newly_refused = True

    def _judge_issues(self, session: Session, now: datetime) -> None:
        """Pause the issues of which too much was refused."""
        if time.monotonic() - self._judged_at < (JUDGE_EVERY if self._newly_refused else JUDGE_SELDOM):
            return
        for issue_id, cause in pause_if_refused(session, self._refused_in, self._rules.shares, now).items():
            self._log(f"issue {issue_id} is paused: {cause}; look at `syndicate issues show {issue_id}`")
        self._newly_refused = False
        self._judged_at = time.monotonic()

    def conclude(self, posted: Posted) -> None:
        """Hand out what was marked, now that it is durable. Raises LostHoldError."""
        self._started |= posted.fresh
        back = sum(len(request.put_back) for request in posted.batch)
        self._in_hand += len(posted.taken.tasks) - back - sum(len(request.results) for request in posted.batch)
        if back:
            self._dry = False
        self._hand_out(posted.asking, posted.taken, posted.now)
        if not posted.ours and not posted.lost:
            raise LostHoldError("others took this process for dead and its work over; it stops, nothing of it is lost")
        if posted.lost:
            # After the commit: the outcomes that were still this process's own are known and must not be lost.
            raise LostHoldError(
                f"{posted.lost} deliveries were taken over by another process while this one was sending; it stops. "
                "They stand in doubt: see `syndicate issues list`."
            )

    def show_life(self, session: Session, now: datetime) -> None:
        """Show that this process lives, and settle what those left that do not."""
        touch_holder(session, self._holder.name, now)
        self._dealer.renew(session, now)
        self._touched = time.monotonic()
        if not self._holder.alone:
            taken = take_over(session, me=self._holder.name, alone=False, policy=self._rules.in_doubt, now=now)
            if taken:
                self._log(f"{taken} deliveries of a process that died: in doubt, or queued again (delivery.in_doubt)")

    def _take(self, session: Session, asking: Sequence[Request], now: datetime) -> _Taken:
        turns = self._dealer.deal(session, asking, now)
        if not turns:
            return _Taken([], [], None)
        holder, limits = self._holder.name, self._dealer.limits
        tasks = take(
            session, holder=holder, now=now, limit=len(turns), issues=self._issues, limits=limits, span=self._span
        )
        self._dealer.spend(session, turns[: len(tasks)], now)
        next_at = next_turn(session, self._issues, span=self._span) if len(tasks) < len(turns) else None
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
