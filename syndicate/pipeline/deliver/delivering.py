"""One pass of delivering: take over what dead processes held, send what is due, finish what is complete."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syndicate.errors import SyndicateError
from syndicate.model import DeliveryState, Envelope
from syndicate.pipeline.deliver.crew import Crew
from syndicate.pipeline.deliver.dealing import Dealer
from syndicate.pipeline.deliver.ledger import PATIENCE, Holder, Ledger
from syndicate.pipeline.deliver.protocols import Sender
from syndicate.pipeline.deliver.settling import Rules, states_of
from syndicate.store.deliveries import Result, Task
from syndicate.store.doubts import take_over
from syndicate.store.engine import Database
from syndicate.store.holders import register_holder, remove_holder
from syndicate.store.issues import finish_issues
from syndicate.store.limits import Limits, try_again
from syndicate.store.waiting import oldest_due


@dataclass(slots=True, kw_only=True)
class DeliverResult:
    """What one pass did: outcomes by state, issues finished, rows taken over, and what stopped it, if anything.

    ``waits_until``: no relay may be given anything before (a limit, a pause after a failure).
    """

    outcomes: dict[DeliveryState, int] = field(default_factory=dict)
    finished: list[int] = field(default_factory=list)
    taken_over: int = 0
    stopped_by: SyndicateError | None = None
    waits_until: datetime | None = None

    def add(self, later: DeliverResult) -> None:
        """Take in what a later pass did."""
        for state, count in later.outcomes.items():
            self.outcomes[state] = self.outcomes.get(state, 0) + count
        self.finished += later.finished
        self.taken_over += later.taken_over
        self.stopped_by, self.waits_until = later.stopped_by, later.waits_until


def deliver(
    database: Database,
    senders: Sequence[Sender],
    envelope: Callable[[Task], Envelope],
    *,
    holder: Holder,
    rules: Rules,
    stop: threading.Event,
    clock: Callable[[], datetime],
    may_take: Callable[[], None],
    limits: Limits | None = None,
    insist: bool = False,
    issues: Sequence[int] | None = None,
    progress: Callable[[int], None] = lambda _count: None,
    log: Callable[[str], None] = lambda _message: None,
) -> DeliverResult:
    """Send what is queued, or deferred and due, of running issues (of ``issues`` only, if given) until nothing is left.

    ``senders`` are the relays; while one does not work the others do its part, and ``insist`` has those tried at once
    that failed before. ``may_take`` raises what must stop it before more rows are taken; ``progress`` hears how many
    outcomes were committed, ``log`` what an operator must know while it goes on. When no relay works, a full disk and
    a stop end the pass in order: ``stopped_by`` says so, and nothing is lost.
    """
    result = DeliverResult()
    limits = limits or Limits(widest=sum(sender.connections for sender in senders))
    dealer = Dealer(senders, limits, holder=holder.name, alone=holder.alone, log=log)

    def recorded(results: Sequence[Result]) -> None:
        for state, count in states_of(results).items():
            result.outcomes[state] = result.outcomes.get(state, 0) + count
        progress(len(results))

    now = clock()
    with database.write() as session:
        register_holder(session, holder.name, host=holder.host, pid=holder.pid, now=now)
        result.taken_over = take_over(session, me=holder.name, alone=holder.alone, policy=rules.in_doubt, now=now)
        if insist:
            try_again(session, now)
        dealer.renew(session, now)
    ledger = Ledger(
        database,
        holder=holder,
        dealer=dealer,
        policy=rules.in_doubt,
        clock=clock,
        stop=stop,
        issues=issues,
        may_take=may_take,
        recorded=recorded,
        log=log,
    )
    crew = Crew(senders=senders, ledger=ledger, envelope=envelope, rules=rules, stop=stop)
    try:
        if dealer.begins_at(now) - now <= timedelta(seconds=PATIENCE):
            crew.run()
        if crew.relay_error is not None:
            # One that fails beside others that work, or allows fewer connections than we open, is no reason to stop.
            if dealer.down and _something_due(database, issues, clock()):
                result.stopped_by = crew.relay_error
            else:
                log(str(crew.relay_error))
    except SyndicateError as error:
        result.stopped_by = error
    finally:
        ledger.close()
    now = clock()
    with database.write() as session:
        dealer.look(session, now)
        if (begins_at := dealer.begins_at(now)) > now:
            result.waits_until = begins_at
        result.finished = finish_issues(session, now)
        remove_holder(session, holder.name)
    return result


def _something_due(database: Database, issues: Sequence[int] | None, now: datetime) -> bool:
    with database.read() as session:
        due_at = oldest_due(session, issues)
    return due_at is not None and due_at <= now
