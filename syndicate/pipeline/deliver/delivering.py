"""One pass of delivering: take over what dead processes held, send what is due, finish what is complete."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from syndicate.errors import LedgerError, SyndicateError
from syndicate.model import DeliveryState, Envelope
from syndicate.pipeline.deliver.crew import Crew
from syndicate.pipeline.deliver.ledger import Holder, Ledger
from syndicate.pipeline.deliver.protocols import Sender
from syndicate.pipeline.deliver.settling import Rules, states_of
from syndicate.store.deliveries import Result, Task, oldest_due
from syndicate.store.doubts import take_over
from syndicate.store.engine import Database
from syndicate.store.holders import register_holder, remove_holder
from syndicate.store.issues import finish_issues, unbalanced


@dataclass(slots=True, kw_only=True)
class DeliverResult:
    """What one pass did: outcomes by state, issues finished, rows taken over, and what stopped it, if anything."""

    outcomes: dict[DeliveryState, int] = field(default_factory=dict)
    finished: list[int] = field(default_factory=list)
    taken_over: int = 0
    stopped_by: SyndicateError | None = None


def deliver(
    database: Database,
    sender: Sender,
    envelope: Callable[[Task], Envelope],
    *,
    holder: Holder,
    rules: Rules,
    stop: threading.Event,
    clock: Callable[[], datetime],
    may_take: Callable[[], None],
    issues: Sequence[int] | None = None,
    progress: Callable[[int], None] = lambda _count: None,
    log: Callable[[str], None] = lambda _message: None,
) -> DeliverResult:
    """Send what is queued, or deferred and due, of running issues (of ``issues`` only, if given) until nothing is left.

    ``may_take`` raises what must stop it before more rows are taken; ``progress`` hears how many outcomes were
    committed, ``log`` what an operator must know while it goes on. A relay that does not work, a full disk and a stop
    end the pass in order: ``stopped_by`` says so, and nothing is lost.
    """
    result = DeliverResult()

    def recorded(results: Sequence[Result]) -> None:
        for state, count in states_of(results).items():
            result.outcomes[state] = result.outcomes.get(state, 0) + count
        progress(len(results))

    now = clock()
    with database.write() as session:
        register_holder(session, holder.name, host=holder.host, pid=holder.pid, now=now, boot_id=holder.boot_id)
        result.taken_over = take_over(session, me=holder.name, alone=holder.alone, policy=rules.in_doubt, now=now)
    ledger = Ledger(
        database,
        holder=holder,
        policy=rules.in_doubt,
        clock=clock,
        stop=stop,
        issues=issues,
        may_take=may_take,
        recorded=recorded,
        log=log,
    )
    crew = Crew(sender=sender, ledger=ledger, envelope=envelope, rules=rules, stop=stop)
    try:
        crew.run()
        if crew.relay_error is not None:
            # A relay that allows fewer connections than we open is no reason to stop while others get on with it.
            if not crew.ran_dry or _something_due(database, clock()):
                result.stopped_by = crew.relay_error
            else:
                log(str(crew.relay_error))
    except SyndicateError as error:
        result.stopped_by = error
    finally:
        ledger.close()
    with database.write() as session:
        known = unbalanced(session)
        result.finished = finish_issues(session, clock())
        found = unbalanced(session)
        remove_holder(session, holder.name)
    lines = [line for issue_id, line in found.items() if issue_id not in known]
    if lines and result.stopped_by is None:
        result.stopped_by = LedgerError("\n".join(lines))
    return result


def _something_due(database: Database, now: datetime) -> bool:
    with database.read() as session:
        due_at = oldest_due(session)
    return due_at is not None and due_at <= now
