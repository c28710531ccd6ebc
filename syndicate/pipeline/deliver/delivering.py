"""One pass of delivering: take over what dead processes held, send what is due, finish what is complete."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import Session

from syndicate.errors import LedgerError, SyndicateError
from syndicate.model import DeliveryState, Envelope
from syndicate.pipeline.deliver.crew import Crew
from syndicate.pipeline.deliver.dealing import Dealer
from syndicate.pipeline.deliver.lease import Lease
from syndicate.pipeline.deliver.ledger import Ledger
from syndicate.pipeline.deliver.parking import ParkingSender
from syndicate.pipeline.deliver.posting import PATIENCE, Posting
from syndicate.pipeline.deliver.protocols import Sender
from syndicate.pipeline.deliver.request import Holder
from syndicate.pipeline.deliver.settling import Rules, states_of
from syndicate.store.batches import Batch, something_due, still_ours
from syndicate.store.deliveries import Result, Task
from syndicate.store.doubts import take_over
from syndicate.store.due import Span
from syndicate.store.engine import Database
from syndicate.store.holders import register_holder, remove_holder
from syndicate.store.issues import finish_issues, unbalanced
from syndicate.store.limits import Limits, try_again
from syndicate.store.seats import pass_on_seats
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
    result.taken_over = enter(database, holder, rules, insist=insist)
    if not holder.alone:  # others count on it that no more are open than it has seats for
        senders = [ParkingSender(sender, parks=False) for sender in senders]
    send_due(
        database,
        senders,
        envelope,
        result,
        holder=holder,
        rules=rules,
        limits=limits,
        stop=stop,
        may_take=may_take,
        issues=issues,
        progress=progress,
        log=log,
    )
    with database.write() as session:
        known = unbalanced(session)
        result.finished = finish_issues(session, clock())
        found = unbalanced(session)
        remove_holder(session, holder.name)
    lines = [line for issue_id, line in found.items() if issue_id not in known]
    if lines and result.stopped_by is None:
        result.stopped_by = LedgerError("\n".join(lines))
    return result


def enter(database: Database, holder: Holder, rules: Rules, *, insist: bool = False, before: str | None = None) -> int:
    """Register a process that is about to send, and settle what dead ones left; returns how many rows that were.

    ``insist``: relays that failed are tried at once. ``before``: the holder that this process was until now, whose
    connections it has still.
    """
    now = rules.clock()
    with database.write() as session:
        register_holder(session, holder.name, host=holder.host, pid=holder.pid, now=now, boot_id=holder.boot_id)
        if before is not None:
            pass_on_seats(session, before, holder.name)
            remove_holder(session, before)
        taken = take_over(session, me=holder.name, alone=holder.alone, policy=rules.in_doubt, now=now)
        if insist:
            try_again(session, now)
        return taken


def send_due(
    database: Database,
    senders: Sequence[Sender],
    envelope: Callable[[Task], Envelope],
    result: DeliverResult,
    *,
    holder: Holder,
    rules: Rules,
    limits: Limits | None,
    stop: threading.Event,
    may_take: Callable[[], None],
    issues: Sequence[int] | None,
    batch: Batch | None = None,
    progress: Callable[[int], None] = lambda _count: None,
    log: Callable[[str], None],
) -> None:
    """Send until nothing is due (in ``batch``, if given) or something ends it; what became of it is in ``result``."""
    limits = limits or Limits(widest=sum(sender.connections for sender in senders))
    dealer = Dealer(senders, limits, holder=holder.name, alone=holder.alone, log=log)
    now = rules.clock()
    with database.write() as session:
        dealer.renew(session, now)

    def recorded(results: Sequence[Result]) -> None:
        rules.heard(results)
        for state, count in states_of(results).items():
            result.outcomes[state] = result.outcomes.get(state, 0) + count
        progress(sum(len(result.task.rows) for result in results))

    def ours(session: Session) -> bool:
        return holder.alone or still_ours(session, holder.name, batch)

    lease = Lease(database, holder, clock=rules.clock, log=log)
    posting = Posting(
        holder,
        dealer,
        rules=rules,
        issues=issues,
        span=Span(batch.first_id, batch.last_id, batch.first_id) if batch is not None else None,
        still_ours=ours,
        log=log,
    )
    ledger = Ledger(
        database,
        posting,
        clock=rules.clock,
        stop=stop,
        issues=issues,
        may_take=may_take,
        recorded=recorded,
        log=log,
        # A statement of PostgreSQL waits for its server, and connections that several threads lead share a commit.
        at_once=database.dialect == "sqlite" and len(senders) == 1 and senders[0].takes_turns,
    )
    lease.start()
    crew = Crew(senders=senders, ledger=ledger, envelope=envelope, rules=rules, stop=stop, require=lease.require)
    try:
        if dealer.begins_at(now) - now <= timedelta(seconds=PATIENCE):
            crew.run()
        if crew.relay_error is not None:
            # One that fails beside others that work, or allows fewer connections than we open, is no reason to stop.
            if dealer.down and _something_due(database, issues, batch, rules.clock()):
                result.stopped_by = crew.relay_error
            else:
                log(str(crew.relay_error))
    except SyndicateError as error:
        result.stopped_by = error
    finally:
        ledger.close()
        lease.end()
        now = rules.clock()
        with database.write() as session:
            dealer.look(session, now)
        if (begins_at := dealer.begins_at(now)) > now:
            result.waits_until = begins_at


def _something_due(database: Database, issues: Sequence[int] | None, batch: Batch | None, now: datetime) -> bool:
    with database.read() as session:
        if batch is not None:
            return something_due(session, batch, now)
        due_at = oldest_due(session, issues)
    return due_at is not None and due_at <= now
