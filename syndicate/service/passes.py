"""Sequences of stages: poll and publish, compose what is due, deliver what is due, send, one pass of everything."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syndicate.core.addresses import parse_address
from syndicate.core.periods import manual_key
from syndicate.errors import SyndicateError
from syndicate.model import Issue, IssueState, Outcome, PollResult
from syndicate.pipeline import compose as composing
from syndicate.pipeline.compose import Composed, Memory, compose, sample_envelope
from syndicate.pipeline.deliver import DeliverResult, deliver, send_confirmations
from syndicate.pipeline.ingest import Source, ingest
from syndicate.pipeline.publish import FeedResult, publish
from syndicate.pipeline.upkeep import prune
from syndicate.service.websub import ask_hubs, end_leases, leave_hubs, tell_hubs, work_as_hub
from syndicate.service.wiring import Services
from syndicate.store.articles import number_due
from syndicate.store.issues import LIVE_STATES, get_issue, list_issues
from syndicate.store.waiting import next_due, next_turn

log = logging.getLogger(__name__)

# A command waits so long for deliveries that a limit holds back; what comes later is left for `run`.
LONGEST_WAIT = timedelta(minutes=10)


def poll(services: Services, names: Iterable[str] = (), *, insist: bool = False) -> list[PollResult]:
    """Read sources now, one after the other; a broken one is reported and stops no other.

    ``insist``: feeds are asked although they want to be asked later.
    """
    return [poll_source(services, source) for source in services.sources(names, insist=insist)]


def poll_source(services: Services, source: Source) -> PollResult:
    """Read one source and log what came of it."""
    # One reading of a source at a time: an older answer of its server must not be written after a newer one.
    with services.turn(source.name):
        result = ingest(services.database, source, services.settings, services.clock())
    if result.error:
        log.error("source %s: %s", result.source, result.error)
    for problem in result.problems:
        log.warning("source %s: %s: %s", result.source, problem.item, problem.error)
    for warning in result.warnings:
        log.warning("source %s: %s: %s", result.source, warning.item, warning.error)
    if result.changed:
        log.info(
            "source %s: %d added, %d updated, %d withdrawn",
            result.source,
            result.added,
            result.updated,
            result.withdrawn,
        )
    return result


def build_feeds(services: Services, names: Sequence[str] = (), *, verify: bool = True) -> list[FeedResult]:
    """Number what has become publishable, then write the documents that changed; ``verify`` looks at every file."""
    now = services.clock()
    services.database.repeat(lambda session: number_due(session, now))
    results = publish(services.database, services.settings, now, names or None, verify=verify)
    for result in results:
        if result.error:
            log.error("feed %s: %s", result.feed, result.error)
        for problem in result.problems:
            log.warning("feed %s: %s left out: %s", result.feed, problem.item, problem.error)
    return results


def compose_due(services: Services, memory: Memory | None = None) -> Composed:
    """Compose every digest run that is due, and instant issues for new articles."""
    now = services.clock()
    return composing.compose_due(services.database, services.settings, lambda: services.renderer, now, memory)


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
            f"limits hold deliveries back until {at:%Y-%m-%d %H:%M} UTC; `syndicate run` sends them then (see `status`)"
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
            services.sender,
            services.confirmations,
            holder=services.holder(alone=lock is not None),
            rules=services.rules,
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


@dataclass(slots=True, kw_only=True)
class SendResult:
    """A manual send: the issue as it stands, and what stopped its delivery, if anything."""

    issue: Issue
    stopped_by: SyndicateError | None = None


def send(
    services: Services,
    digest: str,
    *,
    wait: bool,
    stop: threading.Event,
    progress: Callable[[int], None] = lambda _count: None,
    tell: Callable[[str], None] = log.error,
    composed: Callable[[Issue], None] = lambda _issue: None,
) -> SendResult:
    """Compose an issue now for all confirmed subscriptions, and deliver it; returns when nothing is queued or sending.

    ``composed`` hears of the issue before the first of it leaves.
    When another process is sending from this database (``syndicate run``), it does the work and this one watches.
    """
    now = services.clock()
    issue = compose(services.database, services.renderer, digest, period=manual_key(now), frequencies=None, now=now)
    if issue is None:
        raise AssertionError("a manual issue is stored even when it is skipped")
    if issue.state is not IssueState.RUNNING or not wait:
        return SendResult(issue=issue)
    composed(issue)
    while not stop.is_set():
        result = deliver_queued(services, stop=stop, issues=[issue.id], progress=progress, tell=tell)
        issue = _read(services, issue.id)
        if result is not None and (result.stopped_by is not None or issue.counts.queued):
            return SendResult(issue=issue, stopped_by=result.stopped_by)
        if issue.state is not IssueState.RUNNING or not (issue.counts.queued or issue.counts.sending):
            break
        time.sleep(0.3)
    return SendResult(issue=issue)


def send_test(services: Services, digest: str, address: str) -> tuple[Outcome, str]:
    """Send one copy to an editor; nothing of it stands on the ledger. Returns the answer and the subject."""
    to = parse_address(address).email
    envelope, subject = sample_envelope(
        services.database,
        services.renderer,
        services.personal,
        services.keyring,
        digest,
        to=to,
        now=services.clock(),
    )
    connection = services.sender.connect()
    try:
        return connection.send(envelope), subject
    finally:
        connection.close()


def _read(services: Services, issue_id: int) -> Issue:
    with services.database.read() as session:
        return get_issue(session, issue_id)


def clean_up(services: Services, *, stop: threading.Event) -> None:
    """Remove what is kept no longer: bodies, rows and versions beyond the times of the settings."""
    result = prune(services.database, services.settings, services.clock(), stopping=stop.is_set)
    for problem in result.problems:
        log.error("upkeep: %s", problem)


@dataclass(slots=True, kw_only=True)
class OnceResult:
    """What one pass of everything did."""

    sources: list[PollResult] = field(default_factory=list)
    feeds: list[FeedResult] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    confirmed: DeliverResult | None = None
    delivered: DeliverResult | None = None


def run_once(services: Services, *, stop: threading.Event, tell: Callable[[str], None] = log.error) -> OnceResult:
    """Poll, build, compose what is due, deliver what is due, and remove what is kept no longer."""
    result = OnceResult(sources=poll(services), feeds=build_feeds(services))
    if stop.is_set():
        return result
    tell_hubs(services, stop=stop)
    composed = compose_due(services)
    result.issues, result.failures = composed.issues, composed.failures
    result.confirmed = confirm_due(services, stop=stop, tell=tell)
    if not stop.is_set():
        result.delivered = deliver_due(services, stop=stop, tell=tell)
    result.issues = [_read(services, issue.id) for issue in result.issues]
    work_as_hub(services, stop=stop)
    end_leases(services)
    leave_hubs(services)
    ask_hubs(services, stop=stop)
    clean_up(services, stop=stop)
    return result
