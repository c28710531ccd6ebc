"""Deliver what is due, and the confirmation mails: what a process does that sends and nothing else.

It imports nothing of sources, feeds and composing: that is a third of the memory of a process that sends.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from syndicate.model import Issue
from syndicate.pipeline.deliver import DeliverResult, deliver, send_confirmations
from syndicate.service.collecting import collect_seldom
from syndicate.service.wiring import Services
from syndicate.store.issues import LIVE_STATES, get_issue, list_issues
from syndicate.store.waiting import next_due, next_turn

log = logging.getLogger(__name__)

# A command waits so long for deliveries that a limit holds back; what comes later is left for `run`.
LONGEST_WAIT = timedelta(minutes=10)


def deliver_due(
    services: Services,
    *,
    stop: threading.Event,
    issues: Sequence[int] | None = None,
    insist: bool = False,
    progress: Callable[[int], None] = lambda _count: None,
    tell: Callable[[str], None] = log.error,
) -> DeliverResult | None:
    """Send the deliveries that are due. None: another process is sending from this database.

    ``insist``: relays that failed are tried at once. ``tell`` hears what an operator must know while it goes on; what
    ended it is in the result.
    """
    lock = services.sending_lock()
    if lock is not None and not lock.acquire():
        return None
    collect_seldom()
    try:
        result = deliver(
            services.database,
            services.senders,
            services.envelopes,
            holder=services.holder(alone=lock is not None),
            rules=services.rules,
            stop=stop,
            clock=services.clock,
            may_take=services.check_disk,
            limits=services.limits,
            insist=insist,
            issues=issues,
            progress=progress,
            log=tell,
        )
    finally:
        if lock is not None:
            lock.release()
    _tell(result)
    return result


def deliver_queued(
    services: Services,
    *,
    stop: threading.Event,
    issues: Sequence[int] | None = None,
    progress: Callable[[int], None] = lambda _count: None,
    tell: Callable[[str], None] = log.error,
) -> DeliverResult | None:
    """The same by an operator's wish: relays that failed are tried at once, and what limits hold back is waited for.

    What has its turn only after ``LONGEST_WAIT`` is left for another time.
    """
    whole = deliver_due(services, stop=stop, issues=issues, insist=True, progress=progress, tell=tell)
    if whole is None:
        return None
    while whole.stopped_by is None and _wait_for_turn(services, issues, whole.waits_until, stop=stop, tell=tell):
        result = deliver_due(services, stop=stop, issues=issues, progress=progress, tell=tell)
        if result is None:
            break
        whole.add(result)
    return whole


def _wait_for_turn(
    services: Services,
    issues: Sequence[int] | None,
    not_before: datetime | None,
    *,
    stop: threading.Event,
    tell: Callable[[str], None],
) -> bool:
    """Wait until the next delivery that was not tried yet has its turn. False when none has it soon."""
    with services.database.read() as session:
        turn = next_turn(session, issues)
    now = services.clock()
    if turn is None:
        return False
    at = max(turn, not_before or turn)
    if at - now > LONGEST_WAIT:
        tell(
            f"the next deliveries have their turn at {at:%Y-%m-%d %H:%M} UTC (a limit, or their readers' local time); "
            "`syndicate run` sends them then"
        )
        return False
    return not stop.wait(max((at - now).total_seconds(), 0.3))


def confirm_due(
    services: Services, *, stop: threading.Event, tell: Callable[[str], None] = log.error
) -> DeliverResult | None:
    """Send the confirmation mails that are due, beside a running delivery. None: another process is doing it."""
    lock = services.confirming_lock()
    if lock is not None and not lock.acquire():
        return None
    try:
        return send_confirmations(
            services.database,
            services.senders,
            services.confirmations,
            holder=services.holder(alone=lock is not None),
            rules=services.rules,
            limits=services.limits,
            stop=stop,
            may_take=services.check_disk,
            log=tell,
        )
    finally:
        if lock is not None:
            lock.release()


def _tell(result: DeliverResult) -> None:
    if result.taken_over:
        log.warning("%d deliveries of a process that died: in doubt, or queued again", result.taken_over)
    if result.outcomes:
        log.info("delivered: %s", ", ".join(f"{count} {state}" for state, count in result.outcomes.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An issue and, if deliveries of it wait, when the next of them is due."""

    issue: Issue
    due_at: datetime | None


def what_waits(services: Services, issues: Sequence[int] = ()) -> list[Waiting]:
    """These issues, or all that are not over, oldest first, with what they wait for."""
    with services.database.read() as session:
        found = [get_issue(session, number) for number in issues] or list_issues(session, states=LIVE_STATES)[::-1]
        return [Waiting(issue=issue, due_at=next_due(session, issue.id)) for issue in found]
